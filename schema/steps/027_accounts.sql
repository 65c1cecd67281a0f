-- Accounts (households), and what belongs to them, each with the period in which it did. Names of people stand in account,
-- vehicle and space only, so that they can be deleted.

-- A household: open from since until until. Its name is how operators find it.
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    address TEXT,
    contact TEXT,
    notes TEXT,
    since TEXT NOT NULL,
    until TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CHECK (until > since)
) STRICT;

CREATE TABLE vehicle (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    plate TEXT,
    battery_wh INTEGER CHECK (battery_wh > 0),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    removed_at TEXT
) STRICT;
CREATE UNIQUE INDEX vehicle_name ON vehicle (name) WHERE removed_at IS NULL;

-- The names of parking spaces; conn_id 0 is the charger as a whole.
CREATE TABLE space (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (cp_id, conn_id)
) STRICT, WITHOUT ROWID;

-- Something belongs to an account from since until until (NULL: it lasts). key is the normal form of a tag, which
-- --tag-strip may change, the charger of a space (conn_id 0: all its connectors), or the id of a vehicle; vehicle_id of a
-- tag is the vehicle that it names. A period is ended once. One that was wrong is voided, and rows with the reason say
-- what holds instead; the periods of one thing that are not voided never overlap.
CREATE TABLE ownership (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    what TEXT NOT NULL CHECK (what IN ('tag', 'space', 'vehicle')),
    key TEXT NOT NULL,
    conn_id INTEGER NOT NULL,
    id_tag TEXT,
    vehicle_id INTEGER REFERENCES vehicle (id),
    since TEXT NOT NULL,
    until TEXT,
    given_at TEXT NOT NULL,
    given_by TEXT NOT NULL,
    reason TEXT,
    ended_at TEXT,
    ended_by TEXT,
    end_reason TEXT,
    voided_at TEXT,
    voided_by TEXT,
    void_reason TEXT,
    CHECK (until > since),
    CHECK ((what = 'tag') = (id_tag IS NOT NULL))
) STRICT;
CREATE INDEX ownership_of_thing ON ownership (what, key, conn_id, since) WHERE voided_at IS NULL;
CREATE INDEX ownership_of_account ON ownership (account_id, id);
CREATE TRIGGER ownership_is_kept BEFORE DELETE ON ownership BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER ownership_stays BEFORE UPDATE OF id, account_id, what, conn_id, id_tag, vehicle_id, since, given_at,
    given_by, reason ON ownership BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER ownership_ends_once BEFORE UPDATE OF until, ended_at, ended_by, end_reason, voided_at, voided_by, void_reason
ON ownership WHEN OLD.voided_at IS NOT NULL OR (OLD.until IS NOT NULL AND (NEW.until IS NOT OLD.until
    OR NEW.ended_at IS NOT OLD.ended_at OR NEW.ended_by IS NOT OLD.ended_by OR NEW.end_reason IS NOT OLD.end_reason)) BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
CREATE TRIGGER ownership_begins_alone BEFORE INSERT ON ownership WHEN EXISTS (
    SELECT 1 FROM ownership AS other WHERE other.what = NEW.what AND other.key = NEW.key AND other.conn_id = NEW.conn_id
        AND other.voided_at IS NULL AND other.since < coalesce(NEW.until, '9999')
        AND NEW.since < coalesce(other.until, '9999')) BEGIN
    SELECT RAISE(ABORT, 'periods of one thing never overlap');
END;
CREATE TRIGGER ownership_stays_alone BEFORE UPDATE OF key ON ownership WHEN NEW.voided_at IS NULL AND EXISTS (
    SELECT 1 FROM ownership AS other WHERE other.what = NEW.what AND other.key = NEW.key AND other.conn_id = NEW.conn_id
        AND other.voided_at IS NULL AND other.since < coalesce(NEW.until, '9999')
        AND NEW.since < coalesce(other.until, '9999') AND other.id <> NEW.id) BEGIN
    SELECT RAISE(ABORT, 'periods of one thing never overlap');
END;

-- The transactions that an operator gave to an account by hand; tx_event has who gave which when, and why.
CREATE TABLE tx_account (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    given_at TEXT NOT NULL,
    given_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX tx_account_of_account ON tx_account (account_id);

-- The tag of a transaction without the blanks at its ends and in ASCII lower case: what its normal form begins with. The
-- numbers are all characters that Python takes for white space.
ALTER TABLE tx ADD COLUMN folded_tag TEXT GENERATED ALWAYS AS (lower(trim(id_tag, char(9, 10, 11, 12, 13, 28, 29, 30, 31, 32,
    133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202, 8232, 8233, 8239, 8287, 12288)))) VIRTUAL;
CREATE INDEX tx_by_folded_tag ON tx (folded_tag, id_tag);
