-- Returns the server's time, the processes with their last signs of life, the slots of workers
-- with their facts, and the locks with their holders.

local ALIVE, SLOTS, LOCKS = KEYS[1], KEYS[2], KEYS[3]

local now = redis.call('TIME')
return {
    now[1] .. '.' .. string.format('%06d', now[2]),
    redis.call('ZRANGE', ALIVE, 0, -1, 'WITHSCORES'),
    redis.call('HGETALL', SLOTS),
    redis.call('HGETALL', LOCKS),
}
