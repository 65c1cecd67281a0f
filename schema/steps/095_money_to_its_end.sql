-- A payment has its day, and says how it came here.
ALTER TABLE ledger ADD COLUMN paid_on TEXT
    CHECK (paid_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]');
ALTER TABLE ledger ADD COLUMN source TEXT CHECK (source IN ('hand', 'bank file'));
DROP TRIGGER ledger_stays;
CREATE TRIGGER ledger_stays
BEFORE UPDATE OF id, account_id, kind, amount, currency, statement_id, tx_id, service_id,
    entered_at, entered_by, paid_on, source ON ledger
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Closed statements of before say nothing of it.
ALTER TABLE statement ADD COLUMN before TEXT;

-- Filled at the first start, by the same rule as after each entry.
CREATE TABLE settlement (
    statement_id INTEGER PRIMARY KEY REFERENCES statement (id),
    asked INTEGER NOT NULL CHECK (asked >= 0),
    paid INTEGER NOT NULL CHECK (paid >= 0 AND paid <= asked),
    due_on TEXT NOT NULL CHECK (due_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')
) STRICT;
CREATE INDEX settlement_open ON settlement (due_on, statement_id) WHERE paid < asked;

-- From when on the owner is told that statements are overdue, and his own words of reminders.
ALTER TABLE biller ADD COLUMN reminder_after INTEGER NOT NULL DEFAULT 7
    CHECK (reminder_after >= 0);
ALTER TABLE biller ADD COLUMN reminder_en TEXT;
ALTER TABLE biller ADD COLUMN reminder_de TEXT;
