"""What the database says about itself: its size and growth, the frames that it holds, and its
newest time.

The newest time shows a machine without a clock battery that its clock is not set. Only rows since
the last start with a trusted clock count, because that clock was not behind the earlier rows. A
start with `--trust-clock` therefore discards times from a clock that was once ahead. Where our
clock was set back, rows from the time that it showed before are passed over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import orjson

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.wire.times import shifted_stamp

DAY_SECONDS: Final = 86_400.0
_FRAMES: Final = (
    "SELECT (SELECT min(id) FROM log), (SELECT max(id) FROM log), (SELECT at FROM log ORDER BY id "
    "LIMIT 1)"
)


@record
class StoredData:
    """The database: its files, the free space on its disk and the space that is free within it, in
    bytes.

    `growth_bytes_per_day` is its mean growth since the first start of a server with it, after a
    day. `frames` is how many frames are kept, the oldest from `frames_since`.
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
    space = db.space()
    first_run = db.execute(
        "SELECT started_at FROM run WHERE id = (SELECT min(id) FROM run)"
    ).fetchone()
    begun_at, growth = None if first_run is None else first_run[0], None
    if begun_at is not None:
        seconds = (now - datetime.fromisoformat(begun_at)).total_seconds()
        if seconds >= DAY_SECONDS:
            growth = round((space.database - space.unused) / seconds * DAY_SECONDS)
    first, last, since = db.execute(_FRAMES).fetchone()
    return StoredData(
        path=path,
        database_bytes=space.database,
        wal_bytes=space.wal,
        unused_bytes=space.unused,
        disk_free_bytes=space.disk_free,
        first_run_at=begun_at,
        growth_bytes_per_day=growth,
        schema=db.version(),
        frames=0 if first is None else last - first + 1,
        frames_since=since,
    )


STRAY_ROWS: Final = 3
STRAY_AHEAD: Final = timedelta(days=31)
"""Up to STRAY_ROWS rows that are ahead of all others by STRAY_AHEAD are ignored: our clock leapt
for a moment."""

ROWS: Final = """
WITH trusted (run) AS (SELECT coalesce(max(id), 0) FROM (SELECT id FROM run WHERE clock_trusted = 1
    ORDER BY id DESC LIMIT 1)),
recent (at, row, session_id) AS (
    SELECT at, 'event ' || id, session_id FROM (SELECT * FROM event ORDER BY id DESC LIMIT 100)
    UNION ALL SELECT updated_at, 'tx ' || id, session_id FROM (SELECT * FROM tx ORDER BY id DESC
        LIMIT 100)
    UNION ALL SELECT last_seen_at, 'cp ' || id, session_id FROM cp WHERE last_seen_at IS NOT NULL)
SELECT at, row FROM recent JOIN session ON session.id = session_id, trusted
    WHERE session.run_id >= trusted.run
UNION ALL SELECT * FROM (SELECT coalesce(ended_at, started_at), 'run ' || id FROM run, trusted
    WHERE id >= trusted.run
    ORDER BY id DESC LIMIT 100)
ORDER BY at DESC, row DESC"""


_LEAPS: Final = (
    "SELECT at, data FROM event "
    "WHERE cp_id IS NULL AND kind = 'ClockLeapt' "
    "ORDER BY id DESC LIMIT 16"
)


class Newest(NamedTuple):
    """A time in the database's format, and its row as `table id`."""

    at: str
    row: str


def newest(db: Database) -> Newest | None:
    """Return the newest time; None if nothing is stored."""
    leaps = [(at, orjson.loads(data)) for at, data in db.execute(_LEAPS).fetchall()]
    ahead = [
        (at, shifted_stamp(at, timedelta(seconds=-leap["seconds"])))
        for at, leap in leaps
        if leap["believed"]
    ]
    found = [Newest(*row) for row in db.execute(ROWS).fetchall()]
    rows = [row for row in found if not any(begin < row.at <= end for begin, end in ahead)]
    strays = 0
    for place, (row, before) in enumerate(pairwise(rows[: STRAY_ROWS + 1]), 1):
        if datetime.fromisoformat(row.at) - datetime.fromisoformat(before.at) > STRAY_AHEAD:
            strays = place
    return rows[strays] if rows else None
