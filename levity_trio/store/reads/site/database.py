"""What the database says about itself: its size and growth, the frames that it holds, and its
newest time; and what a server reads from it before it serves.

The newest time shows a machine without a clock battery that its clock is not set. Only rows since
the last start with a trusted clock count, because that clock was not behind the earlier rows. A
start with `--trust-clock` therefore discards times from a clock that was once ahead. Where our
clock was set back, rows from the time that it showed before are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import orjson

from levity_trio.access.registration import Decision
from levity_trio.clock import SimulatedTime
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import Database
from levity_trio.wire.times import shifted_stamp, stamp

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


APART: Final = timedelta(seconds=2)
"""The clock of a server may differ so much from that of its database."""


@record(kw_only=False)
class StartState:
    """What a server reads from its database before it serves."""

    chargers: frozenset[str]
    has_charged: frozenset[str]
    bare: frozenset[str]
    decided: Mapping[str, Decision]
    """What a person decided about the registration of each charger."""
    open_transactions: int
    newest: Newest | None
    simulated: SimulatedTime | None


def beginning(db: Database) -> StartState:
    """Read the known chargers that are not hidden, those of them with a transaction, the number of
    open transactions, the newest row, and the simulated clock, if any."""
    chargers = frozenset(
        charger for (charger,) in db.execute("SELECT id FROM cp EXCEPT SELECT id FROM hidden_cp")
    )
    charged = "SELECT id FROM cp WHERE EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id)"
    has_charged = chargers.intersection(charger for (charger,) in db.execute(charged))
    bare = frozenset(charger for (charger,) in db.execute("SELECT id FROM bare_cp"))
    decided = {
        charger: Decision(registration)
        for charger, registration in db.execute(
            "SELECT id, registration FROM cp WHERE registration <> 'newcomer'"
        )
    }
    ((open_transactions,),) = db.execute(
        "SELECT count(*) FROM tx WHERE status = 'Active'"
    ).fetchall()
    simulated, now = simulated_time(db), db.now()
    # Ours must not be behind it. Of a database that has a clock, rows of other servers may be ahead
    # of ours by a little.
    if now is None or simulated is not None:
        last = newest(db)
    else:
        last = Newest(stamp(now - APART), "the clock of the database")
    return StartState(chargers, has_charged, bare, decided, open_transactions, last, simulated)


def simulated_time(db: Database) -> SimulatedTime | None:
    """Return the simulated clock that the database was created for; None for real time."""
    for begun_at, speed, started_at in db.execute(
        "SELECT begun_at, speed, started_at FROM simulated_time"
    ):
        started = datetime.fromisoformat(started_at) if started_at else None
        return SimulatedTime(datetime.fromisoformat(begun_at), speed, started)
    return None


def own_settings(db: Database, key: SecretKey) -> Mapping[str, str | None]:
    """Return each setting that was made in the browser, as text; None: its secret was encrypted
    by another key."""
    rows = db.execute("SELECT name, value FROM own_setting ORDER BY name").fetchall()
    return {name: key.opened(value) for name, value in rows}
