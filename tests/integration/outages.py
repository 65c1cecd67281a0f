"""Disks that refuse, for real: full, at the limit of a file's size, locked by another process. Each
as a context."""

from __future__ import annotations

import errno
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

from .serving import Serving

SMALL_DISK = "4m"
Outage = Callable[[Serving], AbstractContextManager[None]]


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process, this one, holds the write lock."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def write_lock(server: Serving) -> Iterator[None]:
    """The database is locked."""
    with locked(server.database):
        yield


@contextmanager
def file_size_limit(server: Serving) -> Iterator[None]:
    """No file of the server may grow (RLIMIT_FSIZE), as anybody may decide for an own process."""
    wal = server.database.with_name(f"{server.database.name}-wal")
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (wal.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def full_disk(server: Serving) -> Iterator[None]:
    """Another file takes all the space that is left."""
    filler = server.database.with_name("filler")
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A small file system of its own in memory. Raises PermissionError for those who may not mount
    one."""
    folder.mkdir()
    options = ("-t", "tmpfs", "-o", f"size={SMALL_DISK}", "levity-trio-test")
    mounted = subprocess.run(
        ["mount", *options, str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        raise PermissionError(errno.EPERM, mounted.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
