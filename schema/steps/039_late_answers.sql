-- A response to a CALL may come after the connection over which the CALL was sent has ended, or after the server has been
-- restarted: the charger answers when it is back.
DROP TRIGGER command_moves_on;
CREATE TRIGGER command_moves_on BEFORE UPDATE OF state ON command WHEN NOT (
    (OLD.state = 'queued' AND NEW.state IN ('sent', 'gone', 'expired', 'cancelled'))
    OR (OLD.state = 'sent' AND NEW.state IN ('accepted', 'rejected', 'error', 'timed out', 'gone'))
    OR (OLD.state IN ('timed out', 'gone') AND OLD.sent_at IS NOT NULL AND NEW.state IN ('accepted', 'rejected', 'error'))
) BEGIN
    SELECT RAISE(ABORT, 'a command moves on from state to state');
END;
CREATE INDEX command_unanswered ON command (message_id)
    WHERE state IN ('sent', 'timed out', 'gone') AND sent_at IS NOT NULL;
