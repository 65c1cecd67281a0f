-- The driver of a transaction may let his car wait for a lower price of energy.

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


-- 1: its driver wanted to wait for a lower price, so a fee for blocking counts it.
ALTER TABLE load_span ADD COLUMN is_by_wish INTEGER NOT NULL DEFAULT 0
    CHECK (is_by_wish IN (0, 1));
DROP TRIGGER load_span_stays;
CREATE TRIGGER load_span_stays BEFORE UPDATE OF id, tx_id, why, since, is_by_wish ON load_span
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
