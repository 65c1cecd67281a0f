"""Reads: read-only connections in a thread of their own, each ended within a moment.

A reader that kept its transaction open would let the WAL grow without end, so a connection lives for one read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio
from sqlite_utils import Database

from levity_trio.store.connection import open_reader

T = TypeVar("T")


class Reader:
    """Reads of one database file; two at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = trio.CapacityLimiter(2)

    async def run(self, read: Callable[[Database], T]) -> T:
        """Run a function of a read-only database and give its answer. Raises sqlite3.Error."""
        return await trio.to_thread.run_sync(self._run, read, limiter=self._threads)

    def _run(self, read: Callable[[Database], T]) -> T:
        database = open_reader(self._path)
        with closing(database.conn):
            return read(database)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a server must know of its database before it serves."""

    chargers: frozenset[str]
    open_transactions: int
    newest: str | None


def beginning(db: Database) -> Beginning:
    """The known chargers, how many transactions are open, and the time of the newest row."""
    chargers = frozenset(row["id"] for row in db.query("SELECT id FROM cp"))
    open_transactions = next(db.query("SELECT count(*) AS n FROM tx WHERE status = 'Active'"))["n"]
    newest = next(
        db.query(
            "SELECT max(at) AS at FROM (SELECT max(at) AS at FROM (SELECT at FROM event ORDER BY id DESC LIMIT 100)"
            " UNION ALL SELECT max(at) FROM (SELECT updated_at AS at FROM tx ORDER BY id DESC LIMIT 100)"
            " UNION ALL SELECT max(last_seen_at) FROM cp"
            " UNION ALL SELECT at FROM (SELECT ended_at AS at FROM run ORDER BY id DESC LIMIT 1))"
        )
    )["at"]
    return Beginning(chargers, open_transactions, newest)
