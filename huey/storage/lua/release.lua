-- Puts a claimed message back as the next one; returns 0 if the slot does not have it any more.

local QUEUE, INFLIGHT, WAKE = KEYS[1], KEYS[2], KEYS[3]
local kind, entry = ARGV[1], ARGV[2]

if redis.call('LREM', INFLIGHT, 1, entry) == 0 then
    return 0
end
if kind == 'priority' then
    local score, member = string.match(entry, '^([^:]*):(.*)$')
    redis.call('ZADD', QUEUE, score, member)
    redis.call('RPUSH', WAKE, '1')
    redis.call('LTRIM', WAKE, 0, 999)
else
    redis.call('RPUSH', QUEUE, entry)
end
return 1
