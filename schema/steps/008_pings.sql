-- Whether a charger tolerates WebSocket pings, with its present firmware: when it first answered one, how many consecutive
-- sessions it closed just after one, and since when pings are disabled. A charger that never answered a ping and never
-- closed after one has no row. New firmware resets the row.
CREATE TABLE ping (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    firmware TEXT NOT NULL,
    answered_at TEXT,
    closings INTEGER NOT NULL,
    off_at TEXT
) STRICT;
