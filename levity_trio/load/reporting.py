"""What is kept of decisions: the sums of each quarter of an hour, how orders are kept, and what
exceeds its limit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final, NamedTuple

from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.events import Fact, LoadExceeded, LoadExceedEnded
from levity_trio.load.document import CHARGERS, CONNECTION
from levity_trio.load.rule import VOLTS, Allocation, GridOrder
from levity_trio.load.tree import NAMES, Phases, Place
from levity_trio.store.reads.load.load import (
    LoadCarQuarter,
    LoadOrder,
    LoadOver,
    LoadQuarter,
    PluggedIn,
)

LONGEST_SECONDS: Final = 60.0
"""A decision holds for at most so long; what happened in a longer gap nobody knows."""
TELL_SECONDS: Final = 60.0
"""A limit that was exceeded for longer is told, and its end after as long below it."""

MARGIN_AMPERES: Final = 1.0
MARGIN: Final = 0.03
"""Meters and cars differ: less above the limit is no alarm."""

CircuitPhase = tuple[str, int]
"""The name of a circuit and one of its phases."""


class DecisionInputs(NamedTuple):
    """What a decision was made of, as far as the sums of its quarter of an hour need it."""

    cars: Sequence[PluggedIn]
    drawn: Mapping[Place, float | None]
    """The A that each car draws."""
    metered: Mapping[str, Phases]
    """The other load of the circuits where it is measured, as two readings have shown it."""


def rounded(amperes: float) -> float:
    return round(float(amperes), 1)


# Quarters of an hour


def _held(seconds: float) -> float:
    """Return for how long a decision counts. A clock may leap, also back."""
    return max(0.0, min(seconds, LONGEST_SECONDS))


@dataclass(slots=True)
class _LineSum:
    limit: float = 0.0
    seconds: float = 0.0
    other: float = 0.0
    other_highest: float = 0.0
    metered_seconds: float = 0.0
    cars: float = 0.0
    permitted_highest: float = 0.0
    over_seconds: float = 0.0


@dataclass(slots=True)
class _CarSum:
    seconds: float = 0.0
    limit: float = 0.0
    drawn: float = 0.0
    drawn_seconds: float = 0.0
    transaction: int | None = None
    bound: Counter[tuple[str, str]] = field(default_factory=Counter)
    """For how many milliseconds each reason, with its circuit, has bound it."""


class QuarterSums:
    """The sums of the quarter of an hour that runs."""

    def __init__(self, now: float) -> None:
        self._quarter = quarter_of(now)
        self._lines = defaultdict[CircuitPhase, _LineSum](_LineSum)
        self._cars = defaultdict[Place, _CarSum](_CarSum)

    def end(self, now: float) -> tuple[list[LoadQuarter], list[LoadCarQuarter]] | None:
        """Return the sums of the quarter if it is over, and begin the next one."""
        quarter = quarter_of(now)
        if quarter == self._quarter:
            return None
        lines: list[LoadQuarter] = []
        for (circuit, phase), line in self._lines.items():
            if not line.seconds:
                continue
            is_metered = line.metered_seconds > 0
            row = LoadQuarter(
                quarter=self._quarter,
                circuit=circuit,
                phase=phase,
                other_mean=rounded(line.other / line.metered_seconds) if is_metered else None,
                other_highest=rounded(line.other_highest) if is_metered else None,
                cars_mean=rounded(line.cars / line.seconds),
                permitted_highest=rounded(line.permitted_highest),
                limit_a=rounded(line.limit),
                over_seconds=round(line.over_seconds),
            )
            lines.append(row)
        cars: list[LoadCarQuarter] = []
        for (charger, connector), car in self._cars.items():
            if not car.seconds:
                continue
            bound, circuit = max(car.bound, key=lambda key: (car.bound[key], key))
            drawn = rounded(car.drawn / car.drawn_seconds) if car.drawn_seconds else None
            car_row = LoadCarQuarter(
                quarter=self._quarter,
                charger=charger,
                connector=connector,
                transaction=car.transaction,
                limit_mean=rounded(car.limit / car.seconds),
                drawn_mean=drawn,
                bound=bound,
                circuit=circuit,
            )
            cars.append(car_row)
        self._quarter = quarter
        self._lines.clear()
        self._cars.clear()
        return lines, cars

    def add(
        self,
        decision: Allocation,
        inputs: DecisionInputs,
        over: Collection[CircuitPhase],
        seconds: float,
    ) -> None:
        """Add a decision that held for so long."""
        seconds = _held(seconds)
        for load in decision.lines:
            key = load.circuit, load.phase
            line = self._lines[key]
            line.limit = load.limit
            line.seconds += seconds
            line.cars += seconds * load.drawn
            line.permitted_highest = max(line.permitted_highest, load.permitted)
            if key in over:
                line.over_seconds += seconds
            if load.circuit in inputs.metered:
                line.metered_seconds += seconds
                line.other += seconds * load.other
                metered = inputs.metered[load.circuit][load.phase]
                line.other_highest = max(line.other_highest, metered)
        for plugged_in in inputs.cars:
            place = plugged_in.place
            limit = decision.limits[place]
            car = self._cars[place]
            car.seconds += seconds
            car.limit += seconds * limit.amperes
            car.transaction = plugged_in.transaction or car.transaction
            car.bound[str(limit.bound), limit.circuit] += round(seconds * 1000)
            drawn = inputs.drawn[place]
            if drawn is not None:
                car.drawn += seconds * drawn
                car.drawn_seconds += seconds


# What exceeds its limit


class OrderCompliance:
    """How the newest order of the grid operator is kept: since when, and how much was drawn then in
    one minute."""

    def __init__(self) -> None:
        self._order: LoadOrder | None = None
        self._at = 0.0
        self._last = 0.0
        self._sum = 0.0
        self._seconds = 0.0
        self._over_since = inf

    def look(
        self, order: LoadOrder | None, decision: Allocation, grid: GridOrder
    ) -> list[LoadOrder]:
        """Take what is drawn of an order now. Return the order if that changes how it is kept."""
        now = decision.at
        passed = _held(now - self._at)
        limit = None
        if order is not None:
            limit = order.amperes if order.kilowatts is None else order.kilowatts
        before = self._order
        if order is None or limit is None or before is None or before.id != order.id:
            before = order
            self._over_since = inf
            self._sum = self._seconds = passed = 0.0
        if before is None or limit is None:
            self._order = None
            return []

        self._sum += passed * self._last
        self._seconds += passed
        limits = CONNECTION if grid.of_connection else CHARGERS
        kept = replace(before, limits=limits)
        if now // LONGEST_SECONDS > self._at // LONGEST_SECONDS and self._seconds:
            mean = round(self._sum / self._seconds, 2)
            kept = replace(kept, highest=max(kept.highest or 0.0, mean))
            self._sum = self._seconds = 0.0

        margin = MARGIN_AMPERES
        if grid.kilowatts is not None:
            margin *= VOLTS / 1000
        is_over = decision.ordered > limit + max(margin, MARGIN * limit)
        self._over_since = min(self._over_since, now) if is_over else inf
        if kept.held_after_seconds is None and not is_over:
            # The highest minute is counted from when the order is held.
            held_after = max(0, round(now - seconds(kept.at)))
            kept = replace(kept, held_after_seconds=held_after, highest=None)
            self._sum = self._seconds = 0.0
        self._order = kept
        self._at = now
        self._last = decision.ordered
        return [] if kept == before else [kept]

    def over_since(self, now: float) -> str | None:
        """Return since when more is drawn than the order allows, if that lasts."""
        if now - self._over_since > TELL_SECONDS:
            return timestamp_of(self._over_since)
        return None


@dataclass(slots=True)
class _Overload:
    since: float
    last: float
    highest: float
    is_told: bool = False
    above: float = 0.0
    """A above the limit, as last measured."""


class Overloads:
    """The phases of circuits whose measured current is above the limit. `kept` are those that were
    told before, as fields of LoadOver."""

    def __init__(self, kept: Iterable[Mapping[str, str]], now: float) -> None:
        self._overloads: dict[CircuitPhase, _Overload] = {}
        for told in kept:
            overload = _Overload(seconds(told["since"]), now, 0.0, is_told=True)
            self._overloads[told["circuit"], NAMES.index(told["phase"])] = overload
        self.present: frozenset[CircuitPhase] = frozenset()
        """Those that are above their limit right now."""
        self._at = now
        self.seconds = defaultdict[tuple[str, str], float](float)
        """For how long each was above its limit, by circuit and name of the phase."""

    def leapt(self, by: float) -> None:
        """Our clock was set forward by so much."""
        self._at += by
        for overload in self._overloads.values():
            overload.since += by
            overload.last += by

    def look(self, measured: Mapping[str, Phases], decision: Allocation) -> Iterator[Fact]:
        """Take what was measured at circuits, and yield what is to be told."""
        now = decision.at
        for circuit, phase in self.present:
            self.seconds[circuit, NAMES[phase]] += _held(now - self._at)
        self._at = now

        present: set[CircuitPhase] = set()
        for load in decision.lines:
            circuit, phase, limit = load.circuit, load.phase, load.limit
            amperes = measured[circuit][phase] if circuit in measured else 0.0
            if amperes <= limit + max(MARGIN_AMPERES, MARGIN * limit):
                continue
            present.add((circuit, phase))
            overload = self._overloads.setdefault((circuit, phase), _Overload(now, now, 0.0))
            overload.last = now
            overload.highest = max(overload.highest, amperes)
            overload.above = amperes - limit
            if not overload.is_told and now - overload.since > TELL_SECONDS:
                overload.is_told = True
                yield LoadExceeded(
                    charger=None,
                    at=timestamp_of(now),
                    circuit=circuit,
                    phase=NAMES[phase],
                    amperes=rounded(overload.highest),
                    limit=rounded(limit),
                )
        self.present = frozenset(present)

        for circuit, phase in [place for place in self._overloads if place not in present]:
            overload = self._overloads[circuit, phase]
            if overload.is_told and now - overload.last <= TELL_SECONDS:
                continue
            del self._overloads[circuit, phase]
            if overload.is_told:
                yield LoadExceedEnded(
                    charger=None,
                    at=timestamp_of(now),
                    circuit=circuit,
                    phase=NAMES[phase],
                    amperes=rounded(overload.highest),
                    seconds=round(overload.last - overload.since),
                )

    def lasting(self, now: float) -> Iterator[tuple[str, int, float]]:
        """Yield the circuits and phases that have been above their limit for a minute, and by how
        much they are."""
        for circuit, phase in self.present:
            overload = self._overloads[circuit, phase]
            if now - overload.since > TELL_SECONDS:
                yield circuit, phase, overload.above

    def told(self) -> Iterator[LoadOver]:
        """Yield those that were told and are not over."""
        for (circuit, phase), overload in sorted(self._overloads.items()):
            if overload.is_told:
                since = timestamp_of(overload.since)
                yield LoadOver(circuit=circuit, phase=NAMES[phase], since=since)
