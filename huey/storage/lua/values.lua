-- Returns all values ('items') or how many there are ('size'), those excepted whose time is over.

local RESULTS, EXPIRES = KEYS[1], KEYS[2]

local time = redis.call('TIME')
local over = redis.call('ZRANGEBYSCORE', EXPIRES, '-inf', time[1] + time[2] / 1000000)
for _, key in ipairs(over) do
    redis.call('HDEL', RESULTS, key)
    redis.call('ZREM', EXPIRES, key)
end
return redis.call(ARGV[1] == 'items' and 'HGETALL' or 'HLEN', RESULTS)
