"""Reads, each on a read-only connection of its own in a worker thread.

A read transaction that stays open lets the WAL grow without bound, so a connection is closed after
one read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

import trio

from levity_trio.access.registration import Decision
from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import Unreadable, advice
from levity_trio.store.engine.opening import open_known, open_reader
from levity_trio.store.reads.system import Newest, newest
from levity_trio.wire.times import stamp

T = TypeVar("T")
log = get_logger("system")
APART: Final = timedelta(seconds=2)
"""The clock of a server may differ so much from that of its database."""


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
        if self._idle:
            with suppress(sqlite3.OperationalError):
                return self._read_over(self._idle.pop(), read)
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


def look(address: DatabaseAddress, read: Callable[[Database], T]) -> T:
    """Run a function of one snapshot of a database that another process may be writing. Blocks
    until it returns.

    Raises:
        EnvironmentProblem: the file is missing, is not ours, or cannot be read.
    """
    try:
        database = open_known(address)
        with closing(database.conn):
            database.execute("BEGIN")
            return read(database)
    except sqlite3.Error as error:
        raise EnvironmentProblem(
            f"cannot read the database {address}: {error}{advice(error)}"
        ) from error


@record(kw_only=False)
class Beginning:
    """What a server reads from its database before it serves."""

    chargers: frozenset[str]
    has_charged: frozenset[str]
    bare: frozenset[str]
    decided: Mapping[str, Decision]
    """By charger: what a person decided about its registration."""
    open_transactions: int
    newest: Newest | None
    simulated: SimulatedTime | None


def beginning(db: Database) -> Beginning:
    """Read the known chargers that are not hidden, those of them with a transaction, the number of
    open transactions, the newest row, and the simulated clock, if any."""
    chargers = frozenset(
        charger for (charger,) in db.execute("SELECT id FROM cp EXCEPT SELECT id FROM hidden_cp")
    )
    charged = "SELECT id FROM cp WHERE EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id)"
    has_charged = chargers.intersection(charger for (charger,) in db.execute(charged))
    bare = frozenset(charger for (charger,) in db.execute("SELECT id FROM bare_cp"))
    decided = {
        charger: Decision(registration)
        for charger, registration in db.execute(
            "SELECT id, registration FROM cp WHERE registration <> 'newcomer'"
        )
    }
    ((open_transactions,),) = db.execute(
        "SELECT count(*) FROM tx WHERE status = 'Active'"
    ).fetchall()
    simulated = simulated_time(db)
    return Beginning(
        chargers, has_charged, bare, decided, open_transactions, _newest(db, simulated), simulated
    )


def _newest(db: Database, simulated: SimulatedTime | None) -> Newest | None:
    """Return a time that ours must not be behind: of the newest row, or of a database that has a
    clock. Rows of other servers may be ahead of ours by a little."""
    now = db.now()
    if now is None or simulated is not None:
        return newest(db)
    return Newest(stamp(now - APART), "the clock of the database")


def simulated_time(db: Database) -> SimulatedTime | None:
    """Return the simulated clock that the database was created for; None for real time."""
    for _, begun_at, speed, *started_at in db.execute(
        "SELECT * FROM simulated_time"
    ):  # an older schema has no start
        started = datetime.fromisoformat(started_at[0]) if started_at and started_at[0] else None
        return SimulatedTime(datetime.fromisoformat(begun_at), speed, started)
    return None


class AuditPosition(NamedTuple):
    """The progress of the audit: see `audit_cursor` in schema/."""

    log_id: int
    lost: int
    lost_told: int


class LoggedFrame(NamedTuple):
    """A row of the log, with the remote address of its session."""

    id: int
    charger: str
    session: int | None
    at: str
    direction: str
    message_id: str | None
    action: str | None
    frame: str
    remote_address: str | None


class LoggedFrames(NamedTuple):
    """A part of the log, and the highest id ever assigned in it, even if that frame has been
    pruned."""

    frames: list[LoggedFrame]
    newest: int


def audit_position(db: Database) -> AuditPosition:
    """Return where the audit continues. On its first run, it begins with the oldest frame in the
    log."""
    for row in db.execute("SELECT log_id, lost, lost_told FROM audit_cursor").fetchall():
        return AuditPosition(*row)
    newest = _newest_frame(
        db
    )  # read first, so that a frame stored between the two reads is not skipped
    oldest = db.execute("SELECT min(id) FROM log").fetchall()[0][0]
    return AuditPosition(newest if oldest is None else oldest - 1, 0, 0)


def frames_after(db: Database, log_id: int, most: int, most_characters: int) -> LoggedFrames:
    """Return the frames after this id, with consecutive ids.

    At most `most` frames with `most_characters` in total, but at least one if there is one.
    """
    newest = _newest_frame(
        db
    )  # read first, so that a frame stored between the two reads does not count as pruned
    rows = db.execute(
        "SELECT log.id, log.cp_id, log.session_id, log.at, log.direction, log.message_id, "
        "log.action, log.frame, session.remote_address "
        "FROM log LEFT JOIN session ON session.id = log.session_id "
        "WHERE log.id > ? ORDER BY log.id LIMIT ?",
        (log_id, most),
    )
    frames: list[LoggedFrame] = []
    for row in rows:
        frame = LoggedFrame(*row)
        most_characters -= len(frame.frame)
        if frames and (most_characters < 0 or frame.id > frames[-1].id + 1):
            break
        frames.append(frame)
    return LoggedFrames(frames, newest)


def _newest_frame(db: Database) -> int:
    rows = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchall()
    return int(rows[0][0]) if rows else 0
