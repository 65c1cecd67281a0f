"""Bills from the database. Only reads, so the writer and read-only connections share it."""
