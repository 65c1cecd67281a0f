-- What a household itself calls its cards and cars: key is the normal form of a tag, or the id of a vehicle. Statements and
-- operators have names of their own.
-- serves: 53
CREATE TABLE own_name (
    account_id INTEGER NOT NULL REFERENCES account (id),
    what TEXT NOT NULL CHECK (what IN ('tag', 'vehicle')),
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    set_at TEXT NOT NULL,
    PRIMARY KEY (account_id, what, key)
) STRICT, WITHOUT ROWID;
