-- Availability is an intent of ours: what a connector was last told to be by a ChangeAvailability that its charger
-- accepted. conn_id 0 means the charger with all connectors, except those that were told something else later. What was
-- told before this version is not in it.
CREATE TABLE availability (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL CHECK (conn_id >= 0),
    type TEXT NOT NULL CHECK (type IN ('Operative', 'Inoperative')),
    command_id INTEGER NOT NULL REFERENCES command (id),
    accepted_at TEXT NOT NULL,
    PRIMARY KEY (cp_id, conn_id)
) STRICT;
