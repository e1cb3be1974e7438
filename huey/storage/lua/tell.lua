-- Enqueues one message on a list and appends one event, in one step, as `push.lua` does with many.
--
-- ARGV: how many events are kept, the message, the event.

local QUEUE, EVENTS, CURSOR = KEYS[1], KEYS[2], KEYS[3]
local events_kept, message, event = ARGV[1], ARGV[2], ARGV[3]

append(EVENTS, CURSOR, events_kept, 1, event)
redis.call('LPUSH', QUEUE, message)
