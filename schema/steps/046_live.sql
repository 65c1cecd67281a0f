-- A status that was older than the present one when it came: it is kept, and neither the present status nor the outcome
-- of a command follows it. 0 in rows of earlier versions, which did not say.
ALTER TABLE status ADD COLUMN is_late INTEGER NOT NULL DEFAULT 0;
-- Seconds for which a charger regularly sends nothing although it was told a shorter heartbeat interval; NULL where it
-- keeps to what it was told. The watchdog waits for three times the longer of the two.
ALTER TABLE cp ADD COLUMN kept_interval INTEGER;
