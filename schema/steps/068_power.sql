-- The energy of transactions by the quarter of an hour, for pictures: a row for each day of UTC that one touches. Derived
-- from registers (charging/quarters.py), kept for two years.
-- serves: 53

-- day counts from 1970-01-01, since is the first quarter in it (0 to 95). wh is a JSON list: the Wh of each quarter from
-- there on, null where it is not known when the energy flowed.
CREATE TABLE power (
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    day INTEGER NOT NULL,
    since INTEGER NOT NULL CHECK (since BETWEEN 0 AND 95),
    wh TEXT NOT NULL,
    PRIMARY KEY (tx_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX power_of_day ON power (day);

-- How far they are: the newest revision of bill_work that they know, and the transaction down to which those from before
-- this table are done, the newest first. No row: nothing was there before.
CREATE TABLE power_work (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    done_from INTEGER NOT NULL
) STRICT;
INSERT INTO power_work (id, revision, done_from)
    SELECT 1, (SELECT coalesce(max(revision), 0) FROM bill_work), max(id) + 1 FROM tx HAVING count(*) > 0;
