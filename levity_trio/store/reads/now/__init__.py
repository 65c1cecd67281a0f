"""The site as it is now, from one snapshot of the database: what a page shows that an owner keeps
open.

The energy of a month is that of the transactions that ended in it, by the days of the site's zone,
as bills count it: judged figures. This month also has what open transactions have delivered so far,
all of it, also where one began before. Today has what flowed since midnight.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.months import Month, beginning
from levity_trio.records import copied, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.chargers.chargers import (
    connectors_of,
    last_command,
    open_faults,
    served,
    statuses_now,
)
from levity_trio.store.reads.load.load import LoadNow, load_now
from levity_trio.store.reads.now.attention import Attention, MachineState, ServedChargers, attention
from levity_trio.store.reads.now.present import (
    ChargerNow,
    OpenSession,
    OpenSessions,
    Silence,
    connectors_now,
    sessions_now,
)
from levity_trio.store.reads.transactions.costs import delivered_wh
from levity_trio.store.reads.transactions.power import flowed_before
from levity_trio.store.reads.transactions.transactions import ACTIVE, TransactionFilters
from levity_trio.wire.times import in_zone, stamp

COMMAND_SHOWN: Final = timedelta(minutes=10)
FAILURE_SHOWN: Final = timedelta(days=7)
"""The last command of a charger is shown for so long, and one that failed."""
CHARGING: Final = "Charging"


@record
class Now:
    """The site, what wants a look (the worst first), and its chargers in the order of their
    identities. `load` is what load management last decided, null for a site without it."""

    site: SiteNow
    attention: list[Attention]
    chargers: list[ChargerNow]
    load: LoadNow | None


class NowQuestion(NamedTuple):
    """What is asked: at which time, for whom, and which chargers (None: all that are served)."""

    at: datetime
    rule: Rule
    server_name: str
    start_id_tag: str
    machine: MachineState
    sees_all: bool
    chargers: Collection[str] | None = None


def now(db: Database, wanted: NowQuestion, sessions: OpenSessions) -> Now:
    """Return the site as it is now. The chargers that were asked for are all that it leaves out."""
    at, rule, opened = wanted.at, wanted.rule, sessions.read(db)
    chargers, load, known = served(db), load_now(db), [one.known for one in opened]
    silence = Silence(at, {one.id: one.interval for one in chargers})
    silent = [one for one in known if silence.is_silent(one)]
    found = ServedChargers(chargers, statuses_now(db, chargers), open_faults(db), silent)
    looks = attention(
        db,
        at,
        rule.zone,
        wanted.machine,
        found,
        sees_all=wanted.sees_all,
        policy=rule.policy,
        load=load,
    )

    powers = {one.id: silence.power_w(one) for one in known}
    says_so = {place for place, one in found.statuses.items() if one.status == CHARGING}
    charging = [one for one in known if powers[one.id] or (one.charger, one.connector) in says_so]
    site = SiteNow(
        name=name_of_site(db, wanted.server_name),
        at=stamp(at),
        time_zone=str(rule.zone),
        sessions=len(known),
        charging=sum(not one.is_suspended for one in charging),
        power_w=sum(power for power in powers.values() if power is not None),
        silent=sum(powers[one.id] is None and not silence.is_beginning(one) for one in known),
        start_id_tag=wanted.start_id_tag,
        energy=energy_now(db, at, rule.zone, [one.energy_wh for one in known]),
    )
    named = {charger for one in looks for charger in one.chargers}
    cards = _cards(db, wanted, found, opened, silence, named)
    return Now(site=site, attention=looks, chargers=cards, load=load)


def _cards(
    db: Database,
    wanted: NowQuestion,
    found: ServedChargers,
    opened: Sequence[OpenSession],
    silence: Silence,
    named: Collection[str],
) -> list[ChargerNow]:
    """Return the cards of the chargers that were asked for; `named` are those that want a look."""
    only = wanted.chargers
    chosen = [one for one in found.served if only is None or one.id in only]
    sessions: dict[str, list[OpenSession]] = {one.id: [] for one in chosen}
    for session in opened:
        if session.known.charger in sessions:
            sessions[session.known.charger].append(session)
    shown = sessions_now(db, silence, [one for some in sessions.values() for one in some])
    connectors = connectors_of(db, None if only is None else sessions.keys())
    since, failed_since = stamp(wanted.at - COMMAND_SHOWN), stamp(wanted.at - FAILURE_SHOWN)
    return [
        copied(
            ChargerNow,
            one,
            needs_attention=one.id in named,
            connectors=[*connectors_now(connectors[one.id], found.faults, sessions[one.id], shown)],
            command=last_command(db, one.id, since, failed_since),
        )
        for one in chosen
    ]


@record
class Energy:
    """Energy since midnight, this month, and the last month up to the same local moment and as a
    whole.

    Of `month_wh`, which is the sum of the parts of this month, `open_wh` is in open transactions,
    and `month_before_wh` flowed before the month began.

    The times are when each began: transactions that ended since then are its list.
    """

    day_since: str
    day_wh: int
    month_since: str
    month_wh: int
    open_wh: int
    month_before_wh: int
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
    opened = TransactionFilters(status=ACTIVE)
    before_wh, month_before_wh = (
        flowed_before(rows_of(db), since, TransactionFilters(ended_since=since), opened)
        for since in (day_since, month_since)
    )
    return Energy(
        day_since=day_since,
        day_wh=max(0, today + delivered - before_wh),
        month_since=month_since,
        month_wh=earlier + today + delivered,
        open_wh=delivered,
        month_before_wh=month_before_wh,
        last_month_since=last_since,
        last_month_until=until,
        last_month_so_far_wh=so_far,
        last_month_wh=so_far + rest,
    )
