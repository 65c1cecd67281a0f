"""Opens the database file: one writing connection, guarded by a lock file, and read-only
connections.

Closing any descriptor of the database file drops SQLite's own locks, and another process could then
delete the WAL while it is in use. So only SQLite opens it, except for one descriptor that is locked
and outlives SQLite's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from levity_trio.clock import SimulatedTime
from levity_trio.config import NOT_ALLOWED, EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import Bookkeeping, DatabaseSpace, Parameters
from levity_trio.store.engine.faults import advice
from levity_trio.store.engine.schema import (
    ANOTHER_FILE,
    FOLDER,
    Version,
    check_clock_speed,
    check_ownership,
    migrate,
)
from levity_trio.writing import created, mend, opened, place

DESCRIPTORS = Path("/dev/fd")


def is_open_besides(descriptor: int) -> bool:
    """Whether this process has another descriptor of the same file, for example one of SQLite."""
    ours = os.fstat(descriptor)
    others = (int(one.name) for one in DESCRIPTORS.iterdir() if int(one.name) != descriptor)
    return any(_is_file(other, ours) for other in others)


def _is_file(descriptor: int, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file)
    except OSError:  # that of the listing itself is closed by now
        return False


BUSY_MILLISECONDS = 2_000
PROGRESS_STEPS = 10_000
"""SQLite virtual machine instructions between two checks of the time; they take well below a
millisecond."""
CACHED_STATEMENTS = 256
JOURNAL_BYTES = 32_000_000
"""The WAL is truncated to this size when it restarts; a long read may have let it grow."""
CACHE_KIBIBYTES = 512
"""The page cache. The B-tree pages that 20 chargers write to need a tenth of it; the system caches
the file."""


log = get_logger("system")


class FileConnection(sqlite3.Connection):
    """A connection that writes to a file, or to memory in tests."""

    book: Bookkeeping | None = None

    def begin(self) -> None:
        """Begin a transaction, and take the write lock before the first read."""
        self.execute("BEGIN IMMEDIATE")

    def send(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement whose outcome nobody asks for."""
        self.execute(sql, parameters)

    def commit(self) -> None:
        self.execute("COMMIT")

    def end_lapsed(self) -> list[str]:
        """Return no names: a file has one server."""
        return []

    def take_duties(self) -> bool:
        """Return that this server has all duties: a file has one server."""
        return True

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Interrupt a statement that runs beyond so many seconds."""
        until = time.monotonic() + seconds
        self.set_progress_handler(lambda: time.monotonic() > until, PROGRESS_STEPS)
        try:
            yield
        finally:
            self.set_progress_handler(None, 0)


class InUse(EnvironmentProblem):
    """Another server holds this database."""


@contextmanager
def open_database(
    path: Path, simulated: SimulatedTime | None = None, folder: Path = FOLDER
) -> Iterator[FileConnection]:
    """Open the only writing connection: take the lock, check ownership, migrate; checkpoint the WAL
    on exit.

    A new file is created for the `simulated` time, if one is given. An existing file must have the
    same clock speed. Its schema becomes that of the `folder`.

    Raises:
        EnvironmentProblem: another server uses the file (InUse), the file is not for this version
            of this program or for this speed (NotOurs), or it cannot be written; nothing was
            created or changed.
    """
    with ExitStack() as stack:
        try:
            place(path)
            stack.enter_context(locked(path, simulated.speed if simulated else 1, folder))
            _mend(path.resolve())
            connection = stack.enter_context(closing(connect(path)))
            migrate(connection, simulated, folder)
            lock_once(connection)
        except EnvironmentProblem:
            raise
        except PermissionError as error:
            words = f"{error.filename or path}: {NOT_ALLOWED}, or choose another file with --db"
            raise EnvironmentProblem(words) from error
        except (sqlite3.Error, OSError, RuntimeError) as error:  # RuntimeError: a symlink loop
            raise EnvironmentProblem(
                f"cannot use the database {path}: {error}{advice(error)}"
            ) from error
        yield connection
        checkpoint(connection)


def _mend(path: Path) -> None:
    """Let only this user read the files of a database: SQLite gives its WAL and the index the mode
    of the file."""
    beside = ("", "-wal", "-shm", ".lock", ".backup", ".files")
    try:
        mended = [name for name in (f"{path}{suffix}" for suffix in beside) if mend(Path(name))]
    except OSError as error:  # another user's
        log.warning(
            "others may read files of the database; its owner must run chmod go= on them",
            reason=str(error),
        )
    else:
        if mended:
            log.warning(
                "others could read files of the database; now only the user of the server can",
                files=mended,
            )


def lock_once(connection: sqlite3.Connection) -> None:
    """Take and release the write lock, which also opens the WAL. Raises sqlite3.Error if another
    program holds it."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def checkpoint(connection: sqlite3.Connection) -> None:
    """Checkpoint the WAL as far as possible now; the next start reads the rest."""
    with suppress(sqlite3.Error):  # for example, the disk is full
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@contextmanager
def locked(path: Path, clock_speed: int, folder: Path = FOLDER) -> Iterator[None]:
    """Hold a file that is ours; create one that is missing. Leave no lock file beside a file that
    is not ours."""
    with ExitStack() as held:
        with _tidied(_lock_of(path)):
            held.enter_context(lock_held(path, is_created=True))
            check_ownership(path, ANOTHER_FILE, folder)
            check_clock_speed(path, clock_speed)
        yield


@contextmanager
def lock_held(path: Path, *, is_created: bool = False) -> Iterator[None]:
    """Hold `<realpath>.lock` and the file itself, so that one server uses it. Raises InUse,
    OSError.

    A file that is missing can have no other name, so it is created only on request.
    """
    lock = _lock_of(path)
    with ExitStack() as held:
        with _tidied(lock):
            descriptor = opened(lock, os.O_RDWR)
            held.callback(os.close, descriptor)
            _take(descriptor, f"another levity-trio runs on {path}")
            # elsewhere it would exclude SQLite's locks
            if sys.platform == "linux" and (is_created or path.exists()):
                held.enter_context(_file_held(path))
        yield


@contextmanager
def _file_held(path: Path) -> Iterator[None]:
    """Hold the file itself, which may have other names (hard links, mounts in containers). Raises
    InUse, OSError.

    This descriptor is closed only if it is the last one of the file in this process, see above.
    """
    descriptor = opened(path.resolve(), os.O_RDONLY | os.O_NONBLOCK)  # of a pipe: do not wait
    try:
        _take(
            descriptor,
            (
                f"another levity-trio runs on {path}, perhaps under another name (a hard link, a "
                "mount)"
            ),
        )
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        if not is_open_besides(descriptor):
            os.close(descriptor)


@contextmanager
def _tidied(lock: Path) -> Iterator[None]:
    """Delete a lock file that the block has created, if it fails."""
    is_new = not lock.exists()
    try:
        yield
    except (EnvironmentProblem, OSError):
        if is_new:
            lock.unlink(missing_ok=True)
        raise


def _lock_of(path: Path) -> Path:
    return Path(f"{path.resolve()}.lock")


def _take(descriptor: int, problem: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUse(f"{problem}; stop it, or choose another file with --db") from error


def connect(path: Path) -> FileConnection:
    """Return a writing connection with the server's settings; its first statement opens the WAL."""
    with suppress(FileExistsError):
        created(path.resolve()).close()  # SQLite would let others read a new file
    connection = sqlite3.connect(
        path,
        check_same_thread=False,
        isolation_level=None,
        cached_statements=CACHED_STATEMENTS,
        factory=FileConnection,
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}").fetchall()
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    connection.execute("PRAGMA synchronous = FULL")
    # Some builds of SQLite overwrite deleted content with zeros, so pruning would write every page
    # of the log again.
    connection.execute("PRAGMA secure_delete = FAST").fetchall()
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


class FileDatabase:
    """A connection that reads a file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.conn = connection
        self.execute, self.close = connection.execute, connection.close

    def query(self, sql: str, parameters: Parameters = ()) -> Iterator[dict[str, Any]]:
        """Yield the rows of a statement by the names of their columns."""
        cursor = self.execute(sql, parameters)
        names = [name for name, *_ in cursor.description or ()]
        return (dict(zip(names, row, strict=True)) for row in cursor)

    def space(self) -> DatabaseSpace:
        """Return sizes from `stat`: opening and closing the files would release SQLite's locks.
        Raises OSError."""
        marks = ("page_size", "page_count", "freelist_count")
        page_bytes, pages, free_pages = (
            self.execute(f"PRAGMA {name}").fetchone()[0] for name in marks
        )
        path = Path(self.execute("PRAGMA database_list").fetchall()[0][2])
        wal, size = path.with_name(f"{path.name}-wal"), path.stat().st_size
        # a file may be longer than its pages
        unused = page_bytes * free_pages + max(0, size - page_bytes * pages)
        wal_bytes = wal.stat().st_size if wal.exists() else 0
        return DatabaseSpace(size, unused, wal_bytes, shutil.disk_usage(path).free)

    def version(self) -> int:
        return Version.kept(self.execute("PRAGMA user_version").fetchone()[0]).schema

    def now(self) -> None:
        """Return None: a file has no clock of its own."""


def open_reader(path: Path) -> FileDatabase:
    """Return a read-only connection for use by one thread at a time. Close it soon."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}").fetchall()
    return FileDatabase(connection)
