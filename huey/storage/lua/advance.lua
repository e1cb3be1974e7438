-- Moves a counter forward; returns 0 if it is there or further.

local COUNTERS = KEYS[1]
local key, number = ARGV[1], ARGV[2]

local found = redis.call('HGET', COUNTERS, key)
if found and tonumber(found) >= tonumber(number) then
    return 0
end
redis.call('HSET', COUNTERS, key, number)
return 1
