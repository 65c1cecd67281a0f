"""Moves a whole database between a file of SQLite and PostgreSQL, and proves that nothing changed
on the way."""
