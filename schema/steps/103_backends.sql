-- A second server gets a copy of what chargers tell, from which nothing is lost.

-- A server outside that gets a copy of what chargers tell: an employer's, a registrar's, evcc.
-- Written by an operator.
CREATE TABLE backend (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    url TEXT NOT NULL,  -- ws:// or wss://, without the identity
    root TEXT,  -- whom it is proved by, in PEM; NULL: the authorities of this machine
    -- our certificate with its private key, in PEM, encrypted; erased with the removal
    certificate TEXT CHECK (substr(certificate, 1, 7) = 'sealed:'),
    certificate_ends_at TEXT,
    -- 1: repaired, with times by the judged clock; 0: as chargers sent it
    is_repaired INTEGER NOT NULL CHECK (is_repaired IN (0, 1)),
    tells_authorize INTEGER NOT NULL CHECK (tells_authorize IN (0, 1)),
    -- 1: the numbers of cards go as they are; 0: aliases go instead
    with_cards INTEGER NOT NULL CHECK (with_cards IN (0, 1)),
    -- the alias of each card that has none of its own; NULL: their sessions are not told
    other_cards TEXT,
    begins_at TEXT NOT NULL,  -- the beginning of a day; as added_at: when each charger was added
    paused_at TEXT,
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    removed_at TEXT,
    removed_by TEXT
) STRICT;
CREATE UNIQUE INDEX backend_name ON backend (name) WHERE removed_at IS NULL;

-- What was told refers to it. It is removed once.
CREATE TRIGGER backend_is_kept BEFORE DELETE ON backend
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER backend_stays BEFORE UPDATE OF id, added_at, added_by ON backend
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER backend_is_removed_once BEFORE UPDATE OF removed_at, removed_by ON backend
WHEN OLD.removed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;

-- A charger that a backend is told of, and how far that is. Written by an operator, and by the
-- copy.
CREATE TABLE backend_cp (
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    identity TEXT NOT NULL,  -- its name there
    password TEXT CHECK (substr(password, 1, 7) = 'sealed:'),  -- of Basic authentication, encrypted
    without TEXT NOT NULL CHECK (json_type(without) = 'array'),  -- connectors that are not told
    begins_at TEXT NOT NULL,  -- what was received since then is told
    ended_at TEXT,  -- when it was taken out
    log_id INTEGER NOT NULL,  -- each frame up to this one was answered there, or is not told
    log_at TEXT NOT NULL DEFAULT '',  -- when that one was received
    attempts INTEGER NOT NULL DEFAULT 0,  -- how often the next message was answered with an error
    is_accepted INTEGER NOT NULL DEFAULT 0,  -- 1: its boot was accepted
    own TEXT NOT NULL DEFAULT '{}',  -- the intervals that the backend set for the copy, in JSON
    told INTEGER NOT NULL DEFAULT 0,  -- messages that were answered
    made INTEGER NOT NULL DEFAULT 0,  -- of those, how many were made from stored facts
    told_at TEXT,  -- when the last one was answered
    refused INTEGER NOT NULL DEFAULT 0,  -- messages that were refused, late or numbered wrongly
    behind_since TEXT,  -- when the oldest message that waits was received; NULL: none waits
    is_connected INTEGER NOT NULL DEFAULT 0 CHECK (is_connected IN (0, 1)),
    since TEXT,  -- when it is connected, or is not
    problem TEXT,  -- why it is not connected, or waits, a text of the program
    PRIMARY KEY (backend_id, cp_id)
) STRICT, WITHOUT ROWID;

-- A session as a backend knows it. Written by the copy, before the next message of its charger.
CREATE TABLE backend_tx (
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    their_id INTEGER,  -- its transactionId there; NULL: it was left out, or its start was refused
    made_at TEXT NOT NULL DEFAULT '',  -- when the last of its readings came that was made
    started_at TEXT NOT NULL,  -- when its start was answered
    stopped_at TEXT,  -- when its stop was answered, or nothing more is told of it
    -- 1: it was told as ended by the server; its charger's own stop is late
    is_closed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (backend_id, tx_id)
) STRICT;
CREATE INDEX backend_tx_open ON backend_tx (backend_id) WHERE stopped_at IS NULL OR is_closed = 1;

-- A kill must not tell a session twice.
CREATE TRIGGER backend_tx_is_kept BEFORE DELETE ON backend_tx
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER backend_tx_stays
BEFORE UPDATE OF backend_id, tx_id, their_id, started_at ON backend_tx
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- What a backend refused, what came after its session had ended there, and numbers of sessions that
-- it must not give. Written by the copy.
CREATE TABLE backend_refused (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('refused', 'late', 'number')),
    action TEXT NOT NULL,
    payload TEXT NOT NULL,  -- as it was sent, or would have been, in JSON
    tx_id INTEGER REFERENCES tx (id),
    answer TEXT NOT NULL  -- code and description of the error, or the number
) STRICT;
CREATE INDEX backend_refused_of ON backend_refused (backend_id, id);
CREATE INDEX backend_refused_day ON backend_refused (backend_id, cp_id, at);

-- It says what is missing there.
CREATE TRIGGER backend_refused_is_kept BEFORE DELETE ON backend_refused
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER backend_refused_stays BEFORE UPDATE ON backend_refused
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- What a card is called at a backend. Written by an operator.
CREATE TABLE backend_card (
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    tag_key TEXT NOT NULL,  -- the normal form of the card
    alias TEXT,  -- NULL: its sessions are not told
    PRIMARY KEY (backend_id, tag_key)
) STRICT, WITHOUT ROWID;
