"""What the database says about itself: its size and growth, and the frames that it holds."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database

DAY_SECONDS: Final = 86_400.0
_FRAMES: Final = "SELECT (SELECT min(id) FROM log), (SELECT max(id) FROM log), (SELECT at FROM log ORDER BY id LIMIT 1)"


@record
class StoredData:
    """The database: its files, the free space on its disk and the space that is free within it, in bytes.

    `growth_bytes_per_day` is its mean growth since the first start of a server with it, after a day. `frames` is how
    many frames are kept, the oldest from `frames_since`.
    """

    path: str | None
    database_bytes: int
    wal_bytes: int
    unused_bytes: int
    disk_free_bytes: int | None
    first_run_at: str | None
    growth_bytes_per_day: int | None
    schema: int
    frames: int
    frames_since: str | None


def stored_data(db: Database, path: str, now: datetime) -> StoredData:
    """Read the state of a database. Raises OSError."""
    db.execute("BEGIN")
    space = db.space()
    first_run = db.execute("SELECT started_at FROM run WHERE id = (SELECT min(id) FROM run)").fetchone()
    begun_at = None if first_run is None else first_run[0]
    first, last, since = db.execute(_FRAMES).fetchone()
    return StoredData(
        path=path,
        database_bytes=space.database,
        wal_bytes=space.wal,
        unused_bytes=space.unused,
        disk_free_bytes=space.disk_free,
        first_run_at=begun_at,
        growth_bytes_per_day=_growth(space.database - space.unused, begun_at, now),
        schema=db.version(),
        frames=0 if first is None else last - first + 1,
        frames_since=since,
    )


def _growth(used: int, begun_at: str | None, now: datetime) -> int | None:
    if begun_at is None:
        return None
    seconds = (now - datetime.fromisoformat(begun_at)).total_seconds()
    return round(used / seconds * DAY_SECONDS) if seconds >= DAY_SECONDS else None
