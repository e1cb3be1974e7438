-- Takes the results of several tasks, and tells of the others how they ended.
--
-- ARGV: the channel on which that is told; after how many bytes to leave the rest for another
-- call; who asks, a number for what is asked, and '1' if the answer to a first attempt was lost;
-- then the keys. What is taken is kept a minute for whoever asked.
--
-- Returns two lists: values, false for each that is not there or whose time is over, as many as
-- were looked at; the endings of all of them, or nothing if there is a value for each.

local RESULTS, EXPIRES, ENDINGS, ENDED, POPPED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ready, enough, who, number, again = unpack(ARGV, 1, 5)
local first = 6

local function answer(values)
    for _, value in ipairs(values) do
        if not value then
            return {values, redis.call('HMGET', ENDINGS, unpack(ARGV, first, first + #values - 1))}
        end
    end
    return {values, {}}
end

if again == '1' then
    local kept = redis.call('HMGET', POPPED, who .. '#', who)
    if kept[1] == number then
        return answer(cmsgpack.unpack(kept[2]))
    end
end

-- What there is.

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local some_expire = redis.call('EXISTS', EXPIRES) == 1

local asked = {}

local function look(key)
    if asked[key] then -- a key that is named twice is taken once
        return false
    end
    asked[key] = true
    local till = some_expire and redis.call('ZSCORE', EXPIRES, key)
    return not (till and tonumber(till) <= now) and redis.call('HGET', RESULTS, key)
end

local values, taken, size = {}, {}, 0
for n = first, #ARGV do
    local value = look(ARGV[n])
    values[#values + 1] = value
    if value then
        taken[#taken + 1] = ARGV[n]
        size = size + #value
    end
    if size > tonumber(enough) then
        break
    end
end
if #taken == 0 then
    return answer(values)
end

-- Taking it.

redis.call('HDEL', RESULTS, unpack(taken))
if some_expire then
    redis.call('ZREM', EXPIRES, unpack(taken))
end
redis.call('HSET', POPPED, who .. '#', number, who, cmsgpack.pack(values))
redis.call('EXPIRE', POPPED, 60)

local lines = {}
for _, key in ipairs(taken) do
    if redis.call('HSET', ENDINGS, key, 'taken') == 1 then
        redis.call('LPUSH', ENDED, key)
    end
    if string.find(key, '\n', 1, true) then
        redis.call('PUBLISH', ready, key)
    else
        lines[#lines + 1] = key
    end
end
redis.call('PUBLISH', ready, table.concat(lines, '\n'))
return answer(values)
