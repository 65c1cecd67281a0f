-- Load: what each car may draw under a feeder that is too small for all, what was measured for that, and who ordered it.
-- Currents are in A per phase. A quarter counts quarters of an hour from 1970-01-01 in UTC.
-- serves: 53

-- The site as the electrician entered it; the newest counts. toml '': without load management from then on.
CREATE TABLE load_site (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    toml TEXT NOT NULL,
    set_at TEXT NOT NULL,
    set_by TEXT NOT NULL
) STRICT;
CREATE TRIGGER load_site_is_kept BEFORE DELETE ON load_site BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER load_site_stays BEFORE UPDATE ON load_site BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- The last decision, in JSON: as people see it (shown), and what the next one goes on from (standings).
CREATE TABLE load_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at TEXT NOT NULL,
    shown TEXT NOT NULL,
    standings TEXT NOT NULL
) STRICT;

-- A quarter of an hour at one phase (0 to 2) of a circuit. other: the consumers that are no cars; NULL: nothing measured.
-- over_seconds: how long measured currents were above the limit.
CREATE TABLE load_quarter (
    quarter INTEGER NOT NULL,
    circuit TEXT NOT NULL,
    phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 2),
    other_mean REAL,
    other_highest REAL,
    cars_mean REAL NOT NULL,
    permitted_highest REAL NOT NULL,
    limit_a REAL NOT NULL,
    over_seconds INTEGER NOT NULL CHECK (over_seconds >= 0),
    PRIMARY KEY (quarter, circuit, phase)
) STRICT, WITHOUT ROWID;

-- A quarter of an hour of a connector with a car. bound: what bound its limit for the longest time, at which circuit.
CREATE TABLE load_car_quarter (
    quarter INTEGER NOT NULL,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    limit_mean REAL NOT NULL,
    drawn_mean REAL,
    bound TEXT NOT NULL,
    circuit TEXT NOT NULL,
    PRIMARY KEY (quarter, cp_id, conn_id)
) STRICT, WITHOUT ROWID;

-- What people want for a connector: a limit by hand (amperes), a boost until a time, or what a driver entered for one
-- transaction: departure_at and wanted_wh.
CREATE TABLE load_wish (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('hand', 'boost', 'departure')),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    amperes INTEGER CHECK (amperes >= 0),
    departure_at TEXT,
    wanted_wh INTEGER CHECK (wanted_wh > 0),
    until TEXT,
    reason TEXT NOT NULL,
    made_at TEXT NOT NULL,
    made_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT,
    CHECK ((kind = 'hand') = (amperes IS NOT NULL)),
    CHECK (kind <> 'boost' OR until IS NOT NULL),
    CHECK (kind <> 'departure' OR departure_at IS NOT NULL)
) STRICT;
CREATE INDEX load_wish_open ON load_wish (cp_id, conn_id, kind) WHERE ended_at IS NULL;
CREATE INDEX load_wish_made ON load_wish (made_at);
CREATE TRIGGER load_wish_stays BEFORE UPDATE OF id, kind, cp_id, conn_id, tx_id, amperes, departure_at, wanted_wh, until,
    reason, made_at, made_by ON load_wish BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER load_wish_is_ended_once BEFORE UPDATE OF ended_at, ended_by ON load_wish
WHEN OLD.ended_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- What was learned of a car (lines: how many it uses, by the normal form of its card) or a connector (rotation), as often
-- as seen says. Of a rotation nothing counts before a person has confirmed it.
CREATE TABLE load_learned (
    what TEXT NOT NULL CHECK (what IN ('lines', 'rotation')),
    cp_id TEXT NOT NULL,
    conn_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    seen INTEGER NOT NULL CHECK (seen > 0),
    last_at TEXT NOT NULL,
    confirmed_at TEXT,
    confirmed_by TEXT,
    PRIMARY KEY (what, cp_id, conn_id, key)
) STRICT, WITHOUT ROWID;

-- What a grid operator ordered for the whole site, kept for two years as proof. amperes NULL: no limit any more. One that is
-- repeated is the same, received so often until last_at.
CREATE TABLE load_order (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    amperes REAL CHECK (amperes >= 0),
    at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0)
) STRICT;
CREATE INDEX load_order_last ON load_order (last_at);
CREATE TRIGGER load_order_stays BEFORE UPDATE OF id, source, amperes, at ON load_order BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
