"""The site as a whole: its name, its power now, and its energy today and this month beside the last.

The energy of a day or a month is that of the transactions that ended in it, by the days of the site's zone, as bills
count it: judged figures. Today and this month also have what open transactions have delivered so far, all of it, also
where one began before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from levity_trio.billing.months import Month, beginning
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.history import delivered_wh
from levity_trio.wire.times import in_zone, stamp


@record
class Energy:
    """Energy today, this month, and the last month up to the same local moment and as a whole.

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

    `power_w` is the sum of the powers that are not older than three sampling intervals of their chargers; `silent` is
    how many open sessions have no such power, without those that began less than an interval ago. `start_id_tag` is
    the tag of sessions that begin without one.
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
    """Return the energy of a site at a time, with what its open transactions have delivered so far."""
    local, delivered = in_zone(now, zone), sum(so_far_wh)
    month, day = Month.of(local), beginning(local.date(), zone)
    last = month.before
    day_since, month_since, last_since = stamp(day), stamp(month.since(zone)), stamp(last.since(zone))
    until = _same_moment(local, last, zone)
    times = (last_since, until, month_since, day_since, "9999")
    so_far, rest, earlier, today = (delivered_wh(db, *pair) for pair in pairwise(times))  # each row is read once
    return Energy(
        day_since=day_since,
        day_wh=today + delivered,
        month_since=month_since,
        month_wh=earlier + today + delivered,
        last_month_since=last_since,
        last_month_until=until,
        last_month_so_far_wh=so_far,
        last_month_wh=so_far + rest,
    )


def _same_moment(local: datetime, month: Month, zone: ZoneInfo) -> str:
    """Return the same day and time of another month; its end, where that has no such day."""
    try:
        same = in_zone(local.replace(year=month.year, month=month.number), UTC)
    except ValueError:
        same = month.until(zone)
    return stamp(same)
