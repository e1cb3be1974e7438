-- Acknowledges a claim, writes what nearly every task leaves, and claims the next message, in one
-- step. What else may follow from a task is left to `write.lua`, which does the rest alike.
--
-- KEYS: the 12 below, then one for each result (where results have keys of their own). ARGV: the
-- 11 below, then results, endings and events.
--
-- Returns whether the claim was still the slot's and whether the slot is registered, as 1 or 0; if
-- a message was claimed also what lies in flight now, how many workers died with it, and what
-- `glance.lua` says of it (where results have no keys of their own).

local QUEUE, INFLIGHT, WAKE, DELIVERIES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local DONE, SLOTS, RESULTS, EXPIRES = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local ENDINGS, ENDED, EVENTS, CURSOR = KEYS[9], KEYS[10], KEYS[11], KEYS[12]

local kind, ready, events_kept, endings_kept = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local claim, slot, number, entry, redelivered = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local claim_next, ttl, results, endings = ARGV[10], ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13])
local first_result = 14
local first_ending = first_result + 2 * results
local first_event = first_ending + 2 * endings

local registered = redis.call('HEXISTS', SLOTS, slot)
if claim == 'again' and redis.call('HGET', DONE, slot) == number then
    return {1, registered} -- the answer to the first attempt was lost, nothing else
end

-- The claim.

local ours = claim ~= 'lost' and redis.call('LREM', INFLIGHT, 1, entry) == 1
if ours then
    redis.call('HSET', DONE, slot, number)
end
if ours and redelivered ~= '' then
    redis.call('HDEL', DELIVERIES, redis.sha1hex(redelivered))
end

-- Results, and how tasks ended that left none.

for n = first_result, first_ending - 1, 2 do
    local key, value = ARGV[n], ARGV[n + 1]
    if ttl ~= '' then
        local own = KEYS[13 + (n - first_result) / 2]
        if ours then
            redis.call('SET', own, value, 'EX', ttl)
        else
            redis.call('SET', own, value, 'EX', ttl, 'NX')
        end
    elseif ours then
        redis.call('HSET', RESULTS, key, value)
        redis.call('ZREM', EXPIRES, key)
    else
        redis.call('HSETNX', RESULTS, key, value)
    end
    redis.call('PUBLISH', ready, key)
end

for n = first_ending, first_event - 1, 2 do
    local key, ending = ARGV[n], ARGV[n + 1]
    if redis.call('HSET', ENDINGS, key, ending) == 1 then
        redis.call('LPUSH', ENDED, key)
    end
    redis.call('PUBLISH', ready, key)
end
while endings > 0 and redis.call('LLEN', ENDED) > endings_kept do
    redis.call('HDEL', ENDINGS, redis.call('RPOP', ENDED))
end

for n = first_event, #ARGV, 2 do
    append(EVENTS, CURSOR, events_kept, ARGV[n], ARGV[n + 1])
end

-- The next message. Whoever looks for the claims of the dead knows registered slots alone.

if claim_next == '' or registered == 0 then
    return {ours and 1 or 0, registered}
end
local next_entry, message
if kind == 'priority' then
    local popped = redis.call('ZPOPMIN', QUEUE)
    local member, score = popped[1], popped[2]
    if member then
        message, next_entry = string.sub(member, 9), score .. ':' .. member
        redis.call('LPUSH', INFLIGHT, next_entry)
        redis.call('LPOP', WAKE)
    else
        redis.call('DEL', WAKE)
    end
else
    next_entry = redis.call('LMOVE', QUEUE, INFLIGHT, 'RIGHT', 'LEFT')
    message = next_entry
end
if not next_entry then
    return {ours and 1 or 0, registered}
end
local deliveries = 0
if redis.call('EXISTS', DELIVERIES) == 1 then
    deliveries = tonumber(redis.call('HGET', DELIVERIES, redis.sha1hex(message)) or 0)
end
local absent = ttl == '' and glance(message, RESULTS) or ''
return {ours and 1 or 0, registered, next_entry, deliveries, absent}
