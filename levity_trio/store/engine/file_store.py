"""The writing connection, and the check that its files (the database, its WAL and the WAL's index) are still in place.

The files are compared with their paths after each commit. The database is also checked before, because a batch can wait
for a database that was moved. If a file is lost, nothing is acknowledged; the committed data is saved through the
descriptors that are still open. If that completes the database file, it is reopened. All of this runs in the writer's
thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from typing import Final

from levity_trio.log.output import get_logger
from levity_trio.store.engine.connection import FileConnection, checkpoint, connect, lock_once
from levity_trio.store.engine.faults import CommitLost, DatabaseFault, FileLost
from levity_trio.store.engine.file_identity import files_of
from levity_trio.store.engine.unit_of_work import News, Result, Write, commit
from levity_trio.store.engine.wal import Wal
from levity_trio.writing import created

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
        self._is_cut = False
        """Whether another program cut the WAL, of which the cache of the connection may have what is missing."""
        self._is_saved = False
        """Whether the whole WAL was written to the database file since the last commit."""
        self._copy: Path | None = None

    @property
    def path(self) -> str:
        """The path of the database file."""
        return self._database.path

    def commit(self, writes: Sequence[Write]) -> list[Result]:
        """Commit the writes, and check afterwards where they went: see `Store`."""
        self._database.check()
        self._check_wal()  # before SQLite writes behind what is missing
        results = commit(self._connection, writes)
        try:
            for file in (self._database, *self._beside):
                file.check()
            self._check_wal()
        except DatabaseFault as fault:
            raise CommitLost(str(fault)) from fault
        self._is_saved, self._copy = False, None
        return results

    def _check_wal(self) -> None:
        if self._wal is None:
            return
        try:
            self._wal.check()
        except FileLost:
            self._is_cut = True
            raise

    def take_news(self) -> Sequence[News]:
        """Return nothing: a file has one server."""
        return ()

    def save(self) -> None:
        """Save the content of a lost file to where it can be found, unless that was done already."""
        self._is_saved = self._is_saved or self._write_back()
        if self._is_saved and self._database.is_in_place:
            self._reopen()
        elif self._copy is None and (self._database.is_deleted or not self._is_saved):
            self._copy_all()

    def forget_plain_secrets(self) -> None:
        """Write the whole file anew, and empty the WAL. Raises sqlite3.Error: there is no room, or it is in use."""
        self._connection.execute("VACUUM")
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        if busy:
            raise sqlite3.OperationalError("another program reads old pages of the database")

    def close(self) -> None:
        """Close a reopened connection; the caller closes the one that it passed in."""
        if self._connection is not self._given:
            checkpoint(self._connection)
            self._connection.close()

    def _write_back(self) -> bool:
        """Write the whole WAL to the database file; return False on failure, or if another program reads old pages."""
        with suppress(sqlite3.Error):
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()[0]
            return not busy
        return False

    def _reopen(self) -> None:
        """Reopen the database with a new WAL; a WAL that another program put in its place must not be read."""
        try:
            for file in self._beside:
                file.clear()
            self._connection.close()
            self._connection = connect(Path(self._database.path))
            lock_once(self._connection)
            self._database, *self._beside = files_of(self._connection)
            self._wal, self._is_cut = Wal(self._beside[0], self._connection), False
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
        advice = "stop the program that reads old pages of the database, such as Litestream, and start it again"
        if self._is_cut or self._database.is_deleted:
            advice = f"stop the server, delete {path}-wal and {path}-shm, move the copy to {path}, and start again"
        try:
            created(self._copy).close()
            with closing(sqlite3.connect(self._copy)) as target:
                self._connection.backup(target)
        except (sqlite3.Error, OSError) as error:
            self._copy.unlink(missing_ok=True)
            log.critical("committed data could not be copied", copy=str(self._copy), reason=str(error))
        else:
            log.critical("all committed data was saved to a copy", copy=str(self._copy), advice=advice)
