-- Bills: tariffs, what each session costs, statements and their seals, what households owe and pay,
-- and the meters of the house.
-- Amounts are whole minor units of a currency (cents). Days are local days of the site.


-- A tariff, known by its name. Written by an operator. All its versions have one currency and one
-- kind of prices.
CREATE TABLE tariff (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    currency TEXT NOT NULL,
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net'))  -- gross: tax is in them
) STRICT;

-- Closed statements were made by it.
CREATE TRIGGER tariff_is_kept BEFORE DELETE ON tariff
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- Its currency and prices change only while none of its versions holds.
CREATE TRIGGER tariff_stays BEFORE UPDATE ON tariff
WHEN EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = OLD.id AND withdrawn_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A version of a tariff, which holds from the midnight of its day until that of the next one.
-- Written by an operator; a wrong one is withdrawn, and another may hold from the same day.
CREATE TABLE tariff_version (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tariff_id INTEGER NOT NULL REFERENCES tariff (id),
    since TEXT NOT NULL CHECK (since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    toml TEXT NOT NULL,  -- as it was given
    digest TEXT NOT NULL,  -- SHA-256 of the text, in hex
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    reason TEXT,
    withdrawn_at TEXT,
    withdrawn_by TEXT,
    withdraw_reason TEXT
) STRICT;
CREATE UNIQUE INDEX tariff_version_of_day ON tariff_version (tariff_id, since)
    WHERE withdrawn_at IS NULL;
CREATE INDEX tariff_version_of_tariff ON tariff_version (tariff_id, id);

-- Statements were priced by this text. It is withdrawn once.
CREATE TRIGGER tariff_version_is_kept BEFORE DELETE ON tariff_version
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER tariff_version_stays
BEFORE UPDATE OF id, tariff_id, since, toml, digest, added_at, added_by, reason ON tariff_version
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER tariff_version_ends_once
BEFORE UPDATE OF withdrawn_at, withdrawn_by, withdraw_reason ON tariff_version
WHEN OLD.withdrawn_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;

-- Prices of ended sessions that no closed statement has may change.
CREATE TRIGGER tariff_version_is_to_book AFTER INSERT ON tariff_version
BEGIN
    DELETE FROM to_book WHERE tx_id IN (
        SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced')
    );
    INSERT INTO to_book (tx_id)
        SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced');
END;
CREATE TRIGGER tariff_version_change_is_to_book AFTER UPDATE OF withdrawn_at ON tariff_version
BEGIN
    DELETE FROM to_book WHERE tx_id IN (
        SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced')
    );
    INSERT INTO to_book (tx_id)
        SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced');
END;


-- Which tariff holds for a household, a charger or the site from a day on, until the next row of
-- the same scope and key. Written by an operator; the newest row of a day counts.
CREATE TABLE tariff_assignment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL CHECK (scope IN ('account', 'charger', 'site')),
    key TEXT NOT NULL,  -- the id of the account or of the charger, or ''
    since TEXT NOT NULL CHECK (since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    tariff_id INTEGER REFERENCES tariff (id),  -- NULL: none holds in this scope
    assigned_at TEXT NOT NULL,
    assigned_by TEXT NOT NULL,
    reason TEXT,
    CHECK ((scope = 'site') = (key = ''))
) STRICT;
CREATE INDEX tariff_assignment_of_key ON tariff_assignment (scope, key, since, id);
CREATE INDEX tariff_assignment_of_tariff ON tariff_assignment (tariff_id, id);

-- Statements were priced by it.
CREATE TRIGGER tariff_assignment_is_kept BEFORE DELETE ON tariff_assignment
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER tariff_assignment_stays
BEFORE UPDATE OF id, scope, key, since, tariff_id, assigned_at, assigned_by ON tariff_assignment
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- A reason may name people, so it may go; nothing else takes its place.
CREATE TRIGGER tariff_assignment_reason_goes BEFORE UPDATE OF reason ON tariff_assignment
WHEN NEW.reason <> ''
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Prices of ended sessions that no closed statement has may change.
CREATE TRIGGER tariff_assignment_is_to_book AFTER INSERT ON tariff_assignment
BEGIN
    DELETE FROM to_book WHERE tx_id IN (
        SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced')
    );
    INSERT INTO to_book (tx_id)
        SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced');
END;


-- Prices of energy by the quarter of an hour, as a market or a contract has them. Written by an
-- operator.
CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    currency TEXT NOT NULL,
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net')),  -- gross: tax is in them
    -- where they are fetched and how they are read, in JSON, without secrets; NULL: nowhere
    source TEXT,
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    -- the address with its secrets, encrypted; NULL: it has none
    address TEXT CHECK (substr(address, 1, 7) = 'sealed:')
) STRICT;

-- Closed statements were made by it.
CREATE TRIGGER series_is_kept BEFORE DELETE ON series
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- Its currency and prices change only while it has no values.
CREATE TRIGGER series_stays BEFORE UPDATE OF id, currency, prices ON series
WHEN EXISTS (SELECT 1 FROM series_value WHERE series_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Values of a series that came together. Written when they were fetched, or by a person; of a
-- quarter, the one of the newest batch counts.
CREATE TABLE series_batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    series_id INTEGER NOT NULL REFERENCES series (id),
    at TEXT NOT NULL,
    by TEXT NOT NULL,  -- who gave them, or the address that they were fetched from
    reason TEXT  -- of a correction
) STRICT;
CREATE INDEX series_batch_of_series ON series_batch (series_id, id);
CREATE INDEX series_batch_at ON series_batch (at, id);

-- Bills rest on them.
CREATE TRIGGER series_batch_is_kept BEFORE DELETE ON series_batch
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER series_batch_stays BEFORE UPDATE ON series_batch
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What a kWh costs in a quarter of an hour, counted from 1970-01-01 in UTC. Written with its
-- batch.
CREATE TABLE series_value (
    series_id INTEGER NOT NULL REFERENCES series (id),
    quarter INTEGER NOT NULL,
    batch_id INTEGER NOT NULL REFERENCES series_batch (id),
    price TEXT NOT NULL,  -- of a kWh, as an exact decimal number
    PRIMARY KEY (series_id, quarter, batch_id)
) STRICT;

-- Bills rest on it.
CREATE TRIGGER series_value_is_kept BEFORE DELETE ON series_value
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER series_value_stays BEFORE UPDATE ON series_value
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- How the fetching of a series goes. Written by the server that has the duties of the site, after
-- each attempt; another source begins anew.
CREATE TABLE series_fetch (
    series_id INTEGER PRIMARY KEY REFERENCES series (id),
    tried_at TEXT NOT NULL,
    failure TEXT,  -- what the last one lacked, as a text that is stored; NULL: nothing
    missing TEXT,  -- the local day whose prices are missing, since `since`; NULL: people need none
    since TEXT
) STRICT;


-- Since when this system bills; what ended before is billed elsewhere. Written by an operator, who
-- may change it until the first closing; one row.
CREATE TABLE billing (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    begun_on TEXT NOT NULL,  -- a local day
    begun_at TEXT NOT NULL,
    begun_by TEXT NOT NULL,
    next_number INTEGER NOT NULL DEFAULT 1 CHECK (next_number > 0)  -- of the next statement
) STRICT;

-- The day decides of each session whether it is billed here.
CREATE TRIGGER billing_is_to_book AFTER INSERT ON billing
BEGIN
    DELETE FROM to_book;
    INSERT INTO to_book (tx_id) SELECT id FROM tx;
END;
CREATE TRIGGER billing_change_is_to_book AFTER UPDATE OF begun_on ON billing
BEGIN
    DELETE FROM to_book;
    INSERT INTO to_book (tx_id) SELECT id FROM tx;
END;


-- Who bills, as it stands on statements; the newest row counts. Written by an operator; a closing
-- names the one of its day.
CREATE TABLE biller (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    address TEXT,
    contact TEXT,
    bank_account TEXT,
    bank_name TEXT,
    tax_number TEXT,
    payment_days INTEGER NOT NULL CHECK (payment_days >= 0),
    logo BLOB,  -- a PNG or a JPEG
    template TEXT,  -- words and formats of papers, in TOML; NULL: those of the program
    set_at TEXT NOT NULL,
    set_by TEXT NOT NULL,
    -- NULL: nobody said it yet
    tax_kind TEXT CHECK (tax_kind IN ('taxed', 'exempt', 'small business', 'no business')),
    tax_note TEXT,  -- why there is no tax, in the owner's words
    vat_number TEXT,
    -- stands before the numbers of its statements; with YYYY they begin anew in each year
    number_prefix TEXT,
    -- so many days after their last day to pay, the page Now tells of overdue statements
    reminder_after INTEGER NOT NULL DEFAULT 7 CHECK (reminder_after >= 0),
    -- the owner's own words of reminders, by language; NULL: those of the program
    reminder_en TEXT,
    reminder_de TEXT,
    language TEXT  -- that of new households; NULL: none
) STRICT;

-- A closed statement names it.
CREATE TRIGGER biller_is_kept BEFORE DELETE ON biller
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER biller_stays BEFORE UPDATE ON biller
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Transactions and accounts of which something changed that a bill depends on. Written by triggers;
-- a row goes when a closing has settled what it says.
-- Triggers delete a row and insert it anew: a REPLACE would not be done if the statement that fires
-- them has ON CONFLICT.
CREATE TABLE bill_work (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,  -- of each change a new one
    tx_id INTEGER UNIQUE REFERENCES tx (id),
    account_id INTEGER UNIQUE REFERENCES account (id),
    CHECK ((tx_id IS NULL) <> (account_id IS NULL))
) STRICT;

-- What changes a bill changes how the statements stand that have it.
CREATE TRIGGER bill_work_is_to_settle AFTER INSERT ON bill_work
BEGIN
    DELETE FROM to_book WHERE account_id = NEW.account_id OR account_id IN (
        SELECT account_id FROM position WHERE tx_id = NEW.tx_id
    );
    INSERT INTO to_book (account_id)
        SELECT id FROM account WHERE id = NEW.account_id OR id IN (
            SELECT account_id FROM position WHERE tx_id = NEW.tx_id
        );
END;

-- What changes a bill changes the book.
CREATE TRIGGER bill_work_is_to_book AFTER INSERT ON bill_work
WHEN NEW.tx_id IS NOT NULL
BEGIN
    DELETE FROM to_book WHERE tx_id = NEW.tx_id;
    INSERT INTO to_book (tx_id) VALUES (NEW.tx_id);
END;


-- A month that was closed for all households; one that moves out may be closed before. Written by
-- the closing.
CREATE TABLE closing (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    month TEXT NOT NULL,
    account_id INTEGER REFERENCES account (id),  -- of a move-out
    terms TEXT NOT NULL,  -- the settings and tariffs by which it was made
    biller_id INTEGER REFERENCES biller (id),
    statements INTEGER NOT NULL,  -- how many
    previous_digest TEXT NOT NULL,  -- of the last statement before; all statements are a chain
    digest TEXT NOT NULL,  -- of its last statement
    closed_at TEXT NOT NULL,
    closed_by TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX closing_of_month ON closing (month) WHERE account_id IS NULL;

-- Papers with these numbers are in people's hands.
CREATE TRIGGER closing_is_kept BEFORE DELETE ON closing
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER closing_stays BEFORE UPDATE ON closing
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What a household owes for a month. Written by the closing, which gives it its number in the end.
CREATE TABLE statement (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    month TEXT NOT NULL,
    zone TEXT NOT NULL,  -- the time zone of the month
    currency TEXT NOT NULL,
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net')),
    taxes TEXT NOT NULL,  -- by rate, in JSON
    charged INTEGER NOT NULL,  -- the sum of its own positions that it asks for
    carried_in INTEGER NOT NULL,  -- from the statement before
    total INTEGER NOT NULL,  -- charged and carried_in
    -- 1: the total is too small to be asked for, and goes to the next one
    is_carried INTEGER NOT NULL CHECK (is_carried IN (0, 1)),
    content TEXT NOT NULL,  -- a digest over this row and its positions
    closing_id INTEGER REFERENCES closing (id),
    number INTEGER UNIQUE,  -- its place among all statements; people use the printed one
    party_digest TEXT,  -- of the names on it, with salt, so that they can go
    previous_digest TEXT,
    digest TEXT UNIQUE,
    -- it keeps the one with which it was closed; NULL: that of the template
    language TEXT,
    -- what was open then, and what was paid since the one before, in JSON; NULL: another one of the
    -- closing says it
    before TEXT,
    -- SHA-256 over the stored evidence of its sessions, in hex
    evidence TEXT,
    -- the newest ids that the evidence covers, in JSON
    evidence_until TEXT,
    -- the number as it stands on the paper; with a year, those of each year may begin at 1
    printed_number TEXT UNIQUE,
    CHECK (
        (closing_id IS NULL) = (number IS NULL)
        AND (number IS NULL) = (printed_number IS NULL)
        AND (number IS NULL) = (party_digest IS NULL)
        AND (number IS NULL) = (previous_digest IS NULL)
        AND (number IS NULL) = (digest IS NULL)
    )
) STRICT;
CREATE INDEX statement_of_account ON statement (account_id, number) WHERE number IS NOT NULL;
CREATE INDEX statement_of_month ON statement (month, number) WHERE number IS NOT NULL;

-- Whoever has the paper can compare it. It has its number last.
CREATE TRIGGER statement_is_kept BEFORE DELETE ON statement
WHEN OLD.number IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER statement_stays BEFORE UPDATE ON statement
WHEN OLD.number IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Its sessions are billed from then on.
CREATE TRIGGER statement_is_to_book AFTER UPDATE OF number ON statement
WHEN NEW.number IS NOT NULL
BEGIN
    DELETE FROM to_book WHERE tx_id IN (
        SELECT tx_id FROM position WHERE statement_id = NEW.id AND tx_id IS NOT NULL
    );
    INSERT INTO to_book (tx_id)
        SELECT DISTINCT tx_id FROM position WHERE statement_id = NEW.id AND tx_id IS NOT NULL;
END;


-- A line of a statement. Written by the closing, before the statement has its number.
-- A session is asked for, or free. One that is held back waits for a review; of an unpriced one no
-- tariff is known; both have no lines.
CREATE TABLE position (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    statement_id INTEGER NOT NULL REFERENCES statement (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL
        CHECK (kind IN ('session', 'free', 'held back', 'unpriced', 'base fee', 'correction')),
    tx_id INTEGER REFERENCES tx (id),
    month TEXT,  -- of a base fee
    corrects INTEGER REFERENCES position (id),  -- the position of an earlier statement
    reason TEXT,
    cp_id TEXT,
    conn_id INTEGER,
    id_tag TEXT,
    vehicle_id INTEGER REFERENCES vehicle (id),
    started_at TEXT,
    ended_at TEXT,
    energy_wh INTEGER NOT NULL,
    split TEXT,  -- by what its energy was divided between prices: whole, register, power or evenly
    is_prepaid INTEGER NOT NULL CHECK (is_prepaid IN (0, 1)),  -- 1: a wallet was charged for it
    lines TEXT NOT NULL,  -- its amounts in their order, in JSON
    amount INTEGER NOT NULL,
    told TEXT,  -- the reason as a text of the program
    begin_wh INTEGER,  -- the registers of the figure; of a correction, those of the new figure
    end_wh INTEGER,
    meter_serial TEXT,  -- as the charger told it; several if the meter was exchanged
    charger_serial TEXT,  -- of the charger, where that of its meter is not known
    measured TEXT,  -- how the figure was measured, as billing/statement.py names it
    -- by which key the signed values of its meter prove the figure, and who gave that; NULL: not
    signed TEXT,
    CHECK ((kind = 'correction') = (corrects IS NOT NULL)),
    CHECK ((tx_id IS NULL) <> (month IS NULL))
) STRICT;
CREATE INDEX position_of_statement ON position (statement_id, id);
CREATE INDEX position_of_transaction ON position (tx_id, account_id) WHERE tx_id IS NOT NULL;
CREATE INDEX position_of_month ON position (account_id, month) WHERE month IS NOT NULL;
CREATE INDEX position_corrected ON position (corrects) WHERE corrects IS NOT NULL;

-- The digest of a closed statement covers its positions.
CREATE TRIGGER position_is_kept BEFORE DELETE ON position
WHEN EXISTS (SELECT 1 FROM statement WHERE id = OLD.statement_id AND number IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER position_comes_before_its_number BEFORE INSERT ON position
WHEN EXISTS (SELECT 1 FROM statement WHERE id = NEW.statement_id AND number IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER position_stays BEFORE UPDATE ON position
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- The names on a closed statement, and its sheet, as they were then. Written by the closing; they
-- go after the years of keeping.
CREATE TABLE statement_party (
    statement_id INTEGER PRIMARY KEY REFERENCES statement (id),
    party TEXT,  -- the names of the household, its spaces and its cars, in JSON
    removed_at TEXT,
    removed_by TEXT,
    -- as it was laid out, in JSON: later versions and templates do not change the paper
    sheet TEXT,
    CHECK ((party IS NULL) = (removed_at IS NOT NULL))
) STRICT;

-- Names go once, and never become others.
CREATE TRIGGER statement_party_is_kept BEFORE DELETE ON statement_party
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER statement_party_goes_once
BEFORE UPDATE OF party, statement_id, removed_at, removed_by ON statement_party
WHEN OLD.party IS NULL OR NEW.party IS NOT NULL OR NEW.statement_id <> OLD.statement_id
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- It goes with the names.
CREATE TRIGGER statement_sheet_stays BEFORE UPDATE OF sheet ON statement_party
WHEN NEW.sheet IS NOT NULL OR NEW.party IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Whoever deletes the names need not know of the sheet.
CREATE TRIGGER statement_sheet_goes AFTER UPDATE OF party ON statement_party
WHEN NEW.party IS NULL AND NEW.sheet IS NOT NULL
BEGIN UPDATE statement_party SET sheet = NULL WHERE statement_id = NEW.statement_id; END;


-- What the papers of a household for a month lacked, added by a document of its own. It names all
-- its statements of the month that were closed before. Written by an operator.
CREATE TABLE supplement (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    month TEXT NOT NULL,
    biller_id INTEGER NOT NULL REFERENCES biller (id),  -- who bills, as it says
    made_at TEXT NOT NULL,
    made_by TEXT NOT NULL,
    party_digest TEXT NOT NULL,  -- of the names on it and its sheet, with salt, so that they can go
    previous_digest TEXT NOT NULL,  -- of the supplement before; all are a chain
    digest TEXT NOT NULL UNIQUE,
    party TEXT,  -- the names of the household, in JSON
    sheet TEXT,  -- as it was laid out, in JSON
    CHECK ((party IS NULL) = (sheet IS NULL))
) STRICT;
CREATE INDEX supplement_of_account ON supplement (account_id, month, id);

-- It is in people's hands.
CREATE TRIGGER supplement_is_kept BEFORE DELETE ON supplement
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER supplement_stays
BEFORE UPDATE OF id, account_id, month, biller_id, made_at, made_by, party_digest,
    previous_digest, digest ON supplement
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Names go once, and never become others.
CREATE TRIGGER supplement_names_go BEFORE UPDATE OF party, sheet ON supplement
WHEN NEW.party IS NOT NULL OR NEW.sheet IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- They go with those of its statements.
CREATE TRIGGER supplement_goes AFTER UPDATE OF party ON statement_party
WHEN NEW.party IS NULL
BEGIN
    UPDATE supplement SET party = NULL, sheet = NULL
        WHERE EXISTS (SELECT 1 FROM statement WHERE statement.id = NEW.statement_id
            AND statement.account_id = supplement.account_id
            AND statement.month = supplement.month);
END;


-- Numbers of statements that were made after a copy and are not in it. Written by its restore: they
-- are never given out again.
CREATE TABLE lost_statements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    first INTEGER NOT NULL CHECK (first > 0),
    last INTEGER NOT NULL,
    restored_at TEXT NOT NULL,
    printed TEXT NOT NULL DEFAULT '',  -- the last one as it stands on the paper
    CHECK (last >= first)
) STRICT;

-- Papers with these numbers are in people's hands.
CREATE TRIGGER lost_statements_are_kept BEFORE DELETE ON lost_statements
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER lost_statements_stay BEFORE UPDATE ON lost_statements
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What households owe (negative) and what is in their favour (positive). Written by closings,
-- payments and wallets; a balance is the sum.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    -- charge: what a wallet was charged for a transaction
    kind TEXT NOT NULL
        CHECK (kind IN ('statement', 'payment', 'top-up', 'charge', 'refund', 'chargeback',
            'correction')),
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    statement_id INTEGER REFERENCES statement (id),
    tx_id INTEGER REFERENCES tx (id),
    -- whose request it is, and the key that it gave: the same one enters nothing twice
    service_id TEXT UNIQUE,
    reason TEXT NOT NULL,  -- what a person says, or the text of the transfer in the file of a bank
    entered_at TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    -- the local day on which the money moved; NULL: nothing did, or nobody said when
    paid_on TEXT CHECK (paid_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    source TEXT CHECK (source IN ('hand', 'bank file')),  -- NULL: by the program itself, or unknown
    CHECK (kind <> 'statement' OR statement_id IS NOT NULL),
    CHECK (kind <> 'charge' OR tx_id IS NOT NULL)
) STRICT;
CREATE INDEX ledger_of_account ON ledger (account_id, id);
CREATE INDEX ledger_of_transaction ON ledger (tx_id) WHERE tx_id IS NOT NULL;
CREATE INDEX ledger_of_statement ON ledger (statement_id) WHERE statement_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_charge ON ledger (tx_id, account_id) WHERE kind = 'charge';
CREATE UNIQUE INDEX ledger_statement ON ledger (statement_id) WHERE kind = 'statement';

-- A balance is the sum of all rows.
CREATE TRIGGER ledger_is_kept BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- The balance stands on the next statement.
CREATE TRIGGER ledger_is_to_bill AFTER INSERT ON ledger
BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.account_id;
    INSERT INTO bill_work (account_id) VALUES (NEW.account_id);
END;

-- A reason may name people, so it may go; nothing else takes its place.
CREATE TRIGGER ledger_text_goes BEFORE UPDATE OF reason ON ledger
WHEN NEW.reason <> ''
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- What a wallet was charged for is not asked for again.
CREATE TRIGGER charge_is_to_book AFTER INSERT ON ledger
WHEN NEW.kind = 'charge'
BEGIN
    DELETE FROM to_book WHERE tx_id = NEW.tx_id;
    INSERT INTO to_book (tx_id) VALUES (NEW.tx_id);
END;

-- A wrong entry is corrected by another one.
CREATE TRIGGER ledger_stays
BEFORE UPDATE OF id, account_id, kind, amount, currency, statement_id, tx_id, service_id,
    entered_at, entered_by, paid_on, source ON ledger
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What an entry settles of a statement. Written when money is entered, or is left over when a
-- statement is closed, and by a statement for what it sets off.
CREATE TABLE settled (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ledger_id INTEGER NOT NULL REFERENCES ledger (id),
    statement_id INTEGER NOT NULL REFERENCES statement (id),
    amount INTEGER NOT NULL CHECK (amount <> 0)  -- negative: it was taken back
) STRICT;
CREATE INDEX settled_by_entry ON settled (ledger_id);
CREATE INDEX settled_of_statement ON settled (statement_id);

-- Households are told which statement is paid.
CREATE TRIGGER settled_is_kept BEFORE DELETE ON settled
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER settled_stays BEFORE UPDATE ON settled
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- How a closed statement stands. Derived from settled, and from what the next statement will
-- correct, in the commit of each change.
CREATE TABLE settlement (
    statement_id INTEGER PRIMARY KEY REFERENCES statement (id),
    -- what it asks for, less what corrections take off; 0: it is carried on, or leaves a credit
    asked INTEGER NOT NULL CHECK (asked >= 0),
    paid INTEGER NOT NULL CHECK (paid >= 0 AND paid <= asked),
    -- the last local day to pay
    due_on TEXT NOT NULL CHECK (due_on GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    correction INTEGER NOT NULL DEFAULT 0,  -- what the next statement will correct of it
    -- what comes back of it with the next statement
    credit INTEGER NOT NULL DEFAULT 0 CHECK (credit >= 0)
) STRICT;
CREATE INDEX settlement_open ON settlement (due_on, statement_id) WHERE paid < asked;


-- A line of a bank's file that was decided on; in another file, it changes nothing. Written when an
-- operator takes lines.
CREATE TABLE bank_line (
    -- of day, amount, payer and purpose, and which of several equal ones it is
    digest TEXT PRIMARY KEY,
    ledger_id INTEGER REFERENCES ledger (id),  -- NULL: it is no payment of a household
    payer TEXT,  -- a part of the digest of the account that paid: it is known again
    decided_at TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    reference TEXT  -- a part of the digest of the bank's own reference, where its file has one
) STRICT;
CREATE INDEX bank_line_of_entry ON bank_line (ledger_id) WHERE ledger_id IS NOT NULL;

-- Without it, the same payment would be entered again.
CREATE TRIGGER bank_line_is_kept BEFORE DELETE ON bank_line
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER bank_line_stays
BEFORE UPDATE OF digest, ledger_id, decided_at, decided_by, reference ON bank_line
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- It goes with the household.
CREATE TRIGGER bank_line_payer_goes BEFORE UPDATE OF payer ON bank_line
WHEN NEW.payer IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Which column of a bank's file is what, for files with the same head. Written when an operator
-- chooses them.
CREATE TABLE bank_columns (
    head TEXT PRIMARY KEY,  -- the digest of the names of the columns
    columns TEXT NOT NULL,  -- their names, by what they are, in JSON
    set_at TEXT NOT NULL,
    set_by TEXT NOT NULL
) STRICT;


-- How a household pays, since when, and why; the newest row counts, and one without a row is
-- postpaid. Written by an operator.
CREATE TABLE wallet_terms (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('prepaid', 'postpaid')),
    -- a prepaid one is spent at or below that; negative: a credit line
    limit_amount INTEGER NOT NULL,
    since TEXT NOT NULL,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX wallet_terms_of_account ON wallet_terms (account_id, id);

-- It says who gave credit.
CREATE TRIGGER wallet_terms_are_kept BEFORE DELETE ON wallet_terms
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- Prepaid sessions are not asked for on a statement.
CREATE TRIGGER wallet_terms_are_to_bill AFTER INSERT ON wallet_terms
BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.account_id;
    INSERT INTO bill_work (account_id) VALUES (NEW.account_id);
END;

-- It says who gave credit.
CREATE TRIGGER wallet_terms_stay
BEFORE UPDATE OF id, account_id, kind, limit_amount, since, set_by ON wallet_terms
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- A reason may name people, so it may go; nothing else takes its place.
CREATE TRIGGER wallet_terms_text_goes BEFORE UPDATE OF reason ON wallet_terms
WHEN NEW.reason <> ''
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- How a household with terms stands now. Derived from wallet_terms, ledger and wallet_reservation.
CREATE TABLE wallet (
    account_id INTEGER PRIMARY KEY REFERENCES account (id),
    limit_amount INTEGER NOT NULL,
    prepaid_since TEXT,  -- without a break; NULL: postpaid
    spent_since TEXT,  -- NULL: not spent
    CHECK (spent_since IS NULL OR prepaid_since IS NOT NULL)
) STRICT;
CREATE INDEX wallet_spent ON wallet (account_id) WHERE spent_since IS NOT NULL;


-- What a prepaid household has used and was not charged for yet: an open transaction, or one whose
-- figure is not certain. Derived beside the writer.
CREATE TABLE wallet_reservation (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    reserved_at TEXT NOT NULL,
    stop_asked_at TEXT  -- when its charger was last asked to stop it
) STRICT;
CREATE INDEX wallet_reservation_of_account ON wallet_reservation (account_id, tx_id);


-- The book: whose a session is, its state for the bill, and what lists of sessions show. Derived;
-- written from its start on by triggers, then in the commit of each change.
CREATE TABLE booked (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    cp_id TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    month TEXT,  -- in which it ended, in the zone of the site
    account_id INTEGER REFERENCES account (id),  -- NULL: nobody's
    ground TEXT NOT NULL,  -- why it is theirs, or nobody's
    is_outside INTEGER NOT NULL CHECK (is_outside IN (0, 1)),  -- 1: the household was not open then
    key TEXT,  -- the normal form of its card
    state TEXT NOT NULL,  -- for the bill; 'not booked': not yet
    -- none: its state has none. due: to be computed beside the writer. booked: in booked_cost.
    -- unpriced: no tariff gives one. running: computed when it is read, because the session is open
    -- or its fee for staying may grow. billed: closed statements of its household have it.
    price TEXT NOT NULL CHECK (price IN ('none', 'due', 'booked', 'unpriced', 'running', 'billed')),
    -- As tx has them, for lists.
    conn_id INTEGER,
    id_tag TEXT,
    is_open INTEGER NOT NULL DEFAULT 0 CHECK (is_open IN (0, 1)),
    energy_wh INTEGER,
    is_in_review INTEGER NOT NULL DEFAULT 0 CHECK (is_in_review IN (0, 1)),
    -- 1: in review, to be judged again, or doubtful
    is_in_doubt INTEGER NOT NULL DEFAULT 0 CHECK (is_in_doubt IN (0, 1)),
    is_imported INTEGER NOT NULL DEFAULT 0 CHECK (is_imported IN (0, 1))
) STRICT;
CREATE INDEX booked_of_account ON booked (account_id, started_at, tx_id);
CREATE INDEX booked_in_state ON booked (state, started_at, tx_id);
CREATE INDEX booked_to_bill ON booked (cp_id, ended_at)
    WHERE price IN ('due', 'booked', 'unpriced');
CREATE INDEX booked_running ON booked (cp_id) WHERE price = 'running';
CREATE INDEX booked_by_start ON booked (started_at, tx_id);
CREATE INDEX booked_by_end ON booked (ended_at, tx_id);
CREATE INDEX booked_of_charger ON booked (cp_id, started_at, tx_id);
CREATE INDEX booked_of_tag ON booked (id_tag, started_at, tx_id);
CREATE INDEX booked_of_nobody ON booked (key, started_at, tx_id) WHERE account_id IS NULL;
CREATE INDEX booked_in_review ON booked (started_at, tx_id) WHERE is_in_review = 1;
CREATE INDEX booked_open ON booked (started_at, tx_id) WHERE is_open = 1;


-- What a session costs a household, by tax rate: tax is computed once for each statement and rate.
-- Derived with booked; a session without a price has a row of amount 0.
CREATE TABLE booked_cost (
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    statement INTEGER NOT NULL,  -- the number of the closed one that has it; 0: the next one
    currency TEXT NOT NULL,
    -- whether the amount has the tax in it
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net')),
    tax_rate TEXT NOT NULL,
    amount INTEGER NOT NULL,  -- the sum of its lines of this rate
    PRIMARY KEY (tx_id, account_id, statement, currency, prices, tax_rate)
) STRICT, WITHOUT ROWID;
CREATE INDEX booked_cost_of_account ON booked_cost (account_id, tx_id);


-- Sessions that are to be booked, and households of which something changed that may correct their
-- statements. Written by triggers; a row goes when its session is booked, or when it is noted how
-- the statements stand.
CREATE TABLE to_book (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,  -- of each change a new one
    tx_id INTEGER UNIQUE REFERENCES tx (id),
    account_id INTEGER UNIQUE REFERENCES account (id),
    -- 0: by this commit, or a later one if there are many; 1: its price is due; 2: it could not be
    step INTEGER NOT NULL DEFAULT 0 CHECK (step IN (0, 1, 2)),
    CHECK ((tx_id IS NULL) <> (account_id IS NULL))
) STRICT;
CREATE INDEX to_book_step ON to_book (step, revision);


-- The settings by which all is booked: zone, form of cards, and what comes first. Written by the
-- booking; one row.
CREATE TABLE book (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    terms TEXT NOT NULL,
    -- the local day on which it was last compared with what it should say
    compared_on TEXT NOT NULL DEFAULT '',
    -- of how many sessions that was something else
    differing INTEGER NOT NULL DEFAULT 0 CHECK (differing >= 0)
) STRICT;


-- A meter of the house, which measures the site, or the chargers of meter_charger. Written by an
-- operator.
CREATE TABLE meter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    class_percent REAL NOT NULL CHECK (class_percent BETWEEN 0 AND 20),  -- its greatest error
    -- that of the meters of the chargers
    chargers_percent REAL NOT NULL CHECK (chargers_percent BETWEEN 0 AND 20),
    -- of whole kWh, after which the register goes on at 0
    digits INTEGER CHECK (digits BETWEEN 3 AND 9),
    since TEXT NOT NULL,
    until TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    topic TEXT,  -- over MQTT, where it publishes its register in `unit`
    path TEXT NOT NULL DEFAULT '',  -- where its JSON has that; '': it is a plain number
    unit TEXT NOT NULL DEFAULT 'kWh' CHECK (unit IN ('Wh', 'kWh')),
    CHECK (until > since)
) STRICT;


-- The chargers that a meter measures. Written with it.
CREATE TABLE meter_charger (
    meter_id INTEGER NOT NULL REFERENCES meter (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    PRIMARY KEY (meter_id, cp_id)
) STRICT, WITHOUT ROWID;


-- What the register of a meter showed at a time. Written by an operator, a file or MQTT; a wrong
-- one is voided, with the reason.
CREATE TABLE meter_reading (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    meter_id INTEGER NOT NULL REFERENCES meter (id),
    at TEXT NOT NULL,
    value TEXT NOT NULL,  -- as given, in `unit`
    unit TEXT NOT NULL CHECK (unit IN ('Wh', 'kWh')),
    wh INTEGER NOT NULL CHECK (wh >= 0),  -- the same in whole Wh
    entered_at TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    voided_at TEXT,
    voided_by TEXT,
    void_reason TEXT,
    source TEXT NOT NULL DEFAULT 'hand' CHECK (source IN ('hand', 'csv', 'mqtt'))
) STRICT;
CREATE UNIQUE INDEX meter_reading_valid ON meter_reading (meter_id, at) WHERE voided_at IS NULL;
CREATE INDEX meter_reading_all ON meter_reading (meter_id, at, id);

-- A reconciliation is repeated by what was read. It is voided once.
CREATE TRIGGER meter_reading_is_kept BEFORE DELETE ON meter_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER meter_reading_is_voided_once
BEFORE UPDATE OF voided_at, voided_by, void_reason ON meter_reading
WHEN OLD.voided_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;
CREATE TRIGGER meter_reading_stays
BEFORE UPDATE OF id, meter_id, at, value, unit, wh, source, entered_at, entered_by ON meter_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- By what a household counts the electricity of its company car for its employer. Written by a
-- driver or an operator; the newest row of a month counts, from that month on in its year.
CREATE TABLE car_price (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
    month TEXT NOT NULL CHECK (month GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]'),
    -- flat: so much for each kWh. bill: what the statements of the household ask for. contract:
    -- what it pays elsewhere
    way TEXT NOT NULL CHECK (way IN ('flat', 'bill', 'contract')),
    currency TEXT NOT NULL,
    price TEXT,  -- of a kWh, tax included
    base_fee INTEGER CHECK (base_fee >= 0),  -- of a year
    year_wh INTEGER CHECK (year_wh > 0),  -- what the household uses in a year, the car included
    chosen_at TEXT NOT NULL,
    chosen_by TEXT NOT NULL,
    CHECK ((way = 'bill') = (price IS NULL)),
    CHECK ((base_fee IS NULL) = (year_wh IS NULL))
) STRICT;
CREATE INDEX car_price_of_car ON car_price (account_id, vehicle_id, month, id);

-- An employer has paid by it.
CREATE TRIGGER car_price_is_kept BEFORE DELETE ON car_price
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER car_price_stays BEFORE UPDATE ON car_price
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
