-- The transactionId of a reading, as sent; NULL if it had none, and in readings of earlier versions. A charger whose start
-- was lost uses a number of its own, which distinguishes its transaction from the previous one.
ALTER TABLE meter_val ADD COLUMN told_id INTEGER;

DROP TRIGGER meter_val_stays;
CREATE TRIGGER meter_val_stays BEFORE UPDATE OF id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
    measurand, value, unit, context, location, phase, format, source, wh, told_id ON meter_val BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
