-- A command is stored before it is sent, and its life goes on after whoever asked for it has left: queued, sent, then
-- accepted, rejected (by the status of the response), error (CALLERROR), timed out, gone (the connection or the server
-- ended first), expired (not sent by its deadline) or cancelled. A late response still moves on a command that timed out.
ALTER TABLE command ADD COLUMN asked_by TEXT;
ALTER TABLE command ADD COLUMN run_id INTEGER REFERENCES run (id);
ALTER TABLE command ADD COLUMN timeout_seconds REAL;
-- Until when it may wait for a charger that is away; NULL: it is given up when the charger leaves.
ALTER TABLE command ADD COLUMN deadline_at TEXT;
-- Whether the payload as stored lacks a secret, so that only the process that was asked can send it.
ALTER TABLE command ADD COLUMN is_masked INTEGER NOT NULL DEFAULT 0;
-- What came of it, from later facts: pending until outcome_until, then fulfilled, contradicted or not seen.
ALTER TABLE command ADD COLUMN outcome TEXT;
ALTER TABLE command ADD COLUMN outcome_words TEXT;
ALTER TABLE command ADD COLUMN outcome_at TEXT;
ALTER TABLE command ADD COLUMN outcome_until TEXT;
ALTER TABLE command ADD COLUMN outcome_tx_id INTEGER REFERENCES tx (id);

UPDATE command SET state = 'error' WHERE state = 'refused';
UPDATE command SET state = CASE
    WHEN action IN ('GetConfiguration', 'GetDiagnostics', 'GetLocalListVersion', 'UpdateFirmware') THEN 'accepted'
    WHEN NOT json_valid(answer) THEN 'accepted'
    WHEN lower(trim(json_extract(answer, '$.status')))
        IN ('accepted', 'scheduled', 'rebootrequired', 'unlocked', 'acceptedcanceled') THEN 'accepted'
    ELSE 'rejected' END
WHERE state = 'answered';

CREATE INDEX command_queued ON command (cp_id, id) WHERE state = 'queued';

DROP TRIGGER command_stays;
CREATE TRIGGER command_stays BEFORE UPDATE OF id, cp_id, action, payload, message_id, requested_at, asked_by, run_id,
    timeout_seconds, deadline_at, is_masked ON command BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER command_moves_on BEFORE UPDATE OF state ON command WHEN NOT (
    (OLD.state = 'queued' AND NEW.state IN ('sent', 'gone', 'expired', 'cancelled'))
    OR (OLD.state = 'sent' AND NEW.state IN ('accepted', 'rejected', 'error', 'timed out', 'gone'))
    OR (OLD.state = 'timed out' AND NEW.state IN ('accepted', 'rejected', 'error'))
) BEGIN
    SELECT RAISE(ABORT, 'a command moves on from state to state');
END;
