-- Lists of an operator: stations, what is known of connectors, and indexes with which a page of transactions costs the
-- same in a year and in ten.

-- A place with chargers. A deleted one is hidden.
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
ALTER TABLE cp ADD COLUMN station_id INTEGER REFERENCES station (id);

-- What a person says about a connector. The newest row of a connector counts: max_w is then the ceiling of plausible
-- energy, as of said_at.
CREATE TABLE connector_data (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    type TEXT,
    phases INTEGER,
    max_a INTEGER,
    max_w INTEGER,
    said_at TEXT NOT NULL,
    said_by TEXT NOT NULL
) STRICT;
CREATE INDEX connector_data_newest ON connector_data (cp_id, conn_id, id);
CREATE TRIGGER connector_data_is_kept BEFORE DELETE ON connector_data BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER connector_data_stays BEFORE UPDATE ON connector_data BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- A page of transactions, newest first, by each filter and each pair of them, without reading the rows that it skips. No
-- index contains the status, so ending a transaction changes none of them; those that are not open are found as "not in
-- tx_open". Nearly all transactions are on connector 1, which tx_by_time finds at once.
CREATE INDEX tx_by_time ON tx (start_time, cp_id, conn_id, id_tag);
CREATE INDEX tx_by_charger ON tx (cp_id, start_time, conn_id, id_tag);
CREATE INDEX tx_by_tag ON tx (id_tag, start_time, cp_id, conn_id);
CREATE INDEX tx_by_connector ON tx (conn_id, start_time, cp_id, id_tag) WHERE conn_id <> 1;
CREATE INDEX tx_doubtful ON tx (start_time, cp_id, conn_id, id_tag) WHERE review IS NOT NULL;
-- Of one charger, newest first.
CREATE INDEX cp_err_cp ON cp_err (cp_id, id);
CREATE INDEX set_aside_cp ON set_aside (cp_id, id);
