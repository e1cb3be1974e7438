-- Reads a value; false if there is none or its time is over.
--
-- ARGV: the key; 'peek' to leave it, 'pop' to remove it, 'take' to remove it and note that as the
-- task's ending; the channel on which that is told; who asks, a number for what is asked, and '1'
-- if the answer to a first attempt was lost. What is removed is kept a minute for whoever asked.

local RESULTS, EXPIRES, ENDINGS, ENDED, POPPED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local key, how, ready, who, number, again = unpack(ARGV)

if again == '1' then
    local kept = redis.call('HMGET', POPPED, who .. '#', who)
    if kept[1] == number then
        return kept[2]
    end
end
local time = redis.call('TIME')
local value = redis.call('HGET', RESULTS, key)
local till = redis.call('ZSCORE', EXPIRES, key)
if till and tonumber(till) <= time[1] + time[2] / 1000000 then
    value = false
end
if not value or how == 'peek' then
    return value
end

redis.call('HDEL', RESULTS, key)
redis.call('ZREM', EXPIRES, key)
redis.call('HSET', POPPED, who .. '#', number, who, value)
redis.call('EXPIRE', POPPED, 60)
if how == 'take' then
    if redis.call('HSET', ENDINGS, key, 'taken') == 1 then
        redis.call('LPUSH', ENDED, key)
    end
    redis.call('PUBLISH', ready, key)
end
return value
