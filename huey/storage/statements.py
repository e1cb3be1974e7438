"""The tables of the Sqlite storage and its longer statements."""

from typing import Final

# The tables task, schedule and kv and their first columns are huey's layout, so that one file
# serves both. Columns beside them are nullable, so that rows written by huey stay right.
# kv WITHOUT ROWID would save a page a write, and read each large value whole that a search passes.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS task (
    id INTEGER NOT NULL PRIMARY KEY {autoincrement},
    queue TEXT NOT NULL,
    data BLOB NOT NULL,
    priority REAL NOT NULL DEFAULT 0.0,
    claimed_by TEXT,
    deliveries INTEGER,
    milestone INTEGER,
    gap INTEGER
);
CREATE TABLE IF NOT EXISTS schedule (
    id INTEGER NOT NULL PRIMARY KEY,
    queue TEXT NOT NULL,
    data BLOB NOT NULL,
    timestamp REAL NOT NULL,
    priority REAL
);
CREATE TABLE IF NOT EXISTS kv (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    expires REAL,
    PRIMARY KEY (queue, key)
);
CREATE TABLE IF NOT EXISTS ending (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    ending TEXT NOT NULL,
    UNIQUE (queue, key)
);
CREATE TABLE IF NOT EXISTS aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    data BLOB NOT NULL,
    reason TEXT NOT NULL,
    priority REAL
);
CREATE TABLE IF NOT EXISTS chord (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    part INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (queue, key, part)
);
CREATE TABLE IF NOT EXISTS lock (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    holder TEXT NOT NULL,
    process TEXT NOT NULL,
    PRIMARY KEY (queue, key)
);
CREATE TABLE IF NOT EXISTS turn (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS worker (
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (queue, name)
);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    data BLOB NOT NULL
);
"""

INDEXES: Final = """
CREATE INDEX IF NOT EXISTS task_waiting ON task (queue, priority DESC, id)
    WHERE claimed_by IS NULL;
CREATE INDEX IF NOT EXISTS task_claimed ON task (queue, claimed_by)
    WHERE claimed_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS task_milestone ON task (queue, priority)
    WHERE milestone IS NOT NULL AND claimed_by IS NULL;
CREATE INDEX IF NOT EXISTS task_gap ON task (queue, priority, gap)
    WHERE gap IS NOT NULL AND claimed_by IS NULL;
CREATE INDEX IF NOT EXISTS schedule_queue_timestamp ON schedule (queue, timestamp);
CREATE INDEX IF NOT EXISTS turn_at ON turn (queue, key, at);
DROP INDEX IF EXISTS ending_queue_id;
DROP INDEX IF EXISTS event_queue_id;
"""

OWN_COLUMNS: Final = (
    ("task", "claimed_by", "TEXT"),
    ("task", "deliveries", "INTEGER"),
    ("task", "milestone", "INTEGER"),
    ("task", "gap", "INTEGER"),
    ("schedule", "priority", "REAL"),
    ("kv", "expires", "REAL"),
    ("aside", "priority", "REAL"),
)

ENQUEUE: Final = "INSERT INTO task (queue, data, priority) VALUES (?, ?, ?)"

# One statement is a transaction by itself, which saves to begin and commit one. The view is each
# connection's own.
TELLING: Final = (
    """
CREATE TEMP VIEW told (queue, data, priority, event) AS SELECT '', x'', 0, x''
""",
    """
CREATE TEMP TRIGGER tell INSTEAD OF INSERT ON told BEGIN
    INSERT INTO task (queue, data, priority) VALUES (new.queue, new.data, new.priority);
    INSERT INTO event (queue, data) VALUES (new.queue, new.event);
END
""",
)

ENQUEUE_AND_TELL: Final = "INSERT INTO told VALUES (?, ?, ?, ?)"

# A few messages, by chance, are milestones: the number of one is that of the milestone before it,
# of the same queue and priority, plus the messages from there up to itself. Whoever counts what
# waits then looks at what comes before the first milestone and after the last, and subtracts for
# what is between. That stays right without a word from those who claim, as they take the first
# message of a priority, and from huey, whose messages are counted by the next milestone. Who takes
# one from between two tells the next (`WIDEN_GAP`). A message that is put back is no milestone any
# more, as those behind it may be gone.
MILESTONE: Final = """
UPDATE task SET milestone = ifnull((
    SELECT last.milestone + (
        SELECT count(*) FROM task
        WHERE queue = last.queue AND claimed_by IS NULL AND priority = last.priority
        AND id > last.id
    )
    FROM task AS last
    WHERE queue = task.queue AND claimed_by IS NULL AND priority = task.priority
    AND milestone IS NOT NULL
    ORDER BY id DESC LIMIT 1
), 1)
WHERE id = last_insert_rowid()
"""

# How many messages wait, of each priority, the highest first. What was taken from before the first
# milestone does not matter.
SIZES: Final = """
WITH RECURSIVE level (priority) AS (
    SELECT max(priority) FROM task WHERE queue = :queue AND claimed_by IS NULL
    UNION ALL
    SELECT (
        SELECT max(priority) FROM task
        WHERE queue = :queue AND claimed_by IS NULL AND priority < level.priority
    )
    FROM level WHERE priority IS NOT NULL LIMIT :limit
),
ends (priority, first, last) AS (
    SELECT priority, (
        SELECT min(id) FROM task
        WHERE queue = :queue AND claimed_by IS NULL AND priority = level.priority
        AND milestone IS NOT NULL
    ), (
        SELECT max(id) FROM task
        WHERE queue = :queue AND claimed_by IS NULL AND priority = level.priority
        AND milestone IS NOT NULL
    )
    FROM level WHERE priority IS NOT NULL
)
SELECT CASE WHEN ends.first IS NULL THEN (
    SELECT count(*) FROM task
    WHERE queue = :queue AND claimed_by IS NULL AND priority = ends.priority
) ELSE (
    SELECT count(*) FROM task
    WHERE queue = :queue AND claimed_by IS NULL AND priority = ends.priority AND id <= ends.first
) + last.milestone - first.milestone - (
    SELECT ifnull(sum(gap), 0) FROM task
    WHERE queue = :queue AND claimed_by IS NULL AND priority = ends.priority AND gap IS NOT NULL
) + ifnull(first.gap, 0) + (
    SELECT count(*) FROM task
    WHERE queue = :queue AND claimed_by IS NULL AND priority = ends.priority AND id > ends.last
) END
FROM ends LEFT JOIN task AS first ON first.id = ends.first
LEFT JOIN task AS last ON last.id = ends.last
"""

ANY: Final = "SELECT 1 FROM task WHERE queue = ? AND claimed_by IS NULL LIMIT 1"

# The last column says whether there is any value whose key begins with one of `FLAGS`: ";" comes
# after ":".
CLAIM: Final = """
UPDATE task SET claimed_by = ?1
WHERE id = (
    SELECT id FROM task WHERE queue = ?2 AND claimed_by IS NULL
    ORDER BY priority DESC, id LIMIT 1
)
RETURNING id, data, ifnull(deliveries, 0), priority, ifnull(
    (SELECT 1 FROM kv WHERE queue = ?2 AND key >= 'r:' AND key < 'r;' LIMIT 1),
    (SELECT 1 FROM kv WHERE queue = ?2 AND key >= 'rt:' AND key < 'rt;' LIMIT 1)
)
"""

RELEASE: Final = """
UPDATE task SET claimed_by = NULL, milestone = NULL, gap = NULL WHERE id = ? AND claimed_by = ?
"""

FINISH: Final = "DELETE FROM task WHERE id = ? AND claimed_by = ?"

DEQUEUE: Final = """
DELETE FROM task
WHERE id = (
    SELECT id FROM task WHERE queue = ? AND claimed_by IS NULL
    ORDER BY priority DESC, id LIMIT 1
)
RETURNING data
"""

ENQUEUED: Final = """
SELECT data FROM task WHERE queue = ? AND claimed_by IS NULL
ORDER BY priority DESC, id LIMIT ?
"""

# Messages that wait, some at a time, in the order of their row numbers; NULL for one that does not
# contain a text, so that no statement looks at more than some. An index would have to be sorted for
# that order, anew each time.
PAGE: Final = {
    "schedule": """
SELECT id, CASE WHEN :text = x'' OR instr(data, :text) THEN data END
FROM schedule NOT INDEXED
WHERE queue = :queue AND id > :after AND id < :before
ORDER BY id LIMIT :limit
""",
    "task": """
SELECT id, CASE WHEN :text = x'' OR instr(data, :text) THEN data END
FROM task NOT INDEXED
WHERE queue = :queue AND claimed_by IS NULL AND id > :after AND id < :before
ORDER BY id LIMIT :limit
""",
}

# Each in a SELECT of its own, as for the two in one Sqlite reads all rows.
ENDS: Final = {
    "schedule": """
SELECT ifnull((SELECT min(id) FROM schedule), 0), ifnull((SELECT max(id) FROM schedule), 0)
""",
    "task": """
SELECT ifnull((SELECT min(id) FROM task), 0), ifnull((SELECT max(id) FROM task), 0)
""",
}

# A row number is used again: the message has to be the same.
AT: Final = {
    "schedule": """
DELETE FROM schedule WHERE id = :id AND queue = :queue AND data = :data
RETURNING id
""",
    "task": """
DELETE FROM task WHERE id = :id AND queue = :queue AND data = :data AND claimed_by IS NULL
RETURNING id, priority, 1 + ifnull(gap, 0)
""",
}

WITHDRAW: Final = {
    "schedule": """
DELETE FROM schedule
WHERE id = (SELECT id FROM schedule WHERE queue = :queue AND data = :data LIMIT 1)
RETURNING id
""",
    "task": """
DELETE FROM task
WHERE id = (
    SELECT id FROM task WHERE queue = :queue AND claimed_by IS NULL AND data = :data LIMIT 1
)
RETURNING id, priority, 1 + ifnull(gap, 0)
""",
}

# After a message was taken from between two milestones: it, and what was taken from before it if it
# was one.
WIDEN_GAP: Final = """
UPDATE task SET gap = ifnull(gap, 0) + :gap
WHERE id = (
    SELECT min(id) FROM task
    WHERE queue = :queue AND claimed_by IS NULL AND priority = :priority
    AND milestone IS NOT NULL AND id > :id
)
"""

DUE: Final = """
DELETE FROM schedule
WHERE id IN (
    SELECT id FROM schedule WHERE queue = :queue AND timestamp <= :now
    ORDER BY timestamp, id LIMIT :limit
)
RETURNING timestamp, id, data, priority
"""

# Values, as far as their time is not over.
VALUES: Final = "FROM kv WHERE queue = ? AND (expires IS NULL OR expires > ?)"

HAS: Final = f"SELECT 1 {VALUES} AND key = ?"

PEEK: Final = f"SELECT value {VALUES} AND key = ?"

PEEK_MANY: Final = f"SELECT key, value {VALUES} AND key IN ({{keys}})"

POP: Final = f"DELETE {VALUES} AND key = ? RETURNING value"

PUT: Final = "INSERT OR REPLACE INTO kv (queue, key, value) VALUES (?, ?, ?)"

PUT_LATE: Final = "INSERT OR IGNORE INTO kv (queue, key, value) VALUES (?, ?, ?)"

PUT_IF_EMPTY: Final = """
INSERT INTO kv (queue, key, value, expires) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE expires <= ?
RETURNING 1
"""

ADVANCE: Final = """
INSERT INTO kv (queue, key, value) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value WHERE value < excluded.value
RETURNING 1
"""

# The processes that claims, locks and registrations belong to; an owner is "process/slot".
PROCESSES: Final = """
SELECT substr(claimed_by, 1, instr(claimed_by, '/') - 1)
    FROM task WHERE queue = :queue AND claimed_by IS NOT NULL
UNION SELECT process FROM lock WHERE queue = :queue
UNION SELECT substr(name, 1, instr(name, '/') - 1) FROM worker WHERE queue = :queue
"""

# "0" comes after "/", so that these are the owners of one process.
RELEASE_ALL: Final = """
UPDATE task
SET claimed_by = NULL, deliveries = ifnull(deliveries, 0) + 1, milestone = NULL, gap = NULL
WHERE queue = :queue AND claimed_by >= :process || '/' AND claimed_by < :process || '0'
"""

FORGET_WORKERS: Final = """
DELETE FROM worker
WHERE queue = :queue AND name >= :process || '/' AND name < :process || '0'
"""

FORGET_TURNS: Final = """
DELETE FROM turn WHERE queue = :queue AND key = :key AND at <= :over
"""

# The one that has to be over before there is another turn: the last but limit.
TURN_IN_THE_WAY: Final = """
SELECT at FROM turn WHERE queue = :queue AND key = :key ORDER BY at DESC LIMIT 1 OFFSET :limit
"""

# See `huey.storage.lines`.
APPEND_EVENTS: Final = """
INSERT INTO event (id, queue, data) VALUES ((SELECT ifnull(max(id), 0) + ? FROM event), ?, ?)
"""

READ_EVENTS: Final = "SELECT id, data FROM event WHERE queue = ? AND id > ? ORDER BY id LIMIT ?"

LAST_EVENT: Final = "SELECT id FROM event WHERE queue = ? ORDER BY id DESC LIMIT 1"

# Cursors go on counting from the newest row, so of all that are flushed it stays, as nobody's.
FLUSH_EVENTS: Final = (
    "UPDATE event SET queue = '', data = x'' WHERE id = (SELECT max(id) FROM event) AND queue = ?",
    "DELETE FROM event WHERE queue = ?",
)

TRIM_EVENTS: Final = "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?"

TRIM_ENDINGS: Final = "DELETE FROM ending WHERE id <= (SELECT max(id) FROM ending) - ?"
