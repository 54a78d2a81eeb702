-- Version 3: ratchet trees node by node.

CREATE TABLE room_node (
    room INTEGER NOT NULL REFERENCES room,
    place INTEGER NOT NULL,
    node BLOB NOT NULL,
    PRIMARY KEY (room, place)
) STRICT;

-- Trees of version 2 cannot be taken apart here, private ones being sealed as one. The next commit finds that this
-- server holds another tree than it should, and brings the whole one; joiners ask for it. Whoever was added and has
-- not been connected since has to be added again.
ALTER TABLE room_group DROP COLUMN tree;
-- Digest and size of each node.
ALTER TABLE room_group ADD COLUMN marks BLOB NOT NULL DEFAULT x'';
DELETE FROM welcome;
DELETE FROM welcome_tree;
