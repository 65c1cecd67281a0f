-- Where a person had what was measured at a circuit forgotten: quarters of an hour before this one count for no outage.
-- serves: 84
CREATE TABLE load_forgotten (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    circuit TEXT NOT NULL,
    quarter INTEGER NOT NULL,
    at TEXT NOT NULL,
    by TEXT NOT NULL
) STRICT;
CREATE TRIGGER load_forgotten_is_kept BEFORE DELETE ON load_forgotten BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER load_forgotten_stays BEFORE UPDATE ON load_forgotten BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
