-- Moves the first message of a priority queue into a worker's hands.
--
-- KEYS: the fifth is the one of results, where they have none of their own.
--
-- Returns its score, the message as it lies in the queue, how many workers died with it, and what
-- `glance.lua` says of it; false if there is none.

local QUEUE, INFLIGHT, WAKE, DELIVERIES, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local popped = redis.call('ZPOPMIN', QUEUE)
local member, score = popped[1], popped[2]
if not member then
    redis.call('DEL', WAKE)
    return false
end
redis.call('LPUSH', INFLIGHT, score .. ':' .. member)
redis.call('LPOP', WAKE)
local message = string.sub(member, 9)
local deliveries = redis.call('HGET', DELIVERIES, redis.sha1hex(message))
return {score, member, deliveries or '0', RESULTS and glance(message, RESULTS) or ''}
