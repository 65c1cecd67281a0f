-- The local lists of chargers, as they are kept (--local-list on).

-- What the lists should contain, one row for each tag that was ever in them; status NULL: in no list. tag is id_tag in
-- ASCII lower case. Each change of a row gives it the next revision, so a list is described by one number: all rows up
-- to that revision. Rows are in a list in the order of rank and id; rank 0 are those that may charge.
CREATE TABLE listed_tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tag TEXT NOT NULL UNIQUE,
    id_tag TEXT NOT NULL,
    status TEXT CHECK (status IN ('Accepted', 'Blocked', 'Expired')),
    expires_at TEXT,
    parent_id_tag TEXT,
    rank INTEGER NOT NULL GENERATED ALWAYS AS (CASE status WHEN 'Accepted' THEN 0 ELSE 1 END) STORED,
    first_revision INTEGER NOT NULL,
    revision INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX tag_listed ON tag (lower(trim(id_tag))) WHERE ended_at IS NULL;
CREATE INDEX listed_tag_place ON listed_tag (rank, id) WHERE status IS NOT NULL;
CREATE INDEX listed_tag_expires ON listed_tag (expires_at) WHERE status = 'Accepted' AND expires_at IS NOT NULL;

-- The list of one charger, as far as it is known: it has the tags up to revision, in order up to (upto_rank, upto_id);
-- NULL: its content is not known. version is that of the list, is_verified whether the charger told it since the last list
-- was sent. sent_… is what it has if the last message, whose answer is not known, arrived. command_id is the last command
-- that was looked at. paused_… is set when a list was sent by hand.
CREATE TABLE local_list_upkeep (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    version INTEGER,
    revision INTEGER,
    upto_rank INTEGER,
    upto_id INTEGER,
    highest_version INTEGER NOT NULL DEFAULT 0,
    is_verified INTEGER NOT NULL DEFAULT 0,
    told_at TEXT,
    limits_asked_at TEXT,
    sent_version INTEGER,
    sent_revision INTEGER,
    sent_upto_rank INTEGER,
    sent_upto_id INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since TEXT,
    retry_at TEXT,
    problem TEXT,
    command_id INTEGER NOT NULL DEFAULT 0,
    paused_at TEXT,
    paused_by TEXT,
    paused_command_id INTEGER REFERENCES command (id),
    CHECK ((revision IS NULL) = (upto_rank IS NULL) AND (revision IS NULL) = (upto_id IS NULL)),
    CHECK ((sent_version IS NULL) = (sent_revision IS NULL))
) STRICT, WITHOUT ROWID;
