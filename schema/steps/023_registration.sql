-- Who may connect: what a person decided about each charger.

-- The newest decision; a newcomer has none. waiting_since is when a newcomer first asked under --registration ask; a
-- server that takes any charger clears it.
ALTER TABLE cp ADD COLUMN registration TEXT NOT NULL DEFAULT 'newcomer'
    CHECK (registration IN ('newcomer', 'adopted', 'refused'));
ALTER TABLE cp ADD COLUMN waiting_since TEXT;

CREATE TABLE registration (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    decision TEXT NOT NULL CHECK (decision IN ('adopted', 'refused')),
    decided_at TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX registration_cp ON registration (cp_id, id);
CREATE TRIGGER registration_is_kept BEFORE DELETE ON registration BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER registration_stays BEFORE UPDATE ON registration BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
