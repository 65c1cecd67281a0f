-- The wall clock of a simulation. A database that a server with --clock-speed made has one row, written when the file
-- was made; every other has none and keeps real time.

-- The server's wall clock runs `speed` times as fast as the machine's since `begun_at`, a moment of the machine's.
CREATE TABLE simulated_time (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    begun_at TEXT NOT NULL,
    speed INTEGER NOT NULL
) STRICT;
