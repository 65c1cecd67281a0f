-- The parts of large messages that are stored: a message sent again adds none of them twice. digest is that of the part's
-- payload; a part of a StopTransaction is kept in evidence with this session, message_id and time. waits is 1 while no
-- transaction of its stop is known: then a repetition of the message looks for one again.
CREATE TABLE message_part (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    digest TEXT NOT NULL,
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    message_id TEXT NOT NULL,
    waits INTEGER NOT NULL CHECK (waits IN (0, 1)),
    PRIMARY KEY (cp_id, digest)
) STRICT;
CREATE TRIGGER message_part_is_kept BEFORE DELETE ON message_part BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER message_part_stays BEFORE UPDATE OF cp_id, digest, session_id, received_at, message_id ON message_part
BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
