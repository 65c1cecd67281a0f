-- The configuration of chargers: when each value was last read, keys that a charger does not know, readings, templates.

-- When the charger last reported the same again.
ALTER TABLE configuration ADD COLUMN last_read_at TEXT;
-- 0: the charger was asked for this key, and does not know it.
ALTER TABLE configuration ADD COLUMN is_known INTEGER NOT NULL DEFAULT 1;
DROP TRIGGER configuration_stays;
CREATE TRIGGER configuration_stays BEFORE UPDATE OF id, cp_id, session_id, key, value, readonly, read_at, is_known
ON configuration BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- A reading of a whole configuration, made of one command or of several. keys and unknown_keys are how many keys the
-- charger reported and how many it does not know, unanswered (JSON) the keys for which it gave no answer, commands (JSON)
-- the ids of the commands.
CREATE TABLE configuration_reading (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    asked_by TEXT NOT NULL,
    began_at TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    keys INTEGER NOT NULL,
    unknown_keys INTEGER NOT NULL,
    unanswered TEXT NOT NULL,
    commands TEXT NOT NULL
) STRICT;
CREATE INDEX configuration_reading_cp ON configuration_reading (cp_id, id);
CREATE TRIGGER configuration_reading_is_kept BEFORE DELETE ON configuration_reading BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER configuration_reading_stays BEFORE UPDATE ON configuration_reading BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

-- What the configuration of several chargers must be: entries is a JSON object of keys and values, chargers a JSON list of
-- identities, NULL for all of a model. A template that is changed or removed ends, and stays.
CREATE TABLE configuration_template (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    model TEXT,
    chargers TEXT,
    entries TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX configuration_template_name ON configuration_template (name) WHERE ended_at IS NULL;
CREATE TRIGGER configuration_template_is_kept BEFORE DELETE ON configuration_template BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER configuration_template_stays BEFORE UPDATE OF id, name, model, chargers, entries, created_at, created_by
ON configuration_template BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER configuration_template_ends_once BEFORE UPDATE OF ended_at, ended_by ON configuration_template
WHEN OLD.ended_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- The last composite schedule that a charger reported, beside what it should obey.
CREATE INDEX command_composite ON command (cp_id, id) WHERE action = 'GetCompositeSchedule' AND state = 'accepted';
