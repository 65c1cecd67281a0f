-- Whether a charger bears our WebSocket pings, under its present firmware: when it first answered one, how many sessions
-- running it closed just after one, and since when none are sent. A charger that never closed and never answered has no
-- row. New firmware begins anew.
CREATE TABLE ping (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    firmware TEXT NOT NULL,
    answered_at TEXT,
    closings INTEGER NOT NULL,
    off_at TEXT
) STRICT;
