-- How a transaction is judged: the rules, the range of the register, the doubts. Guards: no write can change a fact or
-- leave a completed transaction without a figure.

-- start_time and stop_time are for bills and display; they are corrected if the charger's clock is known to be ahead.
-- own_start_time and own_stop_time are the uncorrected times of the charger's own clock, which orders its messages.
ALTER TABLE tx ADD COLUMN own_start_time TEXT;
ALTER TABLE tx ADD COLUMN own_stop_time TEXT;
ALTER TABLE tx ADD COLUMN stop_skew_seconds INTEGER;
ALTER TABLE tx ADD COLUMN stop_received_at TEXT;
-- A register as sent, if it was not an integer.
ALTER TABLE tx ADD COLUMN sent_meter_start TEXT;
ALTER TABLE tx ADD COLUMN sent_meter_stop TEXT;
-- The transactionId in the stop of a transaction with an unknown start, which identifies its later messages.
ALTER TABLE tx ADD COLUMN told_id INTEGER;
-- The newest reading with a time ahead of its receipt; it never becomes the last reading.
ALTER TABLE tx ADD COLUMN ahead_reading_at TEXT;
-- The range of the register, in Wh, on which the figure is based; later facts within it change nothing.
ALTER TABLE tx ADD COLUMN billed_from_wh INTEGER;
ALTER TABLE tx ADD COLUMN billed_until_wh INTEGER;
-- The version of the rules, when they were applied, and when they are to be applied again because of later facts.
ALTER TABLE tx ADD COLUMN rules INTEGER;
ALTER TABLE tx ADD COLUMN judged_at TEXT;
ALTER TABLE tx ADD COLUMN judge_after TEXT;
-- The energy that the counters of delivered energy include for it, in Wh.
ALTER TABLE tx ADD COLUMN counted_wh INTEGER NOT NULL DEFAULT 0;

UPDATE tx SET own_start_time = start_time, own_stop_time = stop_time, billed_from_wh = meter_start,
    billed_until_wh = coalesce(meter_start + energy_delivered, meter_stop),
    rules = CASE WHEN status = 'Completed' THEN 1 END, judged_at = CASE WHEN status = 'Completed' THEN updated_at END,
    counted_wh = coalesce(energy_delivered, (SELECT json_extract(data, '$.energy_wh') FROM event
        WHERE kind = 'TransactionClosed' AND event.cp_id = tx.cp_id AND json_extract(data, '$.transaction') = tx.id
        ORDER BY event.id DESC LIMIT 1), 0),
    stop_received_at = (SELECT max(received_at) FROM tx_event WHERE tx_id = tx.id AND kind IN ('stop', 'close'));

DROP INDEX tx_connector;
CREATE INDEX tx_connector ON tx (cp_id, conn_id, own_start_time);
-- For auto start: transactions received since a time, whatever the charger's clock.
CREATE INDEX tx_received ON tx (cp_id, conn_id, created_at);
CREATE INDEX tx_stop ON tx (cp_id, sent_stop_time) WHERE sent_stop_time IS NOT NULL;
CREATE INDEX tx_judge_after ON tx (judge_after) WHERE judge_after IS NOT NULL;
CREATE INDEX boot_received ON boot (cp_id, received_at);
CREATE INDEX status_received ON status (cp_id, conn_id, received_at);
-- For the end of a connection, and for auto start. Both indexes contain only a few of all commands.
CREATE INDEX command_sent ON command (cp_id) WHERE state = 'sent';
CREATE INDEX command_remote_start ON command (cp_id, requested_at) WHERE action = 'RemoteStartTransaction';
CREATE INDEX set_aside_waiting ON set_aside (received_at) WHERE looked_at IS NULL;

-- The state of the transaction before, and the cause of the change (see levity_trio/charging/lifecycle.py).
ALTER TABLE tx_event ADD COLUMN state TEXT;
ALTER TABLE tx_event ADD COLUMN cause TEXT;

-- Why a person should check a transaction. figures: the Wh of each candidate, as JSON; evidence: the two pieces of
-- evidence that disagree, as JSON. A review is resolved once, by the system (because of later facts) or by a person.
CREATE TABLE review (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    code TEXT NOT NULL,
    words TEXT NOT NULL,
    figures TEXT NOT NULL,
    evidence TEXT NOT NULL,
    tx_event_id INTEGER REFERENCES tx_event (id),
    opened_at TEXT NOT NULL,
    resolved_at TEXT,
    resolved_by TEXT,
    resolution TEXT,
    reason TEXT
) STRICT;
CREATE INDEX review_tx ON review (tx_id);
CREATE UNIQUE INDEX review_open ON review (tx_id, code) WHERE resolved_at IS NULL;
CREATE INDEX review_waiting ON review (opened_at) WHERE resolved_at IS NULL;

-- What a charger always does, and how many transactions have shown it. kind is a review code, or ceiling (value: its
-- highest power, in W). A habit belongs to one firmware and one meter. A contradiction or a person revokes it.
CREATE TABLE habit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    firmware TEXT NOT NULL,
    meter_serial TEXT NOT NULL,
    kind TEXT NOT NULL,
    value INTEGER,
    transactions INTEGER NOT NULL,
    since TEXT NOT NULL,
    last_at TEXT NOT NULL,
    revoked_at TEXT,
    revoked_by TEXT,
    reason TEXT
) STRICT;
CREATE UNIQUE INDEX habit_valid ON habit (cp_id, conn_id, firmware, meter_serial, kind) WHERE revoked_at IS NULL;

-- tx.review is the text of the open reviews.
CREATE TRIGGER review_opens AFTER INSERT ON review WHEN NEW.resolved_at IS NULL BEGIN
    UPDATE tx SET review = (SELECT group_concat(words, '; ') FROM (
        SELECT words FROM review WHERE tx_id = NEW.tx_id AND resolved_at IS NULL ORDER BY id)) WHERE id = NEW.tx_id;
END;
CREATE TRIGGER review_resolves AFTER UPDATE OF resolved_at ON review BEGIN
    UPDATE tx SET review = (SELECT group_concat(words, '; ') FROM (
        SELECT words FROM review WHERE tx_id = NEW.tx_id AND resolved_at IS NULL ORDER BY id)) WHERE id = NEW.tx_id;
END;

-- Rows of earlier versions, and rows that may have been changed by hand. A row that a guard would refuse is corrected,
-- with a row of tx_event and a review. Other text in tx.review is kept.
INSERT INTO tx_event (tx_id, kind, who, reason, received_at, timestamp, last_received_at)
    SELECT id, 'correct', 'system', 'it had no possible figure: status ' || status || ', ' || coalesce(energy_delivered, 'no')
        || ' Wh, method ' || coalesce(energy_method, 'none') || ', ' || coalesce(confidence, 'no confidence')
        || ', from ' || start_time || ' to ' || coalesce(stop_time, 'nothing') || ', by ' || coalesce(stopped_by, 'nobody'),
        updated_at, updated_at, updated_at
    FROM tx WHERE status NOT IN ('Active', 'Completed') OR energy_delivered < 0
        OR energy_method NOT IN ('register', 'segments', 'session readings')
        OR confidence NOT IN ('certain', 'doubtful') OR stopped_by NOT IN ('charger', 'joined', 'system')
        OR (status <> 'Active' AND (energy_delivered IS NULL OR energy_method IS NULL OR confidence IS NULL
            OR stop_time IS NULL OR stopped_by IS NULL))
        OR start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
        OR stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z';
INSERT INTO review (tx_id, code, words, figures, evidence, tx_event_id, opened_at)
    SELECT tx_id, 'legacy', coalesce((SELECT review || '; ' FROM tx WHERE tx.id = tx_id), '') || 'put right: ' || reason,
        '{}', '[]', id, received_at
    FROM tx_event WHERE kind = 'correct';
INSERT INTO review (tx_id, code, words, figures, evidence, tx_event_id, opened_at)
    SELECT id, 'legacy', review, '{}', '[]', (SELECT max(id) FROM tx_event WHERE tx_id = tx.id), updated_at
    FROM tx WHERE review IS NOT NULL AND NOT EXISTS (SELECT 1 FROM review AS known WHERE known.tx_id = tx.id);
UPDATE tx SET
    start_time = coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', start_time), created_at),
    stop_time = CASE WHEN stop_time IS NOT NULL THEN coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', stop_time), updated_at)
        WHEN status <> 'Active' THEN updated_at END,
    status = CASE WHEN status = 'Active' THEN 'Active' ELSE 'Completed' END,
    energy_delivered = CASE WHEN status = 'Active' THEN NULL ELSE max(0, coalesce(energy_delivered, 0)) END,
    energy_method = CASE WHEN status = 'Active' THEN NULL
        WHEN energy_method IN ('register', 'segments', 'session readings') THEN energy_method ELSE 'segments' END,
    confidence = CASE WHEN status <> 'Active' THEN 'doubtful' END,
    stopped_by = CASE WHEN stopped_by IN ('charger', 'joined', 'system') THEN stopped_by WHEN status <> 'Active' THEN 'system' END
    WHERE EXISTS (SELECT 1 FROM tx_event WHERE tx_id = tx.id AND kind = 'correct');
UPDATE tx SET own_start_time = start_time, own_stop_time = stop_time
    WHERE EXISTS (SELECT 1 FROM tx_event WHERE tx_id = tx.id AND kind = 'correct');

-- Guards
CREATE TRIGGER tx_is_possible_at_first BEFORE INSERT ON tx WHEN
    NEW.status NOT IN ('Active', 'Completed') OR NEW.own_start_time IS NULL
    OR (NEW.status = 'Completed' AND (NEW.energy_delivered IS NULL OR NEW.energy_method IS NULL
        OR NEW.confidence IS NULL OR NEW.stop_time IS NULL OR NEW.stopped_by IS NULL))
    OR NEW.energy_delivered < 0 OR NEW.confidence NOT IN ('certain', 'doubtful')
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled')
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
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled')
    OR NEW.stopped_by NOT IN ('charger', 'joined', 'system')
    OR NEW.start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_start_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_stop_time NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
BEGIN
    SELECT RAISE(ABORT, 'a transaction must have a possible status, figure, method, confidence and times');
END;
CREATE TRIGGER tx_is_kept BEFORE DELETE ON tx BEGIN
    SELECT RAISE(ABORT, 'a transaction is never deleted');
END;

CREATE TRIGGER tx_event_is_kept BEFORE DELETE ON tx_event BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER tx_event_stays BEFORE UPDATE OF id, tx_id, kind, who, reason, session_id, received_at, timestamp,
    sent_timestamp, message_id, payload, digest, state, cause ON tx_event BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER meter_val_is_kept BEFORE DELETE ON meter_val BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER meter_val_stays BEFORE UPDATE OF id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
    measurand, value, unit, context, location, phase, format, source, wh ON meter_val BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER boot_is_kept BEFORE DELETE ON boot BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER boot_stays BEFORE UPDATE ON boot BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER status_is_kept BEFORE DELETE ON status BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER status_stays BEFORE UPDATE OF id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
    status, error_code, info, vendor_id, vendor_error_code ON status BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER configuration_is_kept BEFORE DELETE ON configuration BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER configuration_stays BEFORE UPDATE ON configuration BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER set_aside_is_kept BEFORE DELETE ON set_aside BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER set_aside_stays BEFORE UPDATE OF id, cp_id, session_id, received_at, action, message_id, payload, digest,
    reason ON set_aside BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER evidence_is_kept BEFORE DELETE ON evidence BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER evidence_stays BEFORE UPDATE ON evidence BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER repair_is_kept BEFORE DELETE ON repair BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER repair_counts BEFORE UPDATE OF cp_id, firmware, kind, first_at, sample ON repair BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER repair_only_grows BEFORE UPDATE OF count ON repair WHEN NEW.count < OLD.count BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER command_is_kept BEFORE DELETE ON command BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER command_stays BEFORE UPDATE OF id, cp_id, action, payload, requested_at ON command BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER log_stays BEFORE UPDATE ON log BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER session_is_kept BEFORE DELETE ON session BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER session_ends_once BEFORE UPDATE ON session
    WHEN OLD.ended_at IS NOT NULL OR NEW.id IS NOT OLD.id OR NEW.cp_id IS NOT OLD.cp_id OR NEW.run_id IS NOT OLD.run_id
    OR NEW.connected_at IS NOT OLD.connected_at OR NEW.remote_address IS NOT OLD.remote_address
    OR NEW.target IS NOT OLD.target OR NEW.subprotocol IS NOT OLD.subprotocol
    OR NEW.clock_trusted IS NOT OLD.clock_trusted BEGIN
    SELECT RAISE(ABORT, 'a session is opened and ended once');
END;
CREATE TRIGGER run_is_kept BEFORE DELETE ON run BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER run_ends_once BEFORE UPDATE ON run
    WHEN (OLD.ended_at IS NOT NULL AND (NEW.ended_at IS NOT OLD.ended_at OR NEW.clean IS NOT OLD.clean))
    OR NEW.id IS NOT OLD.id OR NEW.version IS NOT OLD.version OR NEW.started_at IS NOT OLD.started_at
    OR NEW.clock_trusted IS NOT OLD.clock_trusted BEGIN
    SELECT RAISE(ABORT, 'a run is begun and ended once');
END;
CREATE TRIGGER review_is_kept BEFORE DELETE ON review BEGIN
    SELECT RAISE(ABORT, 'a review is never deleted');
END;
CREATE TRIGGER review_resolves_once BEFORE UPDATE ON review
    WHEN OLD.resolved_at IS NOT NULL OR NEW.id IS NOT OLD.id OR NEW.tx_id IS NOT OLD.tx_id OR NEW.code IS NOT OLD.code
    OR NEW.words IS NOT OLD.words OR NEW.figures IS NOT OLD.figures OR NEW.evidence IS NOT OLD.evidence
    OR NEW.opened_at IS NOT OLD.opened_at OR NEW.tx_event_id IS NOT OLD.tx_event_id
    OR (NEW.resolved_at IS NOT NULL AND (NEW.resolved_by IS NULL OR NEW.resolution IS NULL)) BEGIN
    SELECT RAISE(ABORT, 'a review is opened and resolved once');
END;

DROP INDEX event_counted;
CREATE INDEX event_counted ON event (kind, cp_id)
    WHERE kind IN ('EnergyJumped', 'EnergyUnbilled', 'IdentityShared', 'TransactionClosed', 'TransactionRejudged',
        'TransactionStopped');
