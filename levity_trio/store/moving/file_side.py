"""The side of a move that is a file of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.file_store import (
    FileConnection,
    InUse,
    checkpoint,
    connect,
    lock_held,
    open_reader,
)
from levity_trio.store.engine.schema import check_ownership, look, migrate, newest_version
from levity_trio.store.keeping.copies import prepared
from levity_trio.store.moving.proof import RowLines, read
from levity_trio.store.moving.tables import MovedTable, TableColumn, is_filled, triggers

CACHE_KIBIBYTES: Final = 32768
"""The cache is for the indexes: rows come to them in any order."""
_TABLES: Final = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
)
_GUARDS: Final = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"


class FileReading:
    """The state of a file, in the transaction of a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = prepared(connection)
        self._lines = RowLines()

    @property
    def nuls(self) -> int:
        return self._lines.nuls

    def lines(self, table: MovedTable) -> Iterator[bytes]:
        """Yield rows as lines. Raises sqlite3.Error."""
        listed = ", ".join(map(_as_bytes, table.columns))
        return self._lines.written(
            table, self._connection.execute(f"SELECT {listed} {table.in_order}")
        )

    def rows(self, sql: str) -> list[Any]:
        return self._connection.execute(sql).fetchall()

    def last_ids(self, tables: Sequence[MovedTable]) -> dict[str, int]:
        """Return the highest id of each table, or that of a row that is gone."""
        given = dict(self.rows("SELECT name, seq FROM sqlite_sequence"))
        return {
            one.name: max(given.get(one.name, 0), self._highest(one)) for one in tables if one.key
        }

    def _highest(self, table: MovedTable) -> int:
        ((highest,),) = self.rows(f"SELECT coalesce(max({table.key}), 0) FROM {table.quoted}")  # noqa: S608 - our names
        return int(highest)


def _as_bytes(column: TableColumn) -> str:
    return f'CAST("{column.name}" AS BLOB)' if column.kind == "TEXT" else f'"{column.name}"'


class FileSource(FileReading):
    """The database of a stopped server."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.size = path.stat().st_size
        connection.execute("BEGIN")


@contextmanager
def open_source(path: Path) -> Iterator[FileSource]:
    """Hold the lock of a database, and read its present state. Raises EnvironmentProblem,
    sqlite3.Error, OSError."""
    path = path.resolve()
    if not path.is_file() or not path.stat().st_size:
        raise EnvironmentProblem(
            f"there is no database {path}; give that of the server that is to be moved"
        )
    check_ownership(path, "move another one")
    with _alone(path), closing(open_reader(path)) as reader:
        check_version(path, reader.version())
        yield FileSource(path, reader.conn)


def check_version(database: object, version: int) -> None:
    """Check that a database is of this version, so that its rows have the same form on both
    sides."""
    if version != newest_version():
        raise EnvironmentProblem(
            f"{database} is of another version (schema {version}, this one has "
            f"{newest_version()}): start this version of the server on it once, which migrates "
            "it, and stop it again; of a newer one, use that program"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_held(path))
        except InUse:
            raise EnvironmentProblem(
                f"a server or another move uses {path}; stop it first (chargers keep what they "
                "measure meanwhile)"
            ) from None
        yield


class FileTarget(FileReading):
    """A new database in a file. Its triggers come last: they refuse some rows, and would add
    others."""

    def __init__(self, connection: FileConnection) -> None:
        super().__init__(connection)
        connection.begin()
        for (guard,) in connection.execute(_GUARDS).fetchall():
            connection.execute(f"DROP TRIGGER {guard}")

    def write(self, table: MovedTable, part: Sequence[bytes]) -> None:
        marks = ", ".join("?" * len(table.columns))
        insert = f"INSERT INTO {table.quoted} ({table.listed}) VALUES ({marks})"  # noqa: S608 - our own names
        self._connection.executemany(insert, read(table, part))

    def go_on(self, ids: Mapping[str, int], tables: Sequence[MovedTable]) -> None:
        sequences = [
            (one.name, ids[one.name]) for one in tables if one.is_counted and ids[one.name]
        ]
        self._connection.execute("DELETE FROM sqlite_sequence")
        self._connection.executemany(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", sequences
        )

    def finish(self) -> None:
        for trigger in triggers():
            self._connection.execute(trigger)
        self._connection.execute("COMMIT")
        checkpoint(self._connection)


@contextmanager
def open_target(path: Path) -> Iterator[FileTarget]:
    """Hold the lock of a file that is missing or empty, and create its tables if need be.

    Raises:
        EnvironmentProblem: it is in use, or is not empty.
        sqlite3.Error, OSError: it cannot be written.
    """
    path = path.resolve()
    _check_empty(path)
    with _alone(path):
        _check_empty(path)
        with closing(connect(path)) as connection:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            # some tables refer to each other, and the rows are known
            connection.execute("PRAGMA foreign_keys = OFF")
            migrate(connection)
            yield FileTarget(connection)


def _check_empty(path: Path) -> None:
    check_ownership(path, "choose another file for the move")
    if path.exists() and path.stat().st_size:
        with closing(look(path)) as connection:
            if any(
                is_filled(connection, name) for (name,) in connection.execute(_TABLES).fetchall()
            ):
                raise EnvironmentProblem(not_empty(path))


def not_empty(database: object) -> str:
    return (
        f"{database} is not empty; move to a new database (if it is a move that was finished "
        "before, start the server on it)"
    )
