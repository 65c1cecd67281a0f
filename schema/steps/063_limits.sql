-- Limits of cards and households: at which chargers they may charge, and how much in a month. What they used is derived.
-- serves: 53

-- What holds for a card or a household since then; its newest row counts. key is the normal form of a tag, which --tag-strip
-- may change, or the id of an account. chargers is a JSON list, NULL: at all. is_everywhere: also at spaces that are for
-- another household only. month_wh and month_amount (minor units) NULL: as much as it likes.
CREATE TABLE usage_limit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    what TEXT NOT NULL CHECK (what IN ('tag', 'account')),
    key TEXT NOT NULL,
    id_tag TEXT,
    chargers TEXT,
    is_everywhere INTEGER NOT NULL CHECK (is_everywhere IN (0, 1)),
    month_wh INTEGER CHECK (month_wh > 0),
    month_amount INTEGER CHECK (month_amount > 0),
    since TEXT NOT NULL,
    set_by TEXT NOT NULL,
    CHECK ((what = 'tag') = (id_tag IS NOT NULL))
) STRICT;
CREATE INDEX usage_limit_of ON usage_limit (what, key, id);
CREATE TRIGGER usage_limit_is_kept BEFORE DELETE ON usage_limit BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER usage_limit_stays BEFORE UPDATE OF id, what, id_tag, chargers, is_everywhere, month_wh, month_amount, since,
    set_by ON usage_limit BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- Why a tag may not charge, beside what its verdict says: space, chargers, spent or month.
ALTER TABLE tx ADD COLUMN verdict_reason TEXT;

-- The cards that were last refused at a charger because of whose space it is, or where they may charge. conn_id 0: at none
-- of its connectors.
CREATE TABLE refused_card (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    key TEXT NOT NULL,
    conn_id INTEGER NOT NULL,
    id_tag TEXT NOT NULL,
    reason TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (cp_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_card_last ON refused_card (last_at);

-- The tags that are listed as Invalid at one charger, or were (is_refused 0). revision is of the same count as that of
-- listed_tag.
CREATE TABLE listed_refusal (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    listed_id INTEGER NOT NULL REFERENCES listed_tag (id),
    is_refused INTEGER NOT NULL CHECK (is_refused IN (0, 1)),
    revision INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (cp_id, listed_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX listed_refusal_now ON listed_refusal (cp_id, listed_id) WHERE is_refused = 1;

-- What the transactions of households and cards with a limit of a month have used that ended in this month, or are open
-- (ended_at NULL). amount is in minor units, tax included. stop_asked_at is when its charger was last asked to stop it.
CREATE TABLE month_use (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    account_id INTEGER REFERENCES account (id),
    key TEXT,
    ended_at TEXT,
    wh INTEGER NOT NULL CHECK (wh >= 0),
    amount INTEGER NOT NULL,
    stop_asked_at TEXT
) STRICT;
CREATE INDEX month_use_of_account ON month_use (account_id, ended_at, wh, amount);
CREATE INDEX month_use_of_tag ON month_use (key, ended_at, wh, amount);

-- How a household or a card with a limit of a month stands in the month from since until until. key is as in usage_limit.
CREATE TABLE month_standing (
    what TEXT NOT NULL CHECK (what IN ('tag', 'account')),
    key TEXT NOT NULL,
    since TEXT NOT NULL,
    until TEXT NOT NULL,
    wh INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    warned_at TEXT,
    reached_at TEXT,
    PRIMARY KEY (what, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX month_standing_reached ON month_standing (what, key, until) WHERE reached_at IS NOT NULL;
