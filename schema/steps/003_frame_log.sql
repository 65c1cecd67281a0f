-- The frame log holds all frames exchanged with chargers, in their order on each connection. direction is recv, send,
-- connect, disconnect or refuse (a handshake; cp_id is '' if it names no charger). log.id is a cursor for readers: ids
-- have no gaps, are never reused, and only the oldest rows are ever deleted. message_id joins a CALL to its response.
-- For a charger's CALL it is the JSON token as sent, quotes included, as in tx_event and set_aside; for ours it is the id
-- itself, as in command. session_id is NULL until the connection has its row. Secrets are masked.

-- Permanent evidence: the frames that tx_event and set_aside refer to by session_id and message_id.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    cp_id TEXT NOT NULL,
    session_id INTEGER,
    at TEXT NOT NULL,
    direction TEXT NOT NULL,
    message_id TEXT,
    action TEXT,
    frame TEXT NOT NULL,
    UNIQUE (session_id, message_id, at)
) STRICT;

-- Before this version, the log held only such frames.
INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)
    SELECT cp_id, session_id, at, direction, message_id, action, frame FROM log ORDER BY id;
DELETE FROM log;

-- An index would double the cost of each frame and of its deletion. A query for one charger scans the whole period.
DROP INDEX log_cp;
