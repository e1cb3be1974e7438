-- Appends events, in rows: how many there are in one, and those. A row's id is the number of its last
-- event, counted from 1.

local function append(events, cursor, kept, count, lines)
    local last = redis.call('INCRBY', cursor, count)
    local oldest = string.format('%.0f-0', math.max(0, last - kept))
    redis.call('XADD', events, 'MINID', '~', oldest, string.format('%.0f-0', last), 'd', lines)
end
