"""The site as it is now, from one snapshot of the database: what a page shows that an owner keeps
open."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from levity_trio.records import copied, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.served import (
    connectors_of,
    faults,
    last_command,
    served,
    statuses,
)
from levity_trio.store.reads.load.load import LoadNow, load_now
from levity_trio.store.reads.now.attention import Attention, MachineState, ServedChargers, attention
from levity_trio.store.reads.now.cards import ChargerNow, connectors_now, sessions_now
from levity_trio.store.reads.now.sessions import OpenSession, OpenSessions, Silence
from levity_trio.store.reads.now.site import SiteNow, energy_now, name_of_site
from levity_trio.wire.times import stamp

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
    found = ServedChargers(chargers, statuses(db, chargers), faults(db), silent)
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
