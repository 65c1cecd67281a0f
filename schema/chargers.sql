-- Chargers: the runs of the server, its chargers with their connections, and what they say of
-- themselves.
--
-- Times are UTC texts, YYYY-MM-DDTHH:MM:SS.sssZ, so that the order of texts is that of times.
-- `timestamp` is how a charger's own time was understood, `sent_timestamp` is the time as sent.
-- Energy is in whole Wh. A connector is known by its charger and its OCPP number; 0 is the charger
-- itself.
-- A fact is a row that is added and never rewritten. What is not a fact is derived, and may change.


-- One run of the server. Written at its start and at its end.
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version TEXT NOT NULL,  -- the program's
    started_at TEXT NOT NULL,
    clock_trusted INTEGER NOT NULL,  -- 0: the machine's clock was not believable at the start
    ended_at TEXT,
    clean INTEGER NOT NULL DEFAULT 0,  -- 0: it was killed, or is running
    server TEXT NOT NULL  -- its name; its next start ends what is still open
) STRICT;

-- Sessions and commands refer to it: it is begun and ended once, and never taken back.
CREATE TRIGGER run_is_kept BEFORE DELETE ON run
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER run_ends_once BEFORE UPDATE ON run
WHEN (OLD.ended_at IS NOT NULL AND (NEW.ended_at IS NOT OLD.ended_at OR NEW.clean IS NOT OLD.clean))
    OR NEW.id IS NOT OLD.id
    OR NEW.server IS NOT OLD.server
    OR NEW.version IS NOT OLD.version
    OR NEW.started_at IS NOT OLD.started_at
    OR NEW.clock_trusted IS NOT OLD.clock_trusted
BEGIN SELECT RAISE(ABORT, 'a run is begun and ended once'); END;


-- The wall clock of a simulation. Written when a database is made with --clock-speed; all others
-- have no row, and keep real time.
CREATE TABLE simulated_time (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- a time of the machine's clock, since when this clock runs `speed` times as fast
    begun_at TEXT NOT NULL,
    speed INTEGER NOT NULL,
    -- the time of the machine when it last went on from begun_at; NULL: begun_at itself
    started_at TEXT
) STRICT;


-- A place with chargers. Written by an operator, who hides it instead of deleting it.
CREATE TABLE station (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    address TEXT,
    latitude REAL,
    longitude REAL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    hidden_at TEXT
) STRICT;


-- A charger as it is now. Derived: each of its connections, messages and decisions changes it.
CREATE TABLE cp (
    id TEXT PRIMARY KEY,
    name TEXT,
    vendor TEXT,
    model TEXT,
    serial_number TEXT,
    -- of the housing; the model and both serial numbers are from the newest boot
    charge_box_serial_number TEXT,
    firmware_version TEXT,
    iccid TEXT,  -- of the SIM card
    imsi TEXT,  -- of the mobile network
    meter_type TEXT,
    meter_serial_number TEXT,
    status TEXT NOT NULL DEFAULT 'Unknown',
    error_code TEXT,
    status_at TEXT,
    status_believable INTEGER NOT NULL DEFAULT 0,  -- 0: its clock was wrong when it said so
    is_connected INTEGER NOT NULL DEFAULT 0,
    session_id INTEGER REFERENCES session (id),  -- the newest connection
    heartbeat_interval INTEGER,  -- in seconds, as it was told
    clock_skew_seconds INTEGER,  -- how far its clock is ahead of ours
    last_seen_at TEXT,
    last_heartbeat_at TEXT,
    last_boot_at TEXT,
    last_connect_at TEXT,
    last_tx_start_at TEXT,
    last_tx_stop_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    hidden_at TEXT,  -- a wrong identity, a scanner, a trial, or removed; its data stays
    retired_on TEXT,  -- the day of the removal of a hidden one
    station_id INTEGER REFERENCES station (id),
    -- whether it may connect: the newest decision
    registration TEXT NOT NULL DEFAULT 'newcomer'
        CHECK (registration IN ('newcomer', 'adopted', 'refused')),
    waiting_since TEXT,  -- when a newcomer first asked under --registration ask
    -- the seconds of silence that it keeps to, whatever it is told; NULL: it obeys
    kept_interval INTEGER,
    -- our address that it dialled last; NULL: a name, or an address before this machine
    dialled TEXT,
    copied_by TEXT,  -- the servers that its newest connection is a copy of; NULL: none
    labelled TEXT,  -- the address on its printed labels
    labels INTEGER NOT NULL DEFAULT 0,  -- how many were printed then
    replaced_by TEXT REFERENCES cp (id),  -- the one that took its place; NULL: none, or it is back
    -- by what it transfers files, if it does not tell: a person said so, or HTTP brought nothing
    transfers TEXT CHECK (transfers IN ('FTP', 'HTTP'))
) STRICT;
CREATE INDEX cp_visible ON cp (registration) WHERE hidden_at IS NULL;


-- One connection of a charger, from its handshake; that of a new one, from its first valid CALL.
-- Written by the charger's session.
CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    run_id INTEGER NOT NULL REFERENCES run (id),
    remote_address TEXT NOT NULL,
    target TEXT NOT NULL,  -- the path of the request
    subprotocol TEXT,
    clock_trusted INTEGER NOT NULL,  -- 0 after a leap of our own clock
    connected_at TEXT NOT NULL,
    ended_at TEXT,
    close_code INTEGER,
    close_reason TEXT,
    connection INTEGER,  -- its number within the run, known before the row is stored
    profile INTEGER NOT NULL DEFAULT 0,  -- the security profile that it proved
    credential_id INTEGER REFERENCES credential (id),
    certificate_id INTEGER REFERENCES certificate (id),
    -- the connection of all rows that an import brought; one a charger
    imported_from TEXT CHECK (imported_from IN ('levity'))
) STRICT;
CREATE INDEX session_cp ON session (cp_id, id);
-- A server that starts again ends what its last run left open.
CREATE UNIQUE INDEX session_open ON session (run_id, connection) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX session_imported ON session (cp_id) WHERE imported_from IS NOT NULL;
CREATE INDEX session_connected ON session (cp_id, connected_at);

-- Facts refer to the connection that brought them: it is opened and ended once.
CREATE TRIGGER session_is_kept BEFORE DELETE ON session
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER session_ends_once BEFORE UPDATE ON session
WHEN OLD.ended_at IS NOT NULL
    OR NEW.id IS NOT OLD.id
    OR NEW.cp_id IS NOT OLD.cp_id
    OR NEW.run_id IS NOT OLD.run_id
    OR NEW.connection IS NOT OLD.connection
    OR NEW.connected_at IS NOT OLD.connected_at
    OR NEW.remote_address IS NOT OLD.remote_address
    OR NEW.target IS NOT OLD.target
    OR NEW.subprotocol IS NOT OLD.subprotocol
    OR NEW.clock_trusted > OLD.clock_trusted
BEGIN SELECT RAISE(ABORT, 'a session is opened and ended once'); END;
CREATE TRIGGER session_origin_stays
BEFORE UPDATE OF profile, credential_id, certificate_id, imported_from ON session
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A connector as it is now. Derived from its statuses.
CREATE TABLE cp_conn (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    error_code TEXT,
    vendor_error_code TEXT,
    status_at TEXT NOT NULL,
    status_believable INTEGER NOT NULL,  -- 0: the charger's clock was wrong when it said so
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (cp_id, conn_id)
) STRICT;


-- What a person says about a connector; the newest row counts. Written by an operator.
CREATE TABLE connector_data (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    type TEXT,  -- of the plug
    phases INTEGER,
    max_a INTEGER,
    max_w INTEGER,  -- the ceiling of plausible energy as of said_at
    said_at TEXT NOT NULL,
    said_by TEXT NOT NULL,
    meter TEXT CHECK (meter IN ('MID', 'calibrated'))  -- of its meter; NULL: nobody said
) STRICT;
CREATE INDEX connector_data_newest ON connector_data (cp_id, conn_id, id);

-- Sessions are judged by what was known of their connector then.
CREATE TRIGGER connector_data_is_kept BEFORE DELETE ON connector_data
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER connector_data_stays BEFORE UPDATE ON connector_data
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Each BootNotification, complete: a swapped meter explains a jump, a firmware explains quirks.
-- Written by the charger's session.
CREATE TABLE boot (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    vendor TEXT,
    model TEXT,
    serial_number TEXT,
    charge_box_serial_number TEXT,
    firmware_version TEXT,
    iccid TEXT,
    imsi TEXT,
    meter_type TEXT,
    meter_serial_number TEXT,
    payload TEXT NOT NULL,  -- as sent, in JSON
    answer TEXT NOT NULL,  -- Accepted, Pending or Rejected
    heartbeat_interval INTEGER NOT NULL
) STRICT;
CREATE INDEX boot_cp ON boot (cp_id, id);
CREATE INDEX boot_received ON boot (cp_id, received_at);
-- The newest boot with a serial number of the meter, without a look at those that have none.
CREATE INDEX boot_serial ON boot (cp_id, received_at) WHERE meter_serial_number IS NOT NULL;

-- A judgement may rest on the meter or the firmware that a boot told.
CREATE TRIGGER boot_is_kept BEFORE DELETE ON boot
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER boot_stays BEFORE UPDATE ON boot
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Another serial number of a charger than before, and whether it is another charger since. Written
-- by the charger's session, once for two numbers, and at each further change between those of two
-- chargers; answered by an operator.
CREATE TABLE serial_change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    at TEXT NOT NULL,  -- when the boot came that told it
    earlier TEXT NOT NULL,  -- in capitals and without blanks, like `serial`
    serial TEXT NOT NULL,
    is_other INTEGER,  -- NULL: nobody has answered yet
    answered_at TEXT,
    answered_by TEXT,
    reason TEXT
) STRICT;
CREATE UNIQUE INDEX serial_change_at ON serial_change (cp_id, at);
CREATE INDEX serial_change_asked ON serial_change (cp_id) WHERE answered_at IS NULL;

-- Figures rest on it.
CREATE TRIGGER serial_change_is_kept BEFORE DELETE ON serial_change
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER serial_change_stays BEFORE UPDATE OF id, cp_id, at, earlier, serial ON serial_change
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER serial_change_is_answered_once
BEFORE UPDATE OF is_other, answered_at, answered_by, reason ON serial_change
WHEN OLD.answered_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- Each change of a status. Written with each StatusNotification; one that repeats the one before is
-- counted there.
CREATE TABLE status (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    sent_timestamp TEXT,
    status TEXT NOT NULL,
    error_code TEXT NOT NULL,
    info TEXT,  -- as sent
    vendor_id TEXT,
    vendor_error_code TEXT,
    count INTEGER NOT NULL DEFAULT 1,  -- how often it came
    last_received_at TEXT NOT NULL,
    -- older than the present status when it came, which therefore stays
    is_late INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX status_connector ON status (cp_id, conn_id, id);
CREATE INDEX status_received ON status (cp_id, conn_id, received_at);

-- Bills and judgements ask what a connector said then. Only repetitions are counted.
CREATE TRIGGER status_is_kept BEFORE DELETE ON status
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER status_stays
BEFORE UPDATE OF id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, status,
    error_code, info, vendor_id, vendor_error_code ON status
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- A fee for staying ends with a status: of a time before the end of a session, or any while the fee
-- grows.
CREATE TRIGGER status_is_to_book AFTER INSERT ON status
BEGIN
    DELETE FROM to_book WHERE tx_id IN (
        SELECT tx_id FROM booked
        WHERE cp_id = NEW.cp_id AND price IN ('due', 'booked', 'unpriced')
            AND ended_at >= min(NEW.timestamp, NEW.received_at)
        UNION
        SELECT tx_id FROM booked
        WHERE cp_id = NEW.cp_id AND price = 'running' AND ended_at IS NOT NULL
    );
    INSERT INTO to_book (tx_id)
        SELECT tx_id FROM booked
        WHERE cp_id = NEW.cp_id AND price IN ('due', 'booked', 'unpriced')
            AND ended_at >= min(NEW.timestamp, NEW.received_at)
        UNION
        SELECT tx_id FROM booked
        WHERE cp_id = NEW.cp_id AND price = 'running' AND ended_at IS NOT NULL;
END;


-- An error or a warning of a connector, from its status to the next one without it. Derived from
-- statuses; an import brings others.
CREATE TABLE cp_err (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER,  -- NULL: not known to the system that it was imported from
    session_id INTEGER NOT NULL REFERENCES session (id),
    error_code TEXT NOT NULL,
    vendor_error_code TEXT,
    error_description TEXT,
    vendor_error_info TEXT,
    is_warning INTEGER NOT NULL,
    timestamp TEXT NOT NULL,
    resolved_at TEXT,
    created_at TEXT NOT NULL,
    imported_id INTEGER  -- of the row in the other system
) STRICT;
CREATE INDEX cp_err_open ON cp_err (cp_id, conn_id) WHERE resolved_at IS NULL;
CREATE INDEX cp_err_cp ON cp_err (cp_id, id);
CREATE UNIQUE INDEX cp_err_imported ON cp_err (cp_id, imported_id, timestamp)
    WHERE imported_id IS NOT NULL;


-- What is odd about a charger though it breaks no rule, and of which its owner was told. Written by
-- the charger's session; it goes when that is over.
CREATE TABLE oddity (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('comes_and_goes', 'measures_nothing', 'meter_exchanged')),
    -- connections of a day, sessions, or the register in Wh after an exchange
    figure INTEGER NOT NULL,
    earlier INTEGER NOT NULL DEFAULT 0,  -- the register in Wh before an exchange
    since TEXT NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (cp_id, conn_id, cause)
) STRICT;


-- Whether a charger tolerates WebSocket pings with its present firmware. Written by the session;
-- one that neither answered a ping nor closed after one has no row.
CREATE TABLE ping (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    firmware TEXT NOT NULL,
    answered_at TEXT,  -- first answered
    closings INTEGER NOT NULL,  -- consecutive sessions that it closed just after one
    off_at TEXT  -- since when no pings are sent
) STRICT;


-- What a charger always does, and how many transactions have shown it. Written by the judge; a
-- contradiction or a person revokes it. A habit belongs to one firmware and one meter.
CREATE TABLE habit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    firmware TEXT NOT NULL,
    meter_serial TEXT NOT NULL,
    kind TEXT NOT NULL,  -- the code of a review, or ceiling
    value INTEGER,  -- of a ceiling: its highest power in W
    transactions INTEGER NOT NULL,
    since TEXT NOT NULL,
    last_at TEXT NOT NULL,
    revoked_at TEXT,
    revoked_by TEXT,  -- system, or a person
    reason TEXT,
    asks_since TEXT,  -- since when a person wants to be asked about each
    asks_by TEXT
) STRICT;
CREATE UNIQUE INDEX habit_valid ON habit (cp_id, conn_id, firmware, meter_serial, kind)
    WHERE revoked_at IS NULL;
-- Did a charger contradict what its sisters proved? This is asked at each judgement.
CREATE INDEX habit_ended ON habit (firmware, kind, revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX habit_asked ON habit (firmware, kind) WHERE asks_since IS NOT NULL;


-- A public key of a meter, as an operator entered it from the meter's label. Written by an
-- operator; ended once. What a charger tells of its key is in `configuration` and in its readings.
CREATE TABLE meter_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL CHECK (conn_id >= 0),  -- 0: of each connector
    key TEXT NOT NULL,  -- in hex: a SubjectPublicKeyInfo in DER, or a bare point
    fingerprint TEXT NOT NULL,  -- SHA-256 of its point, in hex
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX meter_key_of_charger ON meter_key (cp_id, conn_id, fingerprint)
    WHERE ended_at IS NULL;
CREATE INDEX meter_key_all ON meter_key (cp_id, id);

-- Sessions were checked with it. It is ended once.
CREATE TRIGGER meter_key_is_kept BEFORE DELETE ON meter_key
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER meter_key_stays
BEFORE UPDATE OF id, cp_id, conn_id, key, fingerprint, added_at, added_by ON meter_key
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER meter_key_ends_once BEFORE UPDATE OF ended_at, ended_by ON meter_key
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- Two chargers that may have one meter, and whether they have. Written by the judge, once that they
-- may and once that they have; and with each answer of an operator: the last one before a session
-- counts for it.
CREATE TABLE meter_pair (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    other_cp_id TEXT NOT NULL REFERENCES cp (id),
    at TEXT NOT NULL,
    is_shown INTEGER NOT NULL CHECK (is_shown IN (0, 1)),  -- 1: sessions at once show one meter
    is_one INTEGER CHECK (is_one IN (0, 1)),  -- the answer; NULL: the judge asks
    answered_by TEXT
) STRICT;
CREATE INDEX meter_pair_of ON meter_pair (cp_id, other_cp_id);

-- Figures rest on it.
CREATE TRIGGER meter_pair_is_kept BEFORE DELETE ON meter_pair
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER meter_pair_stays BEFORE UPDATE ON meter_pair
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
