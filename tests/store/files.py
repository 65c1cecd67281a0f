"""Database files of several kinds, and the content of a folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.store.template import new_database

LEVITY = """
CREATE TABLE cp (id TEXT PRIMARY KEY, vendor TEXT);
INSERT INTO cp VALUES ('CP-1', '');
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.is_socket()}


def make(path: Path, script: str = LEVITY) -> None:
    """Create a database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def make_ours(path: Path, change: str = "") -> None:
    """Create a database of ours and run statements on it."""
    with new_database(path) as connection:
        connection.executescript(change)
    path.with_name(f"{path.name}.lock").unlink()
