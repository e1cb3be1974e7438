-- Stores a value unless there is one; returns whether it was stored.

local RESULTS, EXPIRES = KEYS[1], KEYS[2]
local key, value, ttl, ready = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local till = redis.call('ZSCORE', EXPIRES, key)
if till and tonumber(till) <= now then
    redis.call('HDEL', RESULTS, key)
    redis.call('ZREM', EXPIRES, key)
end
if redis.call('HSETNX', RESULTS, key, value) == 0 then
    return 0
end
if ttl ~= '' then
    redis.call('ZADD', EXPIRES, string.format('%.6f', now + tonumber(ttl)), key)
end
redis.call('PUBLISH', ready, key)
return 1
