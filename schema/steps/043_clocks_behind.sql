-- By how many seconds the clocks of start and stop were behind ours. start_time and stop_time are corrected by that.
ALTER TABLE tx ADD COLUMN start_behind_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tx ADD COLUMN stop_behind_seconds INTEGER NOT NULL DEFAULT 0;
-- Whether the times as sent may be right all the same: then both prices count, until a person has decided.
ALTER TABLE tx ADD COLUMN is_clock_unsure INTEGER NOT NULL DEFAULT 0;

-- The connections of a charger around a message of it.
CREATE INDEX session_connected ON session (cp_id, connected_at);
