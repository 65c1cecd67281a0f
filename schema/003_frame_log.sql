-- The frame log keeps what was said with every charger, in the order in which it happened on each connection:
-- direction is recv, send, connect, disconnect or refuse (a handshake; cp_id is '' where it names nobody). log.id is a
-- cursor for those who follow it: ids have no gaps, are never given twice, and only the oldest rows are ever deleted.
-- message_id joins a question to its answer: of a charger's CALL it is the JSON token as it was sent, quotes included,
-- as in tx_event and set_aside; of ours it is the id itself, as in command. session_id is NULL until a connection has
-- its row. Secrets are masked.

-- Beside the transactions and the operator's list, for ever: the frames that tx_event and set_aside name by session_id
-- and message_id.
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

-- Until now the log held nothing else.
INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)
    SELECT cp_id, session_id, at, direction, message_id, action, frame FROM log ORDER BY id;
DELETE FROM log;

-- An index would double what each frame costs, and what deleting it costs too. Who looks for a charger's frames reads
-- all of the time that he asks for.
DROP INDEX log_cp;
