-- What a closed statement says, kept as it was laid out (JSON), so that later versions, templates and bank accounts do not
-- change the paper. It goes with the names. NULL: it was closed before sheets were kept, and its sheet is not made yet.
-- serves: 53
ALTER TABLE statement_party ADD COLUMN sheet TEXT;
DROP TRIGGER statement_party_goes_once;
CREATE TRIGGER statement_party_goes_once BEFORE UPDATE OF party, statement_id, removed_at, removed_by ON statement_party
WHEN OLD.party IS NULL OR NEW.party IS NOT NULL OR NEW.statement_id <> OLD.statement_id BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER statement_sheet_stays BEFORE UPDATE OF sheet ON statement_party
WHEN (NEW.sheet IS NULL) <> (NEW.party IS NULL) OR (NEW.sheet IS NOT NULL AND OLD.sheet IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER statement_sheet_goes AFTER UPDATE OF party ON statement_party
WHEN NEW.party IS NULL AND NEW.sheet IS NOT NULL BEGIN
    UPDATE statement_party SET sheet = NULL WHERE statement_id = NEW.statement_id;
END;
CREATE INDEX statement_without_sheet ON statement_party (statement_id) WHERE party IS NOT NULL AND sheet IS NULL;
