-- Version 2: the log of keys.

-- The newest version of the user's list of devices, 0 before the first; nothing while the identity is not in the log.
ALTER TABLE account ADD COLUMN list_version INTEGER;
CREATE INDEX account_unlogged ON account (uid) WHERE list_version IS NULL;

-- Leaves by their place. What a leaf stands for can be erased; the leaf stays.
CREATE TABLE key_log (
    id INTEGER PRIMARY KEY,
    label BLOB NOT NULL CHECK (length(label) = 32),
    leaf BLOB NOT NULL CHECK (length(leaf) = 86),
    nonce BLOB CHECK (length(nonce) = 32),
    body BLOB,
    CHECK ((nonce IS NULL) = (body IS NULL))
) STRICT;
CREATE INDEX key_log_label ON key_log (label, id);

-- The nodes of the tree over the leaves, in the order of C2SP's tlog.
CREATE TABLE key_log_node (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
