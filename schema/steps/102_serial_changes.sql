-- A charger that tells another serial number than before may be another charger: a person says so.
-- serves: 101
CREATE TABLE serial_change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    at TEXT NOT NULL,
    earlier TEXT NOT NULL,
    serial TEXT NOT NULL,
    is_other INTEGER,
    answered_at TEXT,
    answered_by TEXT,
    reason TEXT
) STRICT;
CREATE UNIQUE INDEX serial_change_at ON serial_change (cp_id, at);
CREATE INDEX serial_change_asked ON serial_change (cp_id) WHERE answered_at IS NULL;
CREATE TRIGGER serial_change_is_kept BEFORE DELETE ON serial_change
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER serial_change_stays BEFORE UPDATE OF id, cp_id, at, earlier, serial ON serial_change
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER serial_change_is_answered_once
BEFORE UPDATE OF is_other, answered_at, answered_by, reason ON serial_change
WHEN OLD.answered_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;
