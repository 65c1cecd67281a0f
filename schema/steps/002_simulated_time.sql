-- The wall clock of a simulation. A database created by a server with --clock-speed has one row, written when the file
-- was created; every other database has none and keeps real time.

-- The server's wall clock runs `speed` times as fast as the machine's since `begun_at`, a time of the machine's clock.
CREATE TABLE simulated_time (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    begun_at TEXT NOT NULL,
    speed INTEGER NOT NULL
) STRICT;
