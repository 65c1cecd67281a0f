-- Files that chargers sent to us (diagnostics, logs) or fetch from us (firmware), and the secret URLs for both.

-- name is that of the file in the folder beside the database, and ours; title is what an operator calls firmware.
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('diagnostics', 'log', 'firmware')),
    name TEXT NOT NULL UNIQUE,
    title TEXT,
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
CREATE INDEX file_kept ON file (created_at) WHERE deleted_at IS NULL;
CREATE TRIGGER file_is_kept BEFORE DELETE ON file BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER file_stays BEFORE UPDATE OF id, kind, name, title, cp_id, command_id, size_bytes, sha256, created_at
ON file BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER file_is_deleted_once BEFORE UPDATE OF deleted_at, deleted_by ON file WHEN OLD.deleted_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a file is deleted once');
END;

-- The URL that a command gave to its charger; only the digest of its secret is stored. file_id is the firmware to be
-- fetched, NULL where something is to be sent to us. wanted_at is when the charger is to use it, NULL: at once.
CREATE TABLE file_url (
    command_id INTEGER PRIMARY KEY REFERENCES command (id),
    digest TEXT NOT NULL UNIQUE,
    file_id INTEGER REFERENCES file (id),
    wanted_at TEXT
) STRICT;
CREATE TRIGGER file_url_is_kept BEFORE DELETE ON file_url BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER file_url_stays BEFORE UPDATE ON file_url BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
