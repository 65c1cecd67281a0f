-- serves: 103

-- A closed statement seals what it rests on. Those closed before have none of it, and their digests do not cover it.
ALTER TABLE statement ADD COLUMN evidence TEXT;
ALTER TABLE statement ADD COLUMN evidence_until TEXT;
ALTER TABLE position ADD COLUMN signed TEXT;

-- To which transaction a reading belonged before it was moved from or to one that has ended, or
-- that is on a statement. Written by a trigger. What a statement rests on is found again by it.
CREATE TABLE moved_reading (
    id INTEGER PRIMARY KEY,
    reading_id INTEGER NOT NULL REFERENCES meter_val (id),
    tx_id INTEGER REFERENCES tx (id)  -- NULL: to none
) STRICT;
CREATE INDEX moved_reading_of_reading ON moved_reading (reading_id, id);
CREATE INDEX moved_reading_of_transaction ON moved_reading (tx_id, id);

-- A seal is compared by it.
CREATE TRIGGER moved_reading_is_kept BEFORE DELETE ON moved_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER moved_reading_stays BEFORE UPDATE ON moved_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER meter_val_moves AFTER UPDATE OF tx_id ON meter_val
WHEN NEW.tx_id IS NOT OLD.tx_id
    AND EXISTS (
        SELECT 1 FROM tx WHERE tx.id IN (OLD.tx_id, NEW.tx_id) AND (tx.status = 'Completed'
            OR EXISTS (SELECT 1 FROM position WHERE position.tx_id = tx.id))
    )
BEGIN INSERT INTO moved_reading (reading_id, tx_id) VALUES (NEW.id, OLD.tx_id); END;


-- A public key of a meter, as an operator entered it from the meter's label. Written by an operator;
-- ended once. What a charger tells of its key is in `configuration` and in its readings.
CREATE TABLE meter_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL CHECK (conn_id >= 0),  -- 0: of each connector
    key TEXT NOT NULL,  -- in hex: a SubjectPublicKeyInfo in DER, or a bare point
    fingerprint TEXT NOT NULL,  -- SHA-256 of its point, in hex
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX meter_key_of_charger ON meter_key (cp_id, conn_id, fingerprint)
    WHERE ended_at IS NULL;
CREATE INDEX meter_key_all ON meter_key (cp_id, id);

-- Sessions were checked with it. It is ended once.
CREATE TRIGGER meter_key_is_kept BEFORE DELETE ON meter_key
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER meter_key_stays
BEFORE UPDATE OF id, cp_id, conn_id, key, fingerprint, added_at, added_by ON meter_key
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER meter_key_ends_once BEFORE UPDATE OF ended_at, ended_by ON meter_key
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- What the signed values of a transaction prove. Derived from its readings of format SignedData and
-- the keys of its meter, beside the writer; a transaction without such readings has no row.
CREATE TABLE signed_check (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    -- proven: its energy. doubtful: they contradict it, or their signature is wrong. unproven: they
    -- cannot be checked, or do not suffice
    state TEXT NOT NULL CHECK (state IN ('proven', 'doubtful', 'unproven')),
    told TEXT NOT NULL,  -- why, as a text of the program
    wh INTEGER,  -- the signed difference; NULL: none
    digit_wh INTEGER,  -- one unit of its last digit
    key TEXT,  -- the fingerprint of the key that fits; NULL: none does
    is_owners INTEGER NOT NULL CHECK (is_owners IN (0, 1)),  -- 0: the charger told the key
    is_timed INTEGER NOT NULL CHECK (is_timed IN (0, 1)),  -- 1: its times are proven, too
    first_page INTEGER,  -- the pagination of its records
    last_page INTEGER,
    checked_at TEXT NOT NULL
) STRICT;
CREATE INDEX signed_check_pages ON signed_check (key, last_page) WHERE key IS NOT NULL;


-- How far `signed_check` is. Written with it, one row.
CREATE TABLE signed_work (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL  -- the newest of bill_work that it knows
) STRICT;
