"""Database files of all kinds, and what lies in a folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

from levity_trio.store.connection import open_database

LEVITY = """
CREATE TABLE cp (id TEXT PRIMARY KEY, vendor TEXT);
INSERT INTO cp VALUES ('CP-1', '');
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def make(path: Path, script: str = LEVITY) -> None:
    """A database of somebody else."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def make_ours(path: Path, change: str = "") -> None:
    """A database as we leave it, perhaps changed."""
    with open_database(path) as connection:
        connection.executescript(change)
    path.with_name(f"{path.name}.lock").unlink()
