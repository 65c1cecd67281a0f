"""What SQLite knows of a copy: whether its pages and indexes are whole, its schema, and the ids it has given out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from levity_trio.store.engine.connection import FileDatabase
from levity_trio.store.keeping.examined import MOST_PROBLEMS, Definitions, GivenIds, numbered

LITESTREAMS: Final = frozenset({"_litestream_lock", "_litestream_seq"})
"""The tables that Litestream adds to a database that it copies."""


class ExaminedFile:
    """A file that nobody writes to."""

    unchecked: Sequence[str] = ()

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.db = FileDatabase(connection)

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """Do nothing: the file itself is what cannot be read, and that has no effect on the next read."""

    def integrity(self) -> Iterator[str]:
        """Every page and index, and the types and CHECK constraints of every row."""
        for (text,) in self._connection.execute(f"PRAGMA integrity_check({MOST_PROBLEMS + 1})"):
            if text != "ok":
                yield text

    def definitions(self, model: sqlite3.Connection) -> Definitions:
        return Definitions(_objects(model), _objects(self._connection))

    def ids(self) -> Iterator[GivenIds]:
        sequences = dict(self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        for table in sorted(numbered(self._connection)):
            highest = f"SELECT coalesce(max(rowid), 0) FROM {table}"  # noqa: S608 - a table of this file
            ((last,),) = self._connection.execute(highest).fetchall()
            yield GivenIds(table, last, sequences.get(table, 0))


def _objects(connection: sqlite3.Connection) -> Mapping[str, object]:
    """Return the text of each object, which has all constraints of a table, without Litestream's notes to itself."""
    named = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
    return {
        f"{kind} {name}": " ".join(str(definition).split())
        for kind, name, definition in connection.execute(named).fetchall()
        if name not in LITESTREAMS
    }
