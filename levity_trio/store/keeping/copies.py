"""Copies of a database: `back_up` makes one, while its server runs or not; what a file holds,
whether another one holds it too, and who uses it.

A command of this room runs in a process of its own, so it may open descriptors of a database file
as long as it has no SQLite connection to that file: closing a descriptor drops the locks of its
whole process.

A copy is whole whenever it exists. SQLite's backup API copies in steps and starts over when another
process commits in between: beside a server with 200 commits a second it never ended. So all steps
read one snapshot. Meanwhile the server cannot reset its WAL, which grows with each commit; the
copying ends without a result before that is too much.

The copy is written beside its final name, synced, verified, and renamed. Each step is synced by
itself, because one sync of everything would hold up the commits of the server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import sqlite_utils

from levity_trio.config import EnvironmentProblem
from levity_trio.store.beside.backup_note import LastBackup, note
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.file_store import FileDatabase, open_reader
from levity_trio.store.engine.schema import FOLDER, check_ownership, look
from levity_trio.store.reads.site.database import newest
from levity_trio.wire.times import stamp
from levity_trio.writing import give, opened_alone, place, sync_folder

ADVICE: Final = "give a backup, or the database of a stopped server"
HEADER_BYTES: Final = 100
OPERATIONS_BETWEEN_SIGNALS: Final = 1_000_000
"""Operations of SQLite's virtual machine after which Python looks for Ctrl-C."""
LOCK_BYTES: Final = (512, 0x4000_0000)
"""Length and start of the range that SQLite locks; each connection in WAL mode holds a part of it
while it is open."""
STAMPED: Final[Mapping[str, str]] = {
    "run": "started_at",
    "session": "connected_at",
    "tx": "created_at",
    "boot": "received_at",
    "status": "received_at",
    "tx_event": "received_at",
    "meter_val": "received_at",
    "set_aside": "received_at",
    "command": "requested_at",
    "operator_action": "at",
    "event": "at",
}
"""Tables of facts, with the time in them that never changes; but a run of readings is advanced to
the next one. Whatever happens adds a row to one of them, or advances one."""
_NEWEST_RUNS: Final = (
    "SELECT meter_val.id, meter_val.received_at FROM tx "
    "JOIN meter_val ON meter_val.cp_id = tx.cp_id AND meter_val.conn_id = tx.conn_id "
    "AND timestamp = last_reading_at AND run_since IS NOT NULL "
    "WHERE tx.status = 'Active'"
)
_IS_IN_RUN: Final = (
    "SELECT 1 FROM meter_val WHERE id = ? AND run_since IS NOT NULL AND received_at >= ?"
)
_PRUNED: Final[Mapping[str, str]] = {
    "event": "SELECT coalesce(min(id) > ?1, 1) FROM event WHERE ?2 = ?2",
    "set_aside": "SELECT coalesce(max(others_before) > ?2, 0) FROM evidence_pruning WHERE ?1 = ?1",
}
"""The tables of which old rows are deleted, and the query that says whether the row with this id
and time may be one."""


class Content(NamedTuple):
    """What a database holds. `until` is its newest time; None: nothing was ever stored."""

    schema: int
    until: str | None
    transactions: int
    open_transactions: int
    energy_wh: int


def content(db: Database) -> Content:
    """Return what a database holds. Raises sqlite3.Error if it is damaged."""
    last = newest(db)
    ((transactions, completed, energy_wh),) = db.execute(
        "SELECT count(*), coalesce(sum(status = 'Completed'), 0),"
        " coalesce(sum(CASE WHEN status = 'Completed' THEN energy_delivered END), 0) FROM tx"
    ).fetchall()
    return Content(
        db.version(), last.at if last else None, transactions, transactions - completed, energy_wh
    )


def is_contained(part: sqlite3.Connection, whole: sqlite3.Connection) -> bool:
    """Whether a database is an earlier state of another one, or the same: all its facts are there
    too."""
    for table, column in STAMPED.items():
        last = f"SELECT id, {column} FROM {table} ORDER BY id DESC LIMIT 1"  # noqa: S608 - our own names
        for number, at in part.execute(last).fetchall():
            same = f"SELECT 1 FROM {table} WHERE id = ? AND {column} = ?"  # noqa: S608
            is_there = bool(whole.execute(same, (number, at)).fetchall())
            is_there |= table == "meter_val" and _is_in_run(whole, number, at)
            if not is_there and not (table in _PRUNED and _is_pruned(whole, table, number, at)):
                return False
    runs = part.execute(_NEWEST_RUNS).fetchall()
    return all(_is_in_run(whole, number, at) for number, at in runs)


def _is_in_run(whole: sqlite3.Connection, number: int, at: str) -> bool:
    """Whether a run has gone as far as to a reading that was received then."""
    return bool(whole.execute(_IS_IN_RUN, (number, at)).fetchall())


def _is_pruned(whole: sqlite3.Connection, table: str, number: int, at: str) -> bool:
    ((is_pruned,),) = whole.execute(_PRUNED[table], (number, at)).fetchall()
    return bool(is_pruned)


@contextmanager
def open_copy(path: Path, folder: Path = FOLDER) -> Iterator[sqlite3.Connection]:
    """Open a file that nobody writes to, without creating a file beside it or taking a lock.

    Raises:
        EnvironmentProblem: there is no such file, it is in use, incomplete, or not a database of
        ours (NotOurs).
    """
    _check_alone(path)
    _check_whole(path)
    check_ownership(path, ADVICE, folder)
    with closing(look(path.resolve())) as connection:
        yield prepared(connection)


def prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Let Ctrl-C interrupt a long statement of this connection."""
    connection.set_progress_handler(lambda: 0, OPERATIONS_BETWEEN_SIGNALS)
    return connection


def _check_alone(path: Path) -> None:
    """Refuse a file with a WAL: its newest data is there, and SQLite could read it only by writing
    beside the file."""
    if not path.is_file():
        raise EnvironmentProblem(f"there is no file {path}; {ADVICE}")
    if is_in_use(path):
        raise EnvironmentProblem(
            f"{path} is in use by a server or another program; make a copy with backup first"
        )
    wal = Path(f"{path.resolve()}-wal")
    if wal.exists() and wal.stat().st_size:
        raise EnvironmentProblem(
            f"{wal} has data that is not yet in {path}, because a program was killed; start the "
            "server and make a backup, or stop the server again"
        )


def _check_whole(path: Path) -> None:
    """Compare the size of a file with the number of pages in its header
    (https://sqlite.org/fileformat2.html)."""
    with path.open("rb") as file:
        header, size = file.read(HEADER_BYTES), path.stat().st_size
    if size == 0:
        raise EnvironmentProblem(f"{path} is empty; {ADVICE}")
    if len(header) < HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
        return  # not a database: the check of the owner says so
    page_bytes = int.from_bytes(header[16:18])
    expected = (page_bytes if page_bytes > 1 else 65536) * int.from_bytes(header[28:32])
    if size < expected:
        raise EnvironmentProblem(
            f"{path} is truncated: it has {size:,} of {expected:,} bytes; {ADVICE}"
        )


def is_in_use(path: Path) -> bool:
    """Whether another process has this file open with SQLite, perhaps through another path."""
    try:
        with used_by_nobody_else(path):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False  # whoever may not write to the file may still read it


@contextmanager
def used_by_nobody_else(path: Path) -> Iterator[None]:
    """Keep other processes from opening the file with SQLite.

    This process must have no connection to the file.

    Raises:
        BlockingIOError: another process has it open.
        OSError: this user may not write to it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, *LOCK_BYTES)
        yield
    finally:
        os.close(descriptor)


STEP_PAGES: Final = 256
WAL_BYTES: Final = 256_000_000
"""How much the WAL may grow during a copy: at 20 chargers, many hours."""
RESERVE_BYTES: Final = 64_000_000
"""Space that stays free on the disks of the database and of the copy."""
LONGEST_REST_SECONDS: Final = 0.2

Progress = Callable[[int, int], object]
"""Called with the bytes that are copied and their total."""


class Partial:
    """A file under a temporary name, which nobody else writes."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def give_to(self, owner: os.stat_result) -> None:
        """Set the owner, as far as this user may."""
        give(self._descriptor, owner)

    def rename(self, target: Path) -> None:
        """Give the file its final name, durably."""
        self.sync()
        self.path.replace(target)
        sync_folder(target.parent)


@contextmanager
def open_partial(target: Path, suffix: str) -> Iterator[Partial]:
    """Create `<target><suffix>`, in place of one that was left behind. It is deleted unless it was
    renamed.

    Raises:
        EnvironmentProblem: another command writes it.
        OSError: it cannot be created, or what stands there is a link or a file of others.
    """
    path = target.with_name(f"{target.name}{suffix}")
    descriptor = opened_alone(path, os.O_RDWR)
    try:
        if not _is_mine(path, descriptor):
            raise EnvironmentProblem(f"another command writes {path}; wait for its end")
        # SQLite ignores a WAL or journal that was left beside an empty file
        os.ftruncate(descriptor, 0)
        try:
            yield Partial(path, descriptor)
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _is_mine(path: Path, descriptor: int) -> bool:
    """Lock the file. It is another's if it is locked, or was renamed since it was opened."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except (BlockingIOError, FileNotFoundError):
        return False


def copy(
    source: sqlite3.Connection, partial: Partial, progress: Progress, watched: Callable[[], None]
) -> None:
    """Copy the snapshot that the source reads, and verify the copy.

    `watched` is called after each step and may raise, which ends the copying.

    Raises:
        EnvironmentProblem: the source is damaged, or the disk of the copy is nearly full.
        sqlite3.Error, OSError: reading or writing failed.
    """
    ((page_bytes,),) = source.execute("PRAGMA page_size").fetchall()
    began = time.monotonic()

    def step(_status: int, remaining: int, total: int) -> None:
        nonlocal began
        watched()
        check_room(partial.path.parent, remaining * page_bytes)
        partial.sync()
        progress((total - remaining) * page_bytes, total * page_bytes)
        # half of the disk's time is the server's
        time.sleep(min(time.monotonic() - began, LONGEST_REST_SECONDS))
        began = time.monotonic()

    with closing(sqlite3.connect(partial.path, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode = OFF").fetchall()
        target.execute("PRAGMA synchronous = OFF")
        source.backup(target, pages=STEP_PAGES, progress=step)
    _verify(partial, source.execute("PRAGMA database_list").fetchall()[0][2])


def _verify(partial: Partial, source: str) -> None:
    partial.sync()
    with closing(open_finished(partial.path)) as connection:
        found = [text for (text,) in connection.execute("PRAGMA quick_check(1)").fetchall()]
    if found != ["ok"]:
        raise EnvironmentProblem(
            f"{source} is damaged, so no copy was made: {' '.join(found[0].split())}"
        )


def open_finished(path: Path) -> sqlite3.Connection:
    """Open a copy that nobody writes any more, without a WAL."""
    return prepared(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True))


def check_room(folder: Path, needed: int) -> None:
    """Raise EnvironmentProblem if a disk has no room for so many bytes and a reserve."""
    free = shutil.disk_usage(folder).free
    if free < needed + RESERVE_BYTES:
        raise EnvironmentProblem(
            f"{folder} has {free / 1e6:,.0f} MB left, and {(needed + RESERVE_BYTES) / 1e6:,.0f} "
            f"MB are needed, with a reserve of {RESERVE_BYTES / 1e6:,.0f} MB; free some space, or "
            "choose another disk"
        )


class WalWatch:
    """A watch that ends a copy whose snapshot lets the WAL of the server grow too much."""

    def __init__(self, database: Path) -> None:
        self._wal = Path(f"{database}-wal")
        self._before = self._size()

    def __call__(self) -> None:
        grown = self._size() - self._before
        if grown > WAL_BYTES:
            raise EnvironmentProblem(
                f"the server wrote {grown / 1e6:,.0f} MB while it was copied, so its WAL grew too "
                "much; gave up. Try when less is written, or with a faster disk"
            )
        check_room(self._wal.parent, 0)

    def _size(self) -> int:
        return self._wal.stat().st_size if self._wal.exists() else 0


def tables_of(connection: sqlite3.Connection) -> set[str]:
    return set(sqlite_utils.Database(connection, execute_plugins=False).table_names())


PARTIAL = ".partial"


class BackedUp(NamedTuple):
    """What a copy holds, and why the database has no note of it, None if it has."""

    held: Content
    not_noted: OSError | None


def back_up(
    database: Path, target: Path, progress: Progress, *, is_forced: bool = False
) -> BackedUp:
    """Copy a database to a file and return what the copy holds. Its moment is noted beside the
    database.

    An existing file is replaced if it is an earlier backup of this database, or any database of
    ours if forced.

    Raises:
        EnvironmentProblem: there is no such database, the file must not be replaced, the disk is
            nearly full, the WAL of the server grew too much, or the database is damaged. The file
            is as it was before.
    """
    database, at = database.resolve(), stamp(datetime.now(UTC))
    try:
        target = place(target).resolve()
        with _snapshot(database) as source:
            _check_target(source, database, target, is_forced=is_forced)
            watch = WalWatch(database)
            ((pages,),) = source.execute("PRAGMA page_count").fetchall()
            ((page_bytes,),) = source.execute("PRAGMA page_size").fetchall()
            check_room(target.parent, pages * page_bytes)
            with open_partial(target, PARTIAL) as partial:
                copy(source, partial, progress, watch)
                with closing(open_finished(partial.path)) as finished:
                    held = content(FileDatabase(finished))
                partial.rename(target)
    except (sqlite3.Error, OSError) as error:
        raise EnvironmentProblem(f"cannot copy {database} to {target}: {error}") from error
    return BackedUp(held, _noted(database, LastBackup(at, str(target), target.stat().st_size)))


def _noted(database: Path, backup: LastBackup) -> OSError | None:
    """Note a backup; a folder that must not be written to is no reason to call it a failure."""
    try:
        note(database, backup)
    except OSError as problem:
        return problem
    return None


@contextmanager
def _snapshot(database: Path) -> Iterator[sqlite3.Connection]:
    """Open the database and hold its present state."""
    if not database.is_file():
        raise EnvironmentProblem(f"there is no database {database}; choose it with --db")
    check_ownership(database)
    connection = open_reader(database).conn
    with closing(connection):
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        yield prepared(connection)


def _check_target(
    source: sqlite3.Connection, database: Path, target: Path, *, is_forced: bool
) -> None:
    if not target.parent.is_dir():
        raise EnvironmentProblem(
            f"No such file or directory: {target.parent}; create it, or choose another file"
        )
    if not target.exists():
        return
    if target.samefile(database):
        raise EnvironmentProblem(f"{target} is the database itself; choose another file")
    with open_copy(target) as earlier:
        if not is_forced and not is_contained(earlier, source):
            raise EnvironmentProblem(
                f"{target} has facts that are not in {database}; choose another file, or replace "
                "it with --force"
            )
