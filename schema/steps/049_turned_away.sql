-- Who is turned away: one row for each identity, or for each address that names none, with the newest reason. It is
-- what the owner is told, not a fact: a row goes after a day, and there are at most 50.
CREATE TABLE turned_away (
    subject TEXT PRIMARY KEY,
    identity TEXT,
    remote_address TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL
) STRICT;
