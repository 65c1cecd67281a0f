-- What a charger reported since an operator asked for its security profile is found without a look at its other facts.
CREATE INDEX event_security ON event (cp_id, at) WHERE kind = 'SecurityEventReported';

-- The names (CN) that an operator lets the requests of a charger have, beside those with its serial number; request_id is
-- the rejected one that he saw.
CREATE TABLE certificate_name (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    name TEXT NOT NULL,
    request_id INTEGER NOT NULL REFERENCES certificate_request (id),
    allowed_at TEXT NOT NULL,
    allowed_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX certificate_name_of ON certificate_name (cp_id, name);
CREATE TRIGGER certificate_name_is_kept BEFORE DELETE ON certificate_name BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER certificate_name_stays BEFORE UPDATE ON certificate_name BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
