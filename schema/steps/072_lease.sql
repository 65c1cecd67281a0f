-- Leases: limits that were sent to chargers, what is known of how chargers obey, and what cars missed because of us.
-- serves: 53

-- The chargers that load management limits. leaving: its profiles, keys and availability are being put back. way: how a
-- limit reaches it at least (1 to 5). prepared_at: when its defaults and keys were last set, with which firmware. put_back: what its configuration keys were before, in JSON. trusted_by: who trusts it without
-- a trial. disobeys_since, obeyed: since when it does not obey, and how many limits it has obeyed since.
CREATE TABLE load_charger (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    state TEXT NOT NULL CHECK (state IN ('managed', 'leaving')),
    since TEXT NOT NULL,
    by TEXT NOT NULL,
    way INTEGER NOT NULL DEFAULT 1 CHECK (way BETWEEN 1 AND 5),
    prepared_at TEXT,
    firmware TEXT,
    trusted_by TEXT,
    disobeys_since TEXT,
    obeyed INTEGER NOT NULL DEFAULT 0,
    put_back TEXT NOT NULL DEFAULT '{}'
) STRICT, WITHOUT ROWID;

-- What a connector may draw at most by what it was sent, changed in place: amperes until ends_at, then safe_a. ends_at NULL:
-- amperes without an end. It is raised here before it is raised there, and lowered here after it was lowered there.
-- writes: how many profiles it was sent on this day of UTC.
CREATE TABLE load_lease (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    amperes INTEGER NOT NULL CHECK (amperes >= 0),
    ends_at TEXT,
    safe_a INTEGER NOT NULL CHECK (safe_a >= 0),
    sent_at TEXT NOT NULL,
    day INTEGER NOT NULL,
    writes INTEGER NOT NULL,
    PRIMARY KEY (cp_id, conn_id)
) STRICT, WITHOUT ROWID;

-- What a trial or the use has shown of all chargers with one firmware. value: JSON.
CREATE TABLE load_model (
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL,
    what TEXT NOT NULL,
    value TEXT NOT NULL,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    at TEXT NOT NULL,
    PRIMARY KEY (vendor, model, firmware, what)
) STRICT, WITHOUT ROWID;

-- Trials of chargers. steps: JSON, what each step found. result: passed, failed or cancelled; NULL while it runs.
CREATE TABLE load_trial (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    began_at TEXT NOT NULL,
    began_by TEXT NOT NULL,
    steps TEXT NOT NULL,
    ended_at TEXT,
    result TEXT CHECK (result IN ('passed', 'failed', 'cancelled')),
    CHECK ((ended_at IS NULL) = (result IS NULL))
) STRICT;
CREATE INDEX load_trial_cp ON load_trial (cp_id, id);

-- When a car got too little to charge because of us: it waited for its first current, was paused, or stood below its least
-- current. until NULL: still.
CREATE TABLE load_span (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    why TEXT NOT NULL CHECK (why IN ('waited', 'paused', 'below')),
    since TEXT NOT NULL,
    until TEXT
) STRICT;
CREATE INDEX load_span_tx ON load_span (tx_id, since);
CREATE UNIQUE INDEX load_span_open ON load_span (tx_id) WHERE until IS NULL;
CREATE TRIGGER load_span_is_kept BEFORE DELETE ON load_span BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER load_span_stays BEFORE UPDATE OF id, tx_id, why, since ON load_span BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER load_span_is_ended_once BEFORE UPDATE OF until ON load_span WHEN OLD.until IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
-- An end that is noted after the stop changes what a fee for blocking counts.
CREATE TRIGGER load_span_end_is_to_bill AFTER UPDATE OF until ON load_span BEGIN
    DELETE FROM bill_work WHERE tx_id IN (SELECT id FROM tx WHERE id = NEW.tx_id AND status = 'Completed'
        AND imported_id IS NULL);
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE id = NEW.tx_id AND status = 'Completed' AND imported_id IS NULL;
END;
