-- Writes a batch in one step; before that, acknowledges a claim, withdraws a message that waits, or
-- takes messages off the schedule.
--
-- KEYS: the 17 below, then one for each value to clear and each result (where results have keys of
-- their own), each join and each chord to forget. ARGV: the kind of queue and its limits, the
-- claim, the message to withdraw, then for each part of the batch how many there are and what they
-- are made of.
--
-- Returns two numbers. The first: 1 written; 0 the claim was lost, so only what can do no harm was
-- written; -1 nothing was written, as a message was not there any more. The second: whether the
-- claim's slot is registered.

local QUEUE, SCHEDULE, RESULTS, EXPIRES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ENDINGS, ENDED, ASIDE, EVENTS, CURSOR = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local WAKE, DUE, STAMP, PRIORITIES = KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local DONE, DELIVERIES, INFLIGHT, SLOTS = KEYS[14], KEYS[15], KEYS[16], KEYS[17]

local next_argument, next_key = 0, 17

local function take()
    next_argument = next_argument + 1
    return ARGV[next_argument]
end

local function take_key()
    next_key = next_key + 1
    return KEYS[next_key]
end

local prioritized = take() == 'priority'
local ready = take() -- the channel on which waiting callers are told
local events_kept, endings_kept = take(), tonumber(take())

-- The claim.

local claim, slot, number, entry, redelivered = take(), take(), take(), take(), take()

local function registered()
    return redis.call('HEXISTS', SLOTS, slot)
end

local ours = true
if claim == 'again' and redis.call('HGET', DONE, slot) == number then
    return {1, registered()} -- the answer to the first attempt was lost, nothing else
elseif claim ~= 'none' then
    ours = claim ~= 'lost' and redis.call('LREM', INFLIGHT, 1, entry) == 1
    if ours then
        redis.call('HSET', DONE, slot, number)
    end
    if ours and redelivered ~= '' then
        redis.call('HDEL', DELIVERIES, redis.sha1hex(redelivered))
    end
end

-- A message that waits, on the schedule or on the queue.

local function take_from_schedule(message)
    if redis.call('ZREM', SCHEDULE, message) == 0 then
        return false
    end
    redis.call('HDEL', PRIORITIES, redis.sha1hex(message))
    return true
end

local function find_member(message)
    local first, members = 0, nil
    repeat
        members = redis.call('ZRANGE', QUEUE, first, first + 999)
        for _, member in ipairs(members) do
            if string.sub(member, 9) == message then
                return member
            end
        end
        first = first + 1000
    until #members == 0
end

local function take_from_list(message, index)
    local near_head = index and 2 * index < redis.call('LLEN', QUEUE)
    return redis.call('LREM', QUEUE, near_head and 1 or -1, message) == 1
end

local function take_from_queue(message, place)
    if not prioritized then
        return take_from_list(message, tonumber(place))
    end
    if place ~= '' and redis.call('ZREM', QUEUE, place) == 1 then
        return true
    end
    local member = find_member(message)
    return member and redis.call('ZREM', QUEUE, member) == 1
end

local withdraw, withdrawn, place = take(), take(), take()
if withdraw ~= '' then
    if not take_from_schedule(withdrawn) and not take_from_queue(withdrawn, place) then
        return {-1, 1}
    end
    if redis.call('EXISTS', DELIVERIES) == 1 then
        redis.call('HDEL', DELIVERIES, redis.sha1hex(withdrawn))
    end
end

-- The queue. Messages are collected and pushed at the end.

local messages, priorities = {}, {}

local function push(message, priority)
    messages[#messages + 1] = message
    priorities[#messages] = priority
end

local function push_to_list()
    for first = 1, #messages, 1000 do
        redis.call('LPUSH', QUEUE, unpack(messages, first, math.min(first + 999, #messages)))
    end
end

local function push_by_priority()
    local now = redis.call('TIME')
    local stamp = now[1] * 1000000 + now[2]
    stamp = math.max(stamp, tonumber(redis.call('GET', STAMP) or '0') + 1)
    for n, message in ipairs(messages) do
        local priority = priorities[n] == '' and '0' or priorities[n]
        local score = string.format('%.17g', 0 - tonumber(priority))
        redis.call('ZADD', QUEUE, score, struct.pack('>I8', stamp + n - 1) .. message)
    end
    redis.call('SET', STAMP, string.format('%.0f', stamp + #messages - 1))
    for _ = 1, math.min(#messages, 1000) do
        redis.call('RPUSH', WAKE, '1')
    end
    redis.call('LTRIM', WAKE, 0, 999)
end

-- Messages that are due.

local onto_queue = take() == '1'
local moved = tonumber(take())
local first_moved = next_argument
for _ = 1, moved do
    if not redis.call('ZSCORE', SCHEDULE, take()) then
        return {-1, 1}
    end
end
next_argument = first_moved
for _ = 1, moved do
    local message = take()
    local priority = ''
    redis.call('ZREM', SCHEDULE, message)
    if prioritized then
        local name = redis.sha1hex(message)
        priority = redis.call('HGET', PRIORITIES, name) or ''
        redis.call('HDEL', PRIORITIES, name)
    end
    if onto_queue then
        push(message, priority)
    end
end

-- Results, and how tasks ended that left none.

local function forget_time(key)
    if redis.call('EXISTS', EXPIRES) == 1 then
        redis.call('ZREM', EXPIRES, key)
    end
end

local ttl = take() -- of results with keys of their own: 'never' or seconds; '' for one hash

for _ = 1, tonumber(take()) do
    local key = take()
    local own = ttl ~= '' and take_key()
    if ours and own then
        redis.call('DEL', own)
    elseif ours then
        redis.call('HDEL', RESULTS, key)
        forget_time(key)
    end
end

for _ = 1, tonumber(take()) do
    local key, value = take(), take()
    if ttl == '' and ours then
        redis.call('HSET', RESULTS, key, value)
        forget_time(key)
    elseif ttl == '' then
        redis.call('HSETNX', RESULTS, key, value)
    else
        local own = take_key()
        local options = {}
        if ttl ~= 'never' then
            options = {'EX', ttl}
        end
        if not ours then
            options[#options + 1] = 'NX'
        end
        redis.call('SET', own, value, unpack(options))
    end
    redis.call('PUBLISH', ready, key)
end

local endings = tonumber(take())
for _ = 1, endings do
    local key, ending = take(), take()
    if redis.call('HSET', ENDINGS, key, ending) == 1 then
        redis.call('LPUSH', ENDED, key)
    end
    redis.call('PUBLISH', ready, key)
end
while endings > 0 and redis.call('LLEN', ENDED) > endings_kept do
    redis.call('HDEL', ENDINGS, redis.call('RPOP', ENDED))
end

-- What follows.

for _ = 1, tonumber(take()) do
    local message, priority = take(), take()
    if ours then
        push(message, priority)
    end
end

local function note_priority(message, priority)
    if priority == '' then
        redis.call('HDEL', PRIORITIES, redis.sha1hex(message))
    else
        redis.call('HSET', PRIORITIES, redis.sha1hex(message), priority)
    end
end

local scheduled = tonumber(take())
local earliest = scheduled > 0 and redis.call('ZRANGE', SCHEDULE, 0, 0)[1]
for _ = 1, scheduled do
    local message, score, priority = take(), take(), take()
    if ours then
        redis.call('ZADD', SCHEDULE, score, message)
        if prioritized then
            note_priority(message, priority)
        end
    end
end
if scheduled > 0 and redis.call('ZRANGE', SCHEDULE, 0, 0)[1] ~= earliest then
    redis.call('RPUSH', DUE, '1') -- whoever waits for the next message waits too long now
    redis.call('LTRIM', DUE, 0, 0)
end

for _ = 1, tonumber(take()) do
    local message, reason, priority = take(), take(), take()
    if ours then
        redis.call('RPUSH', ASIDE, message, reason, priority)
    end
end

-- Chords: a hash of the parts' values.

for _ = 1, tonumber(take()) do
    local chord = take_key()
    local part, parts, value, message, priority = take(), tonumber(take()), take(), take(), take()
    local new = ours and redis.call('HSETNX', chord, part, value) == 1
    if new and redis.call('HLEN', chord) == parts then
        push(message, priority)
    end
end

for _ = 1, tonumber(take()) do
    local chord = take_key()
    if ours then
        redis.call('DEL', chord)
    end
end

for _ = 1, tonumber(take()) do
    append(EVENTS, CURSOR, events_kept, take(), take())
end

if #messages > 0 and prioritized then
    push_by_priority()
elseif #messages > 0 then
    push_to_list()
end

return {ours and 1 or 0, claim == 'none' and 1 or registered()}
