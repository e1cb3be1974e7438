-- Says that a process lives and which workers it has.

local ALIVE, SLOTS = KEYS[1], KEYS[2]

local now = redis.call('TIME')
redis.call('ZADD', ALIVE, now[1] .. '.' .. string.format('%06d', now[2]), ARGV[1])
for n = 2, #ARGV, 2 do
    redis.call('HSET', SLOTS, ARGV[n], ARGV[n + 1])
end
return 1
