"""The rule a second time, from the words of issue 47, and without a line of
levity_trio/load/rule.py or its tricks.

Slow and obvious: each question adds everything up again, and the rest is handed out ampere by
ampere. It works out the golden cases and is compared with the real rule. It estimates no waiting
times and draws no bars.
"""

from collections.abc import Iterable
from math import ceil

from levity_trio.load.rule import (
    Allocation,
    Bound,
    Car,
    CarStanding,
    CurrentLimit,
    Measured,
)
from levity_trio.load.tree import Place, Tree

QUARTER = 900.0
STEADY = 300.0
LONE = 900.0
"""The same for a raise by one ampere that does not reach the maximum."""
HOUR = 3600.0
MINUTE = 60.0
HALF_HOUR = 1800.0
LATE = 120.0
"""A turn that begins less than so long after a quarter of the hour counts from there."""


class Sheet:
    """What stands on the sheet of paper on which somebody works this out: what is known, and the
    grants so far."""

    def __init__(
        self, tree: Tree, cars: Iterable[Car], measured: Measured, now: float, before: Allocation
    ) -> None:
        self.tree, self.measured, self.now, self.before = tree, measured, now, before
        self.cars = sorted(cars, key=lambda car: (car.since, car.charger, car.connector))
        self.at_once = False
        """A turn has ended or a knock is over: what one has given is another's, and need not last
        five minutes."""
        self.grants: dict[Place, int] = {}
        self.blocks: dict[Place, tuple[str, int, bool]] = {}
        self.is_quarter = now // QUARTER > before.at // QUARTER
        self.lines = {car.place: tree.sockets[car.place].lines(car.lines) for car in self.cars}

    def had(self, car: Car) -> CarStanding:
        return self.before.standings.get(car.place, CarStanding(since=car.since, limit=0))

    def charged(self, car: Car) -> float:
        """For how long it has had current so far."""
        had = self.had(car)
        return had.charged + (self.now - self.before.at if had.limit > 0 else 0.0)

    def least(self, car: Car) -> int:
        return self.tree.sockets[car.place].least

    def tapers(self, car: Car) -> bool:
        if car.is_full or car.boost or car.drawn is None:
            return False
        return self.had(car).limit > 0 and car.drawn <= self.had(car).limit - 2

    def ceiling(self, car: Car) -> tuple[int, Bound, str]:
        """The most that this car may get if nobody else were there; why; and the circuit whose
        meter is lost."""
        socket = self.tree.sockets[car.place]
        amperes, bound, where = min(socket.most, car.most or socket.most), Bound.MOST, ""
        if self.tapers(car):
            amperes = min(amperes, max(socket.least, ceil(car.drawn or 0.0) + 2))
        if car.by_hand is not None and car.by_hand <= amperes:
            amperes, bound = car.by_hand, Bound.HAND
        for circuit in self.tree.above(socket.circuit):
            other = self.measured.other.get(circuit)
            if other and other.lost and socket.safe < amperes:
                amperes, bound, where = socket.safe, Bound.SAFE, circuit
        return (amperes, bound, where) if amperes >= socket.least else (0, bound, where)

    def measured_of(self, circuit: str, kind: str, phase: int) -> float:
        """What others draw at a circuit: `recent` or `highest`. Without a meter, what is known of
        those below."""
        other = self.measured.other.get(circuit)
        if other is not None:
            return float(getattr(other, kind)[phase])
        below = [name for name, found in self.tree.circuits.items() if found.parent == circuit]
        if kind == "highest":
            return sum(self.house(name, phase, outage=True) for name in below)
        return max(
            self.tree.circuits[circuit].reserve or 0.0,
            sum(self.measured_of(name, kind, phase) for name in below),
        )

    def limit(self, circuit: str, outage: bool) -> float:
        amperes = self.tree.circuits[circuit].amperes
        return 1.13 * amperes if outage else amperes

    def house(self, circuit: str, phase: int, outage: bool) -> float:
        found = self.tree.circuits[circuit]
        if not outage:
            return self.measured_of(circuit, "recent", phase)
        if found.reserve is not None:
            return found.reserve
        is_cautious = found.cautious and circuit in self.measured.other
        return self.measured_of(circuit, "highest", phase) * (1.2 if is_cautious else 1.0)

    def booked(self, car: Car, outage: bool) -> float:
        """What the grants so far book for this car, on each of its lines."""
        if car.fixed is not None:
            is_idle = car.is_full and car.drawn is not None and not outage
            return min(car.fixed, car.drawn or 0.0) if is_idle else car.fixed
        grant = self.grants.get(car.place, 0)
        if outage:
            return grant
        if car.is_full and not self.is_knocked(car):
            return 0.0
        return min(grant, car.drawn or 0.0) if self.tapers(car) else grant

    def blocked(self, car: Car, amperes: int) -> tuple[str, int, bool] | None:
        """The circuit, phase and ledger that would be over its limit if this car had so many
        amperes."""
        kept = self.grants.get(car.place, 0)
        self.grants[car.place] = amperes
        found = ("Grid operator", 0, False) if self.is_more_than_ordered(car) else None
        for circuit in reversed(self.tree.above(self.tree.sockets[car.place].circuit)):
            for phase in self.lines[car.place]:
                for outage in (False, True):
                    if (
                        found is None
                        and self.total(circuit, phase, outage) > self.limit(circuit, outage) + 1e-9
                    ):
                        found = circuit, phase, outage
        self.grants[car.place] = kept
        return found

    def is_more_than_ordered(self, car: Car) -> bool:
        """Whether the grid operator allows less than what the cars may draw, on a line of this car
        or in all."""
        order, root = self.measured.grid, self.tree.root
        house = [
            self.house(root, phase, outage=False) if order.of_connection else 0.0
            for phase in (0, 1, 2)
        ]
        on_lines = [house[phase] + self.permitted(phase) for phase in self.lines[car.place]]
        if order.amperes is not None and max(on_lines) > order.amperes + 1e-9:
            return True
        sockets = {one.place: self.tree.sockets[one.place] for one in self.cars}
        counts = {place: sockets[place].phases for place in sockets}
        counts |= {one.place: min(one.lines, counts[one.place]) for one in self.cars if one.lines}
        whole = sum(house) + sum(
            counts[one.place] * self.booked(one, outage=True) for one in self.cars
        )
        return order.kilowatts is not None and whole * 230 > order.kilowatts * 1000 + 1e-6

    def permitted(self, phase: int) -> float:
        return sum(
            self.booked(one, outage=True) for one in self.cars if phase in self.lines[one.place]
        )

    def total(self, circuit: str, phase: int, outage: bool) -> float:
        below = [
            car
            for car in self.cars
            if circuit in self.tree.above(self.tree.sockets[car.place].circuit)
        ]
        sums = [self.booked(car, outage) for car in below if phase in self.lines[car.place]]
        return self.house(circuit, phase, outage) + sum(sums)

    def give(self, car: Car, amperes: int) -> bool:
        """Give a car so many amperes if they fit; if not, note what is full."""
        block = self.blocked(car, amperes)
        if block is not None:
            self.blocks[car.place] = block
            return False
        self.grants[car.place] = amperes
        return True

    def is_knocked(self, car: Car) -> bool:
        """Whether the minute of this car's knock is running, or begins now."""
        if not car.is_full or car.fixed is not None or self.ceiling(car)[0] == 0:
            return False
        knocked = self.had(car).knocked
        if knocked is not None and self.now - knocked < MINUTE:
            return True
        same = self.tree.sockets[car.place].circuit
        rivals = [
            other
            for other in self.cars
            if self.tree.sockets[other.place].circuit == same and self.may(other)
        ]
        running = [
            other
            for other in rivals
            if self.had(other).knocked is not None and not self.is_due(other)
        ]
        first = min(
            (other for other in rivals if self.is_due(other)), key=self.silent_since, default=None
        )
        return not running and first is car

    def may(self, car: Car) -> bool:
        knocked = self.had(car).knocked
        running = knocked is not None and self.now - knocked < MINUTE
        return car.is_full and car.fixed is None and (running or self.is_due(car))

    def is_due(self, car: Car) -> bool:
        """Once an hour, counted from when it became full; and 30 minutes before a departure."""
        knocked = self.had(car).knocked
        last = self.now if knocked is None else knocked
        if (
            car.departure is not None
            and last < car.departure - HALF_HOUR <= self.now < car.departure
        ):
            return True
        return self.now - last >= HOUR

    def silent_since(self, car: Car) -> tuple[float, float, str, int]:
        return self.had(car).knocked or car.since, car.since, car.charger, car.connector


def decide(
    tree: Tree,
    cars: Iterable[Car],
    measured: Measured,
    now: float,
    before: Allocation,
    *,
    first_come: bool = False,
) -> Allocation:
    sheet = Sheet(tree, cars, measured, now, before)
    ours = [car for car in sheet.cars if car.fixed is None]
    knocked = {car.place for car in ours if sheet.is_knocked(car)}
    asking = [car for car in ours if not car.is_full and sheet.ceiling(car)[0] > 0]
    served = in_order(sheet, [*asking, *(car for car in ours if car.place in knocked)], first_come)
    waiting = [car for car in served if not sheet.give(car, sheet.least(car))]
    for car in [car for car in asking if car.boost and car not in waiting]:
        share(sheet, [car])
    share(sheet, [car for car in asking if car not in waiting])
    waiting = [car for car in waiting if not car.is_full]
    is_swapped = (
        sheet.is_quarter and not first_come and any(sheet.had(car).limit > 0 for car in waiting)
    )
    sheet.at_once = is_swapped or any(
        limit.bound is Bound.KNOCK and place not in knocked
        for place, limit in before.limits.items()
    )
    limits, standings = {}, {}
    for car in sorted(sheet.cars, key=lambda car: car.is_full):
        if car in ours and car.is_full and car.place not in knocked and sheet.ceiling(car)[0] > 0:
            sheet.give(car, sheet.least(car))
        limits[car.place], standings[car.place] = answer(
            sheet, car, car in waiting, car.place in knocked
        )
        sheet.grants[car.place] = limits[car.place].amperes
    queue = in_order(
        Sheet(tree, waiting, measured, now, Allocation(at=now, standings=standings)),
        waiting,
        first_come,
    )
    return Allocation(
        at=now,
        limits=limits,
        standings=standings,
        queue=tuple(car.place for car in queue),
        again=now + 10,
    )


def in_order(sheet: Sheet, cars: list[Car], first_come: bool) -> list[Car]:
    """Who is asked first whether his least current fits: boosted; in their turn; knocked; then the
    queue."""

    def key(car: Car) -> tuple[object, ...]:
        had = sheet.had(car)
        end = (car.since, car.charger, car.connector)
        priority = -(car.priority + sheet.tree.sockets[car.place].priority)
        if car.boost:
            return 0, priority, 0.0, 0.0, *end
        # A turn is longer by what its car needed to begin, if that was two minutes or more.
        lasted = sheet.now - (had.turn or 0.0) - (car.wakes if car.wakes >= 120 else 0.0)
        is_over = sheet.is_quarter and not first_come and lasted >= QUARTER
        if had.limit > 0 and not car.is_full and not is_over:
            return 1, 0, 0.0 if first_come else -(had.turn or 0.0), 0.0, *end
        if car.is_full:
            return 2, priority, 0.0, 0.0, *end
        if had.limit > 0:
            return 3, priority, float("inf"), -(had.turn or 0.0), 0.0, *end
        waits = car.since if first_come else sheet.now if had.waits is None else had.waits
        charged = 0.0 if first_come else sheet.charged(car)
        return 3, priority, waits, charged, car.departure or float("inf"), *end

    return sorted(cars, key=key)


def share(sheet: Sheet, cars: list[Car]) -> None:
    """Give one ampere after the other to whoever has least, until each has all it may have or
    something is full."""
    open_ = [car for car in cars if sheet.grants[car.place] < sheet.ceiling(car)[0]]
    while open_:
        poorest = min(
            open_, key=lambda car: (sheet.grants[car.place], car.since, car.charger, car.connector)
        )
        more = sheet.grants[poorest.place] + 1
        if not sheet.give(poorest, more) or more >= sheet.ceiling(poorest)[0]:
            open_.remove(poorest)


def answer(
    sheet: Sheet, car: Car, waits: bool, is_knocked: bool
) -> tuple[CurrentLimit, CarStanding]:
    had, now, charged = sheet.had(car), sheet.now, sheet.charged(car)
    if car.fixed is not None:
        return CurrentLimit(amperes=ceil(car.fixed), bound=Bound.FIXED), CarStanding(
            since=car.since,
            limit=ceil(car.fixed),
            turn=had.turn or now,
            waits=had.waits,
            charged=charged,
        )
    most, why, where = sheet.ceiling(car)
    amperes = sheet.grants.get(car.place, 0)
    if car.is_full:
        bound = Bound.KNOCK if is_knocked and amperes else Bound.FULL
        could_ask = not is_knocked and (amperes > 0 or had.limit > 0)
        last = now - MINUTE if had.knocked is None or could_ask else had.knocked
        begins = bound is Bound.KNOCK and (had.knocked is None or now - had.knocked >= MINUTE)
        return CurrentLimit(amperes=amperes, bound=bound), CarStanding(
            since=car.since,
            limit=amperes,
            knocked=now if begins else last,
            waits=None if amperes else had.waits,
            charged=charged,
        )
    if most == 0:
        return CurrentLimit(amperes=0, bound=why, circuit=where), CarStanding(
            since=car.since, limit=0, waits=had.waits, charged=charged
        )
    if waits:
        circuit, phase, outage = sheet.blocks[car.place]
        limit = CurrentLimit(
            amperes=0, bound=Bound.WAITS, circuit=circuit, phase=phase, outage=outage
        )
        return limit, CarStanding(
            since=car.since, limit=0, waits=now if had.waits is None else had.waits, charged=charged
        )
    late = now % QUARTER if now % QUARTER < LATE else 0.0
    turn = now - late if had.turn is None else had.turn
    is_lone = amperes == had.limit + 1 and amperes < most
    since = None
    if 0 < had.limit < amperes and not car.boost:
        since = now if had.room is None else had.room
    is_early = since is not None and now - since < (LONE if is_lone else STEADY)
    if is_early and is_lone and not sheet.at_once:
        amperes = had.limit
    elif is_early and not sheet.at_once:
        return CurrentLimit(amperes=had.limit, bound=Bound.STEADY), CarStanding(
            since=car.since, limit=had.limit, turn=turn, room=since, charged=charged
        )
    else:
        since = None
    if amperes >= most:
        return CurrentLimit(amperes=amperes, bound=why, circuit=where), CarStanding(
            since=car.since, limit=amperes, turn=turn, charged=charged
        )
    circuit, phase, outage = sheet.blocks[car.place]
    limit = CurrentLimit(
        amperes=amperes, bound=Bound.CIRCUIT, circuit=circuit, phase=phase, outage=outage
    )
    return limit, CarStanding(
        since=car.since, limit=amperes, turn=turn, room=since, charged=charged
    )
