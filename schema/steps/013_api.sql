-- The operator API: who may use it, what was done over it, and requests that are sent twice.

-- A token is shown once, when it is made; only its salted digest is stored. Its text contains its id.
CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    salt TEXT NOT NULL,
    digest TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at TEXT,
    revoked_by TEXT
) STRICT;
CREATE UNIQUE INDEX token_name ON token (name) WHERE revoked_at IS NULL;
CREATE TRIGGER token_is_kept BEFORE DELETE ON token BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER token_stays BEFORE UPDATE OF id, name, role, salt, digest, created_at, created_by ON token BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER token_is_revoked_once BEFORE UPDATE OF revoked_at, revoked_by ON token
WHEN OLD.revoked_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a token is revoked once');
END;

-- Each change that was asked for over the API, stored before it is made, and each refused attempt. status is that of the
-- response; NULL: the server ended before it answered.
CREATE TABLE operator_action (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    request TEXT NOT NULL UNIQUE,
    who TEXT,
    role TEXT,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT,
    status INTEGER,
    code TEXT
) STRICT;
CREATE TRIGGER operator_action_is_kept BEFORE DELETE ON operator_action BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER operator_action_stays BEFORE UPDATE OF id, at, request, who, role, address, method, path, body
ON operator_action BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER operator_action_ends_once BEFORE UPDATE OF status, code ON operator_action
WHEN OLD.status IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- The Idempotency-Key of the request that asked for a command, and a digest of what it asked for.
ALTER TABLE command ADD COLUMN idempotency_key TEXT;
ALTER TABLE command ADD COLUMN request_digest TEXT;
CREATE INDEX command_idempotent ON command (cp_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
DROP TRIGGER command_stays;
CREATE TRIGGER command_stays BEFORE UPDATE OF id, cp_id, action, payload, message_id, requested_at, asked_by, run_id,
    timeout_seconds, deadline_at, is_masked, idempotency_key, request_digest ON command BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
