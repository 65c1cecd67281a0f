-- Evidence: frames as they were exchanged, messages that could not be understood, and what the
-- server reports of all that.


-- All frames exchanged with chargers, in their order on each connection. Written by the frame log;
-- the oldest rows are deleted each day. An index would double the cost of each frame, so a query
-- for one charger scans a period.
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- a cursor for readers: without gaps, never used again
    cp_id TEXT NOT NULL,  -- '': a handshake that names no charger
    session_id INTEGER,  -- NULL until the connection has its row
    at TEXT NOT NULL,
    direction TEXT NOT NULL,  -- recv, send, connect, disconnect or refuse
    -- joins a CALL to its response; a charger's is the JSON token as sent, with its quotes
    message_id TEXT,
    action TEXT,
    frame TEXT NOT NULL  -- with secrets masked
) STRICT;

-- Readers go on from an id: what they have read stays what it was.
CREATE TRIGGER log_stays BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- The frames to which tx_event and set_aside refer, by session and message, for ever. Written with
-- what refers to them.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL,
    session_id INTEGER,
    at TEXT NOT NULL,
    direction TEXT NOT NULL,
    message_id TEXT,
    action TEXT,
    frame TEXT NOT NULL,
    UNIQUE (session_id, message_id, at)
) STRICT;
CREATE INDEX evidence_cp ON evidence (cp_id, at);

-- What a figure rests on is shown as it came.
CREATE TRIGGER evidence_stays BEFORE UPDATE ON evidence
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Only what strangers sent may go, of days that evidence_pruning has.
CREATE TRIGGER evidence_is_kept BEFORE DELETE ON evidence
WHEN EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = OLD.cp_id)
    OR EXISTS (SELECT 1 FROM cp WHERE cp.id = OLD.cp_id AND registration = 'adopted')
    OR NOT EXISTS (
        SELECT 1 FROM evidence_pruning
        WHERE OLD.at < before
            OR (OLD.at < others_before
                AND coalesce(OLD.action, '') NOT IN ('StartTransaction', 'StopTransaction'))
    )
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;


-- A day on which evidence of strangers was deleted: of chargers that have no transaction and were
-- not adopted. Written by the pruning.
CREATE TABLE evidence_pruning (
    day TEXT PRIMARY KEY,
    before TEXT NOT NULL,  -- earlier rows of theirs may go
    others_before TEXT NOT NULL,  -- while the disk runs low: earlier rows, except starts and stops
    deleted INTEGER NOT NULL
) STRICT;

-- It says what is missing. A day only grows.
CREATE TRIGGER evidence_pruning_is_kept BEFORE DELETE ON evidence_pruning
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER evidence_pruning_counts BEFORE UPDATE ON evidence_pruning
WHEN NEW.day <> OLD.day
    OR NEW.before < OLD.before
    OR NEW.others_before < OLD.others_before
    OR NEW.deleted < OLD.deleted
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A message that could not be matched or handled, raw, for the operator. Written by the session;
-- one that comes again is counted.
CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    action TEXT NOT NULL,
    message_id TEXT NOT NULL,  -- finds the frame in the log
    payload TEXT NOT NULL,
    digest TEXT NOT NULL,  -- of the payload
    reason TEXT NOT NULL,
    -- the transaction that was opened for an unreadable start, or that it was linked to
    tx_id INTEGER REFERENCES tx (id),
    count INTEGER NOT NULL DEFAULT 1,
    last_received_at TEXT NOT NULL,
    looked_at TEXT,
    looked_by TEXT,  -- who linked it or dismissed it
    resolution TEXT,  -- attached, made or dismissed
    resolution_reason TEXT,
    told TEXT,  -- the reason as a text of the program
    UNIQUE (cp_id, action, digest)
) STRICT;
CREATE INDEX set_aside_waiting ON set_aside (received_at) WHERE looked_at IS NULL;
CREATE INDEX set_aside_cp ON set_aside (cp_id, id);
CREATE INDEX set_aside_tx ON set_aside (tx_id) WHERE tx_id IS NOT NULL;

-- A decision is taken back as a whole, and is never replaced by another one.
CREATE TRIGGER set_aside_is_decided_once
BEFORE UPDATE OF looked_by, looked_at, resolution, resolution_reason ON set_aside
WHEN OLD.looked_by IS NOT NULL
    AND (NEW.looked_by IS NOT NULL OR NEW.looked_at IS NOT NULL OR NEW.resolution IS NOT NULL
        OR NEW.resolution_reason IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'a message is resolved once: what was decided is never rewritten');
END;

-- Only what strangers sent may go, of days that evidence_pruning has.
CREATE TRIGGER set_aside_is_kept BEFORE DELETE ON set_aside
WHEN EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = OLD.cp_id)
    OR EXISTS (SELECT 1 FROM cp WHERE cp.id = OLD.cp_id AND registration = 'adopted')
    OR NOT EXISTS (
        SELECT 1 FROM evidence_pruning
        WHERE OLD.received_at < before
            OR (OLD.received_at < others_before
                AND OLD.action NOT IN ('StartTransaction', 'StopTransaction'))
    )
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;

-- An operator decides by what came, as it came.
CREATE TRIGGER set_aside_stays
BEFORE UPDATE OF id, cp_id, session_id, received_at, action, message_id, payload, digest, reason,
    told ON set_aside
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Messages of a charger that violated OCPP and were repaired, counted by kind. Written by the
-- session.
CREATE TABLE repair (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    firmware TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    sample TEXT NOT NULL,  -- the first one
    PRIMARY KEY (cp_id, firmware, kind)
) STRICT;

-- It says how far a firmware can be trusted. A row only counts on.
CREATE TRIGGER repair_is_kept BEFORE DELETE ON repair
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER repair_counts BEFORE UPDATE OF cp_id, firmware, kind, first_at, sample ON repair
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER repair_only_grows BEFORE UPDATE OF count ON repair
WHEN NEW.count < OLD.count
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Facts for streams, webhooks and messages, in the commit of the change. Written by each write; the
-- oldest are deleted.
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- a cursor for readers: without gaps, never used again
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    cp_id TEXT,
    session_id INTEGER REFERENCES session (id),  -- the connection that caused it
    data TEXT NOT NULL,  -- the other fields, in JSON
    count INTEGER NOT NULL DEFAULT 1,  -- a notice that repeats the one before it is counted there
    last_at TEXT  -- when it was last repeated
) STRICT;
CREATE INDEX event_cp ON event (cp_id, id);
-- What the server counts when it starts. They are rare, so other facts cost nothing.
CREATE INDEX event_counted ON event (kind, cp_id)
    WHERE kind IN ('EnergyJumped', 'EnergyUnbilled', 'IdentityShared', 'TransactionClosed',
        'TransactionCorrected', 'TransactionRejudged', 'TransactionStopped');
-- Notices that tell what came of an operation, which are few.
CREATE INDEX event_transfer ON event (cp_id, at)
    WHERE kind IN ('FirmwareStatusChanged', 'DiagnosticsStatusChanged', 'LogStatusChanged',
        'CertificateRequested');
CREATE INDEX event_notice ON event (cp_id, kind, id)
    WHERE kind IN ('FirmwareStatusChanged', 'DiagnosticsStatusChanged', 'LogStatusChanged',
        'SecurityEventReported');
-- What a charger reported since an operator asked for its security profile.
CREATE INDEX event_security ON event (cp_id, at) WHERE kind = 'SecurityEventReported';

-- Readers go on from an id: what they have read stays what it was.
CREATE TRIGGER event_stays BEFORE UPDATE OF id, at, kind, cp_id, session_id, data ON event
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Sums of events that were deleted: their number or Wh, by charger and counter. Written by the
-- pruning, so that counters go on.
CREATE TABLE event_sum (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    counter TEXT NOT NULL,
    what TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (cp_id, counter, what)
) STRICT;


-- How many facts a charger caused on a day of UTC, by kind, apart from transactions and readings:
-- permanent tables stay small. Written with each fact.
CREATE TABLE fact_count (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    kind TEXT NOT NULL,
    day TEXT NOT NULL,
    facts INTEGER NOT NULL,  -- of this day; the first ones are stored, the others only counted
    counted INTEGER NOT NULL DEFAULT 0,  -- that were only counted, in all
    told INTEGER NOT NULL DEFAULT 0,  -- that FactsCounted has reported, last at told_at
    told_at TEXT,
    PRIMARY KEY (cp_id, kind)
) STRICT;


-- What the whole site has used on a day of UTC, by kind: bytes of evidence, messages of strangers.
-- Written with them.
CREATE TABLE site_count (
    kind TEXT PRIMARY KEY,  -- `disk` is 1 while the disk runs low
    day TEXT NOT NULL,
    amount INTEGER NOT NULL
) STRICT;


-- How far the audit is: Fluentd has all frames up to log_id. Written by the plugin; no row: it was
-- never in use.
CREATE TABLE audit_cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_id INTEGER NOT NULL,
    lost INTEGER NOT NULL,  -- frames that were deleted before they could be sent
    lost_told INTEGER NOT NULL  -- of those, how many Fluentd was told of
) STRICT;
