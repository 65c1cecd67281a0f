"""All SQLite access: the single writer, the write functions, the readers, the schema."""
