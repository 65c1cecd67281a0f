"""Which file stands at a path.

SQLite goes on writing to the files that it opened. Where one of them was deleted or replaced, every commit succeeds,
into a file that nobody finds again.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from levity_trio.store.faults import DatabaseFault, FileLost

DESCRIPTORS = Path("/dev/fd")


class FileIdentity(NamedTuple):
    """A path, and which file stood there when it was opened. No method opens a descriptor of the file: closing one
    would drop SQLite's locks."""

    path: str
    device: int
    inode: int

    def check(self) -> None:
        """Raises FileLost where another file stands there, or none; DatabaseFault where that cannot be seen."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - several times for each commit, and a Path takes twice as long
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileLost(f"{self.path} was deleted or moved away") from error
        except OSError as error:
            raise DatabaseFault(f"{self.path}: {error.strerror}") from error
        if not self._is(found):
            raise FileLost(f"{self.path} was replaced by another file")

    @property
    def is_in_place(self) -> bool:
        try:
            self.check()
        except DatabaseFault:
            return False
        return True

    @property
    def is_deleted(self) -> bool:
        """Whether no path leads any more to the file, which this process has open."""
        for descriptor in DESCRIPTORS.iterdir():
            with suppress(OSError):  # that of the listing itself is closed by now
                found = os.fstat(int(descriptor.name))
                if self._is(found):
                    return found.st_nlink == 0
        return False

    def clear(self) -> None:
        """Leave nothing at the path: this file is deleted, another is renamed to `<name>.replaced`."""
        if self.is_in_place:
            Path(self.path).unlink()
        else:
            with suppress(FileNotFoundError):
                Path(self.path).rename(f"{self.path}.replaced")

    def _is(self, found: os.stat_result) -> bool:
        return (found.st_dev, found.st_ino) == (self.device, self.inode)


def identify(path: str) -> FileIdentity:
    """The file that stands at a path. Raises OSError."""
    found = Path(path).stat()
    return FileIdentity(path, found.st_dev, found.st_ino)


def files_of(connection: sqlite3.Connection) -> tuple[FileIdentity, ...]:
    """The files of a connection that has read: the database, and beside it, if it is in WAL mode, its WAL and index."""
    path = connection.execute("PRAGMA database_list").fetchall()[0][2]
    is_wal = connection.execute("PRAGMA journal_mode").fetchall()[0][0] == "wal"
    return tuple(identify(path + suffix) for suffix in (("", "-wal", "-shm") if is_wal else ("",)))
