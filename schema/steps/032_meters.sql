-- The meters of the house, which measure what chargers draw, and their readings; and an index for the transactions that
-- ended in a month.

-- It measures the whole site, or the chargers of meter_charger. Each class is the greatest error in per cent: its own, and
-- that of the chargers' meters. A register with so many digits of whole kWh goes on at 0.
CREATE TABLE meter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    class_percent REAL NOT NULL CHECK (class_percent BETWEEN 0 AND 20),
    chargers_percent REAL NOT NULL CHECK (chargers_percent BETWEEN 0 AND 20),
    digits INTEGER CHECK (digits BETWEEN 3 AND 9),
    since TEXT NOT NULL,
    until TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CHECK (until > since)
) STRICT;
CREATE TABLE meter_charger (
    meter_id INTEGER NOT NULL REFERENCES meter (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    PRIMARY KEY (meter_id, cp_id)
) STRICT, WITHOUT ROWID;

-- What the register showed at a time: value and unit as given, and in whole Wh. A wrong one is voided, with the reason.
CREATE TABLE meter_reading (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    meter_id INTEGER NOT NULL REFERENCES meter (id),
    at TEXT NOT NULL,
    value TEXT NOT NULL,
    unit TEXT NOT NULL CHECK (unit IN ('Wh', 'kWh')),
    wh INTEGER NOT NULL CHECK (wh >= 0),
    source TEXT NOT NULL CHECK (source IN ('hand', 'csv')),
    entered_at TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    voided_at TEXT,
    voided_by TEXT,
    void_reason TEXT
) STRICT;
CREATE UNIQUE INDEX meter_reading_valid ON meter_reading (meter_id, at) WHERE voided_at IS NULL;
CREATE INDEX meter_reading_all ON meter_reading (meter_id, at, id);
CREATE TRIGGER meter_reading_is_kept BEFORE DELETE ON meter_reading BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER meter_reading_stays BEFORE UPDATE OF id, meter_id, at, value, unit, wh, source, entered_at, entered_by
ON meter_reading BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER meter_reading_is_voided_once BEFORE UPDATE OF voided_at, voided_by, void_reason ON meter_reading
WHEN OLD.voided_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

CREATE INDEX tx_by_end ON tx (cp_id, stop_time, start_time);
