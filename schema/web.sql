-- The web: who uses the dashboard and the API, and what was asked there. Addresses, browsers and
-- names of drivers stand in these tables only, so that they can be deleted.


-- A person who logs in with a browser. Written by an operator. A driver belongs to a household.
CREATE TABLE "user" (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    role TEXT NOT NULL CHECK (role IN ('driver', 'viewer', 'operator', 'admin')),
    account_id INTEGER REFERENCES account (id),
    salt TEXT,
    digest TEXT,  -- of the password, by scrypt; NULL: there is none
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    removed_at TEXT,
    removed_by TEXT,
    ends_at TEXT,  -- when the log-in of a driver ends who moves out
    language TEXT,
    CHECK ((role = 'driver') = (account_id IS NOT NULL)),
    CHECK ((salt IS NULL) = (digest IS NULL))
) STRICT;
CREATE UNIQUE INDEX user_name ON "user" (name) WHERE removed_at IS NULL;

-- Actions name the user by id. A removed one is removed for ever.
CREATE TRIGGER user_is_kept BEFORE DELETE ON "user"
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER user_stays BEFORE UPDATE OF id, added_at, added_by ON "user"
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER user_is_removed_once
BEFORE UPDATE OF role, account_id, salt, digest, removed_at, removed_by ON "user"
WHEN OLD.removed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A token of the API. Written by an operator, who sees it once; its text contains its id.
CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    salt TEXT NOT NULL,
    digest TEXT NOT NULL,  -- of the token, with salt
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at TEXT,
    revoked_by TEXT
) STRICT;
CREATE UNIQUE INDEX token_name ON token (name) WHERE revoked_at IS NULL;

-- Actions name it. It is revoked once, for ever.
CREATE TRIGGER token_is_kept BEFORE DELETE ON token
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER token_stays
BEFORE UPDATE OF id, name, role, salt, digest, created_at, created_by ON token
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER token_is_revoked_once BEFORE UPDATE OF revoked_at, revoked_by ON token
WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a token is revoked once'); END;


-- A browser that logged in, as a user or with a token. Written at the log-in and as it is used.
CREATE TABLE login (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,  -- of the id in its cookie
    user_id INTEGER REFERENCES "user" (id),
    token_id INTEGER REFERENCES token (id),
    address TEXT NOT NULL,
    browser TEXT NOT NULL,
    made_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT,  -- NULL: the browser itself
    CHECK ((user_id IS NULL) <> (token_id IS NULL))
) STRICT;

-- An ended one is ended for ever.
CREATE TRIGGER login_stays
BEFORE UPDATE OF id, digest, user_id, token_id, address, browser, made_at ON login
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER login_ends_once BEFORE UPDATE OF ended_at, ended_by ON login
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- The newest one-time code of a user: a link, or a PIN with the tries so far. Written by an
-- operator or by the user; used once.
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


-- Each change that was asked for over the API, before it is made, and each refused attempt. Written
-- by the API.
CREATE TABLE operator_action (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    request TEXT NOT NULL UNIQUE,  -- its id
    who TEXT,  -- a user, a driver by the number, or a token
    role TEXT,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT,  -- without what is personal
    status INTEGER,  -- of the answer; NULL: the server ended before it
    code TEXT
) STRICT;

-- It says who changed what. The answer is written once.
CREATE TRIGGER operator_action_is_kept BEFORE DELETE ON operator_action
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER operator_action_ends_once BEFORE UPDATE OF status, code ON operator_action
WHEN OLD.status IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;
CREATE TRIGGER operator_action_stays
BEFORE UPDATE OF id, at, request, who, role, method, path, body ON operator_action
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Where a driver was is personal: it may go, and nothing else takes its place.
CREATE TRIGGER operator_action_address_goes BEFORE UPDATE OF address ON operator_action
WHEN NEW.address <> ''
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Which key the secrets of webhooks and recipients are encrypted with; the key is in a file that no
-- backup contains. Written at the start, one row.
CREATE TABLE secret_key (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    digest TEXT NOT NULL
) STRICT;


-- The settings that were made in the browser, as text; a secret is encrypted. Written by an
-- operator.
CREATE TABLE own_setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    CHECK (name NOT IN ('mail', 'ntfy', 'ping-url') OR substr(value, 1, 7) = 'sealed:')
) STRICT;
