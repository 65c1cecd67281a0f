-- The chargers that take up room. Strangers that made room for others are hidden, and their rows stay.
CREATE INDEX cp_visible ON cp (registration) WHERE hidden_at IS NULL;

-- What a part of a stop says beside its readings, as a digest, so that the parts of one stop are found among those of a
-- month; '' for other messages, NULL for the parts from before.
ALTER TABLE message_part ADD COLUMN around TEXT;
CREATE INDEX message_part_received ON message_part (cp_id, received_at);
CREATE TRIGGER message_part_around_stays BEFORE UPDATE OF around ON message_part BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
