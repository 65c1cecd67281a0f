-- MQTT: how far its broker has come with the facts, and whether it can be reached. One row, changed in place; without it,
-- MQTT was never used. position: the broker has acknowledged all of `event` up to this id, last at moved_at; a replay sets
-- it back. since: since when it is connected, or is not. broker: its host and port. problem: why it is not connected, or
-- why it takes no facts.
-- serves: 53
CREATE TABLE mqtt (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL CHECK (position >= 0),
    moved_at TEXT NOT NULL,
    is_connected INTEGER NOT NULL DEFAULT 0 CHECK (is_connected IN (0, 1)),
    since TEXT NOT NULL,
    broker TEXT NOT NULL DEFAULT '',
    problem TEXT
) STRICT;
