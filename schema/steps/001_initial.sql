-- The first schema. Facts are added and never rewritten; cp, cp_conn, tx and cp_err are derived from those facts, with
-- Levity's table names.
--
-- Times are UTC text, YYYY-MM-DDTHH:MM:SS.sssZ, so that text order is time order. `timestamp` is the interpretation of a
-- charger's own time, `sent_timestamp` the time as sent. Energy is whole Wh. A connector is always identified by its
-- charger and its OCPP number; connector 0 is the charger itself.

-- One process of the server, from its start to its end.
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version TEXT NOT NULL,
    started_at TEXT NOT NULL,
    clock_trusted INTEGER NOT NULL,
    ended_at TEXT,
    clean INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE cp (
    id TEXT PRIMARY KEY,
    name TEXT,
    vendor TEXT,
    model TEXT,
    serial_number TEXT,
    charge_box_serial_number TEXT,
    firmware_version TEXT,
    iccid TEXT,
    imsi TEXT,
    meter_type TEXT,
    meter_serial_number TEXT,
    status TEXT NOT NULL DEFAULT 'Unknown',
    error_code TEXT,
    status_at TEXT,
    status_believable INTEGER NOT NULL DEFAULT 0,
    is_connected INTEGER NOT NULL DEFAULT 0,
    session_id INTEGER REFERENCES session (id),
    heartbeat_interval INTEGER,
    clock_skew_seconds INTEGER,
    last_seen_at TEXT,
    last_heartbeat_at TEXT,
    last_boot_at TEXT,
    last_connect_at TEXT,
    last_tx_start_at TEXT,
    last_tx_stop_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- One connection of a charger, from its first valid CALL. A connection without a valid CALL has no row.
CREATE TABLE session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    run_id INTEGER NOT NULL REFERENCES run (id),
    remote_address TEXT NOT NULL,
    target TEXT NOT NULL,
    subprotocol TEXT,
    clock_trusted INTEGER NOT NULL,
    connected_at TEXT NOT NULL,
    ended_at TEXT,
    close_code INTEGER,
    close_reason TEXT
) STRICT;
CREATE INDEX session_cp ON session (cp_id, id);
CREATE INDEX session_open ON session (id) WHERE ended_at IS NULL;

CREATE TABLE cp_conn (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    error_code TEXT,
    vendor_error_code TEXT,
    status_at TEXT NOT NULL,
    status_believable INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (cp_id, conn_id)
) STRICT;

-- Each BootNotification, complete: a swapped meter explains a jump, the firmware explains quirks.
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
    payload TEXT NOT NULL,
    answer TEXT NOT NULL,
    heartbeat_interval INTEGER NOT NULL
) STRICT;
CREATE INDEX boot_cp ON boot (cp_id, id);

-- Each change of a status; repetitions are counted in the row.
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
    info TEXT,
    vendor_id TEXT,
    vendor_error_code TEXT,
    count INTEGER NOT NULL DEFAULT 1,
    last_received_at TEXT NOT NULL
) STRICT;
CREATE INDEX status_connector ON status (cp_id, conn_id, id);

CREATE TABLE cp_err (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER,
    session_id INTEGER NOT NULL REFERENCES session (id),
    error_code TEXT NOT NULL,
    vendor_error_code TEXT,
    error_description TEXT,
    vendor_error_info TEXT,
    is_warning INTEGER NOT NULL,
    timestamp TEXT NOT NULL,
    resolved_at TEXT,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX cp_err_open ON cp_err (cp_id, conn_id) WHERE resolved_at IS NULL;

-- The present state of a transaction, derived from its tx_events. id is the transactionId sent to the charger. The skew
-- of the charger's clock at start and stop gives the duration by that clock.
CREATE TABLE tx (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER,
    session_id INTEGER NOT NULL REFERENCES session (id),
    id_tag TEXT,
    verdict TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'Active',
    start_time TEXT NOT NULL,
    sent_start_time TEXT,
    start_skew_seconds INTEGER,
    stop_time TEXT,
    sent_stop_time TEXT,
    meter_start INTEGER,
    meter_stop INTEGER,
    energy_delivered INTEGER,
    energy_method TEXT,
    confidence TEXT,
    review TEXT,
    stop_reason TEXT,
    stop_id_tag TEXT,
    stopped_by TEXT,
    suspended_at TEXT,
    reservation_id INTEGER,
    unbilled_wh INTEGER,
    last_reading_at TEXT,
    last_register_wh INTEGER,
    previous_register_wh INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX tx_repeat ON tx (cp_id, conn_id, id_tag, sent_start_time, meter_start);
CREATE INDEX tx_connector ON tx (cp_id, conn_id, start_time);
CREATE INDEX tx_open ON tx (cp_id) WHERE status = 'Active';

-- What happened to a transaction, who did it and why, with the payload as received. A repetition of the same payload
-- (same digest) is counted, not added.
CREATE TABLE tx_event (
    id INTEGER PRIMARY KEY,
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT,
    session_id INTEGER REFERENCES session (id),
    received_at TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    sent_timestamp TEXT,
    message_id TEXT,
    payload TEXT,
    digest TEXT,
    count INTEGER NOT NULL DEFAULT 1,
    last_received_at TEXT NOT NULL,
    UNIQUE (tx_id, kind, digest)
) STRICT;

-- wh is the billed register, in whole Wh, on one of the rows with its timestamp: that of the value without phase, or that
-- of L1 with the sum of three phases.
CREATE TABLE meter_val (
    id INTEGER PRIMARY KEY,
    tx_id INTEGER REFERENCES tx (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    sent_timestamp TEXT,
    measurand TEXT NOT NULL,
    value TEXT NOT NULL,
    unit TEXT NOT NULL,
    context TEXT NOT NULL,
    location TEXT NOT NULL,
    phase TEXT NOT NULL,
    format TEXT NOT NULL,
    source TEXT NOT NULL,
    wh INTEGER
) STRICT;
-- Only one index: each further index costs every reading another page.
CREATE INDEX meter_val_connector ON meter_val (cp_id, conn_id, timestamp);

-- Messages of a charger that violated OCPP and were repaired.
CREATE TABLE repair (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    firmware TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    sample TEXT NOT NULL,
    PRIMARY KEY (cp_id, firmware, kind)
) STRICT;

-- Messages that could not be matched or handled, raw, for the operator; message_id finds the frame in the log. tx_id is
-- the transaction that was opened for an unreadable start.
CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    action TEXT NOT NULL,
    message_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    digest TEXT NOT NULL,
    reason TEXT NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    count INTEGER NOT NULL DEFAULT 1,
    last_received_at TEXT NOT NULL,
    looked_at TEXT,
    UNIQUE (cp_id, action, digest)
) STRICT;

CREATE TABLE configuration (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER NOT NULL REFERENCES session (id),
    key TEXT NOT NULL,
    value TEXT,
    readonly INTEGER NOT NULL,
    read_at TEXT NOT NULL
) STRICT;
CREATE INDEX configuration_key ON configuration (cp_id, key, id);

-- Our CALLs. state: sent, answered, refused (CALLERROR), timed out, gone (the session ended first).
CREATE TABLE command (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER REFERENCES session (id),
    action TEXT NOT NULL,
    payload TEXT NOT NULL,
    message_id TEXT,
    state TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    sent_at TEXT,
    answered_at TEXT,
    is_late INTEGER NOT NULL DEFAULT 0,
    answer TEXT,
    error_code TEXT,
    error_description TEXT
) STRICT;
CREATE INDEX command_cp ON command (cp_id, id);

-- Frames. Those that tx_event and set_aside refer to by message_id are kept with their transaction.
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL,
    session_id INTEGER,
    at TEXT NOT NULL,
    direction TEXT NOT NULL,
    message_id TEXT,
    action TEXT,
    frame TEXT NOT NULL
) STRICT;
CREATE INDEX log_cp ON log (cp_id, at);

-- Facts for streams and webhooks, written in the same database transaction as the change; session_id is that of the
-- connection that caused them.
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    cp_id TEXT,
    session_id INTEGER REFERENCES session (id),
    data TEXT NOT NULL
) STRICT;
CREATE INDEX event_cp ON event (cp_id, id);
