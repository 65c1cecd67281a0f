"""The ways to open the database file: one writing connection, held with a lock beside the file, and readers.

Only SQLite opens the file itself: closing any other descriptor of it would drop SQLite's own locks, and another
process could then delete the WAL under us.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.store.schema import NotOurs, check_clock_speed, check_ownership, migrate

BUSY_MILLISECONDS = 2_000
CACHED_STATEMENTS = 256
JOURNAL_BYTES = 32_000_000
"""The WAL is cut to this length when it begins anew; a reader that took long may have let it grow."""
CACHE_KIBIBYTES = 512
"""Of pages; the ends of all trees that 20 chargers write to are a tenth of it, and the system caches the rest."""


class InUse(EnvironmentProblem):
    """Another server holds this database."""


@contextmanager
def open_database(path: Path, simulated: SimulatedTime | None = None) -> Iterator[sqlite3.Connection]:
    """The only writing connection, ready to use: locked, owned, migrated; at the end its WAL is written back.

    A new file is made for the `simulated` time, if one is given; a known one must have been made for that speed.

    Raises:
        EnvironmentProblem: another server runs on it (InUse), it is not for this version of this program or for this
            speed (NotOurs), or it cannot be written; nothing was created or changed.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, simulated.speed if simulated else 1))
            connection = stack.enter_context(closing(connect(path)))
            migrate(connection, simulated)
            lock_once(connection)
        except EnvironmentProblem:
            raise
        except (sqlite3.Error, OSError, RuntimeError) as error:  # RuntimeError: a link to itself
            raise EnvironmentProblem(f"cannot use the database {path}: {error}") from error
        yield connection
        checkpoint(connection)


def lock_once(connection: sqlite3.Connection) -> None:
    """Open all its files, and see that no other program holds the lock. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def checkpoint(connection: sqlite3.Connection) -> None:
    """Write the WAL back, as far as that can be done now; the next start reads what is left of it."""
    with suppress(sqlite3.Error):  # a full disk, perhaps
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@contextmanager
def locked(path: Path, clock_speed: int) -> Iterator[None]:
    """Hold `<realpath>.lock` for one server on one file; a file that is not ours leaves no lock behind."""
    lock = Path(f"{path.resolve()}.lock")
    is_new = not lock.exists()
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor, path)
        try:
            check_ownership(path)
            check_clock_speed(path, clock_speed)
        except NotOurs:
            if is_new:
                lock.unlink()
            raise
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUse(f"another levity-trio runs on {path}; stop it, or name another file with --db") from error


def connect(path: Path) -> sqlite3.Connection:
    """A writing connection as the server needs it; its WAL is opened with its first statement."""
    connection = sqlite3.connect(
        path, check_same_thread=False, isolation_level=None, cached_statements=CACHED_STATEMENTS
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}").fetchall()
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    connection.execute("PRAGMA synchronous = FULL")
    # Some builds overwrite what is deleted with zeros, which writes every page of a pruned log once more.
    connection.execute("PRAGMA secure_delete = FAST").fetchall()
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_reader(path: Path) -> Database:
    """A read-only connection. It may be used from any one thread at a time; close it soon."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}").fetchall()
    return Database(connection, execute_plugins=False)
