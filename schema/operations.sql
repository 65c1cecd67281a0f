-- Operations: what is asked of chargers, and what that leaves there: reservations, profiles, lists,
-- configuration and files.


-- A CALL of ours. Written before it is sent; its life goes on after whoever asked for it has left.
-- state: queued, sent, then accepted, rejected (by the status of the response), error (CALLERROR),
-- timed out, gone (the connection or the server ended first), expired (not sent by its deadline) or
-- cancelled.
CREATE TABLE command (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER REFERENCES session (id),
    action TEXT NOT NULL,
    payload TEXT NOT NULL,
    message_id TEXT,  -- of the frame
    state TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    sent_at TEXT,
    answered_at TEXT,
    is_late INTEGER NOT NULL DEFAULT 0,  -- 1: the answer came after the time was over
    answer TEXT,  -- in JSON
    error_code TEXT,
    error_description TEXT,
    asked_by TEXT,  -- a person, or system
    run_id INTEGER REFERENCES run (id),  -- of the server that sends it
    timeout_seconds REAL,
    -- how long it may wait for a charger that is away; NULL: only while it is connected
    deadline_at TEXT,
    -- 1: a secret is missing in payload, so only the process that was asked can send it
    is_masked INTEGER NOT NULL DEFAULT 0,
    -- from later facts: pending until outcome_until, then fulfilled, contradicted or not seen
    outcome TEXT,
    outcome_words TEXT,
    outcome_at TEXT,
    outcome_until TEXT,
    outcome_tx_id INTEGER REFERENCES tx (id),
    idempotency_key TEXT,  -- of the request that asked for it
    request_digest TEXT  -- of what that request asked for
) STRICT;
CREATE INDEX command_cp ON command (cp_id, id);
-- Few of all commands: for the end of a connection.
CREATE INDEX command_sent ON command (cp_id) WHERE state = 'sent';
-- For auto start.
CREATE INDEX command_remote_start ON command (cp_id, requested_at)
    WHERE action = 'RemoteStartTransaction';
CREATE INDEX command_queued ON command (cp_id, id) WHERE state = 'queued';
CREATE INDEX command_idempotent ON command (cp_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- Their outcome is not known yet.
CREATE INDEX command_followed ON command (cp_id) WHERE outcome = 'pending';
-- The schedule that a charger reported last, beside what it should obey.
CREATE INDEX command_composite ON command (cp_id, id)
    WHERE action = 'GetCompositeSchedule' AND state = 'accepted';
CREATE INDEX command_extended_trigger ON command (cp_id, id)
    WHERE action = 'ExtendedTriggerMessage';
-- An answer may come over a later connection, or after a restart of the server.
CREATE INDEX command_unanswered ON command (message_id)
    WHERE state IN ('sent', 'timed out', 'gone') AND sent_at IS NOT NULL;
-- Did the server itself ask a charger to boot? This is asked at each connection.
CREATE INDEX command_of_system ON command (cp_id) WHERE asked_by = 'system';

-- It is the record of who asked a charger for what.
CREATE TRIGGER command_is_kept BEFORE DELETE ON command
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER command_stays
BEFORE UPDATE OF id, cp_id, action, payload, message_id, requested_at, asked_by, run_id,
    timeout_seconds, deadline_at, is_masked, idempotency_key, request_digest ON command
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- No answer, and no end, is taken back. A late answer still moves on what timed out.
CREATE TRIGGER command_moves_on BEFORE UPDATE OF state ON command
WHEN NOT (
    (OLD.state = 'queued' AND NEW.state IN ('sent', 'gone', 'expired', 'cancelled'))
    OR (OLD.state = 'sent' AND NEW.state IN ('accepted', 'rejected', 'error', 'timed out', 'gone'))
    OR (OLD.state IN ('timed out', 'gone') AND OLD.sent_at IS NOT NULL
        AND NEW.state IN ('accepted', 'rejected', 'error'))
)
BEGIN SELECT RAISE(ABORT, 'a command moves on from state to state'); END;


-- What a connector was last told to be, by a ChangeAvailability that its charger accepted. Written
-- with the answer.
CREATE TABLE availability (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    -- 0: the charger, with all connectors that were told nothing else later
    conn_id INTEGER NOT NULL CHECK (conn_id >= 0),
    type TEXT NOT NULL CHECK (type IN ('Operative', 'Inoperative')),
    command_id INTEGER NOT NULL REFERENCES command (id),
    accepted_at TEXT NOT NULL,
    PRIMARY KEY (cp_id, conn_id)
) STRICT;


-- A reservation that a charger accepted. Written with the answer, and at its end.
CREATE TABLE reservation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    reservation_id INTEGER NOT NULL,  -- its number at the charger
    conn_id INTEGER NOT NULL,
    id_tag TEXT NOT NULL,
    parent_id_tag TEXT,  -- the group of the card
    expires_at TEXT NOT NULL,
    command_id INTEGER NOT NULL REFERENCES command (id),
    created_at TEXT NOT NULL,
    ended_at TEXT,
    -- used, cancelled, replaced, expired, faulted or unavailable (OCPP 1.6, 5.13)
    end_reason TEXT,
    tx_id INTEGER REFERENCES tx (id)  -- the one that used it
) STRICT;
CREATE INDEX reservation_open ON reservation (cp_id) WHERE ended_at IS NULL;
CREATE INDEX reservation_cp ON reservation (cp_id, id);

-- It is what a person had reserved. Only its end is written.
CREATE TRIGGER reservation_is_kept BEFORE DELETE ON reservation
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER reservation_stays
BEFORE UPDATE OF id, cp_id, reservation_id, conn_id, id_tag, parent_id_tag, expires_at, command_id,
    created_at ON reservation
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A charging profile that a charger accepted. Written with the answer, and at its end.
CREATE TABLE charging_profile (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,  -- 0: the whole charger
    profile_id INTEGER NOT NULL,  -- its number at the charger
    purpose TEXT NOT NULL,
    stack_level INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    profile TEXT NOT NULL,  -- as OCPP has it, in JSON
    command_id INTEGER NOT NULL REFERENCES command (id),
    created_at TEXT NOT NULL,
    ended_at TEXT,
    end_reason TEXT  -- replaced, cleared, or ended with its transaction
) STRICT;
CREATE INDEX charging_profile_open ON charging_profile (cp_id) WHERE ended_at IS NULL;
CREATE INDEX charging_profile_cp ON charging_profile (cp_id, id);

-- What a car could draw then follows from it. Only its end is written.
CREATE TRIGGER charging_profile_is_kept BEFORE DELETE ON charging_profile
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER charging_profile_stays
BEFORE UPDATE OF id, cp_id, conn_id, profile_id, purpose, stack_level, profile, command_id,
    created_at ON charging_profile
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Each version of the local list that a charger accepted or reported. Written with the answer.
CREATE TABLE local_list (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    version INTEGER NOT NULL,
    entries TEXT,  -- the whole list as it must be there, in JSON; NULL: only the version is known
    command_id INTEGER NOT NULL REFERENCES command (id),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX local_list_cp ON local_list (cp_id, id);

-- A charger that was offline decided by the list of then.
CREATE TRIGGER local_list_is_kept BEFORE DELETE ON local_list
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER local_list_stays BEFORE UPDATE ON local_list
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Each change of a key of a charger's configuration. Written with each reading of it.
CREATE TABLE configuration (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER NOT NULL REFERENCES session (id),
    key TEXT NOT NULL,
    value TEXT,
    readonly INTEGER NOT NULL,
    read_at TEXT NOT NULL,
    last_read_at TEXT,  -- when the charger last reported the same
    is_known INTEGER NOT NULL DEFAULT 1  -- 0: the charger does not know this key
) STRICT;
CREATE INDEX configuration_key ON configuration (cp_id, key, id);

-- Behaviour of a charger is explained by the values of then.
CREATE TRIGGER configuration_is_kept BEFORE DELETE ON configuration
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER configuration_stays
BEFORE UPDATE OF id, cp_id, session_id, key, value, readonly, read_at, is_known ON configuration
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A reading of a whole configuration, by one command or by several. Written at its end.
CREATE TABLE configuration_reading (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    asked_by TEXT NOT NULL,
    began_at TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    keys INTEGER NOT NULL,  -- how many the charger reported
    unknown_keys INTEGER NOT NULL,  -- how many it does not know
    unanswered TEXT NOT NULL,  -- the keys without an answer, in JSON
    commands TEXT NOT NULL  -- their ids, in JSON
) STRICT;
CREATE INDEX configuration_reading_cp ON configuration_reading (cp_id, id);

-- It says when all keys were known, and which were not.
CREATE TRIGGER configuration_reading_is_kept BEFORE DELETE ON configuration_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER configuration_reading_stays BEFORE UPDATE ON configuration_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What the configuration of several chargers must be. Written by an operator: a changed or removed
-- one ends, and stays.
CREATE TABLE configuration_template (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    model TEXT,
    chargers TEXT,  -- their identities, in JSON; NULL: all of the model
    entries TEXT NOT NULL,  -- keys and values, in JSON
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX configuration_template_name ON configuration_template (name)
    WHERE ended_at IS NULL;

-- The template of any day can be found: it is begun and ended once.
CREATE TRIGGER configuration_template_is_kept BEFORE DELETE ON configuration_template
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER configuration_template_stays
BEFORE UPDATE OF id, name, model, chargers, entries, created_at, created_by
ON configuration_template
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER configuration_template_ends_once
BEFORE UPDATE OF ended_at, ended_by ON configuration_template
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A file that a charger sent to us (diagnostics, log), or that chargers fetch (firmware). Written
-- with the upload; its bytes are in the folder beside the database.
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('diagnostics', 'log', 'firmware')),
    name TEXT NOT NULL UNIQUE,  -- in that folder
    title TEXT,  -- what an operator calls a firmware
    cp_id TEXT REFERENCES cp (id),
    command_id INTEGER REFERENCES command (id),
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    deleted_at TEXT,
    deleted_by TEXT,
    CHECK ((kind = 'firmware') = (title IS NOT NULL) AND (kind = 'firmware') = (command_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX file_title ON file (title) WHERE title IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX file_command ON file (command_id) WHERE command_id IS NOT NULL;
CREATE INDEX file_cp ON file (cp_id, id);
-- The oldest go first where there is no room.
CREATE INDEX file_kept ON file (created_at) WHERE deleted_at IS NULL;

-- The row says what there was, after its bytes are gone.
CREATE TRIGGER file_is_kept BEFORE DELETE ON file
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER file_stays
BEFORE UPDATE OF id, kind, name, title, cp_id, command_id, size_bytes, sha256, created_at ON file
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER file_is_deleted_once BEFORE UPDATE OF deleted_at, deleted_by ON file
WHEN OLD.deleted_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a file is deleted once'); END;


-- The URL that a command gave to its charger. Written with the command; only a digest of its secret
-- is kept.
CREATE TABLE file_url (
    command_id INTEGER PRIMARY KEY REFERENCES command (id),
    digest TEXT NOT NULL UNIQUE,
    -- the firmware to be fetched; NULL: something is to be sent to us
    file_id INTEGER REFERENCES file (id),
    wanted_at TEXT,  -- when the charger is to use it; NULL: at once
    asked_at TEXT  -- when the charger first came with it; NULL: it did not
) STRICT;

-- A charger may use it long after the command.
CREATE TRIGGER file_url_is_kept BEFORE DELETE ON file_url
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER file_url_stays BEFORE UPDATE OF digest, command_id, file_id, wanted_at ON file_url
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER file_url_is_asked_once BEFORE UPDATE OF asked_at ON file_url
WHEN OLD.asked_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
