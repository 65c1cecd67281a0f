"""Everything that touches SQLite: the only writer, the write functions, the readers, the schema."""
