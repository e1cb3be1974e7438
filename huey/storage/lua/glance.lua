-- Returns the keys of the values that would keep a message's task from running, two lines, if there
-- are no such values; '' if there are, or if the message does not tell at a glance.
--
-- Most messages are pickles that begin with the class and its first fields, the task's id and name,
-- each as \140, its length in one byte, and its text, followed by \148. A worker knows both and takes
-- the answer for no other task.

local function glance(message, results)
    local head = string.sub(message, 1, 1024)
    local _, at = string.find(head, '\147\148(\140', 1, true)
    local id_ends = at and at + 1 + (string.byte(head, at + 1) or 0)
    if not at or string.sub(head, id_ends + 1, id_ends + 2) ~= '\148\140' then
        return ''
    end
    local name_ends = id_ends + 3 + (string.byte(head, id_ends + 3) or 0)
    if string.sub(head, name_ends + 1, name_ends + 1) ~= '\148' then
        return ''
    end
    local id = 'r:' .. string.sub(head, at + 2, id_ends)
    local name = 'rt:' .. string.sub(head, id_ends + 4, name_ends)
    local found = redis.call('HMGET', results, id, name)
    return not found[1] and not found[2] and id .. '\n' .. name or ''
end
