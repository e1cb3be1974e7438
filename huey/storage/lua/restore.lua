-- Puts the messages set aside back on the queue, the oldest first; returns how many there were.

local ASIDE, QUEUE, WAKE, STAMP = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prioritized = ARGV[1] == 'priority'

local aside = redis.call('LRANGE', ASIDE, 0, -1)
local time = redis.call('TIME')
local stamp = time[1] * 1000000 + time[2]
stamp = math.max(stamp, tonumber(redis.call('GET', STAMP) or '0') + 1)

for n = 1, #aside, 3 do
    local message, priority = aside[n], aside[n + 2]
    if prioritized then
        local score = string.format('%.17g', 0 - (tonumber(priority) or 0))
        redis.call('ZADD', QUEUE, score, struct.pack('>I8', stamp) .. message)
        redis.call('RPUSH', WAKE, '1')
        stamp = stamp + 1
    else
        redis.call('LPUSH', QUEUE, message)
    end
end
if prioritized and #aside > 0 then
    redis.call('SET', STAMP, string.format('%.0f', stamp))
    redis.call('LTRIM', WAKE, 0, 999)
end
redis.call('DEL', ASIDE)
return #aside / 3
