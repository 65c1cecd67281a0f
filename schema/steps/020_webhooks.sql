-- Receivers of facts over HTTP.

-- position is the last fact that was read for a webhook: each one up to there was delivered, is not wanted, waits behind
-- a failed delivery (webhook_waiting), or was given up. The secret signs the deliveries; it is erased with the removal.
CREATE TABLE webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    kinds TEXT CHECK (json_type(kinds) = 'array'),
    cp_id TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    position INTEGER NOT NULL,
    delivered_at TEXT,
    removed_at TEXT,
    removed_by TEXT
) STRICT;
CREATE UNIQUE INDEX webhook_name ON webhook (name) WHERE removed_at IS NULL;
CREATE TRIGGER webhook_is_kept BEFORE DELETE ON webhook BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER webhook_stays BEFORE UPDATE OF id, name, url, kinds, cp_id, created_at, created_by ON webhook BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER webhook_secret_stays BEFORE UPDATE OF secret ON webhook WHEN NEW.secret <> '' BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER webhook_is_removed_once BEFORE UPDATE OF removed_at, removed_by ON webhook
WHEN OLD.removed_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- The chargers whose deliveries fail at present: their facts after position wait, in order. '' stands for the facts of
-- no charger.
CREATE TABLE webhook_waiting (
    webhook_id INTEGER NOT NULL REFERENCES webhook (id),
    cp_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failing_since TEXT NOT NULL,
    next_at TEXT NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (webhook_id, cp_id)
) STRICT, WITHOUT ROWID;

-- Facts that were never delivered, because deliveries had failed for too long.
CREATE TABLE webhook_given_up (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id INTEGER NOT NULL REFERENCES webhook (id),
    cp_id TEXT,
    at TEXT NOT NULL,
    failing_since TEXT NOT NULL,
    first_event INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    facts INTEGER NOT NULL,
    problem TEXT NOT NULL
) STRICT;
CREATE INDEX webhook_given_up_webhook ON webhook_given_up (webhook_id, id);
CREATE TRIGGER webhook_given_up_is_kept BEFORE DELETE ON webhook_given_up BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER webhook_given_up_stays BEFORE UPDATE ON webhook_given_up BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
