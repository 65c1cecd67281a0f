"""Reads, each on a read-only connection of its own in a worker thread.

A read transaction that stays open lets the WAL grow without bound, so a connection is closed after
one read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import trio

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import Unreadable, advice
from levity_trio.store.engine.opening import open_known, open_reader
from levity_trio.store.engine.schema import FOLDER

T = TypeVar("T")
log = get_logger("system")


class Reader:
    """Reads of one database; two at a time. Up to `keep` connections are kept, until it is
    closed."""

    def __init__(self, address: DatabaseAddress, keep: int = 0) -> None:
        self._address = address
        self._keep = keep
        self._idle: list[Database] = []
        self._threads = trio.CapacityLimiter(2)

    async def run(self, read: Callable[[Database], T]) -> T:
        """Run a function of one snapshot of the database and return its result. Raises
        Unreadable."""
        try:
            return await trio.to_thread.run_sync(self._read, read, limiter=self._threads)
        except sqlite3.Error as error:
            raise Unreadable(str(error)) from error

    def close(self) -> None:
        """Close the connections that were kept."""
        while self._idle:
            self._idle.pop().conn.close()

    def _read(self, read: Callable[[Database], T]) -> T:
        """Read over a kept connection, or over a new one if that was lost meanwhile."""
        try:
            kept = self._idle.pop()
        except IndexError:  # there was none, or the other thread took it
            pass
        else:
            with suppress(sqlite3.OperationalError):
                return self._read_over(kept, read)
        return self._read_over(open_reader(self._address), read)

    def _read_over(self, database: Database, read: Callable[[Database], T]) -> T:
        """Read over a connection. After any error it is closed."""
        is_kept = False
        try:
            database.execute("BEGIN")  # a snapshot for all that is read
            result = read(database)
            database.conn.rollback()
            is_kept = len(self._idle) < self._keep
        finally:
            if is_kept:
                self._idle.append(database)
            else:
                database.conn.close()
        return result


class Sparing:
    """Reads something of many transactions so that one of them for which that raises, which nobody
    foresaw, holds up no other. That one is left out, and logged once as `failure`."""

    def __init__(self, reader: Reader, failure: str) -> None:
        self._reader = reader
        self._failure = failure
        self._logged: set[int] = set()

    async def run(
        self, read: Callable[[Database, Sequence[int]], list[T]], numbers: Sequence[int]
    ) -> list[T]:
        """Read of all at once; where that raises, of each alone. Raises Unreadable."""
        try:
            return await self._reader.run(lambda db: read(db, numbers))
        except (Unreadable, OSError):
            raise
        except Exception:
            if len(numbers) > 1:
                return [found for one in numbers for found in await self.run(read, [one])]
            if not self._logged.issuperset(numbers):
                self._logged.update(numbers)
                log.exception(self._failure, transactions=numbers)
            return []


def look(address: DatabaseAddress, read: Callable[[Database], T], folder: Path = FOLDER) -> T:
    """Run a function of one snapshot of a database that another process may be writing. Blocks
    until it returns.

    Raises:
        EnvironmentProblem: the file is missing, is not ours, or cannot be read.
    """
    try:
        database = open_known(address, folder)
        with closing(database.conn):
            database.execute("BEGIN")
            return read(database)
    except sqlite3.Error as error:
        raise EnvironmentProblem(
            f"cannot read the database {address}: {error}{advice(error)}"
        ) from error
