"""What meters show, by subscription: those of circuits at once for load management, and those of
the house as readings.

A message that the broker had retained is of an unknown age: it counts for nothing. Of a meter of
the house, the first reading of each day of the site is kept, see store.writes.money.meters; of
those that come after it, the newest is remembered, because at the turn of a month the last one
before it is kept too. Which day it is decides the clock of this server, so nothing is kept while
nobody vouches for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple

import trio

from levity_trio.events import Event, MeterChanged
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Site
from levity_trio.plugins.mqtt.broker import Message
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.reads.money import meters as stored
from levity_trio.store.reads.money.meters import Meter
from levity_trio.store.writes.money import meters as writes
from levity_trio.store.writes.money.meters import GivenReading
from levity_trio.store.writes.people.accounts import ChangeRefused
from levity_trio.wire.published import NoNumber, number_in
from levity_trio.wire.times import in_zone, stamp

FRACTION: Final = 6
"""Digits after the point that a register is stored with at most."""
log = get_logger("system")


class _Due(NamedTuple):
    """A reading that is to be kept, the last one before it if a month has turned, and when the day
    began."""

    meter: Meter
    reading: GivenReading
    before: GivenReading | None
    midnight: str


class Meters:
    """The meters that publish over MQTT.

    The plug-in subscribes to `topics`, and again whenever `changed` returns. It hands each message
    to `take` and each event to `observe`, those of other servers too, and has `run` run all the
    time.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._of_load = frozenset[str]()
        self._of_house: Mapping[str, list[Meter]] = {}
        self._is_changed = trio.Event()
        self._newest: dict[int, tuple[datetime, GivenReading]] = {}
        """What a meter showed last, and its time in the zone of the site."""
        self._due: dict[int, _Due] = {}
        """What waits to be kept: at most one reading a meter."""
        self._is_due = trio.Event()
        self._failing = set[int]()

    async def topics(self) -> frozenset[str]:
        """Return the topics of all meters. Raises Unreadable."""
        self._is_changed = trio.Event()
        self._of_load = self._site.load.topics
        of_house: dict[str, list[Meter]] = {}
        for meter in await self._site.reader.run(
            partial(stored.published, now=stamp(self._site.clock()))
        ):
            of_house.setdefault(meter.topic or "", []).append(meter)
        self._of_house = of_house
        return self._of_load | self._of_house.keys()

    async def changed(self) -> None:
        """Wait until the topics may be others than `topics` returned last."""
        async with trio.open_nursery() as nursery:

            async def follow_load() -> None:
                await self._site.load.topics_other_than(self._of_load)
                nursery.cancel_scope.cancel()

            nursery.start_soon(follow_load)
            await self._is_changed.wait()
            nursery.cancel_scope.cancel()

    def observe(self, event: Event) -> None:
        if isinstance(event, MeterChanged):
            self._newest.pop(event.meter, None)  # a reading that was refused may be taken now
            self._is_changed.set()

    def take(self, message: Message) -> bool:
        """Take a message at once, on the event loop. Return False if it is of no meter."""
        meters = self._of_house.get(message.topic, ())
        if not message.is_retained:
            if message.topic in self._of_load:
                self._site.load.heard(message.topic, message.payload)
            for meter in meters:
                self._read(meter, message.payload)
        return bool(meters) or message.topic in self._of_load

    def _read(self, meter: Meter, payload: bytes) -> None:
        """Note what a meter of the house shows. What is of no use is logged when that begins and
        when it ends."""
        try:
            value = number_in(payload, meter.path)
        except NoNumber as wrong:
            if meter.id not in self._failing:
                log.warning(
                    "a meter publishes what is of no use", meter=meter.name, reason=str(wrong)
                )
            self._failing.add(meter.id)
            return
        if meter.id in self._failing:
            log.info("a meter publishes readings again", meter=meter.name)
        self._failing.discard(meter.id)
        if self._site.is_clock_trusted():
            self._note(meter, _shown(value))

    def _note(self, meter: Meter, value: str) -> None:
        """Remember a reading; the first one of a day is due to be kept."""
        now = self._site.clock()
        local = in_zone(now, self._site.config.time_zone)
        reading = GivenReading(str(meter.id), stamp(now), value, meter.unit)
        last = self._newest.get(meter.id)
        self._newest[meter.id] = local, reading
        if last is None or last[0].date() != local.date():
            before = last[1] if last is not None and last[0].month != local.month else None
            midnight = in_zone(local.replace(hour=0, minute=0, second=0, microsecond=0), UTC)
            self._due[meter.id] = _Due(meter, reading, before, stamp(midnight))
            self._is_due.set()

    async def run(self) -> None:
        """Keep readings, until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due = trio.Event()
            while self._due:
                await self._keep(self._due.popitem()[1])

    async def _keep(self, due: _Due) -> None:
        at = stamp(self._site.clock())
        try:
            await self._site.writer.run(writes.keep, due.reading, due.before, due.midnight, at)
        except ChangeRefused as refused:
            log.warning("a reading by MQTT was refused", meter=due.meter.name, reason=str(refused))
        except StoreUnavailable:  # the writer logs that; the next reading is tried
            self._newest.pop(due.meter.id, None)
        except Exception:
            # what nobody foresaw at one meter holds up no other; the next day is tried
            log.exception("a reading by MQTT could not be kept", meter=due.meter.name)


def _shown(value: Decimal) -> str:
    """Return what a register shows, with as many digits as were published, as far as they are
    stored."""
    _, _, exponent = value.as_tuple()
    return (
        f"{value:f}"
        if isinstance(exponent, int) and exponent >= -FRACTION
        else f"{value:.{FRACTION}f}"
    )
