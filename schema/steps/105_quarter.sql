-- Energy is billed by the price of its quarter of an hour, and the sun of the house is shared.

-- 1: a person confirmed it though its times are not sure: where its tariff has a price for that,
-- quarters do not count.
ALTER TABLE tx ADD COLUMN is_at_fallback INTEGER NOT NULL DEFAULT 0;


-- Prices of energy by the quarter of an hour, as a market or a contract has them. Written by an
-- operator.
CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    currency TEXT NOT NULL,
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net')),  -- gross: tax is in them
    source TEXT,  -- where they are fetched and how they are read, in JSON; NULL: nowhere
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL
) STRICT;

-- Closed statements were made by it.
CREATE TRIGGER series_is_kept BEFORE DELETE ON series
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- Its currency and prices change only while it has no values.
CREATE TRIGGER series_stays BEFORE UPDATE OF id, currency, prices ON series
WHEN EXISTS (SELECT 1 FROM series_value WHERE series_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Values of a series that came together. Written when they were fetched, or by a person; of a
-- quarter, the one of the newest batch counts.
CREATE TABLE series_batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    series_id INTEGER NOT NULL REFERENCES series (id),
    at TEXT NOT NULL,
    by TEXT NOT NULL,  -- who gave them, or the address that they were fetched from
    reason TEXT  -- of a correction
) STRICT;
CREATE INDEX series_batch_of_series ON series_batch (series_id, id);
CREATE INDEX series_batch_at ON series_batch (at, id);

-- Bills rest on them.
CREATE TRIGGER series_batch_is_kept BEFORE DELETE ON series_batch
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER series_batch_stays BEFORE UPDATE ON series_batch
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What a kWh costs in a quarter of an hour, counted from 1970-01-01 in UTC. Written with its
-- batch.
CREATE TABLE series_value (
    series_id INTEGER NOT NULL REFERENCES series (id),
    quarter INTEGER NOT NULL,
    batch_id INTEGER NOT NULL REFERENCES series_batch (id),
    price TEXT NOT NULL,  -- of a kWh, as an exact decimal number
    PRIMARY KEY (series_id, quarter, batch_id)
) STRICT;

-- Bills rest on it.
CREATE TRIGGER series_value_is_kept BEFORE DELETE ON series_value
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER series_value_stays BEFORE UPDATE ON series_value
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- The energy of an ended transaction by the quarter of an hour, as bills divide it. Derived beside
-- the writer, while something is billed or shared by the quarter.
CREATE TABLE tx_quarter (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    revision INTEGER NOT NULL,  -- of bill_work, from which it was computed
    first INTEGER NOT NULL,  -- its first quarter
    last INTEGER NOT NULL,
    wh TEXT NOT NULL,  -- the Wh of each, in JSON
    divided TEXT NOT NULL,  -- which of them no readings show, in JSON
    split TEXT NOT NULL  -- by what it was divided, as billing/statement.py names it
) STRICT;
CREATE INDEX tx_quarter_time ON tx_quarter (last, first);


-- How far `tx_quarter` is. Written with it, one row.
CREATE TABLE tx_quarter_work (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL  -- the newest of bill_work that it knows
) STRICT;


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
