"""Reads of the site as a whole: its frames, its facts, and the database itself."""
