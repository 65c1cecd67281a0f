"""The site as a whole: its name, its power now, and its energy today and this month beside the
last.

The energy of a month is that of the transactions that ended in it, by the days of the site's zone,
as bills count it: judged figures. This month also has what open transactions have delivered so far,
all of it, also where one began before. Today has what flowed since midnight.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from orjson import loads

from levity_trio.billing.months import Month, beginning
from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.transactions.history import delivered_wh
from levity_trio.store.reads.transactions.power import A_DAY
from levity_trio.wire.times import in_zone, stamp


@record
class Energy:
    """Energy since midnight, this month, and the last month up to the same local moment and as a
    whole.

    The times are when each began: transactions that ended since then are its list.
    """

    day_since: str
    day_wh: int
    month_since: str
    month_wh: int
    last_month_since: str
    last_month_until: str
    last_month_so_far_wh: int
    last_month_wh: int


@record
class SiteNow:
    """The site. `sessions` are the open ones, `charging` those in which energy flows.

    `power_w` is the sum of the powers that are not older than three sampling intervals of their
    chargers; `silent` is how many open sessions have no such power, without those that began less
    than an interval ago. `start_id_tag` is the tag of sessions that begin without one.
    """

    name: str
    at: str
    time_zone: str
    sessions: int
    charging: int
    power_w: float
    silent: int
    start_id_tag: str
    energy: Energy


def name_of_site(db: Database, server_name: str) -> str:
    """Return the name of the only station, else that of who bills, else that of the server."""
    stations = db.execute("SELECT name FROM station WHERE hidden_at IS NULL LIMIT 2").fetchall()
    if len(stations) == 1:
        return str(stations[0][0])
    biller = db.execute("SELECT name FROM biller ORDER BY id DESC LIMIT 1").fetchone()
    return str(biller[0]) if biller else server_name


def energy_now(db: Database, now: datetime, zone: ZoneInfo, so_far_wh: Sequence[int]) -> Energy:
    """Return the energy of a site at a time, with what its open transactions have delivered so
    far."""
    local, delivered = in_zone(now, zone), sum(so_far_wh)
    month, last = Month.of(local), Month.of(local).before
    day_since = stamp(beginning(local.date(), zone))
    month_since, last_since = stamp(month.since(zone)), stamp(last.since(zone))
    try:
        same = in_zone(local.replace(year=last.year, month=last.number), UTC)
    except ValueError:  # it has no such day
        same = last.until(zone)
    until = stamp(same)
    times = (last_since, until, month_since, day_since, "9999")
    # each row is read once
    so_far, rest, earlier, today = (delivered_wh(db, *pair) for pair in pairwise(times))
    return Energy(
        day_since=day_since,
        day_wh=max(0, today + delivered - _before(db, day_since)),
        month_since=month_since,
        month_wh=earlier + today + delivered,
        last_month_since=last_since,
        last_month_until=until,
        last_month_so_far_wh=so_far,
        last_month_wh=so_far + rest,
    )


_BEFORE: Final = (
    "SELECT power.day, power.since, power.wh "
    "FROM power INDEXED BY power_of_day JOIN tx ON tx.id = tx_id "
    "WHERE power.day BETWEEN ?1 - 7 AND ?1 AND (status = 'Active' OR stop_time >= ?2)"
)
"""The quarters up to a day of UTC of transactions that ended since a time, or are open."""


def _before(db: Database, midnight: str) -> int:
    """Return what of the energy of transactions that went on flowed before midnight, as far as that
    is known."""
    first = quarter_of(seconds(midnight))
    rows = db.execute(_BEFORE, (first // A_DAY, midnight)).fetchall()
    return sum(
        sum(wh or 0 for wh in loads(text)[: max(0, first - day * A_DAY - since)])
        for day, since, text in rows
    )
