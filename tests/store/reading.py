"""Reads of a test's books, as on a connection of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlite_utils import Database

from tests.store.books import Books


@contextmanager
def reading(books: Books) -> Iterator[Database]:
    """A view for any number of reads."""
    database = _View(books.connection, execute_plugins=False)
    yield database
    if books.connection.in_transaction:
        books.connection.execute("ROLLBACK")


class _View(Database):
    """Each read begins a database transaction and leaves it to the end of its connection."""

    def execute(self, sql: str, parameters: object = None) -> object:  # type: ignore[override]
        if sql == "BEGIN" and self.conn.in_transaction:
            self.conn.execute("ROLLBACK")
        return super().execute(sql, parameters)  # type: ignore[arg-type]
