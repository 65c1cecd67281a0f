-- Tags: who may charge, since when, and until when.

-- A row is a tag for the time in which it was valid as it stands here: a change ends the row and adds one, a removal ends
-- it. So the name and the parent of any day can be found. key is id_tag in its normal form (see access/tags.py), which
-- --tag-strip may change; parent_id_tag is the group. max_transactions NULL: any number at once.
CREATE TABLE tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    id_tag TEXT NOT NULL,
    name TEXT,
    status TEXT NOT NULL CHECK (status IN ('Accepted', 'Blocked')),
    expires_at TEXT,
    parent_id_tag TEXT,
    max_transactions INTEGER CHECK (max_transactions > 0),
    notes TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX tag_key ON tag (key) WHERE ended_at IS NULL;
CREATE INDEX tag_period ON tag (key, id);
CREATE TRIGGER tag_is_kept BEFORE DELETE ON tag BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER tag_stays BEFORE UPDATE OF id, id_tag, name, status, expires_at, parent_id_tag, max_transactions, notes,
    created_at, created_by
ON tag BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER tag_ends_once BEFORE UPDATE OF ended_at, ended_by ON tag WHEN OLD.ended_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- Unknown tags that wait for an operator (--unknown-tags ask): the last ones of each charger.
CREATE TABLE asked_tag (
    key TEXT PRIMARY KEY,
    id_tag TEXT NOT NULL,
    cp_id TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX asked_tag_cp ON asked_tag (cp_id, last_at);

-- Parts of imports on their way into tag: rows is a JSON list of the names of fields and of their values for each tag. tags
-- is how many tags the import has, in its last part only, which has it and all before it accepted. A part is deleted as it
-- is applied.
CREATE TABLE tag_import_part (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    by TEXT NOT NULL,
    rows TEXT NOT NULL,
    tags INTEGER
) STRICT;

-- What its StartTransaction was told beside the verdict, for ever. is_asked: the outside authorizer is still being asked.
ALTER TABLE tx ADD COLUMN verdict_expiry TEXT;
ALTER TABLE tx ADD COLUMN verdict_parent TEXT;
ALTER TABLE tx ADD COLUMN is_asked INTEGER NOT NULL DEFAULT 0;
