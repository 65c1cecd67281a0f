"""The sizes of the database's files, and the free space on their disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Disk(NamedTuple):
    """Sizes of the database's files and free space on their disk, in bytes."""

    wal: int
    database: int
    free: int


def disk(database: Path) -> Disk:
    """Return file sizes from `stat`. Opening and closing the files would release SQLite's locks. Raises OSError."""
    wal = database.with_name(f"{database.name}-wal")
    space = os.statvfs(database)
    return Disk(wal.stat().st_size if wal.exists() else 0, database.stat().st_size, space.f_bavail * space.f_frsize)
