-- What a person decided about a habit: asked again since then about each session that shows it, though the habit is known.
ALTER TABLE habit ADD COLUMN asks_since TEXT;
ALTER TABLE habit ADD COLUMN asks_by TEXT;

-- What a driver reports to the owner, and the owner's answer: about a session, a statement (a session on it, if that is
-- named), a charger, or a lost card. Texts and names are NULL after what is personal of the account was deleted.
CREATE TABLE report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    about TEXT NOT NULL CHECK (about IN ('session', 'statement', 'charger', 'card')),
    tx_id INTEGER REFERENCES tx (id),
    statement_number INTEGER,
    cp_id TEXT REFERENCES cp (id),
    id_tag TEXT,
    words TEXT,
    written_at TEXT NOT NULL,
    written_by TEXT,
    answer TEXT,
    answered_at TEXT,
    answered_by TEXT
) STRICT;
CREATE INDEX report_of_account ON report (account_id, id);
CREATE INDEX report_waiting ON report (written_at) WHERE answered_at IS NULL;
CREATE TRIGGER report_is_kept BEFORE DELETE ON report BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER report_stays BEFORE UPDATE OF id, account_id, about, tx_id, statement_number, cp_id, id_tag, written_at
ON report BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER report_texts_go BEFORE UPDATE OF words, written_by ON report
WHEN NEW.words IS NOT NULL OR NEW.written_by IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER report_answer_goes BEFORE UPDATE OF answer ON report
WHEN OLD.answered_at IS NOT NULL AND NEW.answer IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER report_is_answered_once BEFORE UPDATE OF answered_at, answered_by ON report
WHEN OLD.answered_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
