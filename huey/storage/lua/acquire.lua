-- Takes a lock unless a living process has it.
--
-- ARGV: the key; the lock's value (process, ttl and holder, with zero bytes between); the
-- beginning of the names of processes that can be judged from here; one that is known to be dead;
-- the lease; the process; '1' if the answer to a first attempt was lost.
--
-- Returns 1 if it was taken, 0 if not, or the name of the process that has it and is to be judged.

local LOCKS, ALIVE = KEYS[1], KEYS[2]
local key, value, neighbours, dead = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease, process, again = tonumber(ARGV[5]), ARGV[6], ARGV[7]

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

local function taken()
    local held = redis.call('HGET', LOCKS, key)
    if not held or (held == value and again == '1') then
        return 0
    end
    local owner, ttl = string.match(held, '^(%Z*)%z(%Z*)%z')
    local last = redis.call('ZSCORE', ALIVE, owner)
    if owner == process then
        return 1
    elseif owner == dead or not last then
        return 0
    elseif string.sub(owner, 1, #neighbours) == neighbours then
        return owner
    end
    return now - tonumber(last) > (tonumber(ttl) or lease) and 0 or 1
end

local by = taken()
if by ~= 0 then
    return by == 1 and 0 or by
end
redis.call('HSET', LOCKS, key, value)
redis.call('ZADD', ALIVE, time[1] .. '.' .. string.format('%06d', time[2]), process)
return 1
