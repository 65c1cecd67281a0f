"""The writing connection, and the check that its files (the database, its WAL and the WAL's index)
are still in place.

SQLite keeps writing to the files that it opened. If one of them is deleted or replaced, every
commit still succeeds, but into a file that no path leads to. So the files are compared with their
paths after each commit. The database is also checked before, because a batch can wait for a
database that was moved. If a file is lost, nothing is acknowledged; the committed data is saved
through the descriptors that are still open. If that completes the database file, it is reopened.
All of this runs in the writer's thread.

Nor does SQLite notice if another program cuts the WAL in place. It goes on writing behind the place
where the file once ended. The pages that are gone become zeros, and the next checkpoint would copy
them into the database. A checkpoint may shorten the file, too: by SQLite here when it begins anew
(journal_size_limit), by another program such as Litestream when it empties it. So a file that
became shorter is compared with the number of frames that SQLite knows. Format:
https://sqlite.org/fileformat2.html#walformat. SQLite locks the database and the WAL's index, not
the WAL: closing another descriptor of it is harmless.

Opens the database file: one writing connection, guarded by a lock file, and read-only
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
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple

from levity_trio.clock import SimulatedTime
from levity_trio.config import NOT_ALLOWED, EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import (
    Bookkeeping,
    DatabaseSpace,
    News,
    Parameters,
    Write,
    WriteResult,
    commit,
)
from levity_trio.store.engine.faults import CommitLost, DatabaseFault, FileLost, advice
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


_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_NUMBER_BYTES: Final = 4
_NOTHING: Final = bytes(_NUMBER_BYTES)
"""Neither the header nor a frame begins like this: it has a magic number, or the number of a page
from 1 on."""


class Wal:
    """A WAL, and how long it was when it was last looked at."""

    def __init__(self, file: FileIdentity, connection: sqlite3.Connection) -> None:
        self._file, self._connection = file, connection
        self.is_cut = False
        """Whether another program cut it: the cache of the connection may have what is missing."""
        page_bytes: int = connection.execute("PRAGMA page_size").fetchall()[0][0]
        self._frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        self._cut_at_zeros()  # a power cut may have left them behind the last frame
        self._bytes = Path(file.path).stat().st_size

    def check(self) -> None:
        """Raise FileLost if the file was cut, DatabaseFault if that cannot be told at present.

        A file that was deleted or replaced is none that this looks at.
        """
        try:
            self._file.check()
        except DatabaseFault:
            return
        size = os.stat(self._file.path).st_size  # noqa: PTH116 - twice per commit; Path.stat takes twice as long
        frames = (self._bytes - _HEADER_BYTES) // self._frame_bytes
        last = _HEADER_BYTES + (frames - 1) * self._frame_bytes if frames > 0 else 0
        if size < self._bytes or self._first_nothing([last]) is not None:
            self._compare(size)
        self._bytes = size

    def _compare(self, size: int) -> None:
        was_cut = self._cut_at_zeros()
        try:
            found = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:  # it came to the end of the file too early
            was_cut = True
        else:
            (busy, frames, _), *_ = found
            if busy:
                raise DatabaseFault(
                    f"{self._file.path} became shorter, and another program is checking it in"
                )
            was_cut = was_cut or (frames > 0 and _HEADER_BYTES + frames * self._frame_bytes > size)
        if was_cut:
            self.is_cut = True
            raise FileLost(
                f"another program cut {self._file.path}; if all committed data can neither be "
                "written back nor saved to a copy now, stop the server and restore the backup "
                "that goes furthest (levity-trio help back-up-and-restore)"
            )

    def _cut_at_zeros(self) -> bool:
        """Cut the file where it has nothing, so that nothing is copied into the database; return
        whether there was."""
        begin = self._first_nothing(
            [0, *range(_HEADER_BYTES, Path(self._file.path).stat().st_size, self._frame_bytes)]
        )
        if begin is not None:
            os.truncate(self._file.path, begin)
        return begin is not None

    def _first_nothing(self, offsets: Sequence[int]) -> int | None:
        descriptor = os.open(self._file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return next(
                (one for one in offsets if os.pread(descriptor, _NUMBER_BYTES, one) == _NOTHING),
                None,
            )
        finally:
            os.close(descriptor)


class FileIdentity(NamedTuple):
    """A path, and the device and inode of the file that was opened there.

    No method opens a descriptor of the file, because closing it would drop SQLite's locks.
    """

    path: str
    device: int
    inode: int

    def check(self) -> None:
        """Raise FileLost if the path leads to another file or to none; DatabaseFault if it cannot
        be examined."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - called several times per commit; Path.stat takes twice as long
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileLost(f"{self.path} was deleted or moved away") from error
        except OSError as error:
            raise DatabaseFault(f"{self.path}: {error.strerror}") from error
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            raise FileLost(f"{self.path} was replaced by another file")

    @property
    def is_in_place(self) -> bool:
        try:
            self.check()
        except DatabaseFault:
            return False
        return True

    @property
    def is_deleted(self) -> bool:
        """Whether no path leads to the file any more. This process must have it open."""
        for descriptor in DESCRIPTORS.iterdir():
            with suppress(OSError):  # the descriptor of the listing itself is closed by now
                found = os.fstat(int(descriptor.name))
                if (found.st_dev, found.st_ino) == (self.device, self.inode):
                    return found.st_nlink == 0
        return False

    def clear(self) -> None:
        """Clear the path: delete this file, or rename another one to `<name>.replaced`."""
        if self.is_in_place:
            Path(self.path).unlink()
        else:
            with suppress(FileNotFoundError):
                Path(self.path).rename(f"{self.path}.replaced")


def identify(path: str) -> FileIdentity:
    """Return the identity of the file at a path. Raises OSError."""
    found = Path(path).stat()
    return FileIdentity(path, found.st_dev, found.st_ino)


def files_of(connection: sqlite3.Connection) -> tuple[FileIdentity, ...]:
    """Return the files of a connection that has read: the database and, in WAL mode, its WAL and
    shared memory."""
    path = connection.execute("PRAGMA database_list").fetchall()[0][2]
    is_wal = connection.execute("PRAGMA journal_mode").fetchall()[0][0] == "wal"
    return tuple(identify(path + suffix) for suffix in (("", "-wal", "-shm") if is_wal else ("",)))


RESCUE_KIBIBYTES: Final = 65_536
"""While all is copied, the cache must not drop pages that only it has."""


class FileStore:
    """The writing connection to a file. It commits only while the files are at their paths."""

    idle_seconds = held_until = inf
    gather_seconds = 0.0
    server = ""

    def __init__(self, connection: FileConnection) -> None:
        self._given = self._connection = connection
        self._database, *self._beside = files_of(connection)
        self._wal = Wal(self._beside[0], connection) if self._beside else None
        self._is_saved = False
        """Whether the whole WAL was written to the database file since the last commit."""
        self._copy: Path | None = None

    @property
    def path(self) -> str:
        """The path of the database file."""
        return self._database.path

    def keep_book(self, book: Bookkeeping) -> None:
        """Let each commit book what it concerns."""
        self._connection.book = book

    def commit(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Commit the writes, and check afterwards where they went: see `Store`."""
        self._database.check()
        if self._wal is not None:  # before SQLite writes behind what is missing
            self._wal.check()
        results = commit(self._connection, writes)
        try:
            for file in (self._database, *self._beside):
                file.check()
            if self._wal is not None:
                self._wal.check()
        except DatabaseFault as fault:
            raise CommitLost(str(fault)) from fault
        self._is_saved, self._copy = False, None
        return results

    def take_news(self) -> Sequence[News]:
        """Return nothing: a file has one server."""
        return ()

    def save(self) -> None:
        """Save the content of a lost file to where it can be found, unless that was done
        already."""
        self._is_saved = self._is_saved or self._write_back()
        if self._is_saved and self._database.is_in_place:
            self._reopen()
        elif self._copy is None and (self._database.is_deleted or not self._is_saved):
            self._copy_all()

    def close(self) -> None:
        """Close a reopened connection; the caller closes the one that it passed in."""
        if self._connection is not self._given:
            checkpoint(self._connection)
            self._connection.close()

    def _write_back(self) -> bool:
        """Write the whole WAL to the database file; return False on failure, or if another program
        reads old pages."""
        with suppress(sqlite3.Error):
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()[0]
            return not busy
        return False

    def _reopen(self) -> None:
        """Reopen the database with a new WAL; a WAL that another program put in its place must not
        be read."""
        try:
            for file in self._beside:
                file.clear()
            self._connection.close()
            reopened = connect(Path(self._database.path))
            reopened.book, self._connection = self._connection.book, reopened
            lock_once(self._connection)
            self._database, *self._beside = files_of(self._connection)
            self._wal = Wal(self._beside[0], self._connection)
            if self._copy is not None:
                self._copy.unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as error:  # retried later
            log.warning("the database cannot be reopened yet", reason=str(error))
        else:
            log.warning("all committed data is in the database file, which was reopened")

    def _copy_all(self) -> None:
        path = self._database.path
        self._copy = Path(f"{path}.saved-{self._database.inode}")
        self._connection.execute(f"PRAGMA cache_size = -{RESCUE_KIBIBYTES}")
        advice = (
            "stop the program that reads old pages of the database, such as Litestream, and start "
            "it again"
        )
        if (self._wal is not None and self._wal.is_cut) or self._database.is_deleted:
            advice = (
                f"stop the server, delete {path}-wal and {path}-shm, move the copy to {path}, and "
                "start again"
            )
        try:
            created(self._copy).close()
            with closing(sqlite3.connect(self._copy)) as target:
                self._connection.backup(target)
        except (sqlite3.Error, OSError) as error:
            self._copy.unlink(missing_ok=True)
            log.critical(
                "committed data could not be copied", copy=str(self._copy), reason=str(error)
            )
        else:
            log.critical(
                "all committed data was saved to a copy", copy=str(self._copy), advice=advice
            )
