-- Version 6: a log that only grows at its end, and indexes that are written in pieces.

-- Without an index of its own: each would be written at another place for each record. What a row refers to was read in
-- the transaction that adds it, and rooms and devices outlive their records.
CREATE TABLE log_6 (
    id INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    author INTEGER NOT NULL,
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    chain BLOB NOT NULL CHECK (length(chain) = 32),
    record BLOB NOT NULL
) STRICT;
-- The indexes, of the records up to meta.indexed; the others are few, and their places in memory.
CREATE TABLE log_place (
    room INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (room, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE log_name (
    room INTEGER NOT NULL,
    author INTEGER NOT NULL,
    message_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (room, author, message_id)
) STRICT, WITHOUT ROWID;
ALTER TABLE meta ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;

INSERT INTO log_place SELECT room, sequence, id FROM log ORDER BY room, sequence;
INSERT INTO log_name SELECT room, author, message_id, sequence FROM log ORDER BY room, author, message_id;
UPDATE meta SET indexed = coalesce((SELECT max(id) FROM log), 0);
INSERT INTO log_6 SELECT id, room, sequence, author, message_id, chain, record FROM log ORDER BY id;
DROP TABLE log;
ALTER TABLE log_6 RENAME TO log;
