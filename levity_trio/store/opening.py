"""Opens a database by its address: a file of SQLite, or one on PostgreSQL, whose room is imported only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any, Final

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store import connection
from levity_trio.store.connection import open_database
from levity_trio.store.database import Database
from levity_trio.store.file_store import FileStore
from levity_trio.store.schema import check_ownership
from levity_trio.store.unit_of_work import Store

_MISSING: Final = "PostgreSQL needs psycopg, which is not installed: pip install 'levity-trio[postgresql]'"


@contextmanager
def open_store(address: DatabaseAddress, server: str, simulated: SimulatedTime | None = None) -> Iterator[Store]:
    """Open the database that the server of this name writes to. Raises EnvironmentProblem."""
    if isinstance(address, PostgresqlAddress):
        with postgresql("store").open_store(address, server, simulated) as store:
            yield store
    else:
        with open_database(address, simulated) as opened, closing(FileStore(opened)) as store:
            yield store


def open_reader(address: DatabaseAddress) -> Database:
    """Return a connection for reads, for use by one thread at a time. Close it soon. Raises sqlite3.Error."""
    if isinstance(address, PostgresqlAddress):
        database: Database = postgresql("connection").open_reader(address)
        return database
    return connection.open_reader(address)


def open_known(address: DatabaseAddress) -> Database:
    """Return a connection for reads to a database that is ours. Raises EnvironmentProblem, sqlite3.Error."""
    if isinstance(address, PostgresqlAddress):
        known: Database = postgresql("schema").open_known(address)
        return known
    if not address.exists():
        raise EnvironmentProblem(f"there is no database {address}; choose the database of the server with --db")
    check_ownership(address)
    return connection.open_reader(address)


def postgresql(module: str) -> Any:
    """Return a module of the room of PostgreSQL. Raises EnvironmentProblem: what it needs is not installed."""
    try:
        return import_module(f"levity_trio.store.postgresql.{module}")
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(_MISSING) from error
