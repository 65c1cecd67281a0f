-- Runs of readings. A charger that load management limits reports each 20 s while a car charges. Of readings that say the
-- same, the first one is a row as always, and those after it are one more row, which is advanced to each of them. This
-- row has the values of the last one. run_since: the time of the row that it follows, at which it began. run_low,
-- run_high: the extremes as sent, that row's among them. run_count: how many readings it stands for. All are NULL in a
-- row that is one reading.
-- serves: 53
ALTER TABLE meter_val ADD COLUMN run_since TEXT;
ALTER TABLE meter_val ADD COLUMN run_low TEXT;
ALTER TABLE meter_val ADD COLUMN run_high TEXT;
ALTER TABLE meter_val ADD COLUMN run_count INTEGER;
-- The judge needs those of other measurands than the register, of a transaction.
CREATE INDEX meter_val_run ON meter_val (tx_id)
    WHERE run_since IS NOT NULL AND measurand <> 'Energy.Active.Import.Register';
DROP TRIGGER meter_val_stays;
CREATE TRIGGER meter_val_stays BEFORE UPDATE OF id, cp_id, conn_id, session_id, measurand, unit, context, location, phase,
    format, source, told_id, imported_id, sent_conn_id, run_since ON meter_val
BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- A run only grows, and only while its connector has no later reading.
CREATE TRIGGER meter_val_run_grows BEFORE UPDATE OF received_at, timestamp, sent_timestamp, value, wh, run_low, run_high,
    run_count ON meter_val
WHEN OLD.run_since IS NULL
    OR NEW.run_count <> OLD.run_count + 1 OR NEW.timestamp <= OLD.timestamp OR NEW.received_at < OLD.received_at
    OR NEW.wh < OLD.wh OR (NEW.wh IS NULL) <> (OLD.wh IS NULL)
    OR CAST(NEW.run_low AS REAL) > CAST(OLD.run_low AS REAL) OR CAST(NEW.run_high AS REAL) < CAST(OLD.run_high AS REAL)
    OR CAST(NEW.value AS REAL) NOT BETWEEN CAST(NEW.run_low AS REAL) AND CAST(NEW.run_high AS REAL)
    OR NEW.run_count IS NULL OR NEW.run_low IS NULL OR NEW.run_high IS NULL
    OR EXISTS (SELECT 1 FROM meter_val AS later WHERE later.cp_id = OLD.cp_id AND later.conn_id = OLD.conn_id
        AND later.timestamp > OLD.timestamp AND later.timestamp <> NEW.timestamp)
BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
