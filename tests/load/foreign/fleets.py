"""Evenings of eight charge points of mixed kinds, drawn by a seed: `just fleets --seeds 1-40`.

Each evening is lived twice: once as drawn, and once with honest charge points and the same cars, which shows what the
rule gives each car. What is looked at: seconds above the limit, honest charge points that are accused, and whether each
car gets its share.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import trio
import trio.testing

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.charge_point import Car
from tests.load.foreign.evening import HOUR, Evening, evening_house, exact, open_evening
from tests.load.foreign.kinds import HONEST, KINDS, Kind
from tests.store.template import only_new

AMPERES: Final = (25.0, 32.0, 63.0)
POINTS: Final = 8
HOURS: Final = 5.0
HONEST_SHARE: Final = 0.3
LEAST_SHARE: Final = 0.8
NEGLIGIBLE_WH: Final = 500.0
LONGEST: Final = {1.13: 120, 1.45: 60}
"""For how many seconds a breaker holds so many times its limit with certainty."""


@dataclass(frozen=True)
class Visit:
    """A car that comes and goes, in seconds since the evening began."""

    number: int
    arrives: float
    leaves: float
    wants_wh: float


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

    def honest(self) -> Fleet:
        """Return the same evening with charge points that keep to the specification."""
        return replace(self, names=tuple("" for _ in self.names))


@dataclass(frozen=True)
class Outcome:
    """What an evening came to."""

    got_wh: tuple[float, ...]
    """Of each visit."""
    above: dict[float, int]
    """For how many seconds in a row more than so many times the limit flowed."""
    accused: frozenset[int]


def drawn(seed: int, amperes: float) -> Fleet:
    """Draw an evening."""
    chance = random.Random(f"fleet {seed}")
    names = tuple("" if chance.random() < HONEST_SHARE else chance.choice(list(KINDS)) for _ in range(POINTS))
    visits = []
    for number in range(POINTS):
        arrives = chance.uniform(0, 1.5) * HOUR
        leaves = arrives + chance.uniform(1.5, 3.4) * HOUR
        visits.append(Visit(number, arrives, leaves, chance.uniform(4_000, 25_000)))
    return Fleet(seed, amperes, names, tuple(visits), is_metered=seed % 2 == 0)


async def _live(fleet: Fleet, cars: Sequence[Kind], folder: Path) -> Outcome:
    with only_new(folder / "levity.db") as connection:
        writer = InlineWriter(connection)
        house = evening_house(fleet.seed, fleet.amperes / 4)
        meter = exact if fleet.is_metered else None
        async with open_evening(writer, fleet.kinds, fleet.amperes, house=house, meter=meter) as evening:
            await evening.manage()
            began = trio.current_time()
            got = [0.0] * len(fleet.visits)
            async with trio.open_nursery() as visits:
                for index, visit in enumerate(fleet.visits):
                    visits.start_soon(_visit, evening, visit, cars[visit.number], began, got, index)
            above = {factor: _longest(evening, fleet, factor, began) for factor in LONGEST}
            accused = {int(fact.charger.removeprefix("CP-")) for fact in evening.facts(LimitIgnored)}
            return Outcome(tuple(got), above, frozenset(accused))


async def _visit(evening: Evening, visit: Visit, kind: Kind, began: float, got: list[float], index: int) -> None:
    await trio.sleep_until(began + visit.arrives)
    car = Car(lines=kind.lines, wakes_seconds=kind.wakes_seconds, wants_wh=visit.wants_wh)
    evening.arrive(visit.number, car)
    await trio.sleep_until(began + visit.leaves)
    evening.points[visit.number].unplug()
    got[index] = car.got_wh


def _longest(evening: Evening, fleet: Fleet, factor: float, since: float) -> int:
    """Return for how long too much flowed, but for what only those took that ignore their limits."""
    obeying = [number for number, kind in enumerate(fleet.kinds) if kind.obeys]
    longest = run = 0
    for second in evening.seconds:
        is_above = second.at >= since and max(second.feeder) > factor * fleet.amperes + 0.01
        is_theirs_alone = not any(second.points[number] for number in obeying)
        run = run + 1 if is_above and not is_theirs_alone else 0
        longest = max(longest, run)
    return longest


def live(fleet: Fleet, cars: Sequence[Kind]) -> Outcome:
    """Live an evening, with the cars of these kinds."""
    with tempfile.TemporaryDirectory() as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(partial(_live, fleet, cars, Path(folder)), clock=clock)


def faults(fleet: Fleet) -> list[str]:
    """Live an evening as it was drawn and with honest charge points, and say what was wrong with it."""
    outcome, honest = live(fleet, fleet.kinds), live(fleet.honest(), fleet.kinds)
    found = [f"{seconds} s above {factor} ×" for factor, seconds in outcome.above.items() if seconds > LONGEST[factor]]
    for visit, got, fair in zip(fleet.visits, outcome.got_wh, honest.got_wh, strict=True):
        name, kind = fleet.names[visit.number] or "honest", fleet.kinds[visit.number]
        if visit.number in outcome.accused and kind.obeys:
            found.append(f"CP-{visit.number} ({name}) is accused")
        if got < LEAST_SHARE * fair - NEGLIGIBLE_WH:
            found.append(f"CP-{visit.number} ({name}) got {got:.0f} of {fair:.0f} Wh")
    return found


def main() -> None:
    """Print the faults of evenings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1-40")
    parser.add_argument("--amperes", type=float, nargs="*", default=AMPERES)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    first, _, last = arguments.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    fleets = [drawn(seed, amperes) for seed in seeds for amperes in arguments.amperes]
    bad = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for fleet, found in zip(fleets, pool.map(faults, fleets), strict=True):
            bad += bool(found)
            meter = "metered" if fleet.is_metered else "no meter"
            print(f"seed {fleet.seed:3}  {fleet.amperes:g} A  {meter:8}  {'; '.join(found) or 'well'}", flush=True)
    print(f"{len(fleets)} evenings, {bad} with a fault")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
