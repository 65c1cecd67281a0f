"""Opens a database by its address: a file of SQLite, or one on PostgreSQL, whose room is imported
only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store.engine import file_store
from levity_trio.store.engine.database import Database, Store
from levity_trio.store.engine.file_store import FileStore, open_database
from levity_trio.store.engine.schema import ANOTHER_FILE, FOLDER, check_ownership

_MISSING: Final = (
    "PostgreSQL needs psycopg, which is not installed: pip install '.[postgresql]' in its source"
)


@contextmanager
def open_store(
    address: DatabaseAddress,
    server: str,
    simulated: SimulatedTime | None = None,
    folder: Path = FOLDER,
) -> Iterator[Store]:
    """Open the database that the server of this name writes to. Raises EnvironmentProblem."""
    if isinstance(address, PostgresqlAddress):
        with of_postgresql("store").open_store(address, server, simulated, folder) as store:
            yield store
    else:
        with (
            open_database(address, simulated, folder) as opened,
            closing(FileStore(opened)) as store,
        ):
            yield store


async def listen(address: DatabaseAddress, server: str, wake: Callable[[], None]) -> None:
    """Call `wake` when another server of the database has stored something, until cancelled."""
    if isinstance(address, PostgresqlAddress):
        await of_postgresql("servers").listen(address, server, wake)


class LogDays(Protocol):
    """The days of a log that is divided into them. Its methods block, and raise
    StoreUnavailable."""

    def make(self, today: date) -> None:
        """Make room for the frames of today and of the next days."""

    def drop(self, before: str, upto: int) -> int:
        """Drop the days before this one, and those without a row above this id; return how many ids
        are gone."""


def days_of(address: DatabaseAddress) -> LogDays | None:
    """Return the days of the log; None for a file, whose log is one. Raises EnvironmentProblem."""
    if not isinstance(address, PostgresqlAddress):
        return None
    days: LogDays = of_postgresql("days").Partitions(address)
    return days


def open_reader(address: DatabaseAddress) -> Database:
    """Return a connection for reads, for use by one thread at a time. Close it soon. Raises
    sqlite3.Error."""
    if isinstance(address, PostgresqlAddress):
        database: Database = of_postgresql("connection").open_reader(address)
        return database
    return file_store.open_reader(address)


def open_known(address: DatabaseAddress, folder: Path = FOLDER) -> Database:
    """Return a connection for reads to a database that is ours. Raises EnvironmentProblem,
    sqlite3.Error."""
    if isinstance(address, PostgresqlAddress):
        known: Database = of_postgresql("schema").open_known(address, folder)
        return known
    if not address.exists():
        raise EnvironmentProblem(
            f"there is no database {address}; choose the database of the server with --db"
        )
    check_ownership(address, ANOTHER_FILE, folder)
    return file_store.open_reader(address)


def is_new(address: DatabaseAddress) -> bool:
    """Whether a database is still to be created. Raises EnvironmentProblem."""
    if isinstance(address, PostgresqlAddress):
        return bool(of_postgresql("schema").is_new(address))
    return not address.exists() or not address.stat().st_size


def of_postgresql(module: str) -> Any:
    """Return a module of its room. Raises EnvironmentProblem: psycopg is not installed."""
    try:
        return import_module(f"levity_trio.store.postgresql.{module}")
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(_MISSING) from error
