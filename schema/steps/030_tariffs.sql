-- Tariffs as they were given, and for whom they hold. Days are local days of the site.

-- A tariff is known by its name. All its versions have one currency and one kind of prices, which change only while none
-- holds.
CREATE TABLE tariff (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    currency TEXT NOT NULL,
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net'))
) STRICT;

-- A version holds from the midnight of its day until that of the next one. One that was wrong is withdrawn, once; another
-- may then hold from the same day. digest is the SHA-256 of the text, in hex.
CREATE TABLE tariff_version (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tariff_id INTEGER NOT NULL REFERENCES tariff (id),
    since TEXT NOT NULL CHECK (since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    toml TEXT NOT NULL,
    digest TEXT NOT NULL,
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    reason TEXT,
    withdrawn_at TEXT,
    withdrawn_by TEXT,
    withdraw_reason TEXT
) STRICT;
CREATE UNIQUE INDEX tariff_version_of_day ON tariff_version (tariff_id, since) WHERE withdrawn_at IS NULL;
CREATE INDEX tariff_version_of_tariff ON tariff_version (tariff_id, id);
CREATE TRIGGER tariff_version_is_kept BEFORE DELETE ON tariff_version BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER tariff_version_stays BEFORE UPDATE OF id, tariff_id, since, toml, digest, added_at, added_by, reason
ON tariff_version BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER tariff_version_ends_once BEFORE UPDATE OF withdrawn_at, withdrawn_by, withdraw_reason ON tariff_version
WHEN OLD.withdrawn_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

CREATE TRIGGER tariff_is_kept BEFORE DELETE ON tariff BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER tariff_stays BEFORE UPDATE ON tariff WHEN EXISTS (
    SELECT 1 FROM tariff_version WHERE tariff_id = OLD.id AND withdrawn_at IS NULL) BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- From a day on, a tariff holds for an account (key: its id), a charger (its id) or the site (''): until the next row of
-- the same scope and key. The newest row of a day counts. Without tariff, none holds in this scope.
CREATE TABLE tariff_assignment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL CHECK (scope IN ('account', 'charger', 'site')),
    key TEXT NOT NULL,
    since TEXT NOT NULL CHECK (since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    tariff_id INTEGER REFERENCES tariff (id),
    assigned_at TEXT NOT NULL,
    assigned_by TEXT NOT NULL,
    reason TEXT,
    CHECK ((scope = 'site') = (key = ''))
) STRICT;
CREATE INDEX tariff_assignment_of_key ON tariff_assignment (scope, key, since, id);
CREATE INDEX tariff_assignment_of_tariff ON tariff_assignment (tariff_id, id);
CREATE TRIGGER tariff_assignment_is_kept BEFORE DELETE ON tariff_assignment BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER tariff_assignment_stays BEFORE UPDATE ON tariff_assignment BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
