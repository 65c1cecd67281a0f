"""The writing connection, and the check that its files (the database, its WAL and the WAL's index)
are still in place.

SQLite keeps writing to the files that it opened. If one of them is deleted or replaced, every
commit still succeeds, but into a file that no path leads to. So the files are compared with their
paths after each commit. The database is also checked before, because a batch can wait for a
database that was moved. If a file is lost, nothing is acknowledged; the committed data is saved
through the descriptors that are still open. If that completes the database file, it is reopened.
All of this runs in the writer's thread.

Nor does SQLite notice if another program cuts the WAL in place. It goes on writing behind the place
where the file once ended. The pages that are gone become zeros, and the next checkpoint would copy
them into the database. A checkpoint may shorten the file, too: by SQLite here when it begins anew
(journal_size_limit), by another program such as Litestream when it empties it. So a file that
became shorter is compared with the number of frames that SQLite knows. Format:
https://sqlite.org/fileformat2.html#walformat. SQLite locks the database and the WAL's index, not
the WAL: closing another descriptor of it is harmless.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.log.output import get_logger
from levity_trio.store.engine.connection import (
    DESCRIPTORS,
    FileConnection,
    checkpoint,
    connect,
    lock_once,
)
from levity_trio.store.engine.database import Bookkeeping, News, Write, WriteResult, commit
from levity_trio.store.engine.faults import CommitLost, DatabaseFault, FileLost
from levity_trio.writing import created

_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_NUMBER_BYTES: Final = 4
_NOTHING: Final = bytes(_NUMBER_BYTES)
"""Neither the header nor a frame begins like this: it has a magic number, or the number of a page
from 1 on."""


class Wal:
    """A WAL, and how long it was when it was last looked at."""

    def __init__(self, file: FileIdentity, connection: sqlite3.Connection) -> None:
        self._file, self._connection = file, connection
        self.is_cut = False
        """Whether another program cut it: the cache of the connection may have what is missing."""
        page_bytes: int = connection.execute("PRAGMA page_size").fetchall()[0][0]
        self._frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        self._cut_at_zeros()  # a power cut may have left them behind the last frame
        self._bytes = Path(file.path).stat().st_size

    def check(self) -> None:
        """Raise FileLost if the file was cut, DatabaseFault if that cannot be told at present.

        A file that was deleted or replaced is none that this looks at.
        """
        try:
            self._file.check()
        except DatabaseFault:
            return
        size = os.stat(self._file.path).st_size  # noqa: PTH116 - twice per commit; Path.stat takes twice as long
        frames = (self._bytes - _HEADER_BYTES) // self._frame_bytes
        last = _HEADER_BYTES + (frames - 1) * self._frame_bytes if frames > 0 else 0
        if size < self._bytes or self._first_nothing([last]) is not None:
            self._compare(size)
        self._bytes = size

    def _compare(self, size: int) -> None:
        was_cut = self._cut_at_zeros()
        try:
            found = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:  # it came to the end of the file too early
            was_cut = True
        else:
            (busy, frames, _), *_ = found
            if busy:
                raise DatabaseFault(
                    f"{self._file.path} became shorter, and another program is checking it in"
                )
            was_cut = was_cut or (frames > 0 and _HEADER_BYTES + frames * self._frame_bytes > size)
        if was_cut:
            self.is_cut = True
            raise FileLost(
                f"another program cut {self._file.path}; if all committed data can neither be "
                "written back nor saved to a copy now, stop the server and restore the backup "
                "that goes furthest (levity-trio help back-up-and-restore)"
            )

    def _cut_at_zeros(self) -> bool:
        """Cut the file where it has nothing, so that nothing is copied into the database; return
        whether there was."""
        begin = self._first_nothing(
            [0, *range(_HEADER_BYTES, Path(self._file.path).stat().st_size, self._frame_bytes)]
        )
        if begin is not None:
            os.truncate(self._file.path, begin)
        return begin is not None

    def _first_nothing(self, offsets: Sequence[int]) -> int | None:
        descriptor = os.open(self._file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return next(
                (one for one in offsets if os.pread(descriptor, _NUMBER_BYTES, one) == _NOTHING),
                None,
            )
        finally:
            os.close(descriptor)


class FileIdentity(NamedTuple):
    """A path, and the device and inode of the file that was opened there.

    No method opens a descriptor of the file, because closing it would drop SQLite's locks.
    """

    path: str
    device: int
    inode: int

    def check(self) -> None:
        """Raise FileLost if the path leads to another file or to none; DatabaseFault if it cannot
        be examined."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - called several times per commit; Path.stat takes twice as long
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileLost(f"{self.path} was deleted or moved away") from error
        except OSError as error:
            raise DatabaseFault(f"{self.path}: {error.strerror}") from error
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
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
                if (found.st_dev, found.st_ino) == (self.device, self.inode):
                    return found.st_nlink == 0
        return False

    def clear(self) -> None:
        """Clear the path: delete this file, or rename another one to `<name>.replaced`."""
        if self.is_in_place:
            Path(self.path).unlink()
        else:
            with suppress(FileNotFoundError):
                Path(self.path).rename(f"{self.path}.replaced")


def identify(path: str) -> FileIdentity:
    """Return the identity of the file at a path. Raises OSError."""
    found = Path(path).stat()
    return FileIdentity(path, found.st_dev, found.st_ino)


def files_of(connection: sqlite3.Connection) -> tuple[FileIdentity, ...]:
    """Return the files of a connection that has read: the database and, in WAL mode, its WAL and
    shared memory."""
    path = connection.execute("PRAGMA database_list").fetchall()[0][2]
    is_wal = connection.execute("PRAGMA journal_mode").fetchall()[0][0] == "wal"
    return tuple(identify(path + suffix) for suffix in (("", "-wal", "-shm") if is_wal else ("",)))


RESCUE_KIBIBYTES: Final = 65_536
"""While all is copied, the cache must not drop pages that only it has."""
log = get_logger("system")


class FileStore:
    """The writing connection to a file. It commits only while the files are at their paths."""

    idle_seconds = held_until = inf
    gather_seconds = 0.0
    server = ""

    def __init__(self, connection: FileConnection) -> None:
        self._given = self._connection = connection
        self._database, *self._beside = files_of(connection)
        self._wal = Wal(self._beside[0], connection) if self._beside else None
        self._is_saved = False
        """Whether the whole WAL was written to the database file since the last commit."""
        self._copy: Path | None = None

    @property
    def path(self) -> str:
        """The path of the database file."""
        return self._database.path

    def keep_book(self, book: Bookkeeping) -> None:
        """Let each commit book what it concerns."""
        self._connection.book = book

    def commit(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Commit the writes, and check afterwards where they went: see `Store`."""
        self._database.check()
        if self._wal is not None:  # before SQLite writes behind what is missing
            self._wal.check()
        results = commit(self._connection, writes)
        try:
            for file in (self._database, *self._beside):
                file.check()
            if self._wal is not None:
                self._wal.check()
        except DatabaseFault as fault:
            raise CommitLost(str(fault)) from fault
        self._is_saved, self._copy = False, None
        return results

    def take_news(self) -> Sequence[News]:
        """Return nothing: a file has one server."""
        return ()

    def save(self) -> None:
        """Save the content of a lost file to where it can be found, unless that was done
        already."""
        self._is_saved = self._is_saved or self._write_back()
        if self._is_saved and self._database.is_in_place:
            self._reopen()
        elif self._copy is None and (self._database.is_deleted or not self._is_saved):
            self._copy_all()

    def close(self) -> None:
        """Close a reopened connection; the caller closes the one that it passed in."""
        if self._connection is not self._given:
            checkpoint(self._connection)
            self._connection.close()

    def _write_back(self) -> bool:
        """Write the whole WAL to the database file; return False on failure, or if another program
        reads old pages."""
        with suppress(sqlite3.Error):
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()[0]
            return not busy
        return False

    def _reopen(self) -> None:
        """Reopen the database with a new WAL; a WAL that another program put in its place must not
        be read."""
        try:
            for file in self._beside:
                file.clear()
            self._connection.close()
            reopened = connect(Path(self._database.path))
            reopened.book, self._connection = self._connection.book, reopened
            lock_once(self._connection)
            self._database, *self._beside = files_of(self._connection)
            self._wal = Wal(self._beside[0], self._connection)
            if self._copy is not None:
                self._copy.unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as error:  # retried later
            log.warning("the database cannot be reopened yet", reason=str(error))
        else:
            log.warning("all committed data is in the database file, which was reopened")

    def _copy_all(self) -> None:
        path = self._database.path
        self._copy = Path(f"{path}.saved-{self._database.inode}")
        self._connection.execute(f"PRAGMA cache_size = -{RESCUE_KIBIBYTES}")
        advice = (
            "stop the program that reads old pages of the database, such as Litestream, and start "
            "it again"
        )
        if (self._wal is not None and self._wal.is_cut) or self._database.is_deleted:
            advice = (
                f"stop the server, delete {path}-wal and {path}-shm, move the copy to {path}, and "
                "start again"
            )
        try:
            created(self._copy).close()
            with closing(sqlite3.connect(self._copy)) as target:
                self._connection.backup(target)
        except (sqlite3.Error, OSError) as error:
            self._copy.unlink(missing_ok=True)
            log.critical(
                "committed data could not be copied", copy=str(self._copy), reason=str(error)
            )
        else:
            log.critical(
                "all committed data was saved to a copy", copy=str(self._copy), advice=advice
            )
