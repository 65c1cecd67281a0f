"""Evenings of mixed charge points at a feeder: `just fleets --seeds 1-40`, `just fleets --kinds`.

Each evening is lived as it was drawn. Where that leaves open what the rule gives each car, it is
lived again with honest charge points, the same cars and the same wiring; the feeder then carries
less by what those took that ignore their limits, or refuse 0 A. What is looked at: seconds above
the limit in which somebody could be told less, honest charge points that are accused, and whether
each car gets its share.

With `--kinds`, each kind comes 60 s after the first of three honest ones, for 90 minutes, beside a
house whose meter is read; seeds draw the house. Printed are those seconds above each factor,
excepting what the odd one alone draws; what its neighbours got of what they get beside an honest
one, all together and the worst; what it got of the rule's share; and the raises and defaults in the
worst hour of one of its connectors, with all writes.

`--only 0 3 --tell` lets cars come to CP-0 and CP-3 alone, and prints what flowed and what was
offered in each minute, and what the page said.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import os
import random
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import trio
import trio.testing

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.charge_point import Call
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
MOST_SECONDS: Final = {1.13: 10, 1.45: 2}
"""For so many seconds in all, so many times the limit may flow while somebody could be told
less."""
MOST_WITH_IGNORING: Final = {1.13: 30, 1.45: 2}
"""The same where one ignores its limits."""
NUMBERS: Final = re.compile(r"\d[\d.,:T-]*Z?")
ODD: Final = 0
"""The number of the odd one among honest ones."""
MINUTES: Final = 90
HOUSE_A: Final = 6.0
ARRIVE: Final = (60.0, 0.0, 400.0, 800.0)
"""When cars come to it, and to each honest one."""
NEIGHBOURS_SHARE: Final = 0.85
OWN_SHARE: Final = 0.85
REASONED_SHARE: Final = 0.6
REASONED: Final = ("one limit for two connectors", "restarts at each profile", "+5 %")
"""Kinds that may get less of their share, if the page says why."""
MOST_RAISES: Final = 20
"""Raises and defaults in an hour at a connector."""


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
    house: float
    """What it takes at most, in A on a line."""

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
    total: int
    """Seconds of all spans of this evening."""
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
    raises: dict[int, int] = field(default_factory=dict)
    """Raises and defaults in the worst hour of a connector, by charge point."""
    writes: dict[int, int] = field(default_factory=dict)
    """All charging profiles in it."""
    says: dict[int, set[str]] = field(default_factory=dict)
    """What the page said about cars at each charge point, without its numbers."""
    lacking: list[Visit] = field(default_factory=list)
    """Cars that got less than LEAST_SHARE of what the rule gives them."""
    story: list[str] = field(default_factory=list)


def drawn(seed: int, amperes: float) -> Fleet:
    """Draw an evening of eight charge points."""
    chance = random.Random(f"fleet {seed}")
    names = tuple(
        "" if chance.random() < HONEST_SHARE else chance.choice(list(KINDS)) for _ in range(POINTS)
    )
    visits = _visits(names, chance)
    return Fleet(seed, amperes, names, visits, is_metered=seed % 2 == 0, house=amperes / 4)


def beside_honest(name: str, seed: int, amperes: float) -> Fleet:
    """Return an evening of one kind beside three honest charge points, with the house of a seed."""
    arrivals = [(number, 1, arrives) for number, arrives in enumerate(ARRIVE)]
    if KINDS[name].connectors > 1:
        arrivals.append((ODD, 2, ARRIVE[ODD] + MINUTE))
    visits = tuple(
        Visit(number, arrives, MINUTES * MINUTE, Kind().car().wants_wh, connector)
        for number, connector, arrives in arrivals
    )
    return Fleet(seed, amperes, (name, "", "", ""), visits, is_metered=True, house=HOUSE_A)


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
    fleet: Fleet,
    kinds: Sequence[Kind],
    taken: Sequence[tuple[float, int]],
    others: Collection[int],
    folder: Path,
) -> Outcome:
    outcome = Outcome()
    house = evening_house(fleet.seed, fleet.house)
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
                for factor in MOST_SECONDS
                if (span := longest_span(fleet.amperes, kinds, evening.seconds, factor, others))
            ]
            outcome.accused = {
                int(fact.charger.removeprefix("CP-")) for fact in evening.facts(LimitIgnored)
            }
            outcome.unavoidable = _unavoidable(kinds, evening.seconds)
            for number, point in enumerate(evening.points):
                outcome.raises[number], outcome.writes[number] = writes_in_worst_hour(point.calls)
    return outcome


async def _visit(evening: Evening, visit: Visit, outcome: Outcome) -> None:
    kind = evening.kinds[visit.number]
    await trio.sleep_until(BEGINS + visit.arrives)
    car = kind.car(visit.wants_wh)
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
        said = [] if evening.load.now is None else evening.load.now.cars
        for car in said:
            number = int(car.charger.removeprefix("CP-"))
            outcome.says.setdefault(number, set()).add(NUMBERS.sub("#", car.says))
        outcome.story.append(f"{minute // 60}:{minute % 60:02}  {lines}  {', '.join(points)}")
        outcome.story += [f"      {car.charger} {car.says}" for car in said]


def writes_in_worst_hour(calls: Iterable[Call]) -> tuple[int, int]:
    """Return how many raises and defaults came to a connector in its worst hour, and how many
    charging profiles. A refused raise is one, too."""
    raises: defaultdict[int, list[float]] = defaultdict(list)
    writes: defaultdict[int, list[float]] = defaultdict(list)
    told: dict[int, float] = {}
    for at, action, payload, status in calls:
        if action == "SetChargingProfile":
            number, profile = payload["connectorId"], payload["csChargingProfiles"]
            schedule = profile["chargingSchedule"]
            limit = schedule["chargingSchedulePeriod"][0]["limit"]
            watts = limit if schedule["chargingRateUnit"] == "W" else limit * 3 * VOLTS
            is_default = profile["chargingProfilePurpose"] != "TxProfile"
            if is_default or watts > told.get(number, 0.0):
                raises[number].append(at)
            if status == "Accepted" and not is_default:
                told[number] = watts
            writes[number].append(at)
    return _in_worst_hour(raises.values()), _in_worst_hour(writes.values())


def _in_worst_hour(of_connectors: Iterable[Sequence[float]]) -> int:
    """Return the most of these moments that lie within an hour."""
    return max(
        (
            sum(at - HOUR < other <= at for other in times)
            for times in of_connectors
            for at in times
        ),
        default=0,
    )


def _unavoidable(kinds: Sequence[Kind], seconds: Sequence[Second]) -> list[tuple[float, int]]:
    """Return since when how much flowed on a line through those that ignore their limits, or cannot
    be told less."""

    def amperes(second: Second) -> int:
        drawn = list(zip(kinds, second.points, strict=True))
        return math.ceil(sum(min(of_point, kind.unavoidable) for kind, of_point in drawn))

    return [(next(group).at, taken) for taken, group in itertools.groupby(seconds, amperes)]


def longest_span(
    amperes: float,
    kinds: Sequence[Kind],
    seconds: Sequence[Second],
    factor: float,
    others: Collection[int] | None = None,
) -> Span | None:
    """Return the longest span with too much on a line while one of these others could be told less,
    by default one of all."""
    others = range(len(kinds)) if others is None else others

    def is_above(second: Second) -> bool:
        return second.at >= BEGINS and any(
            flowing > factor * amperes + 0.01 and _could_be_less(kinds, second, line, others)
            for line, flowing in enumerate(second.feeder)
        )

    spans = [list(group) for above, group in itertools.groupby(seconds, is_above) if above]
    if not spans:
        return None
    span = max(spans, key=len)
    highest = max(span, key=lambda second: max(second.feeder))
    return Span(factor, len(span), sum(map(len, spans)), span[0].at - BEGINS, highest)


def _could_be_less(
    kinds: Sequence[Kind], second: Second, line: int, others: Collection[int]
) -> bool:
    """Whether one of the others draws on a line that keeps its limits, and more than the least that
    it can be told."""
    return any(
        kinds[number].obeys and second.of_points[number][line] > kinds[number].make.lowest
        for number in others
    )


def live(
    fleet: Fleet,
    kinds: Sequence[Kind],
    taken: Sequence[tuple[float, int]] = (),
    others: Collection[int] | None = None,
) -> Outcome:
    """Live an evening with charge points of these kinds. Since each time, the feeder carries so
    much less. Too much counts while one of the others could be told less, by default one of all."""
    others = range(len(kinds)) if others is None else others
    with tempfile.TemporaryDirectory() as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(partial(_live, fleet, kinds, taken, others, Path(folder)), clock=clock)


def if_honest(
    fleet: Fleet, unavoidable: Sequence[tuple[float, int]], apart: float
) -> dict[Visit, float]:
    """Live an evening with honest charge points, whose cars come so much later at each, and return
    what cars got.

    The feeder carries so much less as nobody could avoid.
    """
    kinds = [kind.honest() for kind in fleet.kinds]
    visits = [visit for visit in fleet.visits if fleet.kinds[visit.number].can_pause]
    later = [replace(visit, arrives=visit.arrives + visit.number * apart) for visit in visits]
    outcome = live(replace(fleet, visits=tuple(later)), kinds, unavoidable)
    return {
        visit: outcome.got_wh[other] * fleet.kinds[visit.number].part
        for visit, other in zip(visits, later, strict=True)
    }


@dataclass(frozen=True)
class Measured:
    """What an evening of one kind beside three honest ones came to."""

    name: str
    above: dict[float, int]
    """Seconds above each factor while an honest one could be told less."""
    accused: tuple[int, ...]
    neighbours: float
    """What the honest ones got, of what they get beside an honest one."""
    worst: float
    """The same of that one of them who got the least of it."""
    own: float | None
    """What it got of the rule's share; None for one that cannot be told to take nothing."""
    raises: int
    writes: int
    reasons: tuple[str, ...]
    """What the page said of its cars, and says of none beside an honest one."""

    @property
    def figures(self) -> str:
        """Return all in one line."""
        above = _above(self.above)
        own = "   -" if self.own is None else f"{100 * self.own:3.0f}%"
        shares = f"neighbours {100 * self.neighbours:3.0f}% (worst {100 * self.worst:3.0f}%)"
        return f"{above}  {shares}  own {own}  raises {self.raises:3} writes {self.writes:3}"

    def faults(self) -> list[str]:
        """Return what is not as it must be."""
        kind = KINDS[self.name]
        bounds = MOST_SECONDS if kind.obeys else MOST_WITH_IGNORING
        found = [
            f"{self.above[factor]} s above {factor} ×"
            for factor, most in bounds.items()
            if self.above[factor] > most
        ]
        found += [
            f"CP-{number} is accused" for number in self.accused if number != ODD or kind.obeys
        ]
        if self.neighbours < NEIGHBOURS_SHARE:
            found.append(f"its neighbours got {self.neighbours:.0%}")
        least = REASONED_SHARE if self.name in REASONED else OWN_SHARE
        if self.own is not None and self.own < least:
            found.append(f"it got {self.own:.0%}")
        elif self.own is not None and self.own < OWN_SHARE and not self.reasons:
            found.append("nothing says why it got less")
        if self.raises > MOST_RAISES:
            found.append(f"{self.raises} raises and defaults in an hour")
        return found


def _above(seconds: Mapping[float, int]) -> str:
    return " ".join(f"{of_factor:4} s > {factor}" for factor, of_factor in seconds.items())


def measured(name: str, seed: int, amperes: float) -> tuple[Measured, Outcome]:
    """Live an evening of one kind beside three honest ones, and the same with an honest one in its
    place."""
    fleet = beside_honest(name, seed, amperes)
    kind = KINDS[name]
    outcome = live(fleet, fleet.kinds, others=range(1, len(fleet.names)))
    less = tuple(outcome.unavoidable) if any(taken for _, taken in outcome.unavoidable) else ()
    beside = replace(fleet, names=("",) * len(fleet.names))
    if not kind.can_pause:
        # What its car takes is taken from the feeder instead.
        beside = replace(beside, visits=tuple(one for one in fleet.visits if one.number != ODD))
    given = _lived_once(beside, kind.honest(), less)
    got = {visit: outcome.got_wh[visit] for visit in fleet.visits}
    honest = [visit for visit in fleet.visits if visit.number != ODD]
    own = [visit for visit in fleet.visits if visit.number == ODD]
    share = None
    if kind.can_pause:
        fair_wh = kind.part * sum(given.got_wh[visit] for visit in own)
        share = sum(got[visit] for visit in own) / fair_wh
    usual = {says for of_point in given.says.values() for says in of_point}
    seconds = {span.factor: span.total for span in outcome.spans}
    return Measured(
        name,
        above={factor: seconds.get(factor, 0) for factor in MOST_SECONDS},
        accused=tuple(sorted(outcome.accused)),
        neighbours=_part(
            sum(got[visit] for visit in honest), sum(given.got_wh[visit] for visit in honest)
        ),
        worst=min(_part(got[visit], given.got_wh[visit]) for visit in honest),
        own=share,
        raises=max(outcome.raises.values()),
        writes=max(outcome.writes.values()),
        reasons=tuple(sorted(outcome.says.get(ODD, set()) - usual)),
    ), outcome


def _part(got: float, given: float) -> float:
    """Return what was got of what was given; all of it where the difference is next to nothing."""
    return 1.0 if given - got <= NEGLIGIBLE_WH else got / given


@lru_cache(maxsize=8)
def _lived_once(fleet: Fleet, kind: Kind, taken: tuple[tuple[float, int], ...]) -> Outcome:
    """Live an evening of which several kinds ask."""
    return live(fleet, [kind, *fleet.kinds[1:]], taken)


def faults(fleet: Fleet) -> tuple[list[str], Outcome]:
    """Live an evening, and say what was wrong with it."""
    outcome = live(fleet, fleet.kinds)
    is_ignoring = any(not kind.obeys for kind in fleet.kinds)
    most = MOST_WITH_IGNORING if is_ignoring else MOST_SECONDS
    found = [_words(fleet, span) for span in outcome.spans if span.total > most[span.factor]]
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
            says = " / ".join(sorted(outcome.says.get(visit.number, set())))
            outcome.lacking.append(visit)
            found.append(
                f"{fleet.name(visit.number)} got {share} at connector {visit.connector} ({says})"
            )
    return found, outcome


def _most(fleet: Fleet, visit: Visit) -> float:
    """Return what a car could have got beside nobody else."""
    kind = fleet.kinds[visit.number]
    watts = 16 * kind.lines * VOLTS * kind.part
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
    return f"{span.total} s above {span.factor} ×, longest {when}: {', '.join(took)}"


def _lived(fleet: Fleet, is_of_kind: bool) -> tuple[str, list[str], Outcome]:
    """Live an evening in a process of its own, beside what others do. Return figures, faults and
    what it came to."""
    gc.disable()
    try:
        if is_of_kind:
            of_kind, outcome = measured(fleet.names[ODD], fleet.seed, fleet.amperes)
            figures, found = of_kind.figures, of_kind.faults()
            if of_kind.own is not None and of_kind.own < OWN_SHARE:
                found += [f"says: {says}" for says in of_kind.reasons]
        else:
            found, outcome = faults(fleet)
            seconds = {span.factor: span.total for span in outcome.spans}
            figures = _above({factor: seconds.get(factor, 0) for factor in MOST_SECONDS})
    finally:
        gc.enable()
        gc.collect()
    return figures, found, outcome


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
    is_of_kind = arguments.kinds is not None and not arguments.only
    bad = cars = lacking = 0
    with ProcessPoolExecutor(arguments.jobs, initializer=os.nice, initargs=(10,)) as pool:
        lived = pool.map(partial(_lived, is_of_kind=is_of_kind), fleets)
        for fleet, (figures, found, outcome) in zip(fleets, lived, strict=True):
            bad += bool(found)
            cars += len(fleet.visits)
            lacking += len(outcome.lacking)
            meter = "metered" if fleet.is_metered else "no meter"
            of_fleet = f"seed {fleet.seed:3}  {fleet.amperes:g} A  {meter:8}"
            if arguments.kinds is not None:
                of_fleet += f"  {fleet.names[ODD]:29}"
            print(f"{of_fleet}  {figures}  {'; '.join(found) or 'well'}", flush=True)
            if arguments.tell:
                print(
                    *[fleet.name(number) for number in range(len(fleet.names))],
                    *outcome.story,
                    sep="\n",
                )
    print(f"{len(fleets)} evenings, {bad} with a fault")
    if not is_of_kind:
        print(f"{lacking} of {cars} cars below {LEAST_SHARE:.0%} of the rule")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
