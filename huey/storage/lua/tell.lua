-- Enqueues one message on a list and appends events, in one step, as `push.lua` does with many.
--
-- ARGV: how many events are kept, the message, then rows of events.

local QUEUE, EVENTS, CURSOR = KEYS[1], KEYS[2], KEYS[3]
local events_kept = ARGV[1]

-- Events, in rows: how many there are in one, and those. A row's id is the number of its last event,
-- counted from 1.

for n = 3, #ARGV, 2 do
    local last = redis.call('INCRBY', CURSOR, ARGV[n])
    local oldest = string.format('%.0f-0', math.max(0, last - events_kept))
    redis.call('XADD', EVENTS, 'MINID', '~', oldest, string.format('%.0f-0', last), 'd', ARGV[n + 1])
end

redis.call('LPUSH', QUEUE, ARGV[2])
