-- Moves the first message of a priority queue into a worker's hands.
--
-- Returns its score, the message as it lies in the queue, and how many workers died with it; false
-- if there is none.

local QUEUE, INFLIGHT, WAKE, DELIVERIES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local popped = redis.call('ZPOPMIN', QUEUE)
local member, score = popped[1], popped[2]
if not member then
    redis.call('DEL', WAKE)
    return false
end
redis.call('LPUSH', INFLIGHT, score .. ':' .. member)
redis.call('LPOP', WAKE)
local deliveries = redis.call('HGET', DELIVERIES, redis.sha1hex(string.sub(member, 9)))
return {score, member, deliveries or '0'}
