-- Accounts that pay before they charge, and the services outside that take their money. What they pay and are charged is
-- entered in ledger.

-- How an account pays, since when, and why. The newest row of an account counts; an account without one is postpaid.
-- Prepaid, it is spent where what is available is at or below limit_amount (minor units; negative: a credit line).
CREATE TABLE wallet_terms (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('prepaid', 'postpaid')),
    limit_amount INTEGER NOT NULL,
    since TEXT NOT NULL,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX wallet_terms_of_account ON wallet_terms (account_id, id);
CREATE TRIGGER wallet_terms_are_kept BEFORE DELETE ON wallet_terms BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER wallet_terms_stay BEFORE UPDATE ON wallet_terms BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER wallet_terms_are_to_bill AFTER INSERT ON wallet_terms BEGIN
    DELETE FROM bill_work WHERE account_id = NEW.account_id;
    INSERT INTO bill_work (account_id) VALUES (NEW.account_id);
END;

-- How accounts with terms stand now: prepaid without a break since prepaid_since (NULL: postpaid), and spent since
-- spent_since (NULL: not).
CREATE TABLE wallet (
    account_id INTEGER PRIMARY KEY REFERENCES account (id),
    limit_amount INTEGER NOT NULL,
    prepaid_since TEXT,
    spent_since TEXT,
    CHECK (spent_since IS NULL OR prepaid_since IS NOT NULL)
) STRICT;
CREATE INDEX wallet_spent ON wallet (account_id) WHERE spent_since IS NOT NULL;

-- What prepaid accounts have used so far and were not charged for yet: an open transaction, or one whose figure is not
-- certain. A transaction that was charged has none. stop_asked_at is when its charger was last asked to stop it.
CREATE TABLE wallet_reservation (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    reserved_at TEXT NOT NULL,
    stop_asked_at TEXT
) STRICT;
CREATE INDEX wallet_reservation_of_account ON wallet_reservation (account_id, tx_id);

-- The payment services outside that may enter top-ups and chargebacks. secret is the key of their
-- signatures; it goes when the service is revoked.
CREATE TABLE payment_service (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    secret TEXT NOT NULL,
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    revoked_at TEXT,
    revoked_by TEXT
) STRICT;
CREATE UNIQUE INDEX payment_service_in_use ON payment_service (name) WHERE revoked_at IS NULL;
CREATE TRIGGER payment_service_is_kept BEFORE DELETE ON payment_service BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER payment_service_stays BEFORE UPDATE OF id, name, added_at, added_by ON payment_service BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER payment_service_secret_stays BEFORE UPDATE OF secret ON payment_service WHEN NEW.secret <> '' BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER payment_service_is_revoked_once BEFORE UPDATE OF revoked_at, revoked_by ON payment_service
WHEN OLD.revoked_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
