-- Enqueues messages and appends events, in one step: what a producer does, and `write.lua` alike.
--
-- ARGV: the three below, then for each message its priority and itself, then events.

local QUEUE, WAKE, STAMP, EVENTS, CURSOR = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local kind, events_kept, messages = ARGV[1], ARGV[2], tonumber(ARGV[3])
local first_event = 4 + 2 * messages

for n = first_event, #ARGV, 2 do
    append(EVENTS, CURSOR, events_kept, ARGV[n], ARGV[n + 1])
end

if messages == 0 then
    return
elseif kind ~= 'priority' then
    for first = 5, first_event - 1, 2000 do
        local some = {}
        for n = first, math.min(first + 1998, first_event - 1), 2 do
            some[#some + 1] = ARGV[n]
        end
        redis.call('LPUSH', QUEUE, unpack(some))
    end
    return
end

-- By priority, then by the time of arrival: each gets a stamp later than all before. For each, one
-- idle worker is woken.

local time = redis.call('TIME')
local stamp = time[1] * 1000000 + time[2]
stamp = math.max(stamp, tonumber(redis.call('GET', STAMP) or '0') + 1)
for n = 4, first_event - 1, 2 do
    local priority = ARGV[n] == '' and 0 or tonumber(ARGV[n])
    local score = string.format('%.17g', 0 - priority)
    redis.call('ZADD', QUEUE, score, struct.pack('>I8', stamp) .. ARGV[n + 1])
    stamp = stamp + 1
end
redis.call('SET', STAMP, string.format('%.0f', stamp - 1))
for _ = 1, math.min(messages, 1000) do
    if redis.call('RPUSH', WAKE, '1') > 1000 then
        redis.call('LPOP', WAKE)
        break
    end
end
