-- The server of a run and the run of a connection, so that each server ends only its own.

-- The server of a run. Its start ends what the last run with that name left open. NULL: from a version without names.
ALTER TABLE run ADD COLUMN server TEXT;
-- The number of a connection within its run, known before its row is stored. NULL: from an earlier version.
ALTER TABLE session ADD COLUMN connection INTEGER;
DROP INDEX session_open;
CREATE UNIQUE INDEX session_open ON session (run_id, connection) WHERE ended_at IS NULL;

-- After a leap of our own clock, the times of open sessions are untrusted.
DROP TRIGGER session_ends_once;
CREATE TRIGGER session_ends_once BEFORE UPDATE ON session
    WHEN OLD.ended_at IS NOT NULL OR NEW.id IS NOT OLD.id OR NEW.cp_id IS NOT OLD.cp_id OR NEW.run_id IS NOT OLD.run_id
    OR NEW.connection IS NOT OLD.connection OR NEW.connected_at IS NOT OLD.connected_at
    OR NEW.remote_address IS NOT OLD.remote_address OR NEW.target IS NOT OLD.target
    OR NEW.subprotocol IS NOT OLD.subprotocol OR NEW.clock_trusted > OLD.clock_trusted BEGIN
    SELECT RAISE(ABORT, 'a session is opened and ended once');
END;
DROP TRIGGER run_ends_once;
CREATE TRIGGER run_ends_once BEFORE UPDATE ON run
    WHEN (OLD.ended_at IS NOT NULL AND (NEW.ended_at IS NOT OLD.ended_at OR NEW.clean IS NOT OLD.clean))
    OR NEW.id IS NOT OLD.id OR NEW.server IS NOT OLD.server OR NEW.version IS NOT OLD.version
    OR NEW.started_at IS NOT OLD.started_at OR NEW.clock_trusted IS NOT OLD.clock_trusted BEGIN
    SELECT RAISE(ABORT, 'a run is begun and ended once');
END;
