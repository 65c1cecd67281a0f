-- Load: what each car may draw under a feeder that is too small for all, what was measured for
-- that, and who ordered it.
-- Currents are in A per phase. A quarter counts quarters of an hour from 1970-01-01 in UTC.


-- The site as the electrician entered it; the newest row counts. Written by an operator.
CREATE TABLE load_site (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    toml TEXT NOT NULL,  -- '': without load management from then on
    set_at TEXT NOT NULL,
    set_by TEXT NOT NULL
) STRICT;

-- It says which limits held when a fuse went.
CREATE TRIGGER load_site_is_kept BEFORE DELETE ON load_site
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER load_site_stays BEFORE UPDATE ON load_site
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- The last decision, one row. Written with each decision.
CREATE TABLE load_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at TEXT NOT NULL,
    shown TEXT NOT NULL,  -- as people see it, in JSON
    standings TEXT NOT NULL  -- what the next one goes on from, in JSON
) STRICT;


-- A quarter of an hour at a phase (0 to 2) of a circuit. Written at its end; kept for two years.
CREATE TABLE load_quarter (
    quarter INTEGER NOT NULL,
    circuit TEXT NOT NULL,
    phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 2),
    other_mean REAL,  -- of consumers that are no cars; NULL: nothing was measured
    other_highest REAL,
    cars_mean REAL NOT NULL,
    permitted_highest REAL NOT NULL,  -- what cars were allowed together
    limit_a REAL NOT NULL,
    -- how long the measured current was above the limit
    over_seconds INTEGER NOT NULL CHECK (over_seconds >= 0),
    PRIMARY KEY (quarter, circuit, phase)
) STRICT, WITHOUT ROWID;


-- A quarter of an hour of a connector with a car. Written at its end; kept for two years.
CREATE TABLE load_car_quarter (
    quarter INTEGER NOT NULL,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    limit_mean REAL NOT NULL,
    drawn_mean REAL,
    bound TEXT NOT NULL,  -- what bound its limit for the longest time, at which circuit
    circuit TEXT NOT NULL,
    PRIMARY KEY (quarter, cp_id, conn_id)
) STRICT, WITHOUT ROWID;


-- What people want for a connector: a limit by hand, a boost, or what a driver entered for one
-- transaction. Written by a person; the oldest are deleted.
CREATE TABLE load_wish (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('hand', 'boost', 'departure')),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    amperes INTEGER CHECK (amperes >= 0),  -- of a limit by hand
    departure_at TEXT,  -- of a departure, with wanted_wh
    wanted_wh INTEGER CHECK (wanted_wh > 0),
    until TEXT,  -- of a boost
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

-- It says who had a car limited or preferred. It ends once.
CREATE TRIGGER load_wish_stays
BEFORE UPDATE OF id, kind, cp_id, conn_id, tx_id, amperes, departure_at, wanted_wh, until, reason,
    made_at, made_by ON load_wish
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER load_wish_is_ended_once BEFORE UPDATE OF ended_at, ended_by ON load_wish
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A price above which the car of a transaction waits, as its driver wants it, and when it charges
-- all the same. Written by a person; the oldest are deleted.
CREATE TABLE price_wish (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    most_price TEXT NOT NULL,  -- of a kWh, tax included, as an exact decimal number
    charges_at TEXT NOT NULL,
    made_at TEXT NOT NULL,
    made_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX price_wish_open ON price_wish (tx_id) WHERE ended_at IS NULL;
CREATE INDEX price_wish_made ON price_wish (made_at);

-- It says why a car did not charge. It ends once.
CREATE TRIGGER price_wish_stays
BEFORE UPDATE OF id, tx_id, most_price, charges_at, made_at, made_by ON price_wish
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER price_wish_is_ended_once BEFORE UPDATE OF ended_at, ended_by ON price_wish
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- What was learned of a car (lines: how many it uses; least: the A at which it began) or of a
-- connector (rotation). Written by load management; of a rotation nothing counts before a person
-- has confirmed it.
CREATE TABLE load_learned (
    what TEXT NOT NULL CHECK (what IN ('lines', 'rotation', 'least')),
    cp_id TEXT NOT NULL,
    conn_id INTEGER NOT NULL,
    key TEXT NOT NULL,  -- of a car: the normal form of its card
    value TEXT NOT NULL,
    seen INTEGER NOT NULL CHECK (seen > 0),  -- how often
    last_at TEXT NOT NULL,
    confirmed_at TEXT,
    confirmed_by TEXT,
    PRIMARY KEY (what, cp_id, conn_id, key)
) STRICT, WITHOUT ROWID;


-- What a grid operator ordered for the site: the proof, kept for two years. Written when it comes;
-- one that is repeated is counted.
CREATE TABLE load_order (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,  -- of the order
    amperes REAL CHECK (amperes >= 0),  -- NULL with kilowatts NULL: no limit any more
    at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count > 0),
    kilowatts REAL CHECK (kilowatts >= 0),  -- of all phases together
    -- the chargers alone, or the connection with the house
    limits TEXT NOT NULL DEFAULT 'connection' CHECK (limits IN ('chargers', 'connection')),
    held_after_seconds INTEGER CHECK (held_after_seconds >= 0),  -- until the site kept to it
    highest REAL  -- of the minutes since then, in A or kW
) STRICT;
CREATE INDEX load_order_last ON load_order (last_at);

-- It is the proof for the grid operator. Only what came of it is written.
CREATE TRIGGER load_order_stays BEFORE UPDATE OF id, source, amperes, kilowatts, at ON load_order
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A charger that load management limits. Written by load management and by operators; leaving: its
-- profiles and keys are being put back.
CREATE TABLE load_charger (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    state TEXT NOT NULL CHECK (state IN ('managed', 'leaving')),
    since TEXT NOT NULL,
    by TEXT NOT NULL,  -- who had it managed
    way INTEGER NOT NULL DEFAULT 1 CHECK (way BETWEEN 1 AND 5),  -- how a limit reaches it at least
    prepared_at TEXT,  -- when its defaults and keys were last set, after which boot
    prepared_boot INTEGER,
    firmware TEXT,  -- with which it had then
    trusted_by TEXT,  -- who trusts it without a trial
    disobeys_since TEXT,
    restarts_since TEXT,  -- when it was found to restart whenever it is told something
    obeyed INTEGER NOT NULL DEFAULT 0,  -- how many limits it has obeyed since
    put_back TEXT NOT NULL DEFAULT '{}'  -- what its configuration keys were before, in JSON
) STRICT, WITHOUT ROWID;


-- What a connector may draw at most by what it was sent: amperes until ends_at, then safe_a.
-- Written by load management, before a limit is raised there, and after it was lowered there.
CREATE TABLE load_lease (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    amperes INTEGER NOT NULL CHECK (amperes >= 0),
    ends_at TEXT,  -- NULL: without an end
    safe_a INTEGER NOT NULL CHECK (safe_a >= 0),
    sent_at TEXT NOT NULL,
    day INTEGER NOT NULL,  -- of UTC, on which it was sent so many profiles
    reasons TEXT NOT NULL DEFAULT '{}',  -- how many for each reason, in JSON
    PRIMARY KEY (cp_id, conn_id)
) STRICT, WITHOUT ROWID;


-- What a trial or the use has shown of all chargers with one firmware. Written by load management.
CREATE TABLE load_model (
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL,
    what TEXT NOT NULL,
    value TEXT NOT NULL,  -- in JSON
    cp_id TEXT NOT NULL REFERENCES cp (id),  -- the charger that showed it
    at TEXT NOT NULL,
    PRIMARY KEY (vendor, model, firmware, what)
) STRICT, WITHOUT ROWID;


-- A trial of a charger. Written by load management, step by step; result NULL: it runs.
CREATE TABLE load_trial (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    began_at TEXT NOT NULL,
    began_by TEXT NOT NULL,
    steps TEXT NOT NULL,  -- what each found, in JSON
    ended_at TEXT,
    result TEXT CHECK (result IN ('passed', 'failed', 'cancelled')),
    CHECK ((ended_at IS NULL) = (result IS NULL))
) STRICT;
CREATE INDEX load_trial_cp ON load_trial (cp_id, id);


-- A time in which a car got too little to charge because of us, or by the wish of its driver: it
-- waited for its first current, was paused, or stood below its least current. Written by load
-- management.
CREATE TABLE load_span (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    why TEXT NOT NULL CHECK (why IN ('waited', 'paused', 'below')),
    since TEXT NOT NULL,
    until TEXT,  -- NULL: still
    -- 1: its driver wanted to wait for a lower price, so a fee for blocking counts it
    is_by_wish INTEGER NOT NULL DEFAULT 0 CHECK (is_by_wish IN (0, 1))
) STRICT;
CREATE INDEX load_span_tx ON load_span (tx_id, since);
CREATE UNIQUE INDEX load_span_open ON load_span (tx_id) WHERE until IS NULL;

-- A fee for blocking must not count it. It ends once.
CREATE TRIGGER load_span_is_kept BEFORE DELETE ON load_span
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER load_span_is_ended_once BEFORE UPDATE OF until ON load_span
WHEN OLD.until IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;

-- An end that is noted after the stop changes what that fee counts.
CREATE TRIGGER load_span_end_is_to_bill AFTER UPDATE OF until ON load_span
BEGIN
    DELETE FROM bill_work WHERE tx_id IN (
        SELECT id FROM tx
        WHERE id = NEW.tx_id AND status = 'Completed' AND imported_id IS NULL
    );
    INSERT INTO bill_work (tx_id)
        SELECT id FROM tx
        WHERE id = NEW.tx_id AND status = 'Completed' AND imported_id IS NULL;
END;

-- Nothing but its end is written later.
CREATE TRIGGER load_span_stays BEFORE UPDATE OF id, tx_id, why, since, is_by_wish ON load_span
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A person had what was measured at a circuit forgotten: quarters before this one count for no
-- outage. Written by the operator.
CREATE TABLE load_forgotten (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    circuit TEXT NOT NULL,
    quarter INTEGER NOT NULL,
    at TEXT NOT NULL,
    by TEXT NOT NULL
) STRICT;

-- It says why load management decided otherwise from then on.
CREATE TRIGGER load_forgotten_is_kept BEFORE DELETE ON load_forgotten
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER load_forgotten_stays BEFORE UPDATE ON load_forgotten
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What the meters of the grid's point, of the panels and of a battery measured in a quarter of an
-- hour, in Wh. Written each minute by load management; kept as long as bills.
CREATE TABLE sun_quarter (
    quarter INTEGER PRIMARY KEY,
    site_id INTEGER NOT NULL REFERENCES load_site (id),  -- by which document
    -- for how long all of them were read
    seconds INTEGER NOT NULL CHECK (seconds >= 0),
    import_wh INTEGER NOT NULL CHECK (import_wh >= 0),
    export_wh INTEGER NOT NULL CHECK (export_wh >= 0),
    generation_wh INTEGER NOT NULL CHECK (generation_wh >= 0),
    charge_wh INTEGER NOT NULL DEFAULT 0 CHECK (charge_wh >= 0),  -- into the battery
    discharge_wh INTEGER NOT NULL DEFAULT 0 CHECK (discharge_wh >= 0)
) STRICT;

-- A bill rests on it.
CREATE TRIGGER sun_quarter_is_kept BEFORE DELETE ON sun_quarter
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER sun_quarter_stays BEFORE UPDATE OF site_id, quarter ON sun_quarter
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- The chargers below the circuit of the panels, by a document. Written with its first quarter.
CREATE TABLE sun_charger (
    site_id INTEGER NOT NULL REFERENCES load_site (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    PRIMARY KEY (site_id, cp_id)
) STRICT, WITHOUT ROWID;
