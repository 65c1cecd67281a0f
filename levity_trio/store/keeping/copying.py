"""Copies a database to a file that is whole whenever it exists.

SQLite's backup API copies in steps and starts over when another process commits in between: beside a server with 200
commits a second it never ended. So all steps read one snapshot. Meanwhile the server cannot reset its WAL, which grows
with each commit; the copying ends without a result before that is too much.

The copy is written beside its final name, synced, verified, and renamed. Each step is synced by itself, because one
sync of everything would hold up the commits of the server.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from levity_trio.config import EnvironmentProblem
from levity_trio.store.keeping.copies import prepared
from levity_trio.writing import give, opened_alone, sync_folder

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
    """Create `<target><suffix>`, in place of one that was left behind. It is deleted unless it was renamed.

    Raises:
        EnvironmentProblem: another command writes it.
        OSError: it cannot be created, or what stands there is a link or a file of others.
    """
    path = target.with_name(f"{target.name}{suffix}")
    descriptor = opened_alone(path, os.O_RDWR)
    try:
        if not _is_mine(path, descriptor):
            raise EnvironmentProblem(f"another command writes {path}; wait for its end")
        os.ftruncate(descriptor, 0)  # SQLite ignores a WAL or journal that was left beside an empty file
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


def copy(source: sqlite3.Connection, partial: Partial, progress: Progress, watched: Callable[[], None]) -> None:
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
        time.sleep(min(time.monotonic() - began, LONGEST_REST_SECONDS))  # half of the disk's time is the server's
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
        raise EnvironmentProblem(f"{source} is damaged, so no copy was made: {' '.join(found[0].split())}")


def open_finished(path: Path) -> sqlite3.Connection:
    """Open a copy that nobody writes any more, without a WAL."""
    return prepared(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True))


def check_room(folder: Path, needed: int) -> None:
    """Raise EnvironmentProblem if a disk has no room for so many bytes and a reserve."""
    free = shutil.disk_usage(folder).free
    if free < needed + RESERVE_BYTES:
        raise EnvironmentProblem(
            f"{folder} has {free / 1e6:,.0f} MB left, and {(needed + RESERVE_BYTES) / 1e6:,.0f} MB are needed, with a"
            f" reserve of {RESERVE_BYTES / 1e6:,.0f} MB; free some space, or choose another disk"
        )


class WalWatch:
    """Ends a copy whose snapshot lets the WAL of the server grow too much."""

    def __init__(self, database: Path) -> None:
        self._wal = Path(f"{database}-wal")
        self._before = self._size()

    def __call__(self) -> None:
        grown = self._size() - self._before
        if grown > WAL_BYTES:
            raise EnvironmentProblem(
                f"the server wrote {grown / 1e6:,.0f} MB while it was copied, so its WAL grew too much; gave up. Try"
                " when less is written, or with a faster disk"
            )
        check_room(self._wal.parent, 0)

    def _size(self) -> int:
        return self._wal.stat().st_size if self._wal.exists() else 0
