"""What if: the site's own past, charged once more under another limit or with more chargers.

Cars come and go as they did, and want what they took. At each part of its energy a car takes at
most what it took then, so one whose battery was nearly full tapers again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate

from levity_trio.load.other_load import LoadHistory
from levity_trio.load.rule import Allocation, Car, Measured, OtherLoad, decide
from levity_trio.load.tree import (
    NOTHING,
    Circuit,
    Phases,
    Place,
    Socket,
    Tree,
    added,
    highest_of,
    on,
)
from levity_trio.records import record

STEP_SECONDS = 300.0
QUARTER = 900.0
VOLTS = 230
HOUR = 3600.0
SHORT = 0.98
"""The part of what it wanted that a car got that was not short."""
AT_ONCE = 50
"""Steps between two rests."""


@record
class ReplayedStay:
    """A car at a connector, from when it was plugged in until it left."""

    place: Place
    since: float
    until: float
    wanted_wh: float
    lines: int
    most: int
    whose: str
    """What it is called in the answer."""
    course: tuple[tuple[float, float], ...] = ()
    """What it took: so many A until it had so many Wh, in order. Beyond, and without a course,
    `most`."""


def course_of(quarters: Sequence[float], lines: int) -> tuple[tuple[float, float], ...]:
    """Return the course of a car that took these Wh in quarters of an hour. Its first quarter was
    not a whole one."""
    amperes = [wh * HOUR / QUARTER / VOLTS / lines for wh in quarters]
    if len(amperes) > 1:
        amperes[0] = max(amperes[:2])
    return tuple(zip(accumulate(quarters), amperes, strict=True))


@record
class WhatIfShort:
    """The households whose cars would have got less than they took, in how many sessions, and how
    much less."""

    who: str
    sessions: int
    missing_wh: int


@record
class WhatIf:
    """What would have come out. `peak_a` is what house and cars would have drawn at most, by
    phase."""

    sessions: int
    wanted_wh: int
    given_wh: int
    waited_seconds: int
    peak_a: list[float]
    short: list[WhatIfShort]


House = Callable[[float], Mapping[str, OtherLoad]]
"""What other consumers drew at a moment, by circuit."""


def replay(
    tree: Tree,
    stays: Iterable[ReplayedStay],
    house: House,
    *,
    first_come: bool = False,
    rest: Callable[[], None] | None = None,
) -> WhatIf:
    """Charge all cars again, and return what came out. `rest` is called now and then, so that
    others get their turn."""
    coming = sorted(stays, key=lambda stay: (stay.since, stay.place), reverse=True)
    present: list[_ChargingCar] = []
    gone: list[_ChargingCar] = []
    decision, peak, waited = Allocation(at=0.0), NOTHING, 0.0
    now, steps = 0.0, 0
    while coming or present:
        if not present:
            now = max(now, coming[-1].since)
        while coming and coming[-1].since <= now:
            present.append(_ChargingCar(coming.pop()))
        until = now - now % STEP_SECONDS + STEP_SECONDS
        other = house(now)
        cars = [car.asking(decision) for car in present]
        decision = decide(tree, cars, Measured(other=other), now, decision, first_come=first_come)

        # Everybody draws what he may for so long.
        flowing = [other[tree.root].now if tree.root in other else NOTHING]
        for car in present:
            limit = decision.limits[car.stay.place].amperes
            flowing.append(car.charge(tree, limit, until - now))
            if not limit:
                waited += until - now
        peak = highest_of([peak, added(flowing)])

        gone += [car for car in present if car.is_done(until)]
        present = [car for car in present if not car.is_done(until)]
        now = until
        steps += 1
        if rest is not None and steps % AT_ONCE == 0:
            rest()

    missing = defaultdict[str, list[float]](list)
    for car in gone:
        wanted = car.stay.wanted_wh
        if car.got < SHORT * wanted:
            missing[car.stay.whose].append(wanted - car.got)
    short = [
        WhatIfShort(who=who, sessions=len(wh), missing_wh=round(sum(wh)))
        for who, wh in missing.items()
    ]
    short.sort(key=lambda each: (-sum(missing[each.who]), each.who))
    return WhatIf(
        sessions=len(gone),
        wanted_wh=round(sum(car.stay.wanted_wh for car in gone)),
        given_wh=round(sum(min(car.got, car.stay.wanted_wh) for car in gone)),
        waited_seconds=round(waited),
        peak_a=[round(amperes, 1) for amperes in peak],
        short=short,
    )


class _ChargingCar:
    """A car that is there, and what it has got."""

    def __init__(self, stay: ReplayedStay) -> None:
        self.stay = stay
        self.got = 0.0

    def is_done(self, at: float) -> bool:
        return self.got >= self.stay.wanted_wh or self.stay.until <= at

    def takes(self, limit: int) -> float:
        """Return the A that it takes now of a limit."""
        most = float(self.stay.most)
        for until, amperes in self.stay.course:
            if self.got < until:
                most = amperes
                break
        return min(most, limit)

    def asking(self, before: Allocation) -> Car:
        stay = self.stay
        limit = before.limits.get(stay.place)
        return Car(
            charger=stay.place[0],
            connector=stay.place[1],
            since=stay.since,
            lines=stay.lines,
            most=stay.most,
            drawn=None if limit is None else self.takes(limit.amperes),
        )

    def charge(self, tree: Tree, limit: int, seconds: float) -> Phases:
        """Draw for so long what it may. Return the A on each phase."""
        amperes, lines = self.takes(limit), self.stay.lines
        self.got += amperes * lines * VOLTS * seconds / HOUR
        return on(tree.sockets[self.stay.place].lines(lines), amperes)


class PastHouse:
    """What other consumers drew, from stored quarters of an hour: their means and their highest
    values, by circuit."""

    def __init__(self, quarters: Mapping[str, Mapping[int, tuple[Phases, Phases]]]) -> None:
        self._quarters = quarters
        history = LoadHistory()
        for circuit, by_quarter in quarters.items():
            for quarter, (_, highest) in by_quarter.items():
                history.remember(circuit, highest, quarter * QUARTER)
        self._highest = cache(history.highest)

    def __call__(self, now: float) -> dict[str, OtherLoad]:
        quarter, hour = int(now // QUARTER), now // HOUR * HOUR
        others: dict[str, OtherLoad] = {}
        for circuit, by_quarter in self._quarters.items():
            mean, highest = by_quarter.get(quarter, (NOTHING, NOTHING))
            _, before = by_quarter.get(quarter - 1, (NOTHING, NOTHING))
            recent = highest_of([highest, before])
            hours = self._highest(circuit, hour)
            others[circuit] = OtherLoad(now=mean, recent=recent, highest=hours)
        return others


def with_more(
    circuits: Iterable[Circuit],
    sockets: Iterable[Socket],
    stays: Sequence[ReplayedStay],
    more: int,
    limit: float | None,
) -> tuple[Tree, list[ReplayedStay]]:
    """Return the tree with another limit at its root and so many more chargers, each used as one
    that is there is.

    A new charger hangs beside the one whose sessions it repeats, one phase further. None has a safe
    limit.
    """
    known = {socket.place: replace(socket, safe=0) for socket in sockets}
    places = sorted({stay.place for stay in stays})
    all_sockets = [*known.values()]
    repeated = [*stays]
    for number in range(more if places else 0):
        like = places[number % len(places)]
        name = f"another {number + 1}"
        rotation = known[like].rotation
        turned = rotation[1:] + rotation[:1]
        all_sockets.append(replace(known[like], charger=name, connector=1, rotation=turned))
        own = [stay for stay in stays if stay.place == like]
        repeated += [replace(stay, place=(name, 1), whose=name) for stay in own]
    limited = [
        circuit if limit is None or circuit.parent else replace(circuit, amperes=limit)
        for circuit in circuits
    ]
    return Tree(limited, all_sockets), repeated
