-- The deletion of what is personal: who had it deleted, and guards that let a text go, but never be another one. And the
-- numbers of statements that a restored copy does not have.

-- What was personal of an account was deleted; on its closed statements, and in its ledger, it goes keep_years after the
-- end of the month, or after the entry.
CREATE TABLE personal_deletion (
    account_id INTEGER PRIMARY KEY REFERENCES account (id),
    keep_years INTEGER NOT NULL CHECK (keep_years >= 0),
    reason TEXT NOT NULL,
    deleted_at TEXT NOT NULL,
    deleted_by TEXT NOT NULL
) STRICT;
CREATE TRIGGER personal_deletion_is_kept BEFORE DELETE ON personal_deletion BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER personal_deletion_stays BEFORE UPDATE ON personal_deletion BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

DROP TRIGGER tag_stays;
CREATE TRIGGER tag_stays BEFORE UPDATE OF id, id_tag, status, expires_at, parent_id_tag, max_transactions, created_at,
    created_by ON tag BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER tag_texts_go BEFORE UPDATE OF name, notes ON tag
WHEN (NEW.name IS NOT NULL AND NEW.name IS NOT OLD.name) OR (NEW.notes IS NOT NULL AND NEW.notes IS NOT OLD.notes) BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

DROP TRIGGER ownership_stays;
CREATE TRIGGER ownership_stays BEFORE UPDATE OF id, account_id, what, conn_id, id_tag, vehicle_id, since, given_at,
    given_by ON ownership BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
DROP TRIGGER ownership_ends_once;
CREATE TRIGGER ownership_ends_once BEFORE UPDATE OF until, ended_at, ended_by, voided_at, voided_by ON ownership
WHEN OLD.voided_at IS NOT NULL OR (OLD.until IS NOT NULL AND (NEW.until IS NOT OLD.until
    OR NEW.ended_at IS NOT OLD.ended_at OR NEW.ended_by IS NOT OLD.ended_by)) BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
CREATE TRIGGER ownership_texts_go BEFORE UPDATE OF reason, end_reason, void_reason ON ownership
WHEN (NEW.reason IS NOT NULL AND NEW.reason IS NOT OLD.reason)
    OR (NEW.end_reason IS NOT NULL AND NEW.end_reason IS NOT OLD.end_reason
        AND (OLD.until IS NOT NULL OR OLD.voided_at IS NOT NULL))
    OR (NEW.void_reason IS NOT NULL AND NEW.void_reason IS NOT OLD.void_reason AND OLD.voided_at IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

DROP TRIGGER wallet_terms_stay;
CREATE TRIGGER wallet_terms_stay BEFORE UPDATE OF id, account_id, kind, limit_amount, since, set_by ON wallet_terms BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER wallet_terms_text_goes BEFORE UPDATE OF reason ON wallet_terms WHEN NEW.reason <> '' BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

DROP TRIGGER ledger_stays;
CREATE TRIGGER ledger_stays BEFORE UPDATE OF id, account_id, kind, amount, currency, statement_id, tx_id, service_id,
    entered_at, entered_by ON ledger BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER ledger_text_goes BEFORE UPDATE OF reason ON ledger WHEN NEW.reason <> '' BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- Names of tags, and reasons about accounts, stand in their own rows, where they can be deleted. No longer in bodies.
DROP TRIGGER operator_action_stays;
UPDATE operator_action SET body = CASE WHEN json_valid(body)
    THEN json_replace(body, '$.name', '***', '$.notes', '***', '$.reason', '***') END
WHERE body IS NOT NULL AND (path LIKE '/api/admin/id-tags%' OR path LIKE '/api/admin/accounts/%'
    OR path LIKE '/api/admin/wallets/%');
CREATE TRIGGER operator_action_stays BEFORE UPDATE OF id, at, request, who, role, address, method, path, body
ON operator_action BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- Numbers, from first to last, of statements that were made after a copy and are not in it: it was restored, and they
-- are never given out again.
CREATE TABLE lost_statements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    first INTEGER NOT NULL CHECK (first > 0),
    last INTEGER NOT NULL,
    restored_at TEXT NOT NULL,
    CHECK (last >= first)
) STRICT;
CREATE TRIGGER lost_statements_are_kept BEFORE DELETE ON lost_statements BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER lost_statements_stay BEFORE UPDATE ON lost_statements BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
