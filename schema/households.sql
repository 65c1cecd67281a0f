-- Households: accounts, what belongs to each and when, what households call it, and what they
-- report.
-- Names of people stand in account, vehicle, space, own_name and report only, and in users and
-- recipients, so that they can be deleted.


-- A household. Written by an operator.
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,  -- how operators find it
    address TEXT,
    contact TEXT,
    notes TEXT,
    since TEXT NOT NULL,  -- open from then
    until TEXT,  -- NULL: it lasts
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    undone_at TEXT,  -- the task that entered it was undone
    language TEXT,  -- of its pages and papers; NULL: what the browser prefers
    mail TEXT,  -- where its statements are mailed
    CHECK (until > since)
) STRICT;

-- Its first and its last month, and their base fees, are billed anew.
CREATE TRIGGER account_is_to_bill AFTER INSERT ON account
BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.id;
    INSERT INTO bill_work (account_id) VALUES (NEW.id);
END;
CREATE TRIGGER account_change_is_to_bill AFTER UPDATE OF since, until ON account
BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.id;
    INSERT INTO bill_work (account_id) VALUES (NEW.id);
END;

-- Sessions of before and after its time are booked otherwise.
CREATE TRIGGER account_is_to_book AFTER UPDATE OF since, until ON account
BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT tx_id FROM booked WHERE account_id = NEW.id);
    INSERT INTO to_book (tx_id) SELECT tx_id FROM booked WHERE account_id = NEW.id;
END;


-- A car. Written by an operator.
CREATE TABLE vehicle (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    plate TEXT,
    battery_wh INTEGER CHECK (battery_wh > 0),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    removed_at TEXT
) STRICT;
CREATE UNIQUE INDEX vehicle_name ON vehicle (name) WHERE removed_at IS NULL;


-- The name of a parking space. Written by an operator.
CREATE TABLE space (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,  -- 0: the charger as a whole
    name TEXT NOT NULL,
    PRIMARY KEY (cp_id, conn_id)
) STRICT, WITHOUT ROWID;


-- A period in which a card, a space or a car belonged to a household. Written by an operator: ended
-- once, or voided if it was wrong, and then rows with the reason say what holds instead.
CREATE TABLE ownership (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    what TEXT NOT NULL CHECK (what IN ('tag', 'space', 'vehicle')),
    key TEXT NOT NULL,  -- the normal form of a card, the charger of a space, or the id of a car
    conn_id INTEGER NOT NULL,  -- of a space; 0: all connectors of the charger
    id_tag TEXT,
    vehicle_id INTEGER REFERENCES vehicle (id),  -- the car that a card names
    since TEXT NOT NULL,
    until TEXT,  -- NULL: it lasts
    given_at TEXT NOT NULL,
    given_by TEXT NOT NULL,
    reason TEXT,
    ended_at TEXT,
    ended_by TEXT,
    end_reason TEXT,
    voided_at TEXT,
    voided_by TEXT,
    void_reason TEXT,
    -- 1: no other card may charge at this space
    is_exclusive INTEGER NOT NULL DEFAULT 0 CHECK (is_exclusive IN (0, 1)),
    CHECK (until > since),
    CHECK ((what = 'tag') = (id_tag IS NOT NULL))
) STRICT;
CREATE INDEX ownership_of_thing ON ownership (what, key, conn_id, since) WHERE voided_at IS NULL;
CREATE INDEX ownership_of_account ON ownership (account_id, id);
CREATE INDEX ownership_exclusive ON ownership (key, conn_id)
    WHERE is_exclusive = 1 AND voided_at IS NULL;

-- Bills say whose a session was by these periods.
CREATE TRIGGER ownership_is_kept BEFORE DELETE ON ownership
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- A session belongs to one household. The key of a card changes with --tag-strip.
CREATE TRIGGER ownership_begins_alone BEFORE INSERT ON ownership
WHEN EXISTS (
    SELECT 1 FROM ownership AS other
    WHERE other.what = NEW.what AND other.key = NEW.key AND other.conn_id = NEW.conn_id
        AND other.voided_at IS NULL
        AND other.since < coalesce(NEW.until, '9999')
        AND NEW.since < coalesce(other.until, '9999')
)
BEGIN SELECT RAISE(ABORT, 'periods of one thing never overlap'); END;
CREATE TRIGGER ownership_stays_alone BEFORE UPDATE OF key ON ownership
WHEN NEW.voided_at IS NULL
    AND EXISTS (
        SELECT 1 FROM ownership AS other
        WHERE other.what = NEW.what AND other.key = NEW.key AND other.conn_id = NEW.conn_id
            AND other.voided_at IS NULL
            AND other.since < coalesce(NEW.until, '9999')
            AND NEW.since < coalesce(other.until, '9999')
            AND other.id <> NEW.id
    )
BEGIN SELECT RAISE(ABORT, 'periods of one thing never overlap'); END;

-- Sessions of the card in that time are billed anew. Its normal form is a beginning of their
-- folded_tag, so these are all of its sessions, and perhaps some more.
CREATE TRIGGER ownership_of_tag_is_to_bill AFTER INSERT ON ownership
WHEN NEW.what = 'tag'
BEGIN
    DELETE FROM bill_work WHERE tx_id IN (
        SELECT id FROM tx
        WHERE folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111)
            AND start_time >= NEW.since AND start_time < coalesce(NEW.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL
    );
    INSERT INTO bill_work (tx_id)
        SELECT id FROM tx
        WHERE folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111)
            AND start_time >= NEW.since AND start_time < coalesce(NEW.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL;
END;
CREATE TRIGGER ownership_of_tag_change_is_to_bill AFTER UPDATE OF until, voided_at ON ownership
WHEN NEW.what = 'tag'
BEGIN
    DELETE FROM bill_work WHERE tx_id IN (
        SELECT id FROM tx
        WHERE folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111)
            AND start_time >= NEW.since AND start_time < coalesce(OLD.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL
    );
    INSERT INTO bill_work (tx_id)
        SELECT id FROM tx
        WHERE folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111)
            AND start_time >= NEW.since AND start_time < coalesce(OLD.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL;
END;

-- Sessions at the space in that time are billed anew.
CREATE TRIGGER ownership_of_space_is_to_bill AFTER INSERT ON ownership
WHEN NEW.what = 'space'
BEGIN
    DELETE FROM bill_work WHERE tx_id IN (
        SELECT id FROM tx INDEXED BY tx_by_charger
        WHERE cp_id = NEW.key
            AND start_time >= NEW.since AND start_time < coalesce(NEW.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL
    );
    INSERT INTO bill_work (tx_id)
        SELECT id FROM tx INDEXED BY tx_by_charger
        WHERE cp_id = NEW.key
            AND start_time >= NEW.since AND start_time < coalesce(NEW.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL;
END;
CREATE TRIGGER ownership_of_space_change_is_to_bill AFTER UPDATE OF until, voided_at ON ownership
WHEN NEW.what = 'space'
BEGIN
    DELETE FROM bill_work WHERE tx_id IN (
        SELECT id FROM tx INDEXED BY tx_by_charger
        WHERE cp_id = NEW.key
            AND start_time >= NEW.since AND start_time < coalesce(OLD.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL
    );
    INSERT INTO bill_work (tx_id)
        SELECT id FROM tx INDEXED BY tx_by_charger
        WHERE cp_id = NEW.key
            AND start_time >= NEW.since AND start_time < coalesce(OLD.until, '9999')
            AND status = 'Completed' AND imported_id IS NULL;
END;

-- Its end is written once, and so is its voiding.
CREATE TRIGGER ownership_ends_once
BEFORE UPDATE OF until, ended_at, ended_by, voided_at, voided_by ON ownership
WHEN OLD.voided_at IS NOT NULL
    OR (OLD.until IS NOT NULL
        AND (NEW.until IS NOT OLD.until OR NEW.ended_at IS NOT OLD.ended_at
            OR NEW.ended_by IS NOT OLD.ended_by))
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;

-- A reason may name people, so it may go; nothing else takes its place.
CREATE TRIGGER ownership_texts_go BEFORE UPDATE OF reason, end_reason, void_reason ON ownership
WHEN (NEW.reason IS NOT NULL AND NEW.reason IS NOT OLD.reason)
    OR (NEW.end_reason IS NOT NULL AND NEW.end_reason IS NOT OLD.end_reason
        AND (OLD.until IS NOT NULL OR OLD.voided_at IS NOT NULL))
    OR (NEW.void_reason IS NOT NULL AND NEW.void_reason IS NOT OLD.void_reason
        AND OLD.voided_at IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- What it was is never another thing.
CREATE TRIGGER ownership_stays
BEFORE UPDATE OF id, account_id, what, conn_id, id_tag, vehicle_id, since, given_at, given_by,
    is_exclusive ON ownership
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Open and imported sessions are not in bill_work, which would have them booked.
CREATE TRIGGER ownership_is_to_book AFTER INSERT ON ownership
WHEN NEW.what <> 'vehicle'
BEGIN
    DELETE FROM to_book WHERE tx_id IN (
        SELECT id FROM tx
        WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
            AND (NEW.what = 'space' AND cp_id = NEW.key
                OR NEW.what = 'tag'
                    AND folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111))
            AND start_time >= NEW.since
    );
    INSERT INTO to_book (tx_id)
        SELECT id FROM tx
        WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
            AND (NEW.what = 'space' AND cp_id = NEW.key
                OR NEW.what = 'tag'
                    AND folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111))
            AND start_time >= NEW.since;
END;
CREATE TRIGGER ownership_change_is_to_book AFTER UPDATE OF until, voided_at ON ownership
WHEN NEW.what <> 'vehicle'
BEGIN
    DELETE FROM to_book WHERE tx_id IN (
        SELECT id FROM tx
        WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
            AND (NEW.what = 'space' AND cp_id = NEW.key
                OR NEW.what = 'tag'
                    AND folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111))
            AND start_time >= NEW.since
    );
    INSERT INTO to_book (tx_id)
        SELECT id FROM tx
        WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
            AND (NEW.what = 'space' AND cp_id = NEW.key
                OR NEW.what = 'tag'
                    AND folded_tag >= NEW.key AND folded_tag <= NEW.key || char(1114111))
            AND start_time >= NEW.since;
END;


-- A transaction that an operator gave to a household by hand. Written by the operator; tx_event has
-- who gave which when, and why.
CREATE TABLE tx_account (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    given_at TEXT NOT NULL,
    given_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX tx_account_of_account ON tx_account (account_id);

-- It decides whose the session is.
CREATE TRIGGER tx_account_is_to_bill AFTER INSERT ON tx_account
BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.tx_id;
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE id = NEW.tx_id AND imported_id IS NULL;
END;
CREATE TRIGGER tx_account_end_is_to_bill AFTER DELETE ON tx_account
BEGIN
    DELETE FROM bill_work WHERE tx_id = OLD.tx_id;
    INSERT INTO bill_work (tx_id) SELECT id FROM tx WHERE id = OLD.tx_id AND imported_id IS NULL;
END;


-- What a household itself calls its card or car. Written by a driver; statements and operators have
-- names of their own.
CREATE TABLE own_name (
    account_id INTEGER NOT NULL REFERENCES account (id),
    what TEXT NOT NULL CHECK (what IN ('tag', 'vehicle')),
    key TEXT NOT NULL,  -- the normal form of a card, or the id of a car
    name TEXT NOT NULL,
    set_at TEXT NOT NULL,
    PRIMARY KEY (account_id, what, key)
) STRICT, WITHOUT ROWID;


-- A task that changes several things of a household at once: it was entered, moved in or moved out.
-- Written by the operator who did it, and who may undo it.
CREATE TABLE household_task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('entered', 'moved in', 'moved out')),
    done_at TEXT NOT NULL,
    done_by TEXT NOT NULL,
    key TEXT UNIQUE,  -- a digest of the request, which may be repeated
    steps TEXT NOT NULL,  -- what each step changed, and what held before, in JSON
    -- the account of each row of the request, and what became of it, in JSON
    results TEXT NOT NULL,
    undone_at TEXT,
    undone_by TEXT
) STRICT;

-- What was done together is undone together, once.
CREATE TRIGGER household_task_is_kept BEFORE DELETE ON household_task
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER household_task_stays
BEFORE UPDATE OF id, kind, done_at, done_by, key, steps, results ON household_task
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER household_task_is_undone_once BEFORE UPDATE ON household_task
WHEN OLD.undone_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- The households that a task concerns. Written with it.
CREATE TABLE household_task_account (
    account_id INTEGER NOT NULL REFERENCES account (id),
    task_id INTEGER NOT NULL REFERENCES household_task (id),
    PRIMARY KEY (account_id, task_id)
) STRICT, WITHOUT ROWID;


-- What a driver says is wrong with a session, a statement, a charger or a card. Written by the
-- driver; answered once by an operator.
CREATE TABLE report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    about TEXT NOT NULL CHECK (about IN ('session', 'statement', 'charger', 'card')),
    tx_id INTEGER REFERENCES tx (id),
    statement_number INTEGER,  -- of the paper
    cp_id TEXT REFERENCES cp (id),
    id_tag TEXT,
    words TEXT,
    written_at TEXT NOT NULL,
    written_by TEXT,
    answer TEXT,
    answered_at TEXT,
    answered_by TEXT,
    line INTEGER  -- of the paper, if it is no session, such as a base fee
) STRICT;
CREATE INDEX report_of_account ON report (account_id, id);
CREATE INDEX report_waiting ON report (written_at) WHERE answered_at IS NULL;

-- A driver can point to what was reported, and when.
CREATE TRIGGER report_is_kept BEFORE DELETE ON report
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- What people wrote is personal: it may go, and nothing else takes its place.
CREATE TRIGGER report_texts_go BEFORE UPDATE OF words, written_by ON report
WHEN NEW.words IS NOT NULL OR NEW.written_by IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER report_answer_goes BEFORE UPDATE OF answer ON report
WHEN OLD.answered_at IS NOT NULL AND NEW.answer IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- The driver was told the answer.
CREATE TRIGGER report_is_answered_once BEFORE UPDATE OF answered_at, answered_by ON report
WHEN OLD.answered_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;

-- It keeps what it is about.
CREATE TRIGGER report_stays
BEFORE UPDATE OF id, account_id, about, tx_id, statement_number, cp_id, id_tag, line, written_at
ON report
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- The deletion of what was personal of a household. Written by the operator; on its closed
-- statements, and in its ledger, names go keep_years after the month or the entry.
CREATE TABLE personal_deletion (
    account_id INTEGER PRIMARY KEY REFERENCES account (id),
    keep_years INTEGER NOT NULL CHECK (keep_years >= 0),
    reason TEXT NOT NULL,
    deleted_at TEXT NOT NULL,
    deleted_by TEXT NOT NULL
) STRICT;

-- It is the proof that it was done, and says what is still to go.
CREATE TRIGGER personal_deletion_is_kept BEFORE DELETE ON personal_deletion
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER personal_deletion_stays BEFORE UPDATE ON personal_deletion
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
