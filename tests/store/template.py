"""New databases, copied from one that was made once a process: a copy takes 1 ms.

Copies have the same random base of transaction ids. A test of the making itself calls `migrate`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from levity_trio.clock import SimulatedTime
from levity_trio.store.engine.connection import FileConnection, connect, open_database
from levity_trio.store.engine.schema import keep_simulated_time, migrate


@cache
def migrated() -> bytes:
    """Return a new database with the server's schema, as the bytes of its file."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return connection.serialize()


def put_new(path: Path, simulated: SimulatedTime | None = None) -> None:
    """Create a database in a file, as a server does that is started on it with --clock-speed or
    not."""
    path.touch(0o600)
    path.write_bytes(migrated())
    if simulated is not None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            keep_simulated_time(connection, simulated)


@contextmanager
def new_database(path: Path) -> Iterator[FileConnection]:
    """Open a database in a file as a server does. It is created, if it is not there."""
    if not path.exists():
        put_new(path)
    with open_database(path) as connection:
        yield connection


@contextmanager
def only_new(path: Path) -> Iterator[FileConnection]:
    """Create a database in a file, for tests of neither the checks and locks of a server nor of
    power failures.

    It takes half the CPU.
    """
    put_new(path)
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        yield connection
