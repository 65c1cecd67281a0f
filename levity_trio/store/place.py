"""Where the database file stands: one that was moved or deleted under us would take writes that nobody finds again."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from levity_trio.store.faults import DatabaseFault


class Place(NamedTuple):
    """A path, and which file stood there when it was opened."""

    path: Path
    device: int
    inode: int

    def check(self) -> None:
        """Raises DatabaseFault where another file stands there, or none. It opens no descriptor."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise DatabaseFault(f"{self.path}: {error.strerror}") from error
        if (found.st_dev, found.st_ino) != (self.device, self.inode):
            raise DatabaseFault(f"{self.path} is another file now; put the one back that was there")


def place_of(connection: sqlite3.Connection) -> Place:
    """Where the file of a connection stands."""
    path = Path(connection.execute("PRAGMA database_list").fetchall()[0][2])
    found = path.stat()
    return Place(path, found.st_dev, found.st_ino)
