"""The plug-in: it keeps a connection to the broker, and has its rooms work over it.

    states    what chargers do, and Home Assistant's discovery of it
    facts     each fact, at least once
    meters    what meters publish
    commands  what the broker's users want, if --mqtt-commands allows it

Whatever the broker does, nothing else is affected: what is observed is only noted, and what is sent
is waited for here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, Final, NoReturn

import trio

from levity_trio.events import BatchCommitted, Event, Fact
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Plugin, Site
from levity_trio.plugins.mqtt.broker import (
    Broken,
    Broker,
    BrokerRefuses,
    Link,
    Message,
    Untaken,
    open_link,
)
from levity_trio.plugins.mqtt.commands import SUBSCRIPTION, Commands
from levity_trio.plugins.mqtt.discovery import BIRTH, EVENTS, OFFLINE, ONLINE, STATUS
from levity_trio.plugins.mqtt.facts import Facts
from levity_trio.plugins.mqtt.meters import Meters
from levity_trio.plugins.mqtt.states import States
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.writer import surviving
from levity_trio.store.writes.site import receivers as writes
from levity_trio.wire.times import stamp

PAUSE_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 30.0
"""Before a broker that refuses us is asked again: some shut out who asks too often."""
STEADY_SECONDS: Final = 5.0
"""A connection that lasts so long ends an outage. Else a broker that fails again and again would
fill the log."""

ANONYMOUS_SECONDS: Final = 3.0
ANONYMOUS: Final = "anonymous"
"""The topic on which we try once whether the broker takes messages of nobody."""

log = get_logger("system")


class Mqtt(Plugin):
    """The plug-in behind `--mqtt`."""

    name: ClassVar[str] = "mqtt"
    observes: ClassVar[tuple[type[Event], ...]] = (Fact, BatchCommitted)
    learns: ClassVar[bool] = True

    def __init__(self, site: Site, broker: Broker) -> None:
        self._site = site
        self._broker = broker
        self._states = States(site, broker.prefix)
        self._facts = Facts(site, f"{broker.prefix}/{EVENTS}")
        self._meters = Meters(site)
        token = site.config.mqtt_commands
        self._commands = None if token is None else Commands(site, broker.prefix, token)
        self._is_out: bool | None = None
        """Whether an outage was logged whose end was not. None: the broker was never connected."""
        self._link: Link | None = None
        self._subscribed = trio.Event()
        self._heard_anonymous = trio.Event()

    def observe(self, event: Event) -> None:
        self._states.observe(event)
        if isinstance(event, Fact):
            self._meters.observe(event)
            self._facts.wake()

    async def run(self) -> NoReturn:
        """Keep the connection, at the server that has the duties of the site."""
        await self._site.writer.sharing.duties.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._meters.run)
            if self._commands is not None:
                nursery.start_soon(self._warn_of_anonymous)
            while True:
                pause = REFUSED_SECONDS
                with surviving("MQTT ended by an error"):
                    pause = await self._connect()
                await trio.sleep(pause)

    async def _connect(self) -> float:
        """Work over one connection until it ends; return the seconds to wait before the next."""
        last = b"" if self._is_demo else OFFLINE.encode()
        will = Message(topic=f"{self._broker.prefix}/{STATUS}", payload=last, is_retained=True)
        try:
            async with open_link(self._broker, self._take, will) as link:
                self._tell_refused(await link.subscribe([*self._own_topics()]))
                await link.publish([replace(will, payload=ONLINE.encode())])
                self._note(None)
                self._link = link
                self._subscribed.set()
                await self._work(link)
        except Broken as problem:
            self._link = None
            self._note(str(problem))
            return REFUSED_SECONDS if isinstance(problem, BrokerRefuses) else PAUSE_SECONDS

    @property
    def _is_demo(self) -> bool:
        return self._site.config.guests is not None

    async def leave_nothing(self) -> None:
        """At the end of a demo, clear what the broker retains of it."""
        if self._is_demo and self._link is not None:
            with suppress(Broken, Untaken):
                await self._states.withdraw(self._link)

    async def _work(self, link: Link) -> NoReturn:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._states.run, link)
            nursery.start_soon(self._facts.run, link)
            nursery.start_soon(self._tell_end_of_outage)
            if self._commands is not None:
                nursery.start_soon(self._commands.run, link)
            await self._follow_meters(link)

    async def _follow_meters(self, link: Link) -> NoReturn:
        """Subscribe to what meters publish, again when there are others."""
        now = frozenset[str]()
        while True:
            try:
                wanted = await self._meters.topics()
            except Unreadable:
                await trio.sleep(PAUSE_SECONDS)
                continue
            await link.unsubscribe(now - wanted)
            self._tell_refused(await link.subscribe(sorted(wanted - now)))
            now = wanted
            await self._meters.changed()

    def _own_topics(self) -> Iterator[str]:
        yield from (BIRTH, *self._states.topics)
        if self._commands is not None:
            yield f"{self._broker.prefix}/{SUBSCRIPTION}"
            yield f"{self._broker.prefix}/{ANONYMOUS}"

    @staticmethod
    def _tell_refused(topics: Collection[str]) -> None:
        for topic in topics:
            log.warning("the MQTT broker does not let us read a topic; allow it there", topic=topic)

    def _take(self, message: Message) -> None:
        """Take a message that has arrived."""
        with surviving("a message of MQTT could not be taken", topic=message.topic):
            if message.topic == BIRTH:
                if message.payload == ONLINE.encode():
                    self._states.again()
            elif message.topic == f"{self._broker.prefix}/{ANONYMOUS}":
                self._heard_anonymous.set()
            elif (
                not self._meters.take(message)
                and not self._states.take(message)
                and self._commands is not None
            ):
                self._commands.take(message)

    def _note(self, problem: str | None) -> None:
        """Note whether the broker is connected, and why not. An outage has one line in the log, and
        its end another."""
        seen = problem is None, stamp(self._site.clock()), self._broker.address, problem
        self._site.writer.coalesce("mqtt", writes.note_broker_link, *seen)
        if problem is None and self._is_out is None:
            log.info("connected to the MQTT broker", broker=self._broker.address)
        elif problem is not None and not self._is_out:
            log.warning(
                "the MQTT broker is not connected; it is tried again",
                broker=self._broker.address,
                reason=problem,
            )
        else:
            return
        self._is_out = problem is not None
        with suppress(StoreUnavailable):  # which the writer logs
            # at once: who has just changed the settings looks
            self._site.writer.note(writes.note_broker_link, *seen)

    async def _tell_end_of_outage(self) -> None:
        if self._is_out:
            await trio.sleep(STEADY_SECONDS)
            log.info("connected to the MQTT broker again", broker=self._broker.address)
            self._is_out = False

    async def _warn_of_anonymous(self) -> None:
        """Warn if the broker takes messages of clients without a name: anybody there may send
        commands."""
        await self._subscribed.wait()
        nobody = replace(self._broker, user=None, password=None, password_file=None)
        nobody = replace(nobody, prefix=f"{self._broker.prefix}/{ANONYMOUS}")
        with suppress(Broken, Untaken):
            async with open_link(nobody, lambda _message: None) as link:
                await link.deliver([Message(topic=nobody.prefix)])
                with trio.move_on_after(ANONYMOUS_SECONDS):
                    await self._heard_anonymous.wait()
                    log.warning(
                        "the MQTT broker takes commands from anybody; give it users and an access "
                        "list"
                    )
