"""What the store needs of a database: a file of SQLite, or PostgreSQL.

All statements are written for SQLite. Errors are those of the module sqlite3, whose names are the
DB-API's (PEP 249).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

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
