"""What the store needs of a database: a file of SQLite, or PostgreSQL; one write's view of it, and
the group commit of many writes.

All statements are written for SQLite. Errors are those of the module sqlite3, whose names are the
DB-API's (PEP 249).

A write is a plain function of a UnitOfWork. A batch may be retried, so a write must change nothing
but the database, and receives the time and ids as arguments. Facts that it records are stored in
`event` in the same transaction and published after the commit.

Facts of one kind have daily ceilings: from one charger, and from all strangers. A charger that
boots or changes its status continuously would otherwise add gigabytes a day. Facts beyond the
ceiling are only counted, and one FactsCounted an hour reports their number. Transactions, readings
and what an operator asked for have no such ceiling. A stranger is a charger that was not adopted
and began no transaction until a day ago. Who can reach the port can have any number of names, so
beyond the first facts of each, all strangers have a ceiling together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import orjson
import outcome

from levity_trio.events import OWN_FACTS, PRESENT_FACTS, TRANSACTION_FACTS, Fact, FactsCounted
from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import (
    DatabaseDamaged,
    DatabaseFault,
    is_damage,
    is_the_databases,
)
from levity_trio.wire.times import minutes_before, shifted_stamp

Parameters = Sequence[object] | Mapping[str, object]


class DatabaseSpace(NamedTuple):
    """Sizes in bytes: of the database with what is free in it, of that, of the WAL, and of what is
    free on the disk.

    The disk of a PostgreSQL server is not known.
    """

    database: int
    unused: int
    wal: int
    disk_free: int | None


class StatementResult(Protocol):
    """What a statement returned, and how many rows it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Any]: ...

    def fetchone(self) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class DatabaseConnection(Protocol):
    """A connection, for use by one thread at a time."""

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, sql: str, parameters: Any = ..., /) -> StatementResult: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class Bookkeeping(Protocol):
    """What books the sessions that a commit concerns, as its last write. It may raise anything."""

    def book(self, db: Any, /) -> None: ...

    def set_aside(self, db: Any, /) -> None:
        """Note that it could not be done."""


class WritingConnection(DatabaseConnection, Protocol):
    """The connection of the writer."""

    book: Bookkeeping | None

    def begin(self) -> None:
        """Begin a transaction that writes."""

    def send(self, sql: str, parameters: Any = ..., /) -> None:
        """Run a statement whose outcome nobody asks for. Its error may come with a later statement,
        or with COMMIT."""

    def commit(self) -> None: ...

    def limited(self, seconds: float) -> AbstractContextManager[None]:
        """Interrupt a statement that runs beyond so many seconds."""

    def end_lapsed(self) -> list[str]:
        """End the leases of servers that were silent for too long; return their names."""

    def take_duties(self) -> bool:
        """Take the duties of the site, unless another server has them; return whether this one
        has."""


class Database(Protocol):
    """A connection for reads."""

    @property
    def conn(self) -> DatabaseConnection: ...

    def execute(self, sql: str, parameters: Any = ..., /) -> StatementResult: ...

    def query(self, sql: str, parameters: Any = ..., /) -> Iterator[dict[str, Any]]: ...

    def space(self) -> DatabaseSpace: ...

    def version(self) -> int:
        """Return the version of its schema."""

    def now(self) -> datetime | None:
        """Return the time of its own clock, by which several servers are compared; a file has
        none."""


T = TypeVar("T")
AT_ONCE: Final = 500


def parts(values: Sequence[T], most: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Yield the values in parts of at most so many, in their order."""
    return (values[begin : begin + most] for begin in range(0, len(values), most))


def marks(values: Sized) -> str:
    """Return a placeholder for each value."""
    return ", ".join("?" * len(values))


Rows = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a SELECT and returns all its rows."""


def rows_of(db: Database) -> Rows:
    """Return the function that the modules of the judge take to run a SELECT."""

    def rows(sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return db.execute(sql, tuple(values)).fetchall()

    return rows


DAILY_FACTS: Final = 1_000
FIRST_FACTS, STRANGERS_FACTS = 3, 10_000
"""The facts of one kind that each stranger has for itself on a day, and those of all strangers
beyond them."""
NEW: Final = timedelta(days=1)
REPORT_MINUTES: Final = 60
DATE: Final = slice(10)
"""The date in a time of the database's format."""

COUNT: Final = (
    "INSERT INTO fact_count (cp_id, kind, day, facts) "
    "VALUES (?, ?, ?, ?) ON CONFLICT (cp_id, kind) DO UPDATE "
    "SET facts = CASE fact_count.day "
    "WHEN excluded.day THEN fact_count.facts ELSE 0 END + excluded.facts, day = excluded.day "
    "RETURNING facts"
)
COUNT_OF_SITE: Final = (
    "INSERT INTO site_count (kind, day, amount) VALUES (?, ?, ?) "
    "ON CONFLICT (kind) DO UPDATE "
    "SET amount = CASE site_count.day "
    "WHEN excluded.day THEN site_count.amount ELSE 0 END + excluded.amount, day = excluded.day "
    "RETURNING amount"
)
ONLY_COUNT: Final = (
    "UPDATE fact_count SET counted = counted + 1 "
    "WHERE cp_id = ? AND kind = ? RETURNING counted - told, told_at"
)
IS_KNOWN: Final = (
    "SELECT 1 FROM cp WHERE id = ?1 AND registration = 'adopted'"
    " UNION ALL SELECT 1 WHERE EXISTS (SELECT 1 FROM tx WHERE cp_id = ?1 AND created_at < ?2)"
)
WITHOUT_CEILING: Final = (*TRANSACTION_FACTS, *OWN_FACTS)
"""The facts that a charger cannot repeat without end, or that affect a bill."""
REPORTED: Final = "UPDATE fact_count SET told = counted, told_at = ? WHERE cp_id = ? AND kind = ?"


Row = tuple[Any, ...]
Write = Callable[["UnitOfWork"], object]
Last = Callable[["UnitOfWork"], None]
log = get_logger("system")

INSERT_COMMAND = (
    "INSERT INTO command (cp_id, action, payload, message_id, state, requested_at, asked_by, "
    "run_id, timeout_seconds, deadline_at, is_masked, idempotency_key, request_digest) "
    "VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
INSERT_EVENT = "INSERT INTO event (at, kind, cp_id, session_id, data) VALUES (?, ?, ?, ?, ?)"


class NotBooked(Exception):
    """What the writes of a transaction concern could not be booked."""


class UnitOfWorkLost(Exception):
    """SQLite rolled back the whole transaction with an interrupted statement; the same batch runs
    again."""


@dataclass(eq=False, slots=True)
class UnitOfWork:
    """Statements inside the present transaction, and the facts recorded in it. Created only by
    `commit`."""

    _connection: WritingConnection
    facts: list[Fact] = field(default_factory=list)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement whose outcome nobody asks for. Its error may come with a later statement
        of the write."""
        self._connection.send(sql, parameters)

    def changed(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that returns no rows; return the number of rows that it changed."""
        return self._connection.execute(sql, parameters).rowcount

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a statement. A RETURNING that is not read to its end would block the
        commit."""
        return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row of a statement, or None."""
        found = self._connection.execute(sql, parameters).fetchall()
        return found[0] if found else None

    def insert(self, sql: str, parameters: Sequence[object]) -> int:
        """Run an `INSERT … RETURNING id` and return the id."""
        return int(self._connection.execute(sql, parameters).fetchall()[0][0])

    def attempt(self, change: Callable[[], None], seconds: float) -> Exception | None:
        """Make a change that may fail; on failure, undo it and its facts and return its error.

        A statement that runs beyond `seconds` is interrupted. Raises UnitOfWorkLost if SQLite
        rolled back the whole transaction, and faults of the database itself.
        """
        recorded = len(self.facts)
        self._connection.execute("SAVEPOINT attempt")
        error = self._within(change, seconds)
        if isinstance(error, sqlite3.Error) and is_the_databases(error):
            raise error
        if not self._connection.in_transaction:  # interrupted, or the change itself ended it
            raise UnitOfWorkLost from error
        if error is not None:
            self._connection.execute("ROLLBACK TO attempt")
            del self.facts[recorded:]
        self._connection.execute("RELEASE attempt")
        return error

    def _within(self, change: Callable[[], None], seconds: float) -> Exception | None:
        try:
            with self._connection.limited(seconds):
                change()
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything; the error is returned
            return error
        return None

    def record(self, fact: Fact, session: int | None = None) -> bool:
        """Store a fact with the session that caused it; the writer publishes it after the commit.

        Return False if it exceeds its daily ceiling: it is then not stored, and is published only
        if observers need it to follow the present state.
        """
        kind, charger = type(fact).__name__, fact.charger
        is_kept = not getattr(fact, "is_usual", False)
        if is_kept and charger is not None and not isinstance(fact, WITHOUT_CEILING):
            is_kept = self.count_fact(charger, kind, fact.at)
        if is_kept:
            values = (fact.at, kind, charger, session, orjson.dumps(fact).decode())
            self._connection.send(INSERT_EVENT, values)
        if is_kept or isinstance(fact, PRESENT_FACTS):
            self.facts.append(fact)
        return is_kept

    def end_lapsed(self) -> list[str]:
        """End the leases of servers that were silent for too long; return their names."""
        return self._connection.end_lapsed()

    def take_duties(self) -> bool:
        """Take the duties of the site, unless another server has them; return whether this one
        has."""
        return self._connection.take_duties()

    def count_within(
        self, charger: str | None, kind: str, at: str, most: int, amount: int = 1
    ) -> bool:
        """Count an amount of a charger, or of the site; return whether it is within the first
        `most` of this day."""
        if charger is None:
            ((counted,),) = self.rows(COUNT_OF_SITE, (kind, at[DATE], amount))
        else:
            ((counted,),) = self.rows(COUNT, (charger, kind, at[DATE], amount))
        return bool(counted <= most)

    def count_stranger(
        self, charger: str, kind: str, at: str, most: int, *, first: int = 0, amount: int = 1
    ) -> bool:
        """Count an amount of a kind, if it is a stranger's; return whether it is among the `first`
        of this one on this day, or else among the `most` of all strangers."""
        if not self.is_stranger(charger, at):
            return True
        if first:
            is_first = self.count_within(charger, f"first {kind}", at, first)
            if is_first:
                return True
        return self.count_within(None, f"{kind} of new chargers", at, most, amount)

    def is_stranger(self, charger: str, at: str) -> bool:
        """Whether a charger was not adopted, and began no transaction until a day ago."""
        return not self.rows(IS_KNOWN, (charger, shifted_stamp(at, -NEW)))

    def count_fact(self, charger: str, kind: str, at: str) -> bool:
        """Count a fact; return whether it is within its daily ceilings and must be stored."""
        ((facts,),) = self.rows(COUNT, (charger, kind, at[DATE], 1))
        is_kept: bool = facts <= DAILY_FACTS
        if FIRST_FACTS < facts <= DAILY_FACTS and self.is_stranger(charger, at):
            is_kept = self.count_within(None, f"{kind} of strangers", at, STRANGERS_FACTS)
        if not is_kept:
            self.only_count(charger, kind, at)
        return is_kept

    def only_count(self, charger: str, kind: str, at: str) -> None:
        """Count a fact that is not stored, though others of its kind were, and record a report of
        such facts at most once an hour."""
        ((count, reported_at),) = self.rows(ONLY_COUNT, (charger, kind))
        if reported_at is None or reported_at <= minutes_before(at, REPORT_MINUTES):
            self._connection.execute(REPORTED, (at, charger, kind))
            self.record(FactsCounted(charger=charger, at=at, kind=kind, count=count))


class News(NamedTuple):
    """What other servers stored: facts, each as its kind and its fields in JSON, and queued
    commands, each as its id, charger, message id and deadline."""

    facts: Sequence[tuple[str, str]]
    commands: Sequence[tuple[int, str, str, str | None]]


class Store(Protocol):
    """The place where the writer commits: a file, or PostgreSQL."""

    @property
    def path(self) -> str:
        """The database, to be named in the log."""

    def keep_book(self, book: Bookkeeping) -> None:
        """Let each commit book what it concerns."""

    @property
    def idle_seconds(self) -> float:
        """How long it may go without a commit."""

    @property
    def gather_seconds(self) -> float:
        """How long a batch of few writes waits for more; 0: only while many arrive."""

    def commit(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Run the writes in one transaction and commit it; a write that raises is rolled back
        alone.

        Raises:
            DatabaseFault: nothing was stored; the same batch may be retried.
            DatabaseDamaged: nothing was stored; the transaction itself needs a damaged page.
            CommitLost: the batch was committed, but perhaps to a file that no path leads to.
        """

    @property
    def server(self) -> str:
        """The name of this server among those of the database; empty if there can be no others."""

    @property
    def held_until(self) -> float:
        """The time until which this server may answer without a commit, by the monotonic clock."""

    def take_news(self) -> Sequence[News]:
        """Return what other servers stored before the last batch, and was not returned yet."""

    def save(self) -> None:
        """Save the content of a lost file to where it can be found."""


class WriteResult(NamedTuple):
    """The outcome of one write: its return value or its own error, and its facts."""

    value: object
    error: BaseException | None
    facts: Sequence[Fact]

    def unwrap(self) -> object:
        """Return the value. Raises the write's own error."""
        if self.error is not None:
            raise self.error
        return self.value


def commit(connection: WritingConnection, writes: Sequence[Write]) -> list[WriteResult]:
    """Run the writes in one transaction, book what they concern, and commit; a write that raises is
    rolled back alone.

    If it cannot be booked, this is noted, or else nothing of it, and the writes are stored all the
    same.

    Raises:
        DatabaseFault: nothing was stored; the same batch may be retried.
        DatabaseDamaged: nothing was stored; the transaction itself needs a damaged page.
    """
    if (book := connection.book) is not None:
        for last in (book.book, book.set_aside):
            try:
                return _committed(connection, writes, last)
            except NotBooked as problem:
                log.error(
                    "sessions could not be booked; what they follow from is stored",
                    reason=repr(problem.__cause__),
                )
    return _committed(connection, writes, None)


def _committed(
    connection: WritingConnection, writes: Sequence[Write], last: Last | None
) -> list[WriteResult]:
    """Run the writes and the last one. Most batches contain no failing write, so the first attempt
    uses no savepoints.

    If a write fails, the whole batch runs again with a savepoint for each.
    """
    together = outcome.capture(_in_transaction, connection, writes, _plainly, last)
    if isinstance(together, outcome.Error) and not isinstance(
        together.error, (DatabaseFault, NotBooked)
    ):
        return _each_alone(connection, writes, last)
    return together.unwrap()


def _each_alone(
    connection: WritingConnection, writes: Sequence[Write], last: Last | None
) -> list[WriteResult]:
    """Run each write in a savepoint; those that meet a damaged page fail, and the others run again
    without them.

    After such an error SQLite accepts no further change in the transaction, and does not commit it.
    """
    damaged: dict[int, WriteResult] = {}
    while True:
        others = [index for index in range(len(writes)) if index not in damaged]
        results = _in_transaction(
            connection, [writes[index] for index in others], _in_savepoint, last
        )
        if not results or not isinstance(results[-1].error, DatabaseDamaged):
            found = damaged | dict(zip(others, results, strict=True))
            return [found[index] for index in range(len(writes))]
        damaged[others[len(results) - 1]] = results[-1]


Run = Callable[[WritingConnection, Write], WriteResult]


def _in_transaction(
    connection: WritingConnection, writes: Sequence[Write], run: Run, last: Last | None
) -> list[WriteResult]:
    """Run the writes and the last one, and commit them; where one meets a damaged page, nothing,
    and its result is the last one. Raises NotBooked if the last write fails."""
    results: list[WriteResult] = []
    try:
        _roll_back(connection)  # an earlier ROLLBACK may have failed
        connection.begin()
        for write in writes:
            results.append(run(connection, write))
            if isinstance(results[-1].error, DatabaseDamaged):
                return results
        if last is not None:
            try:
                last(UnitOfWork(connection))
            except Exception as error:
                # A full disk is the fault of the whole transaction.
                is_refused = isinstance(error, sqlite3.Error) and is_the_databases(error)
                if is_refused and not is_damage(error):
                    raise
                raise NotBooked from error
        connection.commit()
    except sqlite3.Error as error:
        if is_damage(error):
            raise DatabaseDamaged(str(error)) from error
        # On a full disk SQLite rolls back the whole transaction, not only the statement that
        # failed.
        if is_the_databases(error) or not connection.in_transaction:
            raise DatabaseFault(str(error)) from error
        raise
    finally:
        _roll_back(connection)
    return results


def _roll_back(connection: WritingConnection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise DatabaseFault(f"ROLLBACK: {error}") from error


def _plainly(connection: WritingConnection, write: Write) -> WriteResult:
    transaction = UnitOfWork(connection)
    return WriteResult(write(transaction), None, transaction.facts)


def _in_savepoint(connection: WritingConnection, write: Write) -> WriteResult:
    transaction = UnitOfWork(connection)
    connection.execute("SAVEPOINT write")
    # carries a failure to its caller
    captured = outcome.capture(_released, connection, write, transaction)
    if isinstance(captured, outcome.Value):
        return WriteResult(captured.value, None, transaction.facts)
    if is_damage(captured.error):
        return WriteResult(None, _damaged(captured.error), ())
    if is_the_databases(captured.error):
        raise captured.error
    connection.execute("ROLLBACK TO write")
    connection.execute("RELEASE write")
    return WriteResult(None, captured.error, ())


def _released(connection: WritingConnection, write: Write, transaction: UnitOfWork) -> object:
    """Run a write and release its savepoint. PostgreSQL refuses that if a statement failed and the
    write went on."""
    value = write(transaction)
    connection.execute("RELEASE write")
    return value


def _damaged(error: BaseException) -> DatabaseDamaged:
    damaged = DatabaseDamaged(str(error))
    damaged.__cause__ = error
    return damaged
