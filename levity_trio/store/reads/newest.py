"""The newest time of a database, which shows a machine without a clock battery that its clock is not set.

Only rows since the last start with a trusted clock count, because that clock was not behind the earlier rows. A start
with `--trust-clock` therefore discards times from a clock that was once ahead. Where our clock was set back, rows from
the time that it showed before are passed over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import orjson

from levity_trio.store.engine.database import Database
from levity_trio.wire.times import shifted_stamp

STRAY_ROWS: Final = 3
STRAY_AHEAD: Final = timedelta(days=31)
"""Up to STRAY_ROWS rows that are ahead of all others by STRAY_AHEAD are ignored: our clock leapt for a moment."""

ROWS: Final = """
WITH trusted (run) AS (SELECT coalesce(max(id), 0) FROM (SELECT id FROM run WHERE clock_trusted = 1
    ORDER BY id DESC LIMIT 1)),
recent (at, row, session_id) AS (
    SELECT at, 'event ' || id, session_id FROM (SELECT * FROM event ORDER BY id DESC LIMIT 100)
    UNION ALL SELECT updated_at, 'tx ' || id, session_id FROM (SELECT * FROM tx ORDER BY id DESC LIMIT 100)
    UNION ALL SELECT last_seen_at, 'cp ' || id, session_id FROM cp WHERE last_seen_at IS NOT NULL)
SELECT at, row FROM recent JOIN session ON session.id = session_id, trusted WHERE session.run_id >= trusted.run
UNION ALL SELECT * FROM (SELECT coalesce(ended_at, started_at), 'run ' || id FROM run, trusted WHERE id >= trusted.run
    ORDER BY id DESC LIMIT 100)
ORDER BY at DESC, row DESC"""


_LEAPS: Final = "SELECT at, data FROM event WHERE cp_id IS NULL AND kind = 'ClockLeapt' ORDER BY id DESC LIMIT 16"


class Newest(NamedTuple):
    """A time in the database's format, and its row as `table id`."""

    at: str
    row: str


def newest(db: Database) -> Newest | None:
    """Return the newest time; None if nothing is stored."""
    leaps = [(at, orjson.loads(data)) for at, data in db.execute(_LEAPS).fetchall()]
    ahead = [(at, shifted_stamp(at, timedelta(seconds=-leap["seconds"]))) for at, leap in leaps if leap["believed"]]
    found = [Newest(*row) for row in db.execute(ROWS).fetchall()]
    rows = [row for row in found if not any(begin < row.at <= end for begin, end in ahead)]
    strays = 0
    for place, (one, before) in enumerate(pairwise(rows[: STRAY_ROWS + 1]), 1):
        if _moment(one) - _moment(before) > STRAY_AHEAD:
            strays = place
    return rows[strays] if rows else None


def _moment(row: Newest) -> datetime:
    return datetime.fromisoformat(row.at)
