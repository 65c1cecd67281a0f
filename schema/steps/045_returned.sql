-- What was joined to a transaction returns to where it waited if it is found to belong elsewhere: a message that was set
-- aside and resolved waits again. A decision is taken back as a whole, and never replaced by another one.
DROP TRIGGER set_aside_is_decided_once;
CREATE TRIGGER set_aside_is_decided_once BEFORE UPDATE OF looked_by, looked_at, resolution, resolution_reason ON set_aside
    WHEN OLD.looked_by IS NOT NULL AND (NEW.looked_by IS NOT NULL OR NEW.looked_at IS NOT NULL
        OR NEW.resolution IS NOT NULL OR NEW.resolution_reason IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a message is resolved once: what was decided is never rewritten');
END;

-- Since when the connector of an open transaction has been Available without a sign of it, by our clock; NULL if not. A
-- message of it that is older than that, by its charger's clock, only lets the wait begin again.
ALTER TABLE tx ADD COLUMN free_at TEXT;

-- A notification that repeats the one before it is counted with that one.
ALTER TABLE event ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE event ADD COLUMN last_at TEXT;
DROP TRIGGER event_stays;
CREATE TRIGGER event_stays BEFORE UPDATE OF id, at, kind, cp_id, session_id, data ON event BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE INDEX event_notice ON event (cp_id, kind, id)
    WHERE kind IN ('FirmwareStatusChanged', 'DiagnosticsStatusChanged', 'LogStatusChanged', 'SecurityEventReported');
