-- An order of a grid operator may be in kW, for all phases together. limits: the chargers, or the connection with the house,
-- as all orders did before. highest: of the minutes since it was held, in A or kW.
-- serves: 83
ALTER TABLE load_order ADD COLUMN kilowatts REAL CHECK (kilowatts >= 0);
ALTER TABLE load_order ADD COLUMN limits TEXT NOT NULL DEFAULT 'connection' CHECK (limits IN ('chargers', 'connection'));
ALTER TABLE load_order ADD COLUMN held_after_seconds INTEGER CHECK (held_after_seconds >= 0);
ALTER TABLE load_order ADD COLUMN highest REAL;
DROP TRIGGER load_order_stays;
CREATE TRIGGER load_order_stays BEFORE UPDATE OF id, source, amperes, kilowatts, at ON load_order BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
