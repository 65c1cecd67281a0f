"""Reads of a test's books, as on a connection of their own."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from levity_trio.store.engine.connection import FileDatabase
from levity_trio.store.engine.database import Connection, Database
from levity_trio.store.postgresql.connection import PostgresqlConnection, PostgresqlDatabase
from levity_trio.store.reads import Reader
from tests.store.books import Books

T = TypeVar("T")


def view(connection: Connection) -> Database:
    """A connection for reads."""
    if isinstance(connection, PostgresqlConnection):
        return PostgresqlDatabase(connection)
    assert isinstance(connection, sqlite3.Connection)
    return FileDatabase(connection)


@contextmanager
def reading(books: Books) -> Iterator[Database]:
    """A view for any number of reads."""
    database = view(books.connection)
    try:
        yield cast("Database", _View(database))
    finally:
        books.connection.rollback()


class _View:
    """Each read begins a database transaction and leaves it to the end of its connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        if sql == "BEGIN":
            self._database.conn.rollback()
        return self._database.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class SlowReader(Reader):
    """A reader whose results arrive late: after one that is not empty was read, the first of `meanwhile` is called."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.meanwhile: list[Callable[[], object]] = []

    async def run(self, read: Callable[[Database], T]) -> T:
        found = await super().run(read)
        if found and self.meanwhile:
            self.meanwhile.pop(0)()
        return found
