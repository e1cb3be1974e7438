-- Says that a process has ended its work; claims that it left open are kept for `bury`.
--
-- KEYS: three, then the in-flight list of each slot. ARGV: the process, whether it goes on holding
-- locks, then its slots.

local ALIVE, SLOTS, DONE = KEYS[1], KEYS[2], KEYS[3]

for n = 3, #ARGV do
    if redis.call('LLEN', KEYS[n + 1]) == 0 then
        redis.call('HDEL', SLOTS, ARGV[n])
        redis.call('HDEL', DONE, ARGV[n])
    end
end
if ARGV[2] == '' then
    redis.call('ZREM', ALIVE, ARGV[1])
end
return 1
