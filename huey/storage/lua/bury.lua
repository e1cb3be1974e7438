-- Puts back what the workers of a dead process had, and frees its locks.
--
-- KEYS: seven, then the in-flight list of each slot, in the order in which to put back. ARGV: the
-- kind of queue, the process, how it is known to be dead ('flock' or 'lease'), its last sign of
-- life ('' if there is none), the grace (seconds for which a dead process is looked at again, as
-- the server may still hand a message to its closed connection), the lease, then its slots.
--
-- Returns how many messages were put back.

local ALIVE, SLOTS, DONE, LOCKS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local DELIVERIES, QUEUE, WAKE = KEYS[5], KEYS[6], KEYS[7]
local kind, process, how, last = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local grace, lease = tonumber(ARGV[5]), tonumber(ARGV[6])

if (redis.call('ZSCORE', ALIVE, process) or '') ~= last then
    return 0 -- it has given a sign of life meanwhile
end
local time = redis.call('TIME')
local silent = last == '' and math.huge or time[1] + time[2] / 1000000 - tonumber(last)

local function put_back(entry)
    local message = entry
    if kind == 'priority' then
        local score, member = string.match(entry, '^([^:]*):(.*)$')
        message = string.sub(member, 9)
        redis.call('ZADD', QUEUE, score, member)
        redis.call('RPUSH', WAKE, '1')
        redis.call('LTRIM', WAKE, 0, 999)
    else
        redis.call('RPUSH', QUEUE, entry)
    end
    redis.call('HINCRBY', DELIVERIES, redis.sha1hex(message), 1)
    redis.call('EXPIRE', DELIVERIES, 604800)
end

local count = 0
for n = 7, #ARGV do
    local inflight = KEYS[n + 1]
    for _, entry in ipairs(redis.call('LRANGE', inflight, 0, -1)) do
        put_back(entry)
        count = count + 1
    end
    redis.call('DEL', inflight)
    if silent > grace then
        redis.call('HDEL', SLOTS, ARGV[n])
        redis.call('HDEL', DONE, ARGV[n])
    end
end

local kept = 0
local locks = redis.call('HGETALL', LOCKS)
for n = 1, #locks, 2 do
    local owner, ttl = string.match(locks[n + 1], '^(%Z*)%z(%Z*)%z')
    if owner == process and how == 'lease' and silent <= (tonumber(ttl) or lease) then
        kept = kept + 1
    elseif owner == process then
        redis.call('HDEL', LOCKS, locks[n])
    end
end
if silent > grace and kept == 0 then
    redis.call('ZREM', ALIVE, process)
end
return count
