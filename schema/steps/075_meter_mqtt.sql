-- Meters of the house that publish over MQTT, and readings that came that way.
-- serves: 53

-- topic: where a meter publishes what its register shows, in unit. path: where its JSON has that; '': it is a plain number.
ALTER TABLE meter ADD COLUMN topic TEXT;
ALTER TABLE meter ADD COLUMN path TEXT NOT NULL DEFAULT '';
ALTER TABLE meter ADD COLUMN unit TEXT NOT NULL DEFAULT 'kWh' CHECK (unit IN ('Wh', 'kWh'));

-- A reading may also come by mqtt. SQLite cannot change what a column allows, so another one takes its place.
DROP TRIGGER meter_reading_stays;
ALTER TABLE meter_reading ADD COLUMN origin TEXT NOT NULL DEFAULT 'hand' CHECK (origin IN ('hand', 'csv', 'mqtt'));
UPDATE meter_reading SET origin = source;
ALTER TABLE meter_reading DROP COLUMN source;
ALTER TABLE meter_reading RENAME COLUMN origin TO source;
CREATE TRIGGER meter_reading_stays BEFORE UPDATE OF id, meter_id, at, value, unit, wh, source, entered_at, entered_by
ON meter_reading BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
