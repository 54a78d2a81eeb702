-- Version 5: names that a new key asks for.

CREATE TABLE reset (
    name TEXT PRIMARY KEY NOT NULL,
    uid BLOB NOT NULL REFERENCES account,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    expires INTEGER NOT NULL,
    wisher BLOB CHECK (length(wisher) = 16),
    asked INTEGER,
    objected INTEGER NOT NULL DEFAULT 0,
    approved INTEGER NOT NULL DEFAULT 0,
    denied INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The name that an account had before it went to another key.
ALTER TABLE account ADD COLUMN retired TEXT;
