-- The connectorId as sent with a reading. `conn_id` is that of its transaction: some chargers send 0 or 1 for each
-- connector. It is NULL in transactionData, which has none, and in readings stored by earlier versions.
ALTER TABLE meter_val ADD COLUMN sent_conn_id INTEGER;
DROP TRIGGER meter_val_stays;
CREATE TRIGGER meter_val_stays BEFORE UPDATE OF id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
    measurand, value, unit, context, location, phase, format, source, wh, told_id, imported_id, sent_conn_id ON meter_val
BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
