-- Counts a turn unless so many were counted lately; returns how many seconds to wait for one.

local TURNS = KEYS[1]
local limit, per, id = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

if redis.call('ZSCORE', TURNS, id) then
    return '0' -- counted before, but the answer was lost
end
redis.call('ZREMRANGEBYSCORE', TURNS, '-inf', string.format('%.6f', now - per))
local taken = redis.call('ZCARD', TURNS)
if taken >= limit then
    local oldest = redis.call('ZRANGE', TURNS, -limit, -limit, 'WITHSCORES')[2]
    return string.format('%.6f', math.max(tonumber(oldest or now) + per - now, 0.000001))
end
redis.call('ZADD', TURNS, string.format('%.6f', now), id)
redis.call('PEXPIRE', TURNS, math.ceil(per * 1000) + 1000)
return '0'
