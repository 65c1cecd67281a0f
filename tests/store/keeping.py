"""A small site in a file, for tests of its copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from levity_trio.store.engine.file_store import open_database
from tests.store.books import Books, Station
from tests.store.template import new_database

CHARGED_WH = 1000


def run(path: Path, *writes: Callable[[Station], object], charger: str = "CP-1") -> None:
    """Run a server's writes on the database, which is created if need be, and close it again."""
    with new_database(path) as connection:
        station = Station(Books(connection), charger)
        for write in writes:
            write(station)
        station.lose()


def charge(station: Station) -> int:
    """Complete one transaction and return its id."""
    register = 1000 + CHARGED_WH * station.books.count("tx")
    transaction = station.start(register)
    station.books.wait(60)
    station.stop(transaction, register + CHARGED_WH)
    return transaction


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, script: str) -> None:
    """Change a database behind the back of its guards."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.executescript(script)


def make_another(path: Path) -> None:
    """Create a database with ids of its own: copies of the template have the same."""
    with open_database(path):
        pass


def ignore(_done: int, _total: int) -> None:
    """For progress that nobody looks at."""
