-- What an owner entered, moved in or moved out in one go: its steps, so that it can be undone until it is billed. steps is
-- a JSON list of what each step changed and what held before, by numbers of rows and normal forms of tags; results are
-- the account of each row of the request, and what became of it. key is a digest of a request that may be repeated.
-- serves: 53
CREATE TABLE household_task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('entered', 'moved in', 'moved out')),
    done_at TEXT NOT NULL,
    done_by TEXT NOT NULL,
    key TEXT UNIQUE,
    steps TEXT NOT NULL,
    results TEXT NOT NULL,
    undone_at TEXT,
    undone_by TEXT
) STRICT;
CREATE TABLE household_task_account (
    account_id INTEGER NOT NULL REFERENCES account (id),
    task_id INTEGER NOT NULL REFERENCES household_task (id),
    PRIMARY KEY (account_id, task_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER household_task_is_kept BEFORE DELETE ON household_task BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER household_task_stays BEFORE UPDATE OF id, kind, done_at, done_by, key, steps, results ON household_task BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER household_task_is_undone_once BEFORE UPDATE ON household_task WHEN OLD.undone_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- An account that was entered by mistake: it never was one. Its row stays, closed and under another name.
ALTER TABLE account ADD COLUMN undone_at TEXT;

-- When the log-in of a driver ends who moves out.
ALTER TABLE "user" ADD COLUMN ends_at TEXT;
