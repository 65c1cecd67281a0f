-- The transactionId that a reading named, as it was sent; NULL where it named none, and in readings of before. A charger
-- whose start was lost names a number of its own, which tells its transaction from the one before.
ALTER TABLE meter_val ADD COLUMN told_id INTEGER;

DROP TRIGGER meter_val_stays;
CREATE TRIGGER meter_val_stays BEFORE UPDATE OF id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
    measurand, value, unit, context, location, phase, format, source, wh, told_id ON meter_val BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
