-- What people wrote goes from everywhere: from messages and the record of requests, too, of households that were deleted
-- before as well.
-- serves: 53

-- The problem of a message may name the address that a mail server refused. With texts and address it may go at any time.
DROP TRIGGER message_is_sent_once;
CREATE TRIGGER message_is_sent_once BEFORE UPDATE OF not_before, attempts, failing_since, next_at, sending_since, sent_at,
    perhaps_twice, given_up_at ON message
WHEN OLD.sent_at IS NOT NULL OR OLD.given_up_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
CREATE TRIGGER message_problem_goes BEFORE UPDATE OF problem ON message
WHEN NEW.problem IS NOT NULL AND (OLD.sent_at IS NOT NULL OR OLD.given_up_at IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
CREATE INDEX message_with_texts ON message (created_at) WHERE subject IS NOT NULL;
UPDATE message SET subject = NULL, body = NULL, link = NULL, sent_to = NULL, problem = NULL
WHERE recipient_id IN (SELECT recipient.id FROM personal_deletion JOIN recipient
        ON recipient.account_id = personal_deletion.account_id)
    OR event_id IN (SELECT event.id FROM event JOIN personal_deletion
        ON CAST(json_extract(data, '$.account') AS INTEGER) = account_id WHERE kind = 'HouseholdReported');

-- Where a driver was at work goes with what is personal, as that of log-ins does.
DROP TRIGGER operator_action_stays;
UPDATE operator_action SET body = NULL WHERE body IS NOT NULL AND (path LIKE '/api/me/tags/%' OR
    path LIKE '/api/me/vehicles/%' OR path LIKE '/api/admin/transactions/%' OR path LIKE '/api/admin/review%' OR path LIKE '/api/admin/set-aside/%'
    OR path LIKE '/api/admin/tariff-assignments%');
UPDATE operator_action SET address = '' WHERE who IN (SELECT 'driver ' || "user".id FROM personal_deletion JOIN "user"
    ON "user".account_id = personal_deletion.account_id);
CREATE TRIGGER operator_action_stays BEFORE UPDATE OF id, at, request, who, role, method, path, body ON operator_action
BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER operator_action_address_goes BEFORE UPDATE OF address ON operator_action WHEN NEW.address <> '' BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- Why a figure of a session, or its price, is what it is: that goes with the names on statements, after the years of
-- keeping. tx_event has no reason to judge or bill by.
DROP TRIGGER tx_event_stays;
CREATE TRIGGER tx_event_stays BEFORE UPDATE OF id, tx_id, kind, who, session_id, received_at, timestamp,
    sent_timestamp, message_id, payload, digest, state, cause ON tx_event BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER tx_event_reason_goes BEFORE UPDATE OF reason ON tx_event WHEN NEW.reason <> '' BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
DROP TRIGGER review_resolves_once;
CREATE TRIGGER review_resolves_once BEFORE UPDATE ON review
    WHEN (OLD.resolved_at IS NOT NULL AND (NEW.resolved_at IS NOT OLD.resolved_at
        OR (NEW.reason IS NOT OLD.reason AND NEW.reason IS NOT '')
        OR NEW.resolved_by IS NOT OLD.resolved_by OR NEW.resolution IS NOT OLD.resolution))
    OR NEW.id IS NOT OLD.id OR NEW.tx_id IS NOT OLD.tx_id OR NEW.code IS NOT OLD.code
    OR NEW.words IS NOT OLD.words OR NEW.figures IS NOT OLD.figures OR NEW.evidence IS NOT OLD.evidence
    OR NEW.opened_at IS NOT OLD.opened_at OR NEW.tx_event_id IS NOT OLD.tx_event_id
    OR (NEW.resolved_at IS NOT NULL AND (NEW.resolved_by IS NULL OR NEW.resolution IS NULL)) BEGIN
    SELECT RAISE(ABORT, 'a review is opened and resolved once');
END;
DROP TRIGGER tx_account_change_is_to_bill;
CREATE TRIGGER tx_account_change_is_to_bill AFTER UPDATE OF tx_id, account_id ON tx_account BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.tx_id;
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE id = NEW.tx_id AND imported_id IS NULL;
END;
DROP TRIGGER tariff_assignment_stays;
CREATE TRIGGER tariff_assignment_stays BEFORE UPDATE OF id, scope, key, since, tariff_id, assigned_at, assigned_by
ON tariff_assignment BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER tariff_assignment_reason_goes BEFORE UPDATE OF reason ON tariff_assignment WHEN NEW.reason <> '' BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
