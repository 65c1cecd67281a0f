"""An evening at one feeder: our server in memory, foreign charge points, a house and its meter, in
virtual time."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, cast

import trio
from trio.testing import memory_stream_pair

from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.charger.connection import serve_connection
from levity_trio.events import Fact
from levity_trio.load.service import LoadManagement, open_load
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.load import load
from levity_trio.wire.times import stamp
from tests.charger.parts import START, InlineWriter, configure, make_central, wall_clock
from tests.load.block import InlineReader
from tests.load.foreign.charge_point import Car, ChargePoint
from tests.load.foreign.kinds import Kind
from tests.load.steered import SteeredLoad

MINUTE: Final = 60.0
HOUR: Final = 3600.0
LETTERS: Final = "RST"
ROTATIONS: Final = ("RST", "STR", "TRS")
Currents = tuple[float, float, float]


def quiet_house(seconds: float) -> Currents:
    """A house that takes nothing."""
    del seconds
    return 0.0, 0.0, 0.0


def evening_house(seed: int, highest: float) -> Callable[[float], Currents]:
    """A house whose load moves in steps, as kettles and ovens do; at most `highest` A on a line."""

    @lru_cache
    def is_on(number: int, step: int) -> bool:
        return random.Random(f"{seed} {number} {step}").random() < 0.2

    def drawn(seconds: float) -> Currents:
        def line(number: int) -> float:
            slow = 0.3 + 0.2 * math.sin(seconds / 5000 + number)
            oven = 0.5 if is_on(number, int(seconds // 240)) else 0.0
            return highest * min(1.0, slow + oven)

        return line(0), line(1), line(2)

    return drawn


@dataclass
class Second:
    """What flowed in one second: on each line of the feeder, and how much of that through each
    charge point."""

    at: float
    feeder: Currents
    of_points: list[Currents]

    @property
    def points(self) -> list[float]:
        """Return the current on the highest line of each charge point."""
        return [max(currents) for currents in self.of_points]


@dataclass
class Evening:
    """Charge points are CP-0, CP-1 and so on."""

    writer: InlineWriter
    kinds: Sequence[Kind]
    amperes: float
    nursery: trio.Nursery
    house: Callable[[float], Currents]
    points: list[ChargePoint] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)
    meter: Callable[[Currents], Currents] | None = None
    """What the meter at the feeder shows of what flows; None if there is no meter."""
    clock_ahead: float = 0.0
    """By so many seconds the server's clock was set ahead, or back."""
    central: Central = field(init=False)
    load: SteeredLoad = field(init=False)
    _serving: trio.CancelScope | None = None

    # The server

    async def serve(self) -> None:
        """Start a server on the database as it is."""
        self.central = make_central(self.writer, self._clock)
        self.central.known.update(charger for (charger,) in self.writer.rows("SELECT id FROM cp"))
        configure(self.central, heartbeat_interval_seconds=300)
        parts = (
            cast(Any, self.writer),
            cast(Reader, InlineReader(self.writer)),
            Chargers(self.central),
        )
        self.load = SteeredLoad(*parts, self.central.clock)
        self.central.load = self.load
        started = trio.Event()
        self.nursery.start_soon(self._serve, self.central, self.load, started)
        await started.wait()

    def _clock(self) -> datetime:
        return wall_clock() + timedelta(seconds=self.clock_ahead)

    async def _serve(
        self, central: Central, management: LoadManagement, started: trio.Event
    ) -> None:
        with trio.CancelScope() as self._serving:
            async with (
                open_load(management, central.hooks),
                trio.open_nursery() as self._connections,
            ):
                started.set()
                await trio.sleep_forever()

    async def die(self, seconds: float = 5.0) -> None:
        """Kill the server, as kill -9 does: no message of it, and each link is gone. Then start
        another."""
        assert self._serving is not None
        self._serving.cancel()
        await trio.sleep(seconds)
        await self.serve()

    async def connect(self) -> trio.abc.Stream:
        """Return a link to the server that runs now."""
        await trio.lowlevel.checkpoint()
        if self._serving is None or self._serving.cancel_called:
            raise OSError("nobody listens")
        ours, theirs = memory_stream_pair()
        self._connections.start_soon(self._link, self.central, ours)
        return theirs

    async def _link(self, central: Central, stream: trio.abc.Stream) -> None:
        try:
            await serve_connection(central, stream)
        finally:
            await trio.aclose_forcefully(stream)

    # The site

    def document(self) -> str:
        """Return the site as an electrician enters it."""
        meter = (
            'meter = "Main"\n'
            if self.meter is not None
            else f"reserve = {self._highest_of_house()}\n"
        )
        parts = [f'[[circuit]]\nname = "Feeder"\namperes = {self.amperes}\n{meter}']
        for number, kind in enumerate(self.kinds):
            rotation = "" if kind.is_wired_unknown else f'rotation = "{self.rotation(number)}"\n'
            limits = f"safe = {kind.safe:g}\nmost = {kind.entered:g}\n"
            parts.append(f'[[charger]]\nid = "CP-{number}"\n{rotation}{limits}')
        if self.meter is not None:
            parts.append('[[meter]]\nname = "Main"\nstale_seconds = 30\n')
        return "".join(parts)

    def _highest_of_house(self) -> float:
        return math.ceil(max(max(self.house(second)) for second in range(0, 86_400, 60)))

    def rotation(self, number: int) -> str:
        """Return how a charge point is wired: by turns, unless its kind says how."""
        kind = self.kinds[number]
        return kind.rotation if kind.is_wired_unknown else ROTATIONS[number % 3]

    async def enter(self) -> None:
        """Enter the site as it is now."""
        await self.writer.run(load.set_site, self.document(), stamp(self.central.clock()), "anna")

    async def manage(self) -> None:
        """Enter the site and limit all chargers."""
        await self.enter()
        await trio.sleep(3)
        await self.load.manage([point.identity for point in self.points], by="anna")
        await trio.sleep(30)

    def join(self, kind: Kind, car: Car | None = None) -> int:
        """Let another charge point connect for the first time, perhaps with a car that charges;
        return its number."""
        number = len(self.points)
        self.kinds = [*self.kinds[:number], kind]
        identity, make = f"CP-{number}", kind.make
        point = ChargePoint(
            identity,
            self.connect,
            make,
            model=f"Box {number}",
            start=START,
            connectors=kind.connectors,
        )
        self.points.append(point)
        if car is not None:
            point.plug(car, "CARD")
        self.nursery.start_soon(point.run)
        return number

    def arrive(self, number: int, car: Car | None = None, connector: int = 1) -> Car:
        """Let a car charge."""
        there = car or self.kinds[number].car()
        self.points[number].plug(there, "CARD", connector)
        return there

    def facts(self, kind: type[Fact]) -> list[Any]:
        """Return the facts of one class that the server has told."""
        return self.writer.recorded(kind)

    # What flows

    def current(self, number: int) -> float:
        """Return the current on the highest line of a charge point."""
        return max(self._of_point(number))

    def _of_point(self, number: int) -> Currents:
        """Return what flows through a charge point on each line of the feeder."""
        total = [0.0, 0.0, 0.0]
        for connector in self.points[number].connectors:
            if connector.amperes:
                for letter, amperes in zip(
                    self.rotation(number), self.points[number].currents(connector), strict=True
                ):
                    total[LETTERS.index(letter)] += amperes
        return total[0], total[1], total[2]

    def _second(self) -> Second:
        of_points = [self._of_point(number) for number in range(len(self.points))]
        first, second, third = (
            sum(line) for line in zip(self.house(trio.current_time()), *of_points, strict=True)
        )
        return Second(trio.current_time(), (first, second, third), of_points)

    def flowing(self) -> Currents:
        """Return what flows on each line of the feeder."""
        return self._second().feeder

    async def live(self) -> None:
        """Let time pass for charge points, and look at the feeder each second. Its meter tells each
        other second."""
        while True:
            second = self._second()
            self.seconds.append(second)
            if self.meter is not None and len(self.seconds) % 2:
                self.load.measured("Main", self.meter(second.feeder))
            await trio.sleep(1)
            for point in self.points:
                point.pass_time(1)

    def longest_above(self, factor: float, since: float = 0.0) -> float:
        """Return for how many seconds without a break more than factor × the limit flowed."""
        longest = run = 0
        for second in self.seconds:
            is_above = second.at >= since and max(second.feeder) > factor * self.amperes + 0.01
            run = run + 1 if is_above else 0
            longest = max(longest, run)
        return longest


def exact(flowing: Currents) -> Currents:
    """A meter that shows what flows."""
    return flowing


@asynccontextmanager
async def open_evening(
    writer: InlineWriter,
    kinds: Sequence[Kind],
    amperes: float,
    *,
    house: Callable[[float], Currents] = quiet_house,
    meter: Callable[[Currents], Currents] | None = exact,
) -> AsyncIterator[Evening]:
    """Run a server and its charge points until the block is left."""
    async with trio.open_nursery() as nursery:
        evening = Evening(writer, [], amperes, nursery, house, meter=meter)
        await evening.serve()
        for kind in kinds:
            evening.join(kind)
        nursery.start_soon(evening.live)
        await trio.sleep(30)
        yield evening
        nursery.cancel_scope.cancel()
