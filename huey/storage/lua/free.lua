-- Frees a lock; returns 0 if it was not held, or by another holder than the one named.

local LOCKS = KEYS[1]
local key, of_one, holder = ARGV[1], ARGV[2], ARGV[3]

local held = redis.call('HGET', LOCKS, key)
if not held then
    return 0
end
local _, _, found = string.find(held, '^%Z*%z%Z*%z(.*)$')
if of_one == '1' and found ~= holder then
    return 0
end
return redis.call('HDEL', LOCKS, key)
