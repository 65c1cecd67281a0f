-- Certificate requests of chargers, and the raising of a charger's security profile.

-- Each SignCertificate. result: NULL while the certificate is issued and on its way (command_id is the last
-- CertificateSigned of so many attempts), then installed, refused (by the charger), undelivered, superseded (by a newer
-- request), or from the beginning rejected, with our reason.
CREATE TABLE certificate_request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    csr TEXT NOT NULL,
    key_digest TEXT,
    reason TEXT,
    certificate_id INTEGER REFERENCES certificate (id),
    command_id INTEGER REFERENCES command (id),
    attempts INTEGER NOT NULL DEFAULT 0,
    ended_at TEXT,
    result TEXT CHECK (result IN ('installed', 'refused', 'undelivered', 'superseded', 'rejected')),
    CHECK ((ended_at IS NULL) = (result IS NULL))
) STRICT;
CREATE INDEX certificate_request_cp ON certificate_request (cp_id, id);
CREATE INDEX certificate_request_key ON certificate_request (key_digest);
CREATE UNIQUE INDEX certificate_request_open ON certificate_request (cp_id) WHERE result IS NULL;
CREATE INDEX certificate_request_installed ON certificate_request (cp_id, id) WHERE result = 'installed';
CREATE INDEX certificate_request_certificate ON certificate_request (certificate_id);
CREATE TRIGGER certificate_request_is_kept BEFORE DELETE ON certificate_request BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER certificate_request_stays BEFORE UPDATE OF id, cp_id, session_id, received_at, csr, key_digest, reason
ON certificate_request BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER certificate_request_ends_once BEFORE UPDATE ON certificate_request WHEN OLD.result IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a request is opened and ended once');
END;
CREATE INDEX command_extended_trigger ON command (cp_id, id) WHERE action = 'ExtendedTriggerMessage';

-- A security profile that an operator wants for a charger, with the steps to it (JSON). organization is the CpoName,
-- address_key and address the vendor's own setting for our address. problem is why it stands still at present. result:
-- done, replaced (by a newer one), cancelled.
CREATE TABLE securing (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    profile INTEGER NOT NULL CHECK (profile IN (1, 2, 3)),
    steps TEXT NOT NULL CHECK (json_type(steps) = 'array'),
    organization TEXT,
    address_key TEXT,
    address TEXT,
    asked_at TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    problem TEXT,
    ended_at TEXT,
    ended_by TEXT,
    result TEXT CHECK (result IN ('done', 'replaced', 'cancelled')),
    CHECK ((ended_at IS NULL) = (result IS NULL))
) STRICT;
CREATE UNIQUE INDEX securing_open ON securing (cp_id) WHERE result IS NULL;
CREATE INDEX securing_cp ON securing (cp_id, id);
CREATE TRIGGER securing_is_kept BEFORE DELETE ON securing BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER securing_stays BEFORE UPDATE OF id, cp_id, profile, steps, organization, address_key, address, asked_at,
    asked_by ON securing BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER securing_ends_once BEFORE UPDATE ON securing WHEN OLD.result IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- The commands of its steps, each attempt.
CREATE TABLE securing_step (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    securing_id INTEGER NOT NULL REFERENCES securing (id),
    step TEXT NOT NULL,
    command_id INTEGER NOT NULL REFERENCES command (id),
    at TEXT NOT NULL
) STRICT;
CREATE INDEX securing_step_of ON securing_step (securing_id, id);
CREATE TRIGGER securing_step_is_kept BEFORE DELETE ON securing_step BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER securing_step_stays BEFORE UPDATE ON securing_step BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
