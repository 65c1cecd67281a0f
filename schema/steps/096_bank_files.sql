-- Lines of files of banks that were decided on, and the columns that were chosen.

CREATE TABLE bank_line (
    digest TEXT PRIMARY KEY,
    ledger_id INTEGER REFERENCES ledger (id),
    payer TEXT,
    decided_at TEXT NOT NULL,
    decided_by TEXT NOT NULL
) STRICT;
CREATE INDEX bank_line_of_entry ON bank_line (ledger_id) WHERE ledger_id IS NOT NULL;

CREATE TRIGGER bank_line_is_kept BEFORE DELETE ON bank_line
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER bank_line_stays
BEFORE UPDATE OF digest, ledger_id, decided_at, decided_by ON bank_line
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

CREATE TRIGGER bank_line_payer_goes BEFORE UPDATE OF payer ON bank_line
WHEN NEW.payer IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

CREATE TABLE bank_columns (
    head TEXT PRIMARY KEY,
    columns TEXT NOT NULL,
    set_at TEXT NOT NULL,
    set_by TEXT NOT NULL
) STRICT;
