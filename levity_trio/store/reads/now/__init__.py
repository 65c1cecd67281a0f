"""The site as it is now, from one snapshot of the database: what a page shows that an owner keeps
open."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from levity_trio.records import record
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
from levity_trio.store.reads.now.cards import ChargerNow, Sessions, card, connectors_now
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
    return _NowRead(db, wanted, sessions).now()


class _NowRead:
    """What one read found."""

    def __init__(self, db: Database, wanted: NowQuestion, sessions: OpenSessions) -> None:
        self._db, self._asked = db, wanted
        self._served = served(db)
        self._sessions = sessions.read(db)
        self._statuses = statuses(db, self._served)
        self._faults = faults(db)
        self._load = load_now(db)
        self._silence = Silence(wanted.at, {one.id: one.interval for one in self._served})

    def now(self) -> Now:
        wants_look = self._attention()
        named = {charger for one in wants_look for charger in one.chargers}
        return Now(
            site=self._site(), attention=wants_look, chargers=self._cards(named), load=self._load
        )

    def _site(self) -> SiteNow:
        asked, known = self._asked, [one.known for one in self._sessions]
        powers = {one.id: self._silence.power_w(one) for one in known}
        says_so = {place for place, one in self._statuses.items() if one.status == CHARGING}
        charging = [
            one for one in known if powers[one.id] or (one.charger, one.connector) in says_so
        ]
        told = [power for power in powers.values() if power is not None]
        return SiteNow(
            name=name_of_site(self._db, asked.server_name),
            at=stamp(asked.at),
            time_zone=str(asked.rule.zone),
            sessions=len(known),
            charging=sum(not one.is_suspended for one in charging),
            power_w=sum(told),
            silent=sum(
                powers[one.id] is None and not self._silence.is_beginning(one) for one in known
            ),
            start_id_tag=asked.start_id_tag,
            energy=energy_now(
                self._db, asked.at, asked.rule.zone, [one.energy_wh for one in known]
            ),
        )

    def _attention(self) -> list[Attention]:
        silent = [one.known for one in self._sessions if self._silence.is_silent(one.known)]
        chargers = ServedChargers(self._served, self._statuses, self._faults, silent)
        asked, policy = self._asked, self._asked.rule.policy
        machine, sees_all = asked.machine, asked.sees_all
        return attention(
            self._db,
            asked.at,
            asked.rule.zone,
            machine,
            chargers,
            sees_all=sees_all,
            policy=policy,
            load=self._load,
        )

    def _cards(self, named: Collection[str]) -> list[ChargerNow]:
        asked, wanted = self._asked, self._asked.chargers
        sessions: dict[str, list[OpenSession]] = {
            one.id: [] for one in self._served if wanted is None or one.id in wanted
        }
        for session in self._sessions:
            if session.known.charger in sessions:
                sessions[session.known.charger].append(session)
        chosen = [session for some in sessions.values() for session in some]
        shown = Sessions(self._db, self._silence).shown(chosen)
        connectors = connectors_of(self._db, None if wanted is None else sessions.keys())
        since, failed_since = stamp(asked.at - COMMAND_SHOWN), stamp(asked.at - FAILURE_SHOWN)
        return [
            card(
                one,
                connectors_now(connectors[one.id], self._faults, sessions[one.id], shown),
                last_command(self._db, one.id, since, failed_since),
                needs_attention=one.id in named,
            )
            for one in self._served
            if one.id in sessions
        ]
