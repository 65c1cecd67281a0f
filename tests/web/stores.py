"""The two stores of a server: a database in a file, and one on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from levity_trio.config.settings import DatabaseAddress
from tests.postgresql import new_database as new_on_postgresql
from tests.store.template import only_new

POSTGRESQL: Final = "postgresql"


class Stored(NamedTuple):
    """An open database, and where readers find it."""

    connection: Any
    address: DatabaseAddress


@contextmanager
def in_file(folder: Path) -> Iterator[Stored]:
    path = folder / "site.db"
    with only_new(path) as connection:
        yield Stored(connection, path)


@contextmanager
def on_postgresql(_folder: Path) -> Iterator[Stored]:
    with closing(new_on_postgresql()) as connection:
        yield Stored(connection, connection.address)


STORES: Final = {"sqlite": in_file, POSTGRESQL: on_postgresql}
