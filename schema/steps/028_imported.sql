-- The history that another system kept: rows that an import brought, with their ids there.

-- An imported row belongs to a session of its charger that never was a connection here. It marks where its rows come from
-- (levity), and there is one for each charger. Its run stands for the other system's server.
ALTER TABLE session ADD COLUMN imported_from TEXT CHECK (imported_from IN ('levity'));
CREATE UNIQUE INDEX session_imported ON session (cp_id) WHERE imported_from IS NOT NULL;
CREATE TRIGGER session_import_stays BEFORE UPDATE OF imported_from ON session BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- The id of a row in the other system. A transaction and an error are known again by it and their time, a reading by it,
-- its connector and its time, so that an import can be repeated.
ALTER TABLE tx ADD COLUMN imported_id INTEGER;
ALTER TABLE meter_val ADD COLUMN imported_id INTEGER;
ALTER TABLE cp_err ADD COLUMN imported_id INTEGER;
CREATE UNIQUE INDEX tx_imported ON tx (cp_id, imported_id, start_time) WHERE imported_id IS NOT NULL;
CREATE UNIQUE INDEX cp_err_imported ON cp_err (cp_id, imported_id, timestamp) WHERE imported_id IS NOT NULL;
DROP TRIGGER meter_val_stays;
CREATE TRIGGER meter_val_stays BEFORE UPDATE OF id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
    measurand, value, unit, context, location, phase, format, source, wh, told_id, imported_id ON meter_val BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- An imported transaction was ended by the import (stopped_by), and has no time of its charger's own clock. It therefore
-- has no place among the messages of that charger: own_start_time orders them, and a comparison with NULL never holds.
DROP TRIGGER tx_is_possible_at_first;
DROP TRIGGER tx_stays_possible;
CREATE TRIGGER tx_is_possible_at_first BEFORE INSERT ON tx WHEN
    NEW.status NOT IN ('Active', 'Completed')
    OR (NEW.own_start_time IS NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.imported_id IS NOT NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.energy_method IS 'imported') IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.stopped_by IS 'import' AND NEW.status <> 'Completed')
    OR (NEW.status = 'Completed' AND (NEW.energy_delivered IS NULL OR NEW.energy_method IS NULL
        OR NEW.confidence IS NULL OR NEW.stop_time IS NULL OR NEW.stopped_by IS NULL))
    OR NEW.energy_delivered < 0 OR NEW.confidence NOT IN ('certain', 'doubtful')
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled', 'corrected', 'imported')
    OR NEW.stopped_by NOT IN ('charger', 'joined', 'system', 'import')
    OR NEW.start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
BEGIN
    SELECT RAISE(ABORT, 'a transaction must have a possible status, figure, method, confidence and times');
END;
CREATE TRIGGER tx_stays_possible BEFORE UPDATE OF status, energy_delivered, energy_method, confidence, stopped_by,
    start_time, stop_time, own_start_time, own_stop_time, imported_id ON tx WHEN
    NEW.status NOT IN ('Active', 'Completed')
    OR (NEW.own_start_time IS NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.imported_id IS NOT NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.energy_method IS 'imported') IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.stopped_by IS 'import' AND NEW.status <> 'Completed')
    OR NEW.imported_id IS NOT OLD.imported_id
    OR (NEW.status = 'Completed' AND (NEW.energy_delivered IS NULL OR NEW.energy_method IS NULL
        OR NEW.confidence IS NULL OR NEW.stop_time IS NULL OR NEW.stopped_by IS NULL))
    OR NEW.energy_delivered < 0 OR NEW.confidence NOT IN ('certain', 'doubtful')
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled', 'corrected', 'imported')
    OR NEW.stopped_by NOT IN ('charger', 'joined', 'system', 'import')
    OR NEW.start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
BEGIN
    SELECT RAISE(ABORT, 'a transaction must have a possible status, figure, method, confidence and times');
END;
