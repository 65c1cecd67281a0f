-- The list of one charger, as far as it is known. content: its entries as they were sent, by their tags in lower case; NULL:
-- not known. version is that of the list, is_verified whether the charger told it since the last list was sent. sent_… is
-- what it has if the last message, whose answer is not known, arrived. command_id is the last command that was looked at.
-- paused_… is set when a list was sent by hand.
CREATE TABLE local_list_kept (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    version INTEGER,
    content TEXT,
    highest_version INTEGER NOT NULL DEFAULT 0,
    is_verified INTEGER NOT NULL DEFAULT 0,
    told_at TEXT,
    limits_asked_at TEXT,
    sent_version INTEGER,
    sent_content TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since TEXT,
    retry_at TEXT,
    problem TEXT,
    command_id INTEGER NOT NULL DEFAULT 0,
    paused_at TEXT,
    paused_by TEXT,
    paused_command_id INTEGER REFERENCES command (id),
    CHECK ((sent_version IS NULL) = (sent_content IS NULL))
) STRICT, WITHOUT ROWID;

-- The content of a list was described by revisions of all tags, which go: each charger is sent a whole list once.
INSERT INTO local_list_kept (cp_id, version, highest_version, is_verified, told_at, limits_asked_at, failures, failing_since,
    retry_at, problem, command_id, paused_at, paused_by, paused_command_id)
SELECT cp_id, version, highest_version, is_verified, told_at, limits_asked_at, failures, failing_since,
    retry_at, problem, command_id, paused_at, paused_by, paused_command_id FROM local_list_upkeep;
DROP TABLE local_list_upkeep;
DROP TABLE listed_refusal;
DROP TABLE listed_tag;
DROP INDEX tag_listed;
