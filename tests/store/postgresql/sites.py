"""A site's books in a database of its own on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from tests.store.books import Books, Station


class Charging(PostgresqlConnection):
    """The connection of a site's books."""

    def begin(self) -> None:
        self.run("BEGIN")

    def commit(self) -> None:
        self.run("COMMIT")


@contextmanager
def station(address: PostgresqlAddress, charger: str = "CP-1") -> Iterator[Station]:
    connection: Any = Charging(connect(address))
    with closing(connection):
        yield Station(Books(connection), charger)
