"""Detects whether a path still leads to the file that was opened there.

SQLite keeps writing to the files that it opened. If one of them is deleted or replaced, every commit still succeeds,
but into a file that no path leads to.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from levity_trio.store.engine.faults import DatabaseFault, FileLost

DESCRIPTORS = Path("/dev/fd")


class FileIdentity(NamedTuple):
    """A path, and the device and inode of the file that was opened there.

    No method opens a descriptor of the file, because closing it would drop SQLite's locks.
    """

    path: str
    device: int
    inode: int

    def check(self) -> None:
        """Raise FileLost if the path leads to another file or to none; DatabaseFault if it cannot be examined."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - called several times per commit; Path.stat takes twice as long
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
        """Whether no path leads to the file any more. This process must have it open."""
        for descriptor in DESCRIPTORS.iterdir():
            with suppress(OSError):  # the descriptor of the listing itself is closed by now
                found = os.fstat(int(descriptor.name))
                if self._is(found):
                    return found.st_nlink == 0
        return False

    def clear(self) -> None:
        """Clear the path: delete this file, or rename another one to `<name>.replaced`."""
        if self.is_in_place:
            Path(self.path).unlink()
        else:
            with suppress(FileNotFoundError):
                Path(self.path).rename(f"{self.path}.replaced")

    def _is(self, found: os.stat_result) -> bool:
        return (found.st_dev, found.st_ino) == (self.device, self.inode)


def is_open_besides(descriptor: int) -> bool:
    """Whether this process has another descriptor of the same file, for example one of SQLite."""
    ours = os.fstat(descriptor)
    others = (int(one.name) for one in DESCRIPTORS.iterdir() if int(one.name) != descriptor)
    return any(_is_file(other, ours) for other in others)


def _is_file(descriptor: int, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file)
    except OSError:  # that of the listing itself is closed by now
        return False


def identify(path: str) -> FileIdentity:
    """Return the identity of the file at a path. Raises OSError."""
    found = Path(path).stat()
    return FileIdentity(path, found.st_dev, found.st_ino)


def files_of(connection: sqlite3.Connection) -> tuple[FileIdentity, ...]:
    """Return the files of a connection that has read: the database and, in WAL mode, its WAL and shared memory."""
    path = connection.execute("PRAGMA database_list").fetchall()[0][2]
    is_wal = connection.execute("PRAGMA journal_mode").fetchall()[0][0] == "wal"
    return tuple(identify(path + suffix) for suffix in (("", "-wal", "-shm") if is_wal else ("",)))
