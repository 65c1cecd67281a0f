-- Who logs in with a browser: users, the log-ins of their browsers, and one-time codes. Addresses, browsers and names of
-- drivers stand in these tables only, so that they can be deleted.

-- A user's password is stretched by scrypt; without a digest there is none. A driver belongs to an account.
CREATE TABLE "user" (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    role TEXT NOT NULL CHECK (role IN ('driver', 'viewer', 'operator', 'admin')),
    account_id INTEGER REFERENCES account (id),
    salt TEXT,
    digest TEXT,
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    removed_at TEXT,
    removed_by TEXT,
    CHECK ((role = 'driver') = (account_id IS NOT NULL)),
    CHECK ((salt IS NULL) = (digest IS NULL))
) STRICT;
CREATE UNIQUE INDEX user_name ON "user" (name) WHERE removed_at IS NULL;
CREATE TRIGGER user_is_kept BEFORE DELETE ON "user" BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER user_stays BEFORE UPDATE OF id, added_at, added_by ON "user" BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER user_is_removed_once BEFORE UPDATE OF role, account_id, salt, digest, removed_at, removed_by ON "user"
WHEN OLD.removed_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- A browser that logged in: a digest of the id in its cookie, and whose it is: a user's, or that of who has a token.
-- ended_by is NULL if the browser itself ended it: it logged out, or logged in again.
CREATE TABLE login (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    user_id INTEGER REFERENCES "user" (id),
    token_id INTEGER REFERENCES token (id),
    address TEXT NOT NULL,
    browser TEXT NOT NULL,
    made_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT,
    CHECK ((user_id IS NULL) <> (token_id IS NULL))
) STRICT;
CREATE TRIGGER login_stays BEFORE UPDATE OF id, digest, user_id, token_id, address, browser, made_at ON login BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER login_ends_once BEFORE UPDATE OF ended_at, ended_by ON login WHEN OLD.ended_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- The newest one-time code of a user, with which a browser logs in once: a link, or a PIN with the tries so far.
CREATE TABLE invitation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL UNIQUE REFERENCES "user" (id),
    kind TEXT NOT NULL CHECK (kind IN ('link', 'pin')),
    salt TEXT NOT NULL,
    digest TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    made_at TEXT NOT NULL,
    made_by TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT
) STRICT;
