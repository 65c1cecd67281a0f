"""The feeder of a simulated block: what the house draws besides cars, what its panels give, a meter
of the grid's point and one of the panels, and a breaker.

The meters speak Modbus TCP like an SDM630, as units 1 and 2. The breaker is the strictest that IEC
60898 allows: its heat follows the square of the current, θ' = (i² − θ) / 4.6 s with i in multiples
of the limit, and it trips at θ > 1.13².
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Final

import trio

from levity_trio.load.tree import LETTERS, NOTHING, PHASES, Phases, as_phases, on
from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger
from levity_trio.wire import modbus
from levity_trio.wire.modbus import MODELS

HOUSE: Final = (
    *(3.0, 2.9, 2.8, 2.7, 2.6, 2.5, 3.7, 5.0, 4.5, 4.0, 4.3, 4.7),
    *(5.0, 4.5, 4.0, 4.7, 5.3, 6.0, 7.5, 9.0, 8.5, 8.0, 6.5, 5.0),
)
"""A per phase by the hour of the day: a dozen flats, where people cook."""
BY_PHASE: Final = (1.0, 0.9, 1.1)
ROTATIONS: Final = ("RST", "STR", "TRS")
"""How chargers are wired, one after the other."""
STEP_AMPERES, STEP_MINUTES = 8.0, (20.0, 50.0)
"""Somebody turns an oven on."""
LOOK_SECONDS: Final = 1.0
"""Simulated, between two looks at the feeder; at a high speed they are further apart."""
LEAST_SECONDS: Final = 0.05
HOUR: Final = 3600.0
SUNRISE, SUNSET = 8.25, 16.5
"""Of a winter's day, in hours of the clock on the wall."""
CLOUDS: Final = (0.15, 1.0)
"""What they leave of the sun, at the least and at the most; it changes from hour to hour."""
VOLTS: Final = 230
FIRST_REGISTER: Final = MODELS["SDM630"].registers[0]
ASKED: Final = struct.Struct(">BHH")


@record
class FeederSpec:
    """A feeder: its limit in A per phase, what the house draws by the hour, what its panels give at
    noon of a clear day in kW, and the port of its meters (0: none)."""

    amperes: float
    house: Sequence[float] = HOUSE
    steps_per_day: float = 3.0
    noise: float = 0.75
    panels: float = 0.0
    meter_port: int = 0


@record
class FeederReport:
    """What became of a feeder: the highest current, the seconds above 1.0 × and 1.13 × the limit,
    and trips."""

    amperes: float
    highest_a: float
    over_seconds: float
    far_over_seconds: float
    trips: int


class Breaker:
    """One phase of a breaker."""

    SECONDS: Final = 4.6
    TRIPS: Final = 1.13**2

    def __init__(self) -> None:
        self.heat = 0.0

    def carry(self, multiple: float, seconds: float) -> bool:
        """Carry a multiple of the limit for some time; return whether it trips."""
        end = multiple**2
        self.heat = end + (self.heat - end) * math.exp(-seconds / self.SECONDS)
        return self.heat > self.TRIPS


class Feeder:
    """A feeder with its chargers, in the order in which they are wired."""

    def __init__(self, spec: FeederSpec, chance: Random, hour: Callable[[float], float]) -> None:
        self.spec = spec
        self._chance, self._hour = chance, hour
        self._breakers = [Breaker() for _ in PHASES]
        self._at: float | None = None
        self._steps: list[tuple[float, int]] = []
        """Until when ovens are on, and at which phase."""
        self.shown: Phases = NOTHING
        """A per phase at the grid's point; below zero, they are exported."""
        self.sun: Phases = NOTHING
        """A per phase from the panels."""
        self._highest = self._over = self._far_over = 0.0
        self._trips = 0

    def look(self, chargers: Iterable[Charger], at: float) -> bool:
        """Add up what is drawn at a moment; return whether the breaker has tripped since the last
        look."""
        seconds = 0.0 if self._at is None else at - self._at
        self._at = at
        self.sun = self._sun(at)
        flows = zip(self._house(at, seconds), drawn(chargers), self.sun, strict=True)
        self.shown = as_phases(house + cars - sun for house, cars, sun in flows)
        highest = max(map(abs, self.shown))
        self._highest = max(self._highest, highest)
        self._over += seconds if highest > self.spec.amperes else 0.0
        self._far_over += seconds if highest > 1.13 * self.spec.amperes else 0.0
        tripped = [
            breaker.carry(amperes / self.spec.amperes, seconds)
            for breaker, amperes in zip(self._breakers, self.shown, strict=True)
        ]
        if any(tripped):
            self._trips += 1
            self._breakers = [Breaker() for _ in PHASES]
        return any(tripped)

    def _house(self, at: float, seconds: float) -> Phases:
        hour = self._hour(at)
        before, after = self.spec.house[int(hour) % 24], self.spec.house[(int(hour) + 1) % 24]
        steady = before + (after - before) * (hour % 1)
        if (
            self._chance.random() < self.spec.steps_per_day * seconds / (6 * HOUR)
            and 16 <= hour < 22
        ):
            self._steps.append(
                (at + 60 * self._chance.uniform(*STEP_MINUTES), self._chance.randrange(len(PHASES)))
            )
        self._steps = [one for one in self._steps if one[0] > at]
        one, two, three = (
            max(0.0, steady * BY_PHASE[phase] + self._chance.gauss(0, self.spec.noise))
            + STEP_AMPERES * sum(where == phase for _, where in self._steps)
            for phase in PHASES
        )
        return one, two, three

    def _sun(self, at: float) -> Phases:
        """Return what the panels give: a curve of the day, less what clouds take by a fixed
        seed."""
        daylight = (self._hour(at) - SUNRISE) / (SUNSET - SUNRISE)
        if not 0 < daylight < 1:
            return NOTHING
        hours = at / HOUR
        before, after = (Random(int(hours) + n).uniform(*CLOUDS) for n in (0, 1))  # noqa: S311 - no secret
        clear = before + (after - before) * (hours % 1)
        watts = 1000 * self.spec.panels * math.sin(math.pi * daylight) * clear
        return on(PHASES, watts / VOLTS / len(PHASES))

    def report(self) -> FeederReport:
        return FeederReport(
            amperes=self.spec.amperes,
            highest_a=round(self._highest, 1),
            over_seconds=round(self._over),
            far_over_seconds=round(self._far_over),
            trips=self._trips,
        )


def drawn(chargers: Iterable[Charger]) -> Phases:
    """Return what cars draw, in A per phase of the feeder, as of their last change or reading."""
    total = [0.0] * len(PHASES)
    for number, charger in enumerate(chargers):
        rotation = ROTATIONS[number % len(ROTATIONS)]
        for connector in charger.connectors[1:]:
            for letter, amperes in zip(rotation, connector.meter.snapshot().currents, strict=False):
                total[LETTERS.index(letter)] += amperes
    return total[0], total[1], total[2]


async def watch(
    feeder: Feeder, chargers: Mapping[str, Charger], now: Callable[[], float], speed: float
) -> None:
    """Look at a feeder until cancelled. When its breaker trips, all chargers below lose their
    power."""
    while True:
        at, below = now(), list(chargers.values())
        if feeder.look(below, at):
            for charger in below:
                charger.power_off(at)
        await trio.sleep(max(LEAST_SECONDS, LOOK_SECONDS / speed))


async def serve_meters(shown: Callable[[], Sequence[Phases]], host: str, port: int) -> None:
    """Answer as the meters of a feeder until cancelled; the first is unit 1."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):  # whoever asked has left
                async for asked in stream:
                    if len(asked) == modbus.HEAD.size + ASKED.size:
                        await stream.send_all(answer(bytes(asked), shown()))

    await trio.serve_tcp(handle, port, host=host)


def answer(asked: bytes, meters: Sequence[Phases]) -> bytes:
    """Answer a request as the meter of its unit does, which knows of currents and active power
    alone. Its currents have no sign."""
    transaction, _protocol, _length, unit = modbus.HEAD.unpack(asked[: modbus.HEAD.size])
    function, first, count = ASKED.unpack(asked[modbus.HEAD.size :])
    body = bytes([function | modbus.FAILED, 2])
    if function == modbus.INPUT and 1 <= unit <= len(meters) and first >= FIRST_REGISTER:
        amperes = meters[unit - 1]
        powers = [VOLTS * each for each in amperes]
        registers = struct.pack(">6f", *map(abs, amperes), *powers)
        values = registers[2 * (first - FIRST_REGISTER) :][: 2 * count]
        if len(values) == 2 * count:
            body = bytes([function, len(values)]) + values
    return modbus.HEAD.pack(transaction, 0, len(body) + 1, unit) + body
