-- What an operator decides about transactions and about messages that were set aside.

-- Who linked or dismissed the message, as what (attached, made, dismissed), and why.
ALTER TABLE set_aside ADD COLUMN looked_by TEXT;
ALTER TABLE set_aside ADD COLUMN resolution TEXT;
ALTER TABLE set_aside ADD COLUMN resolution_reason TEXT;
CREATE INDEX set_aside_tx ON set_aside (tx_id) WHERE tx_id IS NOT NULL;
CREATE TRIGGER set_aside_is_decided_once BEFORE UPDATE OF looked_by, looked_at, resolution, resolution_reason ON set_aside
    WHEN OLD.looked_by IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a message is resolved once: what was decided is never rewritten');
END;

-- A figure that a person set has the method corrected.
DROP TRIGGER tx_is_possible_at_first;
DROP TRIGGER tx_stays_possible;
CREATE TRIGGER tx_is_possible_at_first BEFORE INSERT ON tx WHEN
    NEW.status NOT IN ('Active', 'Completed') OR NEW.own_start_time IS NULL
    OR (NEW.status = 'Completed' AND (NEW.energy_delivered IS NULL OR NEW.energy_method IS NULL
        OR NEW.confidence IS NULL OR NEW.stop_time IS NULL OR NEW.stopped_by IS NULL))
    OR NEW.energy_delivered < 0 OR NEW.confidence NOT IN ('certain', 'doubtful')
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled', 'corrected')
    OR NEW.stopped_by NOT IN ('charger', 'joined', 'system')
    OR NEW.start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
BEGIN
    SELECT RAISE(ABORT, 'a transaction must have a possible status, figure, method, confidence and times');
END;
CREATE TRIGGER tx_stays_possible BEFORE UPDATE OF status, energy_delivered, energy_method, confidence, stopped_by,
    start_time, stop_time, own_start_time, own_stop_time ON tx WHEN
    NEW.status NOT IN ('Active', 'Completed') OR NEW.own_start_time IS NULL
    OR (NEW.status = 'Completed' AND (NEW.energy_delivered IS NULL OR NEW.energy_method IS NULL
        OR NEW.confidence IS NULL OR NEW.stop_time IS NULL OR NEW.stopped_by IS NULL))
    OR NEW.energy_delivered < 0 OR NEW.confidence NOT IN ('certain', 'doubtful')
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled', 'corrected')
    OR NEW.stopped_by NOT IN ('charger', 'joined', 'system')
    OR NEW.start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
BEGIN
    SELECT RAISE(ABORT, 'a transaction must have a possible status, figure, method, confidence and times');
END;

-- What a correction adds to or takes from the counters of energy.
DROP INDEX event_counted;
CREATE INDEX event_counted ON event (kind, cp_id)
    WHERE kind IN ('EnergyJumped', 'EnergyUnbilled', 'IdentityShared', 'TransactionClosed', 'TransactionCorrected',
        'TransactionRejudged', 'TransactionStopped');
