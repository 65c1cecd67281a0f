-- The book: whose each charging session is, its state for the bill, and what it costs. All of it follows from other tables, in
-- whose commits it is booked; it can be booked anew.

-- Whose a session is (NULL: nobody's) by which ground, whether its account was not open at the start, the normal form of its
-- card, and its state for the bill. month is that of the site's zone in which it ended. price: its state has 'none'; it is
-- 'due', and computed beside the writer; it is 'booked' in booked_cost; no tariff gives one ('unpriced'); it is 'running', and
-- computed when it is read, because the session is open or its fee for staying may still grow; or closed statements of its
-- account have it ('billed').
CREATE TABLE booked (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    cp_id TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    month TEXT,
    account_id INTEGER REFERENCES account (id),
    ground TEXT NOT NULL,
    is_outside INTEGER NOT NULL CHECK (is_outside IN (0, 1)),
    key TEXT,
    state TEXT NOT NULL,
    price TEXT NOT NULL CHECK (price IN ('none', 'due', 'booked', 'unpriced', 'running', 'billed'))
) STRICT;
CREATE INDEX booked_of_account ON booked (account_id, started_at, tx_id);
CREATE INDEX booked_in_state ON booked (state, started_at, tx_id);
CREATE INDEX booked_to_bill ON booked (cp_id, ended_at) WHERE price IN ('due', 'booked', 'unpriced');
CREATE INDEX booked_running ON booked (cp_id) WHERE price = 'running';

-- What a session costs an account, by the closed statements that have it (their numbers), or by the next one (0). amount is the
-- sum of its lines of a tax rate, in minor units, net or gross as prices says: tax is computed once for each statement and
-- rate. A session without a price has a row of amount 0.
CREATE TABLE booked_cost (
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    statement INTEGER NOT NULL,
    currency TEXT NOT NULL,
    prices TEXT NOT NULL CHECK (prices IN ('gross', 'net')),
    tax_rate TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (tx_id, account_id, statement, currency, prices, tax_rate)
) STRICT, WITHOUT ROWID;
CREATE INDEX booked_cost_of_account ON booked_cost (account_id, tx_id);

-- The sessions that are to be booked, which triggers list. Each change gives a new revision. step: 0, the commit that lists it
-- books it, or a later one if there are many; 1, it is booked, and its price is due; 2, it could not be booked.
CREATE TABLE to_book (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    tx_id INTEGER NOT NULL UNIQUE REFERENCES tx (id),
    step INTEGER NOT NULL DEFAULT 0 CHECK (step IN (0, 1, 2))
) STRICT;
CREATE INDEX to_book_step ON to_book (step, revision);
INSERT INTO to_book (tx_id) SELECT id FROM tx ORDER BY id;

-- The settings by which all is booked: zone, form of cards, and what comes first. On which local day it was last compared with
-- what it should say, and of how many sessions that was something else.
CREATE TABLE book (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    terms TEXT NOT NULL,
    compared_on TEXT NOT NULL DEFAULT '',
    differing INTEGER NOT NULL DEFAULT 0 CHECK (differing >= 0)
) STRICT;

-- What bill_work lists of sessions; and open and imported ones, which are not in it.
CREATE TRIGGER bill_work_is_to_book AFTER INSERT ON bill_work WHEN NEW.tx_id IS NOT NULL BEGIN
    DELETE FROM to_book WHERE tx_id = NEW.tx_id;
    INSERT INTO to_book (tx_id) VALUES (NEW.tx_id);
END;
CREATE TRIGGER tx_is_to_book AFTER INSERT ON tx WHEN NEW.status <> 'Completed' OR NEW.imported_id IS NOT NULL BEGIN
    INSERT INTO to_book (tx_id) VALUES (NEW.id);
END;
CREATE TRIGGER tx_change_is_to_book AFTER UPDATE OF status, start_time, stop_time, id_tag, conn_id ON tx
WHEN NEW.imported_id IS NOT NULL OR (NEW.status <> 'Completed' AND OLD.status <> 'Completed') BEGIN
    DELETE FROM to_book WHERE tx_id = NEW.id;
    INSERT INTO to_book (tx_id) VALUES (NEW.id);
END;
CREATE TRIGGER ownership_is_to_book AFTER INSERT ON ownership WHEN NEW.what <> 'vehicle' BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT id FROM tx WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
        AND (NEW.what = 'space' AND cp_id = NEW.key OR NEW.what = 'tag' AND folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111)) AND start_time >= NEW.since);
    INSERT INTO to_book (tx_id) SELECT id FROM tx WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
        AND (NEW.what = 'space' AND cp_id = NEW.key OR NEW.what = 'tag' AND folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111)) AND start_time >= NEW.since;
END;
CREATE TRIGGER ownership_change_is_to_book AFTER UPDATE OF until, voided_at ON ownership WHEN NEW.what <> 'vehicle' BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT id FROM tx WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
        AND (NEW.what = 'space' AND cp_id = NEW.key OR NEW.what = 'tag' AND folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111)) AND start_time >= NEW.since);
    INSERT INTO to_book (tx_id) SELECT id FROM tx WHERE (status <> 'Completed' OR imported_id IS NOT NULL)
        AND (NEW.what = 'space' AND cp_id = NEW.key OR NEW.what = 'tag' AND folded_tag >= NEW.key
        AND folded_tag <= NEW.key || char(1114111)) AND start_time >= NEW.since;
END;

-- What changes more than one session.
CREATE TRIGGER account_is_to_book AFTER UPDATE OF since, until ON account BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT tx_id FROM booked WHERE account_id = NEW.id);
    INSERT INTO to_book (tx_id) SELECT tx_id FROM booked WHERE account_id = NEW.id;
END;
CREATE TRIGGER billing_is_to_book AFTER INSERT ON billing BEGIN
    DELETE FROM to_book;
    INSERT INTO to_book (tx_id) SELECT id FROM tx;
END;
CREATE TRIGGER billing_change_is_to_book AFTER UPDATE OF begun_on ON billing BEGIN
    DELETE FROM to_book;
    INSERT INTO to_book (tx_id) SELECT id FROM tx;
END;
CREATE TRIGGER statement_is_to_book AFTER UPDATE OF number ON statement WHEN NEW.number IS NOT NULL BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT tx_id FROM position WHERE statement_id = NEW.id AND tx_id IS NOT NULL);
    INSERT INTO to_book (tx_id) SELECT DISTINCT tx_id FROM position WHERE statement_id = NEW.id AND tx_id IS NOT NULL;
END;
CREATE TRIGGER charge_is_to_book AFTER INSERT ON ledger WHEN NEW.kind = 'charge' BEGIN
    DELETE FROM to_book WHERE tx_id = NEW.tx_id;
    INSERT INTO to_book (tx_id) VALUES (NEW.tx_id);
END;

-- What changes prices: tariffs, those of all ended sessions that no closed statement has; a status of before a session's end, and any
-- one after it while its fee for staying grows.
CREATE TRIGGER tariff_version_is_to_book AFTER INSERT ON tariff_version BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced'));
    INSERT INTO to_book (tx_id) SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced');
END;
CREATE TRIGGER tariff_version_change_is_to_book AFTER UPDATE OF withdrawn_at ON tariff_version BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced'));
    INSERT INTO to_book (tx_id) SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced');
END;
CREATE TRIGGER tariff_assignment_is_to_book AFTER INSERT ON tariff_assignment BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced'));
    INSERT INTO to_book (tx_id) SELECT tx_id FROM booked WHERE price IN ('due', 'booked', 'unpriced');
END;
CREATE TRIGGER status_is_to_book AFTER INSERT ON status BEGIN
    DELETE FROM to_book WHERE tx_id IN (SELECT tx_id FROM booked WHERE cp_id = NEW.cp_id
        AND price IN ('due', 'booked', 'unpriced') AND ended_at >= min(NEW.timestamp, NEW.received_at)
        UNION SELECT tx_id FROM booked WHERE cp_id = NEW.cp_id AND price = 'running' AND ended_at IS NOT NULL);
    INSERT INTO to_book (tx_id) SELECT tx_id FROM booked WHERE cp_id = NEW.cp_id
        AND price IN ('due', 'booked', 'unpriced') AND ended_at >= min(NEW.timestamp, NEW.received_at)
        UNION SELECT tx_id FROM booked WHERE cp_id = NEW.cp_id AND price = 'running' AND ended_at IS NOT NULL;
END;
