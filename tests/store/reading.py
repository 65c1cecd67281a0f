"""Reads of a test's books, as on a connection of their own."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

from levity_trio.store.engine.database import Database, DatabaseConnection
from levity_trio.store.engine.file_store import FileDatabase
from levity_trio.store.postgresql.connection import PostgresqlConnection, PostgresqlDatabase
from levity_trio.store.reads.reader import Reader
from tests.replayed import ReplayedConnection
from tests.store.books import Books

T = TypeVar("T")


def view(connection: DatabaseConnection) -> Database:
    """A connection for reads."""
    if isinstance(connection, PostgresqlConnection):
        return PostgresqlDatabase(connection)
    assert isinstance(connection, sqlite3.Connection | ReplayedConnection)
    return FileDatabase(cast(sqlite3.Connection, connection))


@contextmanager
def reading(books: Books) -> Iterator[Database]:
    """A view for any number of reads."""
    yield view(books.connection)


class SlowReader(Reader):
    """A reader whose results arrive late: after one that is not empty was read, the first of
    `meanwhile` is called."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.meanwhile: list[Callable[[], object]] = []

    async def run(self, read: Callable[[Database], T]) -> T:
        found = await super().run(read)
        if found and self.meanwhile:
            self.meanwhile.pop(0)()
        return found
