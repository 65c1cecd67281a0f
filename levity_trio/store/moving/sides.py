"""What a move needs of the two databases. Each is in a file or on PostgreSQL. Errors are those of sqlite3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from levity_trio.store.moving.tables import Table

MOVER = "levity-trio move"
"""The name under which a move holds a database on PostgreSQL."""


class Mark(NamedTuple):
    """What an unfinished move remembers: from where, the state of that database, and the version of its schema."""

    source: str
    state: str
    version: int


class Reading(Protocol):
    """One state of a database, for reads."""

    @property
    def nuls(self) -> int:
        """How many of the texts that were read had a NUL."""

    def lines(self, table: Table, last: int | None = None) -> Iterator[bytes]:
        """Yield the rows behind a key in order, or those of a table without a whole number as a key in any order."""

    def rows(self, sql: str) -> list[Any]:
        """Return the rows of a statement that both stores have."""

    def last_ids(self, tables: Sequence[Table]) -> dict[str, int]:
        """Return the highest id ever given out, of each table that has a key."""


class Source(Reading, Protocol):
    """The database that is moved. It is only read; no server can start on it meanwhile."""

    name: str
    size: int
    """In bytes."""

    def keep(self, *, at_once: bool = False) -> None:
        """Stay the only one that uses it; called again and again. Raises EnvironmentProblem: another one does."""


class Target(Protocol):
    """The database that rows are moved to. No server can start on it before the move is finished."""

    name: str

    def mark(self) -> Mark | None:
        """Return the mark of the move that was begun here; None: the database is empty."""

    def begin(self, mark: Mark) -> None:
        """Mark it as an unfinished move, without rows, and let it take rows as they are."""

    def last(self, table: Table) -> int | None:
        """Return the last key that is there; None if there is none."""

    def is_filled(self, table: Table) -> bool: ...

    def write(self, table: Table, part: Sequence[bytes]) -> None:
        """Store rows: all of them or none."""

    def go_on(self, ids: Mapping[str, int], tables: Sequence[Table]) -> None:
        """Let the next ids be those after these."""

    def keep(self, *, at_once: bool = False) -> None:
        """Stay the only one that uses it; called again and again. Raises EnvironmentProblem: another one does."""

    def reading(self) -> AbstractContextManager[Reading]:
        """Read what is stored, on a connection of its own."""

    def finish(self, version: int) -> None:
        """Put back what guards the rows, and take away the mark."""
