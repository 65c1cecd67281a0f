"""What a move needs of the two databases. Each is in a file or on PostgreSQL. Errors are those of
sqlite3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from levity_trio.store.moving.tables import MovedTable


class ReadSide(Protocol):
    """One state of a database, for reads."""

    @property
    def nuls(self) -> int:
        """How many of the texts that were read had a NUL."""

    def lines(self, table: MovedTable) -> Iterator[bytes]:
        """Yield the rows in order, or those of a table without a whole number as a key in any
        order."""

    def rows(self, sql: str) -> list[Any]:
        """Return the rows of a statement that both stores have."""

    def last_ids(self, tables: Sequence[MovedTable]) -> dict[str, int]:
        """Return the highest id ever given out, of each table that has a key."""


class Source(ReadSide, Protocol):
    """The database that is moved. It is only read; no server can start on it meanwhile."""

    size: int
    """The size in bytes."""


class WriteSide(ReadSide, Protocol):
    """The database that rows are moved to, in one transaction, which keeps servers from starting on
    it."""

    def write(self, table: MovedTable, part: Sequence[bytes]) -> None: ...

    def go_on(self, ids: Mapping[str, int], tables: Sequence[MovedTable]) -> None:
        """Let the next ids be those after these."""

    def finish(self) -> None:
        """Put back what guards the rows, and commit."""
