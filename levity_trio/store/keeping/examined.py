"""What the checks ask a store of, because SQLite and PostgreSQL each know it in their own way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from levity_trio.store.engine.database import Database

MOST_PROBLEMS: Final = 10
"""Of one check; the rest is only announced."""


class GivenIds(NamedTuple):
    """The highest id in a table, and the highest one that its counter has given out."""

    table: str
    last: int
    given: int


class Definitions(NamedTuple):
    """The objects of a schema by their names, as a model of SQLite has them, and as the database has them."""

    expected: Mapping[str, object]
    found: Mapping[str, object]


class Examined(Protocol):
    """A database that is checked. All its reads are of one moment."""

    @property
    def db(self) -> Database: ...

    @property
    def unchecked(self) -> Sequence[str]:
        """What was not checked, and which tool does it; complete after the checks."""

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """Let the next check go on after an error. Raises it again if the reads have failed, and not what was read."""

    def integrity(self) -> Iterable[str]:
        """Yield what cannot be read, and indexes that differ from their tables."""

    def definitions(self, model: sqlite3.Connection) -> Definitions:
        """Return what is expected by an empty database in memory, and what is there."""

    def ids(self) -> Iterator[GivenIds]:
        """Yield the tables whose ids are counted."""


def tables_of(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()}


def numbered(connection: sqlite3.Connection) -> set[str]:
    """Return the tables whose ids are never used twice."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
    return {name for (name,) in connection.execute(tables).fetchall()}
