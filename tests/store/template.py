"""New databases, copied from one that was made once a process: a copy takes 1 ms.

Copies have the same random base of transaction ids. A test of the making itself calls `migrate`.
"""

import os
import sqlite3
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import Any, Final

from levity_trio.clock import SimulatedTime
from levity_trio.store.engine.file_store import FileConnection, connect, open_database
from levity_trio.store.engine.schema import keep_simulated_time, migrate

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file in it has a new name, for a moment
CHANGES: Final = (24, 92)
"""Where the header of a file has the number of its changes, and of the change that wrote its
size."""
CHANGES_BYTES: Final = 4
CACHED_STATEMENTS: Final = 500
KEPT: Final = (
    *("foreign_keys", "query_only", "recursive_triggers", "reverse_unordered_selects"),
    *("ignore_check_constraints", "defer_foreign_keys", "writable_schema", "schema_version"),
    *("busy_timeout", "cache_size", "synchronous", "journal_mode", "locking_mode"),
)
"""What a test may set. `schema_version` changes with each table and trigger."""


class Reused(FileConnection):
    """A connection to a database that nothing outlives. When one test closes it, the next one gets
    it, with the content of a new one.

    It has read the schema and prepared statements, which is most of what a short test would run. A
    test that sets or defines something has the connection for itself alone.
    """

    _descriptor: int | None = None
    _owner: object = None
    _settings: tuple[object, ...] = ()
    _is_free: bool = False

    @staticmethod
    def new() -> "Reused":
        """Return one that nobody uses. Processes, threads and ways to connect have their own."""
        free = _free[owner := (os.getpid(), get_ident(), sqlite3.connect)]
        connection = free.pop() if free else _made()
        connection._is_free, connection._owner = False, owner
        return connection

    def keep(self, descriptor: int) -> None:
        """Be used again, with the file behind this descriptor."""
        self._descriptor, self._settings = descriptor, self._set()

    def deserialize(self, *arguments: Any, **named: Any) -> None:
        """Have another database from now on."""
        self._descriptor = None
        super().deserialize(*arguments, **named)

    def close(self) -> None:
        """Become new, for the next one; or end."""
        if self._is_free:
            return
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and self._becomes_new(descriptor):
            self._descriptor, self._is_free = descriptor, True
            _free[self._owner].append(self)
        else:
            super().close()

    def _becomes_new(self, descriptor: int) -> bool:
        self.book, self.row_factory, self.text_factory = None, None, str
        self.set_progress_handler(None, 0)
        self.set_trace_callback(None)
        self.set_authorizer(None)
        if self.in_transaction:
            self.rollback()
        if self._set() != self._settings:
            return False
        before = self._version()
        fill(descriptor)
        return self._version() != before  # else a read goes on, and sees old pages

    def _version(self) -> object:
        return self.execute("PRAGMA data_version").fetchone()

    def _set(self) -> tuple[object, ...]:
        temporary = self.execute("SELECT count(*) FROM sqlite_temp_schema").fetchone()
        return (temporary, *(self.execute(f"PRAGMA {name}").fetchone() for name in KEPT))


_free: defaultdict[object, list[Reused]] = defaultdict(list)


def _made() -> Reused:
    place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    descriptor, name = tempfile.mkstemp(prefix="levity-tests-", dir=place)
    fill(descriptor)
    connection: Reused = sqlite3.connect(
        name, isolation_level=None, factory=Reused, cached_statements=CACHED_STATEMENTS
    )
    weakref.finalize(connection, os.close, descriptor)
    for setting in ("foreign_keys = ON", "journal_mode = MEMORY", "synchronous = OFF"):
        connection.execute(f"PRAGMA {setting}").fetchall()
    Path(name).unlink()
    connection.keep(descriptor)
    return connection


def fill(descriptor: int) -> None:
    """Write a new database into a file, as a change by another process: a connection leaves what it
    knows of its pages."""
    (first, second), content = CHANGES, migrated()
    number = int.from_bytes(os.pread(descriptor, CHANGES_BYTES, first), "big") + 1
    changes = number.to_bytes(CHANGES_BYTES, "big")
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))
    for place in (first, second):
        os.pwrite(descriptor, changes, place)


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
