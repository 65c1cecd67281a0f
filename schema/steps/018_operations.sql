-- What operations leave at a charger: reservations, charging profiles and the local list.

CREATE TABLE reservation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    reservation_id INTEGER NOT NULL,
    conn_id INTEGER NOT NULL,
    id_tag TEXT NOT NULL,
    parent_id_tag TEXT,
    expires_at TEXT NOT NULL,
    command_id INTEGER NOT NULL REFERENCES command (id),
    created_at TEXT NOT NULL,
    -- used, cancelled, replaced, expired, faulted or unavailable (§5.13)
    ended_at TEXT,
    end_reason TEXT,
    tx_id INTEGER REFERENCES tx (id)
) STRICT;
CREATE INDEX reservation_open ON reservation (cp_id) WHERE ended_at IS NULL;
CREATE INDEX reservation_cp ON reservation (cp_id, id);

-- A charging profile that a charger accepted; conn_id 0 is the whole charger. profile is OCPP's JSON.
CREATE TABLE charging_profile (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    profile_id INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    stack_level INTEGER NOT NULL,
    tx_id INTEGER REFERENCES tx (id),
    profile TEXT NOT NULL,
    command_id INTEGER NOT NULL REFERENCES command (id),
    created_at TEXT NOT NULL,
    -- replaced, cleared or ended with its transaction
    ended_at TEXT,
    end_reason TEXT
) STRICT;
CREATE INDEX charging_profile_open ON charging_profile (cp_id) WHERE ended_at IS NULL;
CREATE INDEX charging_profile_cp ON charging_profile (cp_id, id);

-- Each version of the local list that a charger accepted or reported; entries is the whole list as it must be there
-- (JSON), NULL where only the version is known.
CREATE TABLE local_list (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    version INTEGER NOT NULL,
    entries TEXT,
    command_id INTEGER NOT NULL REFERENCES command (id),
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX local_list_cp ON local_list (cp_id, id);

CREATE TRIGGER reservation_is_kept BEFORE DELETE ON reservation BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER charging_profile_is_kept BEFORE DELETE ON charging_profile BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER reservation_stays BEFORE UPDATE OF id, cp_id, reservation_id, conn_id, id_tag, parent_id_tag, expires_at,
    command_id, created_at ON reservation BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER charging_profile_stays BEFORE UPDATE OF id, cp_id, conn_id, profile_id, purpose, stack_level, profile,
    command_id, created_at ON charging_profile BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER local_list_is_kept BEFORE DELETE ON local_list BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER local_list_stays BEFORE UPDATE ON local_list BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- Commands whose outcome is not known yet.
CREATE INDEX command_followed ON command (cp_id) WHERE outcome = 'pending';
-- Notifications that tell what came of an operation; they are few.
CREATE INDEX event_transfer ON event (cp_id, at)
    WHERE kind IN ('FirmwareStatusChanged', 'DiagnosticsStatusChanged', 'LogStatusChanged', 'CertificateRequested');
