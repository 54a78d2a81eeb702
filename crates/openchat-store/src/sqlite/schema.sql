-- Version 1. Identifiers are kept as their bytes, moments as milliseconds since 1970.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 8)
) STRICT;

CREATE TABLE account (
    uid BLOB PRIMARY KEY NOT NULL CHECK (length(uid) = 16),
    name TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    identity_spki BLOB NOT NULL UNIQUE,
    identity_certificate BLOB NOT NULL,
    issuing_certificate BLOB NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL REFERENCES account,
    did BLOB NOT NULL CHECK (length(did) = 10),
    public_key BLOB NOT NULL,
    chain BLOB NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    last_seen INTEGER NOT NULL,
    UNIQUE (uid, did)
) STRICT;

CREATE TABLE invite (
    hash BLOB PRIMARY KEY NOT NULL CHECK (length(hash) = 32),
    creator BLOB REFERENCES account,
    expires INTEGER NOT NULL,
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    room TEXT
) STRICT;
CREATE INDEX invite_creator ON invite (creator);
CREATE INDEX invite_expires ON invite (expires);

-- A room without a name is private, or has lost its name to another after its last member left. One without an
-- identifier is deleted; its row stays until its log is gone, piece by piece.
CREATE TABLE room (
    id INTEGER PRIMARY KEY,
    room BLOB UNIQUE CHECK (length(room) = 16),
    name TEXT,
    skeleton TEXT UNIQUE,
    creator INTEGER NOT NULL REFERENCES device,
    head INTEGER NOT NULL,
    chain BLOB NOT NULL CHECK (length(chain) = 32),
    time INTEGER NOT NULL,
    commit_sequence INTEGER NOT NULL,
    commit_chain BLOB NOT NULL CHECK (length(commit_chain) = 32)
) STRICT;

CREATE INDEX room_creator ON room (creator);
CREATE INDEX room_deleted ON room (id) WHERE room IS NULL;

-- What joiners get. Apart from the room, whose row every append rewrites.
CREATE TABLE room_group (
    room INTEGER PRIMARY KEY REFERENCES room,
    author BLOB NOT NULL REFERENCES account,
    group_info BLOB NOT NULL,
    tree BLOB NOT NULL
) STRICT;

-- Whoever a commit names, known here or not.
CREATE TABLE administrator (
    room INTEGER NOT NULL REFERENCES room,
    uid BLOB NOT NULL CHECK (length(uid) = 16),
    PRIMARY KEY (room, uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE membership (
    room INTEGER NOT NULL REFERENCES room,
    device INTEGER NOT NULL REFERENCES device,
    joined_at INTEGER NOT NULL,
    ended_at INTEGER CHECK (ended_at >= joined_at),
    PRIMARY KEY (room, device, joined_at)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX membership_open ON membership (device, room) WHERE ended_at IS NULL;

-- Rows are only ever added, at the end.
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    room INTEGER NOT NULL REFERENCES room,
    sequence INTEGER NOT NULL,
    author INTEGER NOT NULL REFERENCES device,
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    chain BLOB NOT NULL CHECK (length(chain) = 32),
    record BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX log_sequence ON log (room, sequence);
CREATE UNIQUE INDEX log_message ON log (room, author, message_id);

CREATE TABLE key_package (
    id INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES device,
    suite INTEGER NOT NULL,
    last_resort INTEGER NOT NULL,
    package BLOB NOT NULL
) STRICT;
CREATE INDEX key_package_device ON key_package (device, suite, last_resort);

-- Numbers are not used again, so that a reader's cursor never skips a new row.
CREATE TABLE welcome (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    device INTEGER NOT NULL REFERENCES device,
    room INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    message BLOB NOT NULL,
    FOREIGN KEY (room, sequence) REFERENCES welcome_tree
) STRICT;
CREATE INDEX welcome_device ON welcome (device);
CREATE INDEX welcome_commit ON welcome (room, sequence, device);

-- The tree of one commit, for all its Welcomes.
CREATE TABLE welcome_tree (
    room INTEGER NOT NULL REFERENCES room,
    sequence INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    tree BLOB NOT NULL,
    PRIMARY KEY (room, sequence)
) STRICT;
CREATE INDEX welcome_tree_queued ON welcome_tree (queued);
