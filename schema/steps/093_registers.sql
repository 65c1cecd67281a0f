-- serves: 92

-- What a neighbour needs to check a line of his statement by the meter. Statements closed before have none of it, and their
-- digests do not cover it.
ALTER TABLE position ADD COLUMN begin_wh INTEGER;
ALTER TABLE position ADD COLUMN end_wh INTEGER;
ALTER TABLE position ADD COLUMN meter_serial TEXT;
ALTER TABLE position ADD COLUMN charger_serial TEXT;
ALTER TABLE position ADD COLUMN measured TEXT;
