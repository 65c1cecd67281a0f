"""Reads: read-only connections in a thread of their own, each ended within a moment.

A reader that kept its transaction open would let the WAL grow without end, so a connection lives for one read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import trio
from sqlite_utils import Database

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.store.connection import open_reader
from levity_trio.store.schema import check_ownership

T = TypeVar("T")


class Reader:
    """Reads of one database file; two at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = trio.CapacityLimiter(2)

    async def run(self, read: Callable[[Database], T]) -> T:
        """Run a function of a read-only database and give its answer. Raises sqlite3.Error."""
        return await trio.to_thread.run_sync(_read, self._path, read, limiter=self._threads)


def look(path: Path, read: Callable[[Database], T]) -> T:
    """Run a function of a database that another process may be writing; blocks for as long as it takes.

    Raises:
        EnvironmentProblem: the file is not there, is not ours, or cannot be read.
    """
    check_ownership(path)
    try:
        return _read(path, read)
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"cannot read the database {path}: {error}") from error


def _read(path: Path, read: Callable[[Database], T]) -> T:
    database = open_reader(path)
    with closing(database.conn):
        return read(database)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a server must know of its database before it serves."""

    chargers: frozenset[str]
    open_transactions: int
    newest: str | None
    simulated: SimulatedTime | None


def beginning(db: Database) -> Beginning:
    """The known chargers, how many transactions are open, and the time of the newest row, the clock it was made for."""
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
    return Beginning(chargers, open_transactions, newest, _simulated_time(db))


def _simulated_time(db: Database) -> SimulatedTime | None:
    for made_for in db.query("SELECT begun_at, speed FROM simulated_time"):
        return SimulatedTime(datetime.fromisoformat(made_for["begun_at"]), made_for["speed"])
    return None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the books go: the highest transaction, and when the last message was set aside."""

    transaction: int = 0
    set_aside_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedTransaction:
    """A transaction as it would be billed: registers and energy in Wh, None where there is none."""

    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    meter_start: int | None
    energy_wh: int | None
    is_open: bool
    review: str | None


@dataclass(frozen=True, slots=True)
class Booked:
    """What came after a mark: transactions in their order, and the charger of each message that was set aside."""

    transactions: tuple[BookedTransaction, ...]
    set_aside: tuple[str, ...]


def mark(db: Database) -> Mark:
    """How far the books go now; one that has no tables yet has not begun."""
    if "tx" not in db.table_names():
        return Mark()
    return Mark(
        next(db.query("SELECT coalesce(max(id), 0) AS id FROM tx"))["id"],
        next(db.query("SELECT coalesce(max(last_received_at), '') AS at FROM set_aside"))["at"],
    )


def booked_since(db: Database, since: Mark) -> Booked:
    """What came after a mark, as of one moment."""
    db.execute("BEGIN")
    transactions = db.query(
        "SELECT id, cp_id AS charger, conn_id AS connector, id_tag, meter_start, energy_delivered AS energy_wh,"
        " status = 'Active' AS is_open, review FROM tx WHERE id > ? ORDER BY id",
        [since.transaction],
    )
    booked = tuple(BookedTransaction(**row | {"is_open": bool(row["is_open"])}) for row in transactions)
    set_aside = db.query("SELECT cp_id FROM set_aside WHERE last_received_at > ?", [since.set_aside_at])
    return Booked(booked, tuple(row["cp_id"] for row in set_aside))
