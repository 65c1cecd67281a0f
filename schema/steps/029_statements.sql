-- Statements: what each account owes for a month, from a draft to a closing that numbers and seals it. And the ledger, in
-- which all that an account owes and pays is entered.

-- Since when this system bills (a local day). What ended before is billed elsewhere. One row, changed only before the first
-- closing. next_number is that of the next statement.
CREATE TABLE billing (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    begun_on TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    begun_by TEXT NOT NULL,
    next_number INTEGER NOT NULL DEFAULT 1 CHECK (next_number > 0)
) STRICT;

-- Who bills, as it stands on statements. The newest row counts; a closing names the one of its day. template has the words
-- and formats of documents (TOML), NULL for those of this program; logo is a PNG or a JPEG.
CREATE TABLE biller (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    address TEXT,
    contact TEXT,
    bank_account TEXT,
    bank_name TEXT,
    tax_number TEXT,
    payment_days INTEGER NOT NULL CHECK (payment_days >= 0),
    logo BLOB,
    template TEXT,
    set_at TEXT NOT NULL,
    set_by TEXT NOT NULL
) STRICT;
CREATE TRIGGER biller_is_kept BEFORE DELETE ON biller BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER biller_stays BEFORE UPDATE ON biller BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- The transactions and accounts of which something changed that a bill depends on. Each change gives a new revision. A row
-- goes when a closing has settled what it says. Triggers delete a row and insert it anew: a REPLACE would not be done if
-- the statement that fires them has ON CONFLICT.
CREATE TABLE bill_work (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    tx_id INTEGER UNIQUE REFERENCES tx (id),
    account_id INTEGER UNIQUE REFERENCES account (id),
    CHECK ((tx_id IS NULL) <> (account_id IS NULL))
) STRICT;
INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE status = 'Completed' AND imported_id IS NULL ORDER BY id;
CREATE TRIGGER tx_end_is_to_bill AFTER INSERT ON tx WHEN NEW.status = 'Completed' AND NEW.imported_id IS NULL BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.id;
    INSERT INTO bill_work (tx_id) VALUES (NEW.id);
END;
CREATE TRIGGER tx_change_is_to_bill AFTER UPDATE OF status, stopped_by, start_time, stop_time, energy_delivered, confidence, id_tag,
    review, conn_id, judge_after ON tx WHEN NEW.imported_id IS NULL AND (NEW.status = 'Completed' OR OLD.status = 'Completed')
BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.id;
    INSERT INTO bill_work (tx_id) VALUES (NEW.id);
END;
CREATE TRIGGER tx_account_is_to_bill AFTER INSERT ON tx_account BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.tx_id;
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE id = NEW.tx_id AND imported_id IS NULL;
END;
CREATE TRIGGER tx_account_change_is_to_bill AFTER UPDATE ON tx_account BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.tx_id;
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE id = NEW.tx_id AND imported_id IS NULL;
END;
CREATE TRIGGER tx_account_end_is_to_bill AFTER DELETE ON tx_account BEGIN
    DELETE FROM bill_work WHERE tx_id = OLD.tx_id;
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE id = OLD.tx_id AND imported_id IS NULL;
END;
-- A tag's normal form is a beginning of its folded tag, so these are all of its transactions, and perhaps some more.
CREATE TRIGGER ownership_of_tag_is_to_bill AFTER INSERT ON ownership WHEN NEW.what = 'tag' BEGIN
    DELETE FROM bill_work WHERE tx_id IN (SELECT id FROM tx WHERE folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111) AND start_time >= NEW.since
        AND start_time < coalesce(NEW.until, '9999') AND status = 'Completed' AND imported_id IS NULL);
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111) AND start_time >= NEW.since
        AND start_time < coalesce(NEW.until, '9999') AND status = 'Completed' AND imported_id IS NULL;
END;
CREATE TRIGGER ownership_of_tag_change_is_to_bill AFTER UPDATE OF until, voided_at ON ownership WHEN NEW.what = 'tag' BEGIN
    DELETE FROM bill_work WHERE tx_id IN (SELECT id FROM tx WHERE folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111) AND start_time >= NEW.since
        AND start_time < coalesce(OLD.until, '9999') AND status = 'Completed' AND imported_id IS NULL);
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111) AND start_time >= NEW.since
        AND start_time < coalesce(OLD.until, '9999') AND status = 'Completed' AND imported_id IS NULL;
END;
CREATE TRIGGER ownership_of_space_is_to_bill AFTER INSERT ON ownership WHEN NEW.what = 'space' BEGIN
    DELETE FROM bill_work WHERE tx_id IN (SELECT id FROM tx INDEXED BY tx_by_charger WHERE cp_id = NEW.key
        AND start_time >= NEW.since AND start_time < coalesce(NEW.until, '9999')
        AND status = 'Completed' AND imported_id IS NULL);
    INSERT INTO bill_work (tx_id) SELECT id FROM tx INDEXED BY tx_by_charger WHERE cp_id = NEW.key
        AND start_time >= NEW.since AND start_time < coalesce(NEW.until, '9999')
        AND status = 'Completed' AND imported_id IS NULL;
END;
CREATE TRIGGER ownership_of_space_change_is_to_bill AFTER UPDATE OF until, voided_at ON ownership WHEN NEW.what = 'space' BEGIN
    DELETE FROM bill_work WHERE tx_id IN (SELECT id FROM tx INDEXED BY tx_by_charger WHERE cp_id = NEW.key
        AND start_time >= NEW.since AND start_time < coalesce(OLD.until, '9999')
        AND status = 'Completed' AND imported_id IS NULL);
    INSERT INTO bill_work (tx_id) SELECT id FROM tx INDEXED BY tx_by_charger WHERE cp_id = NEW.key
        AND start_time >= NEW.since AND start_time < coalesce(OLD.until, '9999')
        AND status = 'Completed' AND imported_id IS NULL;
END;
CREATE TRIGGER account_is_to_bill AFTER INSERT ON account BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.id;
    INSERT INTO bill_work (account_id) VALUES (NEW.id);
END;
CREATE TRIGGER account_change_is_to_bill AFTER UPDATE OF since, until ON account BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.id;
    INSERT INTO bill_work (account_id) VALUES (NEW.id);
END;

-- The statements of a month while they are computed, step by step. revision is the newest of bill_work that they know;
-- terms are the settings and tariffs by which they were made. account_id names the only account of a move-out.
-- computed_until is the last account that was computed, in order of their ids; ready_at is when all were.
CREATE TABLE draft (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    month TEXT NOT NULL,
    account_id INTEGER REFERENCES account (id),
    terms TEXT NOT NULL,
    revision INTEGER NOT NULL,
    computed_until INTEGER NOT NULL DEFAULT 0,
    begun_at TEXT NOT NULL,
    ready_at TEXT
) STRICT;

-- A month is closed once for all accounts; one that moves out may be closed before. previous_digest and digest chain all
-- statements: they are those of the last statement before, and of the last one of this closing.
CREATE TABLE closing (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    month TEXT NOT NULL,
    account_id INTEGER REFERENCES account (id),
    terms TEXT NOT NULL,
    biller_id INTEGER REFERENCES biller (id),
    statements INTEGER NOT NULL,
    previous_digest TEXT NOT NULL,
    digest TEXT NOT NULL,
    closed_at TEXT NOT NULL,
    closed_by TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX closing_of_month ON closing (month) WHERE account_id IS NULL;
CREATE TRIGGER closing_is_kept BEFORE DELETE ON closing BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER closing_stays BEFORE UPDATE ON closing BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- What an account owes for a month: a draft until it has a number. Amounts are in minor units of the currency, positive
-- where the account owes. gross is the sum of its own positions that it asks for; total is that and carried_in. content
-- is a digest over this row and its positions.
CREATE TABLE statement (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    draft_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES account (id),
    month TEXT NOT NULL,
    zone TEXT NOT NULL,
    currency TEXT NOT NULL,
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net')),
    taxes TEXT NOT NULL,
    charged INTEGER NOT NULL,
    carried_in INTEGER NOT NULL,
    total INTEGER NOT NULL,
    is_carried INTEGER NOT NULL CHECK (is_carried IN (0, 1)),
    content TEXT NOT NULL,
    closing_id INTEGER REFERENCES closing (id),
    number INTEGER UNIQUE,
    party_digest TEXT,
    previous_digest TEXT,
    digest TEXT UNIQUE,
    CHECK ((closing_id IS NULL) = (number IS NULL) AND (number IS NULL) = (party_digest IS NULL)
        AND (number IS NULL) = (previous_digest IS NULL) AND (number IS NULL) = (digest IS NULL))
) STRICT;
CREATE INDEX statement_of_draft ON statement (draft_id, account_id);
CREATE INDEX statement_of_account ON statement (account_id, number) WHERE number IS NOT NULL;
CREATE INDEX statement_of_month ON statement (month, number) WHERE number IS NOT NULL;
CREATE TRIGGER statement_is_kept BEFORE DELETE ON statement WHEN OLD.number IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER statement_stays BEFORE UPDATE ON statement WHEN OLD.number IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- The positions of a statement. A session is a charging session that is asked for (with is_prepaid, one that the wallet
-- was charged for), or free. One that is held back waits for a review; of an unpriced one no tariff is known, and its draft
-- cannot be closed: both have no lines. month is that of a base fee. A correction names the position of an earlier
-- statement that it corrects. lines are its amounts (JSON, in order).
CREATE TABLE position (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    statement_id INTEGER NOT NULL REFERENCES statement (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('session', 'free', 'held back', 'unpriced', 'base fee', 'correction')),
    tx_id INTEGER REFERENCES tx (id),
    month TEXT,
    corrects INTEGER REFERENCES position (id),
    reason TEXT,
    cp_id TEXT,
    conn_id INTEGER,
    id_tag TEXT,
    vehicle_id INTEGER REFERENCES vehicle (id),
    started_at TEXT,
    ended_at TEXT,
    energy_wh INTEGER NOT NULL,
    split TEXT,
    is_prepaid INTEGER NOT NULL CHECK (is_prepaid IN (0, 1)),
    lines TEXT NOT NULL,
    amount INTEGER NOT NULL,
    CHECK ((kind = 'correction') = (corrects IS NOT NULL)),
    CHECK ((tx_id IS NULL) <> (month IS NULL))
) STRICT;
CREATE INDEX position_of_statement ON position (statement_id, id);
CREATE INDEX position_of_transaction ON position (tx_id, account_id) WHERE tx_id IS NOT NULL;
CREATE INDEX position_of_month ON position (account_id, month) WHERE month IS NOT NULL;
CREATE INDEX position_corrected ON position (corrects) WHERE corrects IS NOT NULL;
CREATE TRIGGER position_is_kept BEFORE DELETE ON position
WHEN EXISTS (SELECT 1 FROM statement WHERE id = OLD.statement_id AND number IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER position_stays BEFORE UPDATE ON position BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER position_comes_before_its_number BEFORE INSERT ON position
WHEN EXISTS (SELECT 1 FROM statement WHERE id = NEW.statement_id AND number IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- The names on a closed statement as they were then (JSON): of the account, its spaces and its vehicles. They are sealed by
-- party_digest of the statement, which has salt, so that they can go after the years of keeping.
CREATE TABLE statement_party (
    statement_id INTEGER PRIMARY KEY REFERENCES statement (id),
    party TEXT,
    removed_at TEXT,
    removed_by TEXT,
    CHECK ((party IS NULL) = (removed_at IS NOT NULL))
) STRICT;
CREATE TRIGGER statement_party_is_kept BEFORE DELETE ON statement_party BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER statement_party_goes_once BEFORE UPDATE ON statement_party
WHEN OLD.party IS NULL OR NEW.party IS NOT NULL OR NEW.statement_id <> OLD.statement_id BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- What accounts owe (negative) and what is in their favour (positive), in minor units. A balance is the sum. A charge is
-- what a wallet was charged for a transaction. service_id is the id that an outside payment service gave to a top-up.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL
        CHECK (kind IN ('statement', 'payment', 'top-up', 'charge', 'refund', 'chargeback', 'correction')),
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    statement_id INTEGER REFERENCES statement (id),
    tx_id INTEGER REFERENCES tx (id),
    service_id TEXT UNIQUE,
    reason TEXT NOT NULL,
    entered_at TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    CHECK (kind <> 'statement' OR statement_id IS NOT NULL),
    CHECK (kind <> 'charge' OR tx_id IS NOT NULL)
) STRICT;
CREATE INDEX ledger_of_account ON ledger (account_id, id);
CREATE INDEX ledger_of_transaction ON ledger (tx_id) WHERE tx_id IS NOT NULL;
CREATE INDEX ledger_of_statement ON ledger (statement_id) WHERE statement_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_charge ON ledger (tx_id, account_id) WHERE kind = 'charge';
CREATE UNIQUE INDEX ledger_statement ON ledger (statement_id) WHERE kind = 'statement';
CREATE TRIGGER ledger_is_kept BEFORE DELETE ON ledger BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER ledger_stays BEFORE UPDATE ON ledger BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER ledger_is_to_bill AFTER INSERT ON ledger BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.account_id;
    INSERT INTO bill_work (account_id) VALUES (NEW.account_id);
END;
