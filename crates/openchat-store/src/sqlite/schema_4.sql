-- Version 4: lives that begin with an older copy of a database.

-- Until when this life takes back what was lost with the one before.
ALTER TABLE meta ADD COLUMN takes_back_until INTEGER;

-- The group is an older commit's, and what came with the last one is lost.
ALTER TABLE room_group ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
