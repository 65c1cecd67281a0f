"""Nights in a block with 20 chargers, in numbers only: what the rule gives, and what it leaves
owing. `just feeder`.

A model of cars and a house with one feeder. Only its breaker is the simulator's, which speaks OCPP.
"""

from __future__ import annotations

import itertools
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Final

from levity_trio.load.rule import (
    Allocation,
    Bound,
    Car,
    CarStanding,
    CurrentLimit,
    Measured,
    OtherLoad,
    decide,
)
from levity_trio.load.tree import NOTHING, PHASES, Circuit, Phases, Place, Socket, Tree
from levity_trio.simulator.feeder import Breaker

CARS: Final = 20
STEP: Final = 300.0
DAY: Final = 86_400.0
HOUR: Final = 3_600.0
VOLTS: Final = 230
FEEDER: Final = "Feeder"
WARM_UP: Final = 7
"""Days of the house alone, so that there is a history of its highest values."""
CURVE: Final = (
    (0, 3.0),
    (5, 2.5),
    (7, 5.0),
    (9, 4.0),
    (12, 5.0),
    (14, 4.0),
    (17, 6.0),
    (19, 9.0),
    (21, 8.0),
    (23, 5.0),
    (24, 3.0),
)
"""A of the house by the hour, linear in between."""
BY_PHASE: Final = (1.0, 0.9, 1.1)
FLOOR: Final = 0.1
"""Of its full current, what a tapering car still takes of a full battery."""

Rule = Callable[[Tree, list[Car], Measured, float, Allocation], Allocation]


@dataclass(frozen=True)
class Block:
    """What is modelled: the limit of the feeder in A per phase, and what makes it harder."""

    limit: float
    seed: int
    nights: int = 30
    house: float = 0.0
    taper: bool = False
    late: int = 0
    """How many of the cars have a least current of 8 A."""


@dataclass
class Stay:
    """A car that is plugged in."""

    number: int
    arrival: float
    departure: float
    wanted_wh: float
    got_wh: float = 0.0


@dataclass
class Found:
    """What some nights came to: the share of what each stay wanted, changes of limits by car and
    night, moments above the limit, and whether the breaker tripped."""

    wanted_wh: float = 0.0
    got_wh: float = 0.0
    shares: list[float] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    moments_over: int = 0
    peak: float = 0.0
    trips: int = 0

    @property
    def met(self) -> float:
        return self.got_wh / self.wanted_wh


@dataclass(frozen=True)
class Battery:
    """A car: on how many lines it charges, the most that it takes, and the size of its battery."""

    lines: int
    most: int
    wh: float

    def takes(self, stay: Stay, *, taper: bool) -> float:
        """A that it takes at most at this moment."""
        charged = 1 - (stay.wanted_wh - stay.got_wh) / self.wh
        if not taper or charged <= 0.8:
            return self.most
        return self.most * max(FLOOR, (1 - charged) / 0.2)


def fleet(chance: random.Random) -> list[Battery]:
    cars = []
    for _ in range(CARS):
        kind = chance.random()
        lines, most = (3, 16) if kind < 0.6 else (1, 32) if kind < 0.85 else (1, 16)
        cars.append(Battery(lines, most, chance.uniform(40_000, 77_000)))
    return cars


def stays(chance: random.Random, night: int) -> list[Stay]:
    """Return who comes on an evening: three of four."""
    found = []
    for number in range(CARS):
        if chance.random() >= 0.75:
            continue
        arrival = min(max(chance.gauss(18.2, 1.8), 12.0), 23.5)
        departure = min(max(chance.gauss(7.3, 1.0), 5.0), 11.0)
        wanted = min(max(chance.gauss(16.0, 8.0), 3.0), 45.0)
        start = night * DAY
        found.append(
            Stay(number, start + arrival * HOUR, start + DAY + departure * HOUR, wanted * 1000)
        )
    return found


class House:
    """The other consumers of a block, and what is remembered of them."""

    def __init__(self, seed: int, factor: float) -> None:
        self._chance = random.Random(seed)
        self._factor = factor
        self._recent: list[Phases] = []
        self._hours: dict[int, Phases] = {}
        self._day, self._of_day, self._steps = -1, 1.0, list[tuple[float, float, int]]()

    def draw(self, now: float) -> OtherLoad:
        """Draw its currents at a moment, each moment once and in order."""
        day, second = divmod(now, DAY)
        if day != self._day:
            self._begin(int(day))
        steady = _curve(second / HOUR) * self._of_day
        one, two, three = (
            self._factor
            * max(0.0, steady * scale + self._chance.gauss(0, 0.75) + self._step(second, phase))
            for phase, scale in enumerate(BY_PHASE)
        )
        drawn = (one, two, three)
        hour = int(now // HOUR)
        self._hours[hour] = _highest(drawn, self._hours.get(hour, NOTHING))
        self._recent = [*self._recent[-2:], drawn]
        near = [hour - 24 * back + beside for back in range(1, 8) for beside in (-1, 0, 1)]
        highest = _highest(*(self._hours.get(one, NOTHING) for one in near))
        return OtherLoad(now=drawn, recent=_highest(*self._recent), highest=highest)

    def _begin(self, day: int) -> None:
        self._day, self._of_day = day, math.exp(self._chance.gauss(0, 0.12))
        begins = [self._chance.uniform(16, 22) * HOUR for _ in range(3)]
        self._steps = [
            (begin, begin + self._chance.uniform(20, 50) * 60, self._chance.randrange(3))
            for begin in begins
        ]

    def _step(self, second: float, phase: int) -> float:
        return sum(
            8.0 for begin, end, where in self._steps if where == phase and begin <= second < end
        )


def _highest(*values: Phases) -> Phases:
    one, two, three = (max(phase) for phase in zip(*values, strict=True))
    return one, two, three


def _curve(hour: float) -> float:
    for (since, before), (until, after) in itertools.pairwise(CURVE):
        if since <= hour <= until:
            return before + (after - before) * (hour - since) / (until - since)
    raise AssertionError(hour)


def run(block: Block, rule: Rule = decide) -> Found:
    """Let cars come and go for some nights."""
    return Night(block, rule).run()


class Night:
    """The course of the nights of a block."""

    def __init__(self, block: Block, rule: Rule) -> None:
        self._block, self._rule = block, rule
        chance = random.Random(block.seed * 1000 + 7)
        self._cars = fleet(chance)
        self._coming = [
            stay for night in range(block.nights) for stay in stays(chance, WARM_UP + night)
        ]
        self._coming.sort(key=lambda stay: -stay.arrival)
        self._sockets = [
            Socket(
                charger=f"C{n:02}",
                circuit=FEEDER,
                rotation=("RST", "STR", "TRS")[n % 3],
                safe=0,
                least=8 if n < block.late else 6,
            )
            for n in range(CARS)
        ]
        self._tree = Tree([Circuit(name=FEEDER, amperes=block.limit)], self._sockets)
        self._house = House(block.seed * 77 + 1, block.house)
        self._present: list[Stay] = []
        self._decision = Allocation(at=0.0)
        self._breakers = [Breaker() for _ in PHASES]
        self._changed: Counter[tuple[int, int]] = Counter()
        self._found = Found()

    def run(self) -> Found:
        block = self._block
        for step in range(int((WARM_UP + block.nights + 1) * DAY / STEP)):
            now = step * STEP
            other = self._house.draw(now) if block.house else None
            if now >= WARM_UP * DAY:
                self._pass(now, other)
        self._found.changes = [
            self._changed[n, night] for night in range(block.nights) for n in range(CARS)
        ]
        return self._found

    def _pass(self, now: float, other: OtherLoad | None) -> None:
        """Pass one step. The rule is asked at its beginning, and whenever it wants to be asked
        again."""
        while self._coming and self._coming[-1].arrival <= now:
            self._present.append(self._coming.pop())
        for stay in [stay for stay in self._present if stay.departure <= now]:
            self._present.remove(stay)
            got = min(stay.got_wh, stay.wanted_wh)
            self._found.wanted_wh += stay.wanted_wh
            self._found.got_wh += got
            self._found.shares.append(got / stay.wanted_wh)
        measured = Measured(other={FEEDER: other} if other else {})
        takes = {
            self._place(stay): self._cars[stay.number].takes(stay, taper=self._block.taper)
            for stay in self._present
        }
        moment = now
        while moment < now + STEP:
            asking = [self._asking(stay, takes) for stay in self._present]
            decision = self._rule(self._tree, asking, measured, moment, self._decision)
            until = min(now + STEP, max(decision.again, moment + 1))
            self._count(decision, moment)
            self._decision = decision
            self._charge(takes, other.now if other else NOTHING, until - moment)
            moment = until

    def _place(self, stay: Stay) -> Place:
        return self._sockets[stay.number].place

    def _asking(self, stay: Stay, takes: Mapping[Place, float]) -> Car:
        charger, connector = place = self._place(stay)
        car = self._cars[stay.number]
        before = self._decision.limits.get(place)
        is_full = stay.got_wh >= stay.wanted_wh
        return Car(
            charger=charger,
            connector=connector,
            since=stay.arrival,
            lines=car.lines,
            most=car.most,
            is_full=is_full,
            drawn=0.0
            if is_full
            else min(takes[place], before.amperes)
            if before and before.amperes
            else None,
        )

    def _count(self, decision: Allocation, now: float) -> None:
        night = int((now / DAY) - WARM_UP)
        before = self._decision.limits
        for stay in self._present:
            place = self._place(stay)
            if place in before and before[place].amperes != decision.limits[place].amperes:
                self._changed[stay.number, night] += 1

    def _charge(self, takes: Mapping[Place, float], house: Phases, seconds: float) -> None:
        drawn = list(house)
        for stay in self._present:
            if stay.got_wh >= stay.wanted_wh:
                continue
            car, place = self._cars[stay.number], self._place(stay)
            amperes = min(takes[place], self._decision.limits[place].amperes)
            stay.got_wh += amperes * car.lines * VOLTS * seconds / HOUR
            for phase in self._tree.sockets[place].lines(car.lines):
                drawn[phase] += amperes
        self._found.peak = max(self._found.peak, *drawn)
        self._found.moments_over += max(drawn) > self._block.limit + 1e-6
        for breaker, amperes in zip(self._breakers, drawn, strict=True):
            self._found.trips += breaker.carry(amperes / self._block.limit, seconds)


def first_come(*, phases_apart: bool) -> Rule:
    """Return what others do: whoever came first gets what he wants; each phase apart, or all
    currents in one sum."""

    def rule(
        tree: Tree, cars: list[Car], _measured: Measured, now: float, _before: Allocation
    ) -> Allocation:
        room = [tree.circuits[FEEDER].amperes] * len(PHASES)
        limits = {}
        for car in sorted(cars, key=lambda car: car.since):
            lines = tree.sockets[car.place].lines(car.lines) if phases_apart else PHASES
            amperes = min(int(min(room[line] for line in lines)), car.most or 0)
            if car.is_full or amperes < tree.sockets[car.place].least:
                amperes = 0
            for line in lines:
                room[line] -= amperes
            limits[car.place] = CurrentLimit(amperes=amperes, bound=Bound.MOST)
        standings = {
            place: CarStanding(limit=limit.amperes, since=now) for place, limit in limits.items()
        }
        return Allocation(at=now, limits=limits, standings=standings, again=now + STEP)

    return rule


@dataclass(frozen=True)
class Row:
    """A row of the table: what is modelled, at which limits, and what it must reach in %."""

    name: str
    blocks: tuple[Block, ...]
    wanted: tuple[float, ...]
    lowest: tuple[float, ...] = ()
    worst: tuple[float, ...] = ()
    rule: Rule = decide


def _blocks(
    *limits: float, house: float = 0.0, taper: bool = False, late: int = 0
) -> tuple[Block, ...]:
    return tuple(Block(limit, 0, house=house, taper=taper, late=late) for limit in limits)


TABLE: Final = (
    Row("no house, no taper", _blocks(25, 32, 40), (91, 97.5, 99.5), (89, 96, 99), (55, 90, 99)),
    Row("five with a least of 8 A", _blocks(25, 32, 40, late=5), (90.5, 97.5, 99.4)),
    Row("with taper", _blocks(25, 32, 40, taper=True), (83, 93, 97.5), (), (42, 68, 89)),
    Row("with the house", _blocks(32, 40, 63, house=1.0), (84.5, 96, 99.8)),
    Row("with 0.6 of the house", _blocks(25, house=0.6), (76,)),
    Row(
        "others: first come, by phase",
        _blocks(25, 32, 40),
        (87, 96, 99.2),
        rule=first_come(phases_apart=True),
    ),
    Row(
        "others: all phases in one sum",
        _blocks(25, 32, 40),
        (63, 77, 88),
        rule=first_come(phases_apart=False),
    ),
)


def lines(seeds: range, nights: int) -> Iterator[str]:
    """Yield the table, a line for each limit."""
    yield (
        f"{'':31}{'A':>3}{'met %':>7}{'wanted':>7}{'lowest':>7}{'worst 5 %':>10}"
        f"{'changes':>9}{'trips':>6}"
    )
    for row in TABLE:
        for number, block in enumerate(row.blocks):
            found = [run(replace(block, seed=seed, nights=nights), row.rule) for seed in seeds]
            shares = sorted(share for one in found for share in one.shares)
            changes = [count for one in found for count in one.changes]
            met = fmean(one.met for one in found)
            yield (
                f"{row.name:31}{block.limit:>3.0f}{100 * met:>7.1f}{row.wanted[number]:>7.1f}"
                f"{100 * min(one.met for one in found):>7.1f}"
                f"{100 * shares[len(shares) // 20]:>10.1f}"
                f"{median(changes):>5.0f}{max(changes):>4}{sum(one.trips for one in found):>6}"
            )


def speed(cars: int, circuits: int) -> float:
    """Return the median of the seconds that the rule takes."""
    chance = random.Random(1)
    leaves = [Circuit(name=f"C{n}", amperes=40 + n, parent=FEEDER) for n in range(circuits - 1)]
    tree = Tree(
        [Circuit(name=FEEDER, amperes=25 if not leaves else cars * 4), *leaves],
        [
            Socket(
                charger=f"S{n}",
                circuit=f"C{n % len(leaves)}" if leaves else FEEDER,
                safe=0,
                rotation="RST",
            )
            for n in range(cars)
        ],
    )
    asking = [
        Car(charger=f"S{n}", since=n, lines=chance.choice((1, 3)), most=chance.choice((16, 32)))
        for n in range(cars)
    ]
    took, decision = [], Allocation(at=0.0)
    for turn in range(1, 40 if leaves else 400):
        began = time.process_time()
        decision = decide(tree, asking, Measured(), turn * 100.0, decision)
        took.append(time.process_time() - began)
    return median(took)


def main() -> None:
    """Print the table of `just feeder`."""
    seeds = range(1, 1 + int(sys.argv[1]) if len(sys.argv) > 1 else 4)
    print(
        f"30 nights, seeds {seeds[0]} to {seeds[-1]}. Worst 5 %: what the twentieth of all stays "
        "got."
    )
    for line in lines(seeds, 30):
        print(line, flush=True)
    print(
        f"the rule for 20 cars {speed(20, 1) * 1000:.2f} ms, for 1,000 in 50 circuits "
        f"{speed(1000, 50) * 1000:.1f} ms"
    )


if __name__ == "__main__":
    main()
