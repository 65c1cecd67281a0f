-- Who may connect as a charger: the security profile that is required of it, its passwords and its certificates.

-- The required profile is the highest with which the charger has connected, until an operator sets another. A
-- readmission lets it in once below that, until readmit_until; it is NULL again when it was used.
CREATE TABLE security (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    profile INTEGER NOT NULL DEFAULT 0 CHECK (profile BETWEEN 0 AND 3),
    profile_at TEXT,
    profile_by TEXT,
    readmit_profile INTEGER CHECK (readmit_profile BETWEEN 0 AND 3),
    readmit_until TEXT,
    readmit_by TEXT,
    CHECK ((readmit_profile IS NULL) = (readmit_until IS NULL))
) STRICT;

-- Passwords, never themselves: a generated one by SHA-256, one that somebody gave by scrypt. Until it is confirmed, it is
-- expected, and the one before is open beside it. command_id is the ChangeConfiguration that brings it to the charger.
CREATE TABLE credential (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    kind TEXT NOT NULL CHECK (kind IN ('generated', 'given')),
    salt TEXT NOT NULL,
    digest TEXT NOT NULL,
    command_id INTEGER REFERENCES command (id),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    confirmed_at TEXT,
    ended_at TEXT,
    end_reason TEXT
) STRICT;
CREATE INDEX credential_open ON credential (cp_id) WHERE ended_at IS NULL;
CREATE INDEX credential_cp ON credential (cp_id, id);
CREATE UNIQUE INDEX credential_command ON credential (command_id) WHERE command_id IS NOT NULL;
CREATE TRIGGER credential_is_kept BEFORE DELETE ON credential BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER credential_stays BEFORE UPDATE OF id, cp_id, kind, salt, digest, command_id, created_at, created_by
ON credential BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER credential_ends_once BEFORE UPDATE ON credential
WHEN OLD.ended_at IS NOT NULL OR (OLD.confirmed_at IS NOT NULL AND NEW.confirmed_at IS NOT OLD.confirmed_at) BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- Client certificates: each opens the door of one charger, whatever identity a URL claims.
CREATE TABLE certificate (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    serial TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    pem TEXT NOT NULL,
    not_before TEXT NOT NULL,
    not_after TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    issued_by TEXT NOT NULL,
    revoked_at TEXT,
    revoked_by TEXT,
    reason TEXT
) STRICT;
CREATE INDEX certificate_cp ON certificate (cp_id, id);
CREATE TRIGGER certificate_is_kept BEFORE DELETE ON certificate BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER certificate_stays BEFORE UPDATE OF id, cp_id, serial, fingerprint, subject, pem, not_before, not_after,
    issued_at, issued_by ON certificate BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER certificate_is_revoked_once BEFORE UPDATE OF revoked_at, revoked_by, reason ON certificate
WHEN OLD.revoked_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a certificate is revoked once');
END;

-- How the charger proved itself in this session: the profile that it proved, and the password or certificate.
ALTER TABLE session ADD COLUMN profile INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN credential_id INTEGER REFERENCES credential (id);
ALTER TABLE session ADD COLUMN certificate_id INTEGER REFERENCES certificate (id);
CREATE TRIGGER session_proof_stays BEFORE UPDATE OF profile, credential_id, certificate_id ON session BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
