-- Removes a value that has a key of its own and returns it; what is removed is kept a minute.
--
-- ARGV: who asks, a number for what is asked, '1' if the answer to a first attempt was lost.

local VALUE, POPPED = KEYS[1], KEYS[2]
local who, number, again = unpack(ARGV)

if again == '1' then
    local kept = redis.call('HMGET', POPPED, who .. '#', who)
    if kept[1] == number then
        return kept[2]
    end
end
local value = redis.call('GETDEL', VALUE)
if value then
    redis.call('HSET', POPPED, who .. '#', number, who, value)
    redis.call('EXPIRE', POPPED, 60)
end
return value
