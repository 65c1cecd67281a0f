"""What the broker is shown: the newest state of everything, and Home Assistant's discovery of it.

A charger is read again soon after a fact or a reading of it, and all of them once a minute. What
has changed is sent at most once a second for each topic, so what changes more often is not queued:
the newest is sent. All is retained, and all is sent again on each new connection, and when Home
Assistant starts.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from math import ceil, inf
from operator import attrgetter
from typing import Final, NoReturn

import trio

from levity_trio.events import BatchCommitted, Event, Fact
from levity_trio.locale import SOURCE, speaking
from levity_trio.locale.formats import of_environment
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Site
from levity_trio.plugins.mqtt.broker import Link, Message
from levity_trio.plugins.mqtt.discovery import (
    DISCOVERY,
    Limit,
    limits_of,
    merged,
    of_charger,
    of_site,
    site_states,
    states,
    topics,
    unescaped,
    withdrawn,
)
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import Unreadable
from levity_trio.store.reads.load.load import LoadNow, newest_site
from levity_trio.store.reads.now import name_of_site
from levity_trio.store.reads.now.attention import MachineState
from levity_trio.store.reads.now.entities import (
    Entities,
    SeenCharger,
    SeenChargers,
    things_that_want_a_look,
)
from levity_trio.store.reads.people.households import language_of_owner
from levity_trio.store.reads.transactions.costs import policy_of, rule_of
from levity_trio.wire.handshake import MAX_IDENTITY
from levity_trio.wire.times import stamp

GATHER_SECONDS: Final = 0.02
"""What is committed at the same time is read together."""
LOOK_SECONDS: Final = 0.2
"""Commits are looked at for readings, and a charger is read because of facts, at most so often."""
TOPIC_SECONDS: Final = 1.0
"""Each topic is sent at most so often, and load management is looked at."""
ATTENTION_SECONDS: Final = 5.0
_number: Final = attrgetter("connector")
MOST_RETAINED: Final = 2000
"""Chargers of which the broker may say that it retains something: others may publish there, too."""
MOST_CONNECTORS: Final = 100
"""Of a charger of which the broker says that it retains something."""
ALL_SECONDS: Final = 60.0
"""All is read so often: a power grows old without a fact."""

log = get_logger("system")


class States:
    """The states on their way to the broker."""

    def __init__(self, site: Site, prefix: str) -> None:
        self._site = site
        self._prefix = prefix
        self._rule = rule_of(site.config, policy_of(site.config))
        self._begun_at = stamp(site.clock())
        self._entities = Entities()
        self._chargers: Mapping[str, SeenCharger] = {}
        self._ours = re.compile(rf"{re.escape(prefix)}/([^/]+)/(?:([0-9]{{1,9}})/status|link)")
        self._retained = set[str]()
        self._failed = set[str]()
        """The chargers of which the broker may retain something."""
        self._connectors = defaultdict[str, set[int]](set)
        """Connectors of these."""
        self._described: dict[str, tuple[object, ...]] = {}
        """What the discovery of each charger was made of."""
        self._omitted_wh = 0
        self._attention = 0
        self._language = SOURCE
        self._has_feeder = False
        self._load: LoadNow | None = None
        self._limits: Mapping[tuple[str, int], Limit] = {}
        self._newest: dict[str, str] = {}
        """The payload of each topic."""
        self._unsent = dict[str, None]()
        """The topics whose newest payload was not sent yet, in their order."""
        self._is_too_large_told = False
        self._sent_at: dict[str, float] = {}
        self._read_at: dict[str, float] = {}
        self._due: dict[str, float] = {}
        """When chargers are to be read."""
        self._is_running = self._is_withdrawn = False
        self._all_at = self._attention_at = self._look_at = inf
        self._attention_read_at = self._looked_at = self._wakes_at = -inf
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Note what is to be read again."""
        if not self._is_running:
            return
        now = trio.current_time() + GATHER_SECONDS
        if isinstance(event, BatchCommitted):
            self._look_at = due = min(self._look_at, max(now, self._looked_at + LOOK_SECONDS))
        elif isinstance(event, Fact):
            due = max(now, self._attention_read_at + ATTENTION_SECONDS)
            self._attention_at = due = min(self._attention_at, due)
            if event.charger is not None:
                due = self._note(
                    event.charger, max(now, self._read_at.get(event.charger, -inf) + LOOK_SECONDS)
                )
        else:
            return
        if due < self._wakes_at:
            self._news.set()

    def _note(self, charger: str, due: float) -> float:
        """Have a charger read at a time, unless it is read sooner; return when it is."""
        self._due[charger] = due = min(due, self._due.get(charger, inf))
        return due

    def again(self) -> None:
        """Send everything again."""
        self._unsent = dict.fromkeys(sorted(self._newest, key=_is_state))
        self._sent_at.clear()
        self._news.set()

    @property
    def topics(self) -> Sequence[str]:
        """What says of which chargers the broker retains something, also from before our start."""
        return f"{self._prefix}/+/+/status", f"{self._prefix}/+/link"

    def take(self, message: Message) -> bool:
        """Take a message. Return False if it is on none of these topics."""
        found = self._ours.fullmatch(message.topic)
        if found is None:
            return False
        charger, connector = unescaped(found[1]), found[2]
        if (
            charger not in self._retained
            and len(self._retained) + len(self._connectors) >= MOST_RETAINED
        ):
            return True
        if len(charger) > MAX_IDENTITY:
            return True
        if connector is not None:
            if len(self._connectors[charger]) < MOST_CONNECTORS:
                self._connectors[charger].add(int(connector))
        elif message.is_retained and charger not in self._retained:  # no echo of ours
            self._retained.add(charger)
            self._all_at = -inf
            self._news.set()
        return True

    async def withdraw(self, link: Link) -> None:
        """Clear all that the broker retains of us, and send nothing more. Raises Broken."""
        self._is_withdrawn = True
        self._unsent.clear()
        await link.deliver([Message(topic=topic, is_retained=True) for topic in self._newest])

    async def run(self, link: Link) -> NoReturn:
        """Keep the broker informed over one connection. Raises Broken when that ends."""
        self._is_running, self._all_at = True, -inf
        self.again()
        try:
            while True:
                try:
                    await self._read()
                except Unreadable:  # which those who look at the database log
                    self._all_at = trio.current_time() + TOPIC_SECONDS
                self._look_at_load()
                await self._send(link)
                self._news, self._wakes_at = trio.Event(), self._next()
                with trio.move_on_at(self._wakes_at):
                    await self._news.wait()
                    await trio.sleep(GATHER_SECONDS)
                self._wakes_at = -inf
        finally:
            self._is_running = False

    def _next(self) -> float:
        """Return when to look again: at the latest in a second, at load management."""
        late = (
            min((self._sent_at.get(topic, -inf) for topic in self._unsent), default=inf)
            + TOPIC_SECONDS
        )
        due = min(self._due.values(), default=inf)
        return min(
            late,
            due,
            self._all_at,
            self._attention_at,
            self._look_at,
            trio.current_time() + TOPIC_SECONDS,
        )

    async def _read(self) -> None:
        """Read what is due."""
        now = trio.current_time()
        if self._attention_at <= now or self._all_at <= now:
            self._attention_at, self._attention_read_at = inf, now
            self._attention, name, self._language, self._has_feeder = await self._site.reader.run(
                self._read_site
            )
            with speaking(self._language):
                self._put(of_site(self._prefix, name))
            self._put_site()
        if self._all_at <= now:
            self._all_at = now + ALL_SECONDS
            await self._read_chargers(None)
        elif self._look_at <= now:
            self._look_at, self._looked_at = inf, now
            for charger in await self._site.reader.run(self._entities.changed):
                again = self._read_at.get(charger, -inf) + TOPIC_SECONDS
                # those that go on reporting are read together
                self._note(charger, now if again <= now else ceil(again))
        if due := [charger for charger, at in self._due.items() if at <= now]:
            await self._read_chargers(due)

    async def _read_chargers(self, only: Collection[str] | None) -> None:
        """Read all chargers or some, and put what they show."""
        site, now = self._site, trio.current_time()
        is_named = site.config.mqtt_names
        for charger in [*self._due] if only is None else only:
            # before the read, so that what comes meanwhile is read again
            self._due.pop(charger, None)
            self._read_at[charger] = now
        seen = await site.reader.run(
            lambda db: self._entities.read(db, site.clock(), only, is_named=is_named)
        )
        self._chargers, self._omitted_wh = merged(self._chargers, seen), seen.omitted_wh
        for one in seen.chargers:
            try:
                self._put_charger(one)
            except Exception:  # what nobody foresaw at one charger holds up no other
                if one.id not in self._failed:
                    log.exception("the states of a charger cannot be told", cp=one.id)
                self._failed.add(one.id)
        self._withdraw(seen)
        self._put_site()

    def _read_site(self, db: Database) -> tuple[int, str, str, bool]:
        """Return how many things want a look, the name of the site, its language, and whether it
        has a feeder."""
        site, trusted = self._site, self._site.is_clock_trusted()
        machine = MachineState.seen_by(
            site.writer, db, site.config, self._begun_at, is_clock_trusted=trusted
        )
        attention = things_that_want_a_look(db, site.clock(), self._rule, machine)
        spoken, feeder = language_of_owner(db) or of_environment(os.environ), newest_site(db)
        return (
            attention,
            name_of_site(db, site.config.server_name),
            spoken,
            feeder is not None and bool(feeder.toml),
        )

    def _look_at_load(self) -> None:
        """Put what load management has changed."""
        if self._site.load.now is self._load:
            return
        before, self._load = self._limits, self._site.load.now
        self._limits = limits_of(self._load)
        for changed in {
            place[0] for place, _ in before.items() ^ self._limits.items()
        } & self._chargers.keys():
            self._put_charger(self._chargers[changed])

    # What is put is sent when its topic may be sent again

    def _put_charger(self, charger: SeenCharger) -> None:
        names, commands = self._site.config.mqtt_names, self._site.config.mqtt_commands is not None
        made = charger.name, charger.vendor, charger.model, charger.firmware
        described = made, [*map(_number, charger.connectors)], self._language, self._has_feeder
        # the description takes longer than all states
        if self._described.get(charger.id) != described:
            self._described[charger.id] = described
            told = {"with_names": names, "with_commands": commands, "with_load": self._has_feeder}
            with speaking(self._language):
                self._put(of_charger(self._prefix, charger, **told))
        self._retained.add(charger.id)
        self._connectors[charger.id].update(map(_number, charger.connectors))
        self._put(states(self._prefix, charger, self._limits, self._newest, with_names=names))

    def _put_site(self) -> None:
        chargers = [*self._chargers.values()]
        self._put(
            site_states(self._prefix, chargers, self._omitted_wh, self._attention, self._newest)
        )

    def _withdraw(self, seen: SeenChargers) -> None:
        """Clear what the broker retains of chargers that are shown no longer."""
        for charger in seen.omitted & self._retained:
            self._retained.remove(charger)
            self._described.pop(charger, None)
            self._put(withdrawn(self._prefix, charger))
            self._put(
                dict.fromkeys(topics(self._prefix, charger, self._connectors.pop(charger, ())), "")
            )

    def _put(self, found: Mapping[str, str]) -> None:
        if self._is_withdrawn:
            return
        changed = {
            topic: payload for topic, payload in found.items() if self._newest.get(topic) != payload
        }
        self._newest |= changed
        self._unsent |= dict.fromkeys(changed)

    async def _send(self, link: Link) -> None:
        now = trio.current_time()
        ready = [one for one in self._unsent if self._sent_at.get(one, -inf) + TOPIC_SECONDS <= now]
        for topic in ready:
            del self._unsent[topic]
            self._sent_at[topic] = now
        too_large = await link.publish([self._message(topic) for topic in ready])
        if too_large and not self._is_too_large_told:
            self._is_too_large_told = True
            log.warning(
                "the MQTT broker takes only smaller states; allow it larger packets",
                topic=too_large[0],
            )

    def _message(self, topic: str) -> Message:
        payload = self._newest[topic]
        # once: Home Assistant logs a warning if it knows nothing of it
        if not payload and not _is_state(topic):
            del self._newest[topic]
        return Message(topic=topic, payload=payload.encode(), is_retained=True)


def _is_state(topic: str) -> bool:
    """Whether a topic is none of Home Assistant's discovery, which is sent first."""
    return not topic.startswith(DISCOVERY)
