"""Evenings of mixed charge points at a feeder: `just fleets --seeds 1-40`, `just fleets --kinds`.

Each evening is lived as it was drawn. Where that leaves open what the rule gives each car, it is
lived again with honest charge points, the same cars and the same wiring; the feeder then carries
less by what those took that ignore their limits, or refuse 0 A. What is looked at: seconds above
the limit, honest charge points that are accused, and whether each car gets its share.

`--only 0 3 --tell` lets cars come to CP-0 and CP-3 alone, and prints what flowed and what was
offered in each minute.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import trio
import trio.testing

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.charge_point import Car, Make
from tests.load.foreign.evening import (
    HOUR,
    MINUTE,
    Evening,
    Second,
    evening_house,
    exact,
    open_evening,
)
from tests.load.foreign.kinds import HONEST, KINDS, Kind
from tests.load.foreign.profiles import VOLTS
from tests.store.template import only_new

AMPERES: Final = (25.0, 32.0, 63.0)
POINTS: Final = 8
BEGINS: Final = 120.0
LEAST_FEEDER: Final = 1.0
HONEST_SHARE: Final = 0.3
LEAST_SHARE: Final = 0.8
NEGLIGIBLE_WH: Final = 300.0
APART: Final = (0.0, 10.0)
"""Who gets a turn first is chance: a car lacks something if it got less than in each of two honest
evenings, in which the cars come so many seconds later from charge point to charge point.
"""
CHANCE: Final = 0.5
"""Less than so much of its share is no chance, and needs no second evening."""
LONGEST: Final = {1.13: 120, 1.45: 60}
"""For how many seconds a breaker holds so many times its limit with certainty."""


@dataclass(frozen=True)
class Visit:
    """A car that comes and goes, in seconds since the evening began."""

    number: int
    arrives: float
    leaves: float
    wants_wh: float
    connector: int = 1


@dataclass(frozen=True)
class Fleet:
    """What a seed draws."""

    seed: int
    amperes: float
    names: tuple[str, ...]
    """Of the kind of each charge point; empty for an honest one."""
    visits: tuple[Visit, ...]
    is_metered: bool

    @property
    def kinds(self) -> list[Kind]:
        """Return the kind of each charge point."""
        return [KINDS[name] if name else HONEST for name in self.names]

    def name(self, number: int) -> str:
        """Return a charge point and its kind in words."""
        return f"CP-{number} ({self.names[number] or 'honest'})"

    def only(self, numbers: Sequence[int]) -> Fleet:
        """Return the same evening with cars at these charge points alone; the others are idle and
        honest."""
        names = tuple(name if number in numbers else "" for number, name in enumerate(self.names))
        visits = tuple(visit for visit in self.visits if visit.number in numbers)
        return replace(self, names=names, visits=visits)


@dataclass(frozen=True)
class Span:
    """Seconds in a row with too much current, and what flowed at the highest of them."""

    factor: float
    seconds: int
    begins: float
    """Since the evening began."""
    highest: Second


@dataclass
class Outcome:
    """What an evening came to."""

    got_wh: dict[Visit, float] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    """The longest of each factor."""
    accused: set[int] = field(default_factory=set)
    unavoidable: list[tuple[float, int]] = field(default_factory=list)
    """Since when how many A flowed through those that ignore their limits, or cannot be told
    less."""
    story: list[str] = field(default_factory=list)


def drawn(seed: int, amperes: float) -> Fleet:
    """Draw an evening of eight charge points."""
    chance = random.Random(f"fleet {seed}")
    names = tuple(
        "" if chance.random() < HONEST_SHARE else chance.choice(list(KINDS)) for _ in range(POINTS)
    )
    return Fleet(seed, amperes, names, _visits(names, chance), is_metered=seed % 2 == 0)


def beside_honest(name: str, seed: int, amperes: float) -> Fleet:
    """Draw an evening of one kind beside three honest charge points."""
    names = (name, "", "", "")
    chance = random.Random(f"kind {name} {seed}")
    return Fleet(seed, amperes, names, _visits(names, chance), is_metered=seed % 2 == 0)


def _visits(names: Sequence[str], chance: random.Random) -> tuple[Visit, ...]:
    """Draw a car for each charge point, then one for each further connector."""
    of_first = [(number, 1) for number in range(len(names))]
    of_second = [
        (number, 2) for number, name in enumerate(names) if name and KINDS[name].connectors > 1
    ]
    visits = []
    for number, connector in of_first + of_second:
        arrives = chance.uniform(0, 1.5) * HOUR
        leaves = arrives + chance.uniform(1.5, 3.4) * HOUR
        visits.append(Visit(number, arrives, leaves, chance.uniform(4_000, 25_000), connector))
    return tuple(visits)


async def _live(
    fleet: Fleet, kinds: Sequence[Kind], taken: Sequence[tuple[float, int]], folder: Path
) -> Outcome:
    outcome = Outcome()
    house = evening_house(fleet.seed, fleet.amperes / 4)
    with only_new(folder / "levity.db") as connection:
        writer = InlineWriter(connection)
        meter = exact if fleet.is_metered else None
        async with open_evening(writer, kinds, fleet.amperes, house=house, meter=meter) as evening:
            await evening.manage()
            await trio.sleep_until(BEGINS)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tell, evening, outcome)
                nursery.start_soon(_take, evening, taken)
                async with trio.open_nursery() as visits:
                    for visit in fleet.visits:
                        visits.start_soon(_visit, evening, visit, outcome)
                nursery.cancel_scope.cancel()
            outcome.spans = [
                span
                for factor in LONGEST
                if (span := longest_span(fleet.amperes, kinds, evening.seconds, factor))
            ]
            outcome.accused = {
                int(fact.charger.removeprefix("CP-")) for fact in evening.facts(LimitIgnored)
            }
            outcome.unavoidable = _unavoidable(kinds, evening.seconds)
    return outcome


async def _visit(evening: Evening, visit: Visit, outcome: Outcome) -> None:
    kind = evening.kinds[visit.number]
    await trio.sleep_until(BEGINS + visit.arrives)
    car = Car(lines=kind.lines, wakes_seconds=kind.wakes_seconds, wants_wh=visit.wants_wh)
    evening.arrive(visit.number, car, visit.connector)
    await trio.sleep_until(BEGINS + visit.leaves)
    evening.points[visit.number].unplug(visit.connector)
    outcome.got_wh[visit] = car.got_wh


async def _take(evening: Evening, taken: Sequence[tuple[float, int]]) -> None:
    """Enter the site again whenever its feeder carries more or less."""
    amperes = evening.amperes
    for at, less in taken:
        await trio.sleep_until(at)
        if evening.amperes != max(LEAST_FEEDER, amperes - less):
            evening.amperes = max(LEAST_FEEDER, amperes - less)
            await evening.enter()


async def _tell(evening: Evening, outcome: Outcome) -> None:
    """Note each minute what flows at each charge point that has a car, what it offers, and what it
    was told."""
    for minute in itertools.count():
        await trio.sleep_until(BEGINS + minute * MINUTE)
        lines = " ".join(f"{amperes:5.1f}" for amperes in evening.flowing())
        points = []
        for number, point in enumerate(evening.points):
            there = [
                connector for connector in point.connectors if connector.transaction is not None
            ]
            for connector in there:
                told = point.profiles.limit(connector.number, point.clock(), connector.transaction)
                drawn_of_offered = f"{connector.amperes:.1f} of {point.allowed(connector):.1f}"
                limit = "no limit" if told is None else f"told {told:.1f}"
                points.append(f"CP-{number} {drawn_of_offered} ({limit})")
        outcome.story.append(f"{minute // 60}:{minute % 60:02}  {lines}  {', '.join(points)}")


def _unavoidable(kinds: Sequence[Kind], seconds: Sequence[Second]) -> list[tuple[float, int]]:
    """Return since when how much flowed on a line through those that ignore their limits, or cannot
    be told less."""

    def amperes(second: Second) -> int:
        drawn = list(zip(kinds, second.points, strict=True))
        return math.ceil(
            sum(
                min(of_point, kind.make.lowest) if kind.obeys else of_point
                for kind, of_point in drawn
            )
        )

    return [(next(group).at, taken) for taken, group in itertools.groupby(seconds, amperes)]


def longest_span(
    amperes: float, kinds: Sequence[Kind], seconds: Sequence[Second], factor: float
) -> Span | None:
    """Return the longest span with too much on a line, but for what only those take that ignore
    their limits."""

    def is_above(second: Second) -> bool:
        return second.at >= BEGINS and any(
            flowing > factor * amperes + 0.01 and _could_be_less(kinds, second, line)
            for line, flowing in enumerate(second.feeder)
        )

    spans = [list(group) for above, group in itertools.groupby(seconds, is_above) if above]
    if not spans:
        return None
    span = max(spans, key=len)
    return Span(
        factor, len(span), span[0].at - BEGINS, max(span, key=lambda second: max(second.feeder))
    )


def _could_be_less(kinds: Sequence[Kind], second: Second, line: int) -> bool:
    """Whether one draws on a line that keeps its limits, and more than the least that it can be
    told."""
    drawn_on_line = zip(kinds, second.of_points, strict=True)
    return any(kind.obeys and currents[line] > kind.make.lowest for kind, currents in drawn_on_line)


def live(fleet: Fleet, kinds: Sequence[Kind], taken: Sequence[tuple[float, int]] = ()) -> Outcome:
    """Live an evening with charge points of these kinds. Since each time, the feeder carries so
    much less."""
    with tempfile.TemporaryDirectory() as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(partial(_live, fleet, kinds, taken, Path(folder)), clock=clock)


def if_honest(
    fleet: Fleet, unavoidable: Sequence[tuple[float, int]], apart: float
) -> dict[Visit, float]:
    """Live an evening with honest charge points, whose cars come so much later at each, and return
    what cars got.

    The feeder carries so much less as nobody could avoid.
    """
    kinds = [replace(kind, make=Make(), obeys=True) for kind in fleet.kinds]
    visits = [visit for visit in fleet.visits if fleet.kinds[visit.number].can_pause]
    later = [replace(visit, arrives=visit.arrives + visit.number * apart) for visit in visits]
    outcome = live(replace(fleet, visits=tuple(later)), kinds, unavoidable)
    return {visit: outcome.got_wh[other] for visit, other in zip(visits, later, strict=True)}


def faults(fleet: Fleet) -> tuple[list[str], Outcome]:
    """Live an evening, and say what was wrong with it."""
    outcome = live(fleet, fleet.kinds)
    found = [_words(fleet, span) for span in outcome.spans if span.seconds > LONGEST[span.factor]]
    honest = [number for number, kind in enumerate(fleet.kinds) if kind.obeys]
    found += [
        f"{fleet.name(number)} is accused"
        for number in sorted(outcome.accused.intersection(honest))
    ]
    fair = {
        visit: _most(fleet, visit) for visit in fleet.visits if fleet.kinds[visit.number].can_pause
    }
    for apart in APART:
        fair = {visit: wh for visit, wh in fair.items() if _lacks(outcome.got_wh[visit], wh)}
        if any(apart == 0 or outcome.got_wh[visit] > CHANCE * wh for visit, wh in fair.items()):
            given = if_honest(fleet, outcome.unavoidable, apart)
            fair = {visit: min(wh, given[visit]) for visit, wh in fair.items()}
    for visit, wh in fair.items():
        if _lacks(outcome.got_wh[visit], wh):
            share = f"{outcome.got_wh[visit]:.0f} of {wh:.0f} Wh"
            found.append(f"{fleet.name(visit.number)} got {share} at connector {visit.connector}")
    return found, outcome


def _most(fleet: Fleet, visit: Visit) -> float:
    """Return what a car could have got beside nobody else."""
    watts = 16 * fleet.kinds[visit.number].lines * VOLTS
    return min(visit.wants_wh, watts * (visit.leaves - visit.arrives) / HOUR)


def _lacks(got: float, fair: float) -> bool:
    return got < LEAST_SHARE * fair and fair - got > NEGLIGIBLE_WH


def _words(fleet: Fleet, span: Span) -> str:
    highest = span.highest
    took = [
        f"{fleet.name(number)} {amperes:.1f}"
        for number, amperes in enumerate(highest.points)
        if amperes
    ]
    lines = " / ".join(f"{amperes:.1f}" for amperes in highest.feeder)
    when = (
        f"since {span.begins / 60:.1f} min, at most {lines} A at {(highest.at - BEGINS) / 60:.1f} "
        "min"
    )
    return f"{span.seconds} s above {span.factor} × {when}: {', '.join(took)}"


def _lived(fleet: Fleet) -> tuple[list[str], list[str]]:
    """Live an evening in a process of its own, beside what others do."""
    gc.disable()
    try:
        found, outcome = faults(fleet)
    finally:
        gc.enable()
        gc.collect()
    return found, outcome.story


def _fleets(arguments: argparse.Namespace) -> Iterator[Fleet]:
    first, _, last = arguments.seeds.partition("-")
    for seed in range(int(first), int(last or first) + 1):
        for amperes in arguments.amperes:
            fleets = [drawn(seed, amperes)]
            if arguments.kinds is not None:
                fleets = [beside_honest(name, seed, amperes) for name in arguments.kinds or KINDS]
            yield from (fleet.only(arguments.only) if arguments.only else fleet for fleet in fleets)


def main() -> None:
    """Print the faults of evenings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1-40", help="such as 1-40 or 7")
    parser.add_argument("--amperes", type=float, nargs="*", default=AMPERES)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--kinds", nargs="*", help="each kind, or each of these, beside three honest charge points"
    )
    parser.add_argument(
        "--only", type=int, nargs="*", help="cars come to these charge points alone"
    )
    parser.add_argument("--tell", action="store_true", help="print what flowed in each minute")
    arguments = parser.parse_args()
    fleets = list(_fleets(arguments))
    bad = 0
    with ProcessPoolExecutor(arguments.jobs, initializer=os.nice, initargs=(10,)) as pool:
        for fleet, (found, story) in zip(fleets, pool.map(_lived, fleets), strict=True):
            bad += bool(found)
            meter = "metered" if fleet.is_metered else "no meter"
            of_fleet = f"seed {fleet.seed:3}  {fleet.amperes:g} A  {meter:8}"
            if arguments.kinds is not None:
                of_fleet += f"  {fleet.names[0]}"
            print(f"{of_fleet}  {'; '.join(found) or 'well'}", flush=True)
            if arguments.tell:
                print(*[fleet.name(number) for number in range(len(fleet.names))], *story, sep="\n")
    print(f"{len(fleets)} evenings, {bad} with a fault")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
