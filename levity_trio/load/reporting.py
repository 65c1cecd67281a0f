"""What is kept and shown of decisions: the last one, sums by the quarter of an hour, and what
exceeds its limit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.events import Fact, LoadExceeded, LoadExceedEnded
from levity_trio.load.document import CHARGERS, CONNECTION
from levity_trio.load.lease import Lease
from levity_trio.load.rule import VOLTS, Allocation, Bound, CarStanding, CurrentLimit, GridOrder
from levity_trio.load.tree import NAMES, PHASES, Phases, Place, Tree
from levity_trio.store.reads.leases import ManagedCharger
from levity_trio.store.reads.load import (
    Kept,
    LoadCar,
    LoadCarQuarter,
    LoadKept,
    LoadLine,
    LoadMeter,
    LoadNow,
    LoadOrder,
    LoadOver,
    LoadQuarter,
    PluggedIn,
    grid_says,
    says,
)

LONGEST_SECONDS: Final = 60.0
"""A decision holds for at most so long; what happened in a longer gap nobody knows."""
TELL_SECONDS: Final = 60.0
"""A limit that was exceeded for longer is told, and its end after as long below it."""

MARGIN_AMPERES: Final = 1.0
MARGIN: Final = 0.03
"""Meters and cars differ: less above the limit is no alarm."""

CircuitPhase = tuple[str, int]


# The last decision


class DecisionInputs(NamedTuple):
    """What a decision was made of, as far as people see it: cars, their A, meters, and the grid
    operator's order."""

    cars: Sequence[PluggedIn]
    drawn: Mapping[Place, float | None]
    metered: Mapping[str, Phases]
    """The other load of the circuits where it is measured, as two readings have shown it."""
    meters: Sequence[LoadMeter]
    grid: GridOrder
    managed: Mapping[str, ManagedCharger]
    """The chargers that are limited."""
    leases: Mapping[Place, Lease]
    lines: Mapping[Place, int]
    """On how many lines cars charge, where that is known."""


def shown(
    tree: Tree,
    decision: Allocation,
    gathered: DecisionInputs,
    over: Iterable[LoadOver],
    grid_over_since: str | None = None,
) -> LoadNow:
    """Return a decision as people see it."""
    away = {name for name, one in gathered.managed.items() if not one.is_connected}
    away |= {one.charger for one in gathered.cars if gathered.managed and not one.is_connected}
    kept = {
        place: limit.amperes
        for place, limit in decision.limits.items()
        if limit.bound is Bound.FIXED and limit.amperes and place[0] in away
    }
    grid, limits = gathered.grid, CONNECTION if gathered.grid.of_connection else CHARGERS
    return LoadNow(
        at=timestamp_of(decision.at),
        is_shadow=not gathered.managed,
        lines=[
            LoadLine(
                circuit=line.circuit,
                phase=NAMES[line.phase],
                limit_a=_round(line.limit),
                house_a=_round(line.other),
                cars_a=_round(line.drawn),
                permitted_a=_round(line.permitted),
                free_a=max(0.0, _round(min(free, line.limit - line.other - line.drawn))),
                outage_a=_round(line.outage),
            )
            for line, free in zip(decision.lines, decision.free, strict=False)
        ],
        cars=[_car(tree, decision, one, gathered, kept) for one in gathered.cars],
        meters=[*gathered.meters],
        over=[*over],
        grid_a=grid.amperes,
        grid_kw=grid.kilowatts,
        grid_of=limits,
        grid_drawn=_round(decision.ordered),
        grid_over_since=grid_over_since,
        grid_says=grid_says(grid.amperes, grid.kilowatts, limits, _round(decision.ordered)),
        kept=[
            LoadKept(
                charger=name,
                amperes=sum(amperes for place, amperes in kept.items() if place[0] == name),
                since=None if (one := gathered.managed.get(name)) is None else one.away_since,
                is_managed=one is not None,
            )
            for name in sorted({charger for charger, _ in kept})
        ],
    )


def _car(
    tree: Tree,
    decision: Allocation,
    one: PluggedIn,
    gathered: DecisionInputs,
    kept: Mapping[Place, int],
) -> LoadCar:
    place = one.place
    limit, amperes, wait = (
        decision.limits[place],
        gathered.drawn[place],
        decision.waits_about.get(place),
    )
    lease, socket = gathered.leases.get(place), tree.sockets[place]
    line = (
        len(PHASES) * tree.order.index(limit.circuit) + limit.phase
        if limit.circuit in tree.circuits
        else None
    )
    here = {
        other: amperes
        for other, amperes in kept.items()
        if limit.circuit
        and (line is None or line in tree.lines_of(other, gathered.lines.get(other)))
    }
    fields: dict[str, Any] = {
        "charger": one.charger,
        "connector": one.connector,
        "transaction_id": one.transaction,
        "limit_a": limit.amperes,
        "of_a": socket.most,
        "drawn_a": None if amperes is None else _round(amperes),
        "bound": str(limit.bound),
        "circuit": limit.circuit,
        "phase": NAMES[limit.phase] if limit.circuit in tree.circuits else "",
        "is_outage": limit.outage,
        "place_in_queue": decision.queue.index(place) + 1 if place in decision.queue else None,
        "waiting": len(decision.queue),
        "waits_about_seconds": None if wait is None else round(wait),
        "since": one.since,
        "why_fixed": _why_fixed(limit, one, gathered.managed.get(one.charger), socket.most),
        "is_managed": one.charger in gathered.managed,
        "lease_a": None if lease is None else lease.amperes,
        "lease_ends_at": None if lease is None or lease.ends is None else timestamp_of(lease.ends),
        "is_silent": any(
            meter.is_stale and meter.circuit == limit.circuit for meter in gathered.meters
        ),
        "phases": [NAMES[phase] for phase in socket.lines(gathered.lines.get(place))],
        "kept_a": sum(here.values()),
        "kept_for": sorted({charger for charger, _ in here}),
    }
    return LoadCar(**fields, says=says(fields, is_shadow=one.charger not in gathered.managed))


def _why_fixed(
    limit: CurrentLimit, one: PluggedIn, charger: ManagedCharger | None, most: int
) -> str:
    if limit.bound is not Bound.FIXED:
        return ""
    if not one.is_connected:
        return "away"
    if charger is not None and charger.prepared_at is None:
        return "new"
    if charger is not None and charger.disobeys_since is not None:
        return "ignores"
    return "floor" if limit.amperes < most else "untold"


def _round(amperes: float) -> float:
    return round(float(amperes), 1)


def standings_text(decision: Allocation) -> str:
    """Return what the next decision goes on from, after a restart, too."""
    return orjson.dumps(
        [[*place, standing] for place, standing in sorted(decision.standings.items())]
    ).decode()


def went_on(kept: Kept | None, now: float) -> Allocation:
    """Return the decision from which a server goes on: turns and queue are as they were."""
    if kept is None:
        return Allocation(at=now)
    standings = {
        (charger, connector): CarStanding(**values) for charger, connector, values in kept.standings
    }
    return Allocation(at=min(now, seconds(kept.at)), standings=standings)


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


class QuarterSums:
    """The sums of the quarter of an hour that runs."""

    def __init__(self, now: float) -> None:
        self._begin(quarter_of(now))

    def _begin(self, quarter: int) -> None:
        self._quarter = quarter
        self._lines = defaultdict[CircuitPhase, _LineSum](_LineSum)
        self._cars = defaultdict[Place, _CarSum](_CarSum)

    def end(self, now: float) -> tuple[list[LoadQuarter], list[LoadCarQuarter]] | None:
        """Return the sums of the quarter if it is over, and begin the next one."""
        if quarter_of(now) == self._quarter:
            return None
        ended = [*self._line_rows()], [*self._car_rows()]
        self._begin(quarter_of(now))
        return ended

    def add(
        self,
        decision: Allocation,
        gathered: DecisionInputs,
        over: Iterable[CircuitPhase],
        seconds: float,
    ) -> None:
        """Add a decision that held for so long."""
        seconds = _held(seconds)
        exceeded = frozenset(over)
        for line in decision.lines:
            one = self._lines[line.circuit, line.phase]
            one.limit = line.limit
            one.seconds += seconds
            one.cars += seconds * line.drawn
            one.permitted_highest = max(one.permitted_highest, line.permitted)
            one.over_seconds += seconds if (line.circuit, line.phase) in exceeded else 0.0
            if line.circuit in gathered.metered:
                one.metered_seconds += seconds
                one.other += seconds * line.other
                one.other_highest = max(
                    one.other_highest, gathered.metered[line.circuit][line.phase]
                )
        for car in gathered.cars:
            self._add_car(car, decision, gathered.drawn, seconds)

    def _add_car(
        self,
        car: PluggedIn,
        decision: Allocation,
        drawn: Mapping[Place, float | None],
        seconds: float,
    ) -> None:
        place = car.place
        one, limit, amperes = self._cars[place], decision.limits[place], drawn[place]
        one.seconds += seconds
        one.limit += seconds * limit.amperes
        one.transaction = car.transaction or one.transaction
        one.bound[str(limit.bound), limit.circuit] += round(seconds * 1000)
        if amperes is not None:
            one.drawn += seconds * amperes
            one.drawn_seconds += seconds

    def _line_rows(self) -> Iterator[LoadQuarter]:
        for (circuit, phase), one in self._lines.items():
            if one.seconds:
                yield LoadQuarter(
                    quarter=self._quarter,
                    circuit=circuit,
                    phase=phase,
                    other_mean=_round(one.other / one.metered_seconds)
                    if one.metered_seconds
                    else None,
                    other_highest=_round(one.other_highest) if one.metered_seconds else None,
                    cars_mean=_round(one.cars / one.seconds),
                    permitted_highest=_round(one.permitted_highest),
                    limit_a=_round(one.limit),
                    over_seconds=round(one.over_seconds),
                )

    def _car_rows(self) -> Iterator[LoadCarQuarter]:
        for (charger, connector), one in self._cars.items():
            if one.seconds:
                bound, circuit = max(one.bound, key=lambda key: (one.bound[key], key))
                yield LoadCarQuarter(
                    quarter=self._quarter,
                    charger=charger,
                    connector=connector,
                    transaction=one.transaction,
                    limit_mean=_round(one.limit / one.seconds),
                    drawn_mean=_round(one.drawn / one.drawn_seconds) if one.drawn_seconds else None,
                    bound=bound,
                    circuit=circuit,
                )


# What exceeds its limit


class OrderCompliance:
    """How the newest order of the grid operator is kept: since when, and how much was drawn then in
    one minute."""

    def __init__(self) -> None:
        self._order: LoadOrder | None = None
        self._last = self._sum = self._seconds = 0.0
        self._at, self._over_since = 0.0, inf

    def look(
        self, order: LoadOrder | None, decision: Allocation, grid: GridOrder
    ) -> list[LoadOrder]:
        """Take what is drawn of an order now. Return the order if that changes how it is kept."""
        now, passed = decision.at, _held(decision.at - self._at)
        limit = (
            None if order is None else order.amperes if order.kilowatts is None else order.kilowatts
        )
        if order is None or limit is None or self._order is None or self._order.id != order.id:
            self._order, self._over_since, self._sum, self._seconds = order, inf, 0.0, 0.0
            passed = 0.0
        if self._order is None or limit is None:
            return []
        self._sum, self._seconds = self._sum + passed * self._last, self._seconds + passed
        kept = replace(self._order, limits=CONNECTION if grid.of_connection else CHARGERS)
        if now // LONGEST_SECONDS > self._at // LONGEST_SECONDS and self._seconds:
            kept = replace(
                kept, highest=max(kept.highest or 0.0, round(self._sum / self._seconds, 2))
            )
            self._sum = self._seconds = 0.0
        margin = MARGIN_AMPERES * (1 if grid.kilowatts is None else VOLTS / 1000)
        is_over = decision.ordered > limit + max(margin, MARGIN * limit)
        self._over_since = min(self._over_since, now) if is_over else inf
        if kept.held_after_seconds is None and not is_over:
            kept = replace(
                kept, held_after_seconds=max(0, round(now - seconds(kept.at))), highest=None
            )
            self._sum = self._seconds = 0.0
        before, self._order, self._at, self._last = self._order, kept, now, decision.ordered
        return [] if kept == before else [kept]

    def over_since(self, now: float) -> str | None:
        """Return since when more is drawn than the order allows, if that lasts."""
        return timestamp_of(self._over_since) if now - self._over_since > TELL_SECONDS else None


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
    told before."""

    def __init__(self, kept: Iterable[LoadOver], now: float) -> None:
        self._found = {
            (one.circuit, NAMES.index(one.phase)): _Overload(
                seconds(one.since), now, 0.0, is_told=True
            )
            for one in kept
        }
        self.present: frozenset[CircuitPhase] = frozenset()
        """Those that are above their limit right now."""
        self._at = now
        self.seconds = defaultdict[tuple[str, str], float](float)
        """For how long each was above its limit, by circuit and name of the phase."""

    def leapt(self, by: float) -> None:
        """Our clock was set forward by so much."""
        self._at += by
        for one in self._found.values():
            one.since, one.last = one.since + by, one.last + by

    def look(self, measured: Mapping[str, Phases], decision: Allocation) -> Iterator[Fact]:
        """Take what was measured at circuits, and yield what is to be told."""
        now, at = decision.at, timestamp_of(decision.at)
        for circuit, phase in self.present:
            self.seconds[circuit, NAMES[phase]] += _held(now - self._at)
        self._at = now
        limits = {(line.circuit, line.phase): line.limit for line in decision.lines}
        amperes = {key: measured[key[0]][key[1]] if key[0] in measured else 0.0 for key in limits}
        self.present = frozenset(
            key
            for key, limit in limits.items()
            if amperes[key] > limit + max(MARGIN_AMPERES, MARGIN * limit)
        )
        for key in self.present:
            one = self._found.setdefault(key, _Overload(now, now, 0.0))
            one.last, one.highest, one.above = (
                now,
                max(one.highest, amperes[key]),
                amperes[key] - limits[key],
            )
            if not one.is_told and now - one.since > TELL_SECONDS:
                one.is_told = True
                yield LoadExceeded(
                    charger=None,
                    at=at,
                    circuit=key[0],
                    phase=NAMES[key[1]],
                    amperes=_round(one.highest),
                    limit=_round(limits[key]),
                )
        yield from self._ended(now, at)

    def _ended(self, now: float, at: str) -> Iterator[Fact]:
        for (circuit, phase), one in [*self._found.items()]:
            is_below = (circuit, phase) not in self.present
            if is_below and (not one.is_told or now - one.last > TELL_SECONDS):
                del self._found[circuit, phase]
                if one.is_told:
                    yield LoadExceedEnded(
                        charger=None,
                        at=at,
                        circuit=circuit,
                        phase=NAMES[phase],
                        amperes=_round(one.highest),
                        seconds=round(one.last - one.since),
                    )

    def lasting(self, now: float) -> Iterator[tuple[str, int, float]]:
        """Yield the circuits and phases that have been above their limit for a minute, and by how
        much they are."""
        for circuit, phase in self.present:
            one = self._found[circuit, phase]
            if now - one.since > TELL_SECONDS:
                yield circuit, phase, one.above

    def told(self) -> list[LoadOver]:
        """Return those that were told and are not over."""
        return [
            LoadOver(circuit=circuit, phase=NAMES[phase], since=timestamp_of(one.since))
            for (circuit, phase), one in sorted(self._found.items())
            if one.is_told
        ]
