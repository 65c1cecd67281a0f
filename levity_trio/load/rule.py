"""What each car may draw: one pure function of the tree, the cars, the measurements, the clock and
what it said before.

Each circuit and phase has two ledgers, and a grant must fit both.

- *Now*: other load and what is drawn stay within 1.0 × the limit.
- *Outage*: if we die now, nobody lowers anything. Everything that is permitted and the highest
  other load of this hour and its two neighbours in the last seven days stay within 1.13 × the
  limit, which a breaker of IEC 60898 holds for an hour.

Currents are in A per phase, moments are seconds since 1970 in UTC. Limits are whole amperes.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum

from levity_trio.load.tree import NOTHING, PHASES, Phases, Place, Tree, added, highest_of, on
from levity_trio.records import record

OUTAGE = 1.13
"""× the limit: what is permitted when nobody can lower anything."""
TURN_SECONDS = 900
"""The least time for which a car that began to get current keeps it, and the common rhythm at which
turns end."""
ROOM_SECONDS = 300
"""How long there must have been room before a limit is raised."""
STEP_AMPERES = 2
"""The smallest raise, unless it is to the maximum."""
SETTLED_SECONDS = 120
"""So long after a raise a car is booked with its limit, because it may still be following."""
LESS_AMPERES = 1.0
"""A car that draws so much less than its limit does not need all of it."""
KNOCK_SECONDS = 60
KNOCK_EVERY_SECONDS = 3600
BEFORE_DEPARTURE_SECONDS = 1800
URGENT_SECONDS = 3600
"""A driver whose car can wait no longer than this, by what he entered, comes before the others who
wait."""
VOLTS = 230
GRID = "Grid operator"
"""Is named in place of a circuit where his order keeps a car from more; its phase is then a line of
Tree.lines_of."""


class CarDemand(StrEnum):
    """What a car that is plugged in asks for."""

    WANTS = "wants"
    """It charges, or waits for current."""
    FULL = "full"
    """SuspendedEV: it takes nothing although it may."""


@record
class Car:
    """A car that is plugged in and may charge, or a charger that must be booked with a fixed
    current."""

    charger: str
    connector: int = 1
    since: float
    """When it was plugged in."""
    demand: CarDemand = CarDemand.WANTS
    lines: int | None = None
    """On how many lines it charges, once three readings have shown it; None: as many as its charger
    has."""
    drawn: float | None = None
    """A on its highest line, as last measured; None: not reported."""
    over: float = 0.0
    """A that it was measured to draw above what it might. It is booked beside what it may draw."""
    most: int | None = None
    """The most that it ever takes, where that is known."""
    least: int = 0
    """A below which it was seen not to charge, although its charger could."""
    per_ampere: int = 1
    """So many A are booked for each that it may draw, up to its maximum: it may put what all lines
    get on one."""
    wakes: float = 0.0
    """Seconds that it needed to begin when it was allowed to. Its turn lasts so much longer."""
    by_hand: int | None = None
    """A limit that a person set for this charger."""
    boost: bool = False
    """It gets its maximum, within both ledgers, before others get more than their least."""
    priority: int = 0
    """Of its household or card; added to that of its socket."""
    departure: float | None = None
    wanted_wh: float | None = None
    """What it still lacks of the energy that its driver entered."""
    fixed: float | None = None
    """A that must be booked whatever we say: the charger is away, or does not obey."""

    @property
    def place(self) -> Place:
        return self.charger, self.connector


@record
class OtherLoad:
    """What the other consumers at one circuit draw, those under it included."""

    now: Phases
    """As last measured."""
    recent: Phases
    """The highest of the last 15 minutes."""
    highest: Phases
    """The highest of this hour and its two neighbours in the last seven days."""
    stale: bool = False
    """The meter is silent, or what it shows may be cars: then all three are the most that it can
    be."""
    lost: bool = False
    """The meter has been silent for an hour: every car below falls to its safe limit."""


@record
class GridOrder:
    """What the grid operator allows, on each line or in kW on all together: to the chargers, or
    `of_connection` to them and the other consumers."""

    amperes: float | None = None
    kilowatts: float | None = None
    of_connection: bool = False


@record
class Measured:
    """All that was measured at circuits, and what the grid operator allows. A circuit that is not
    in `other` has no meter; its reserve counts, or what is known of those below it."""

    other: Mapping[str, OtherLoad] = field(default_factory=dict)
    grid: GridOrder = GridOrder()


class Bound(StrEnum):
    """Why a limit is not higher."""

    MOST = "most"
    """Nothing is short: the car or its charger takes no more."""
    CIRCUIT = "circuit"
    """What there is at a circuit is shared."""
    WAITS = "waits"
    """Its least current does not fit at a circuit; it is in the queue."""
    STEADY = "steady"
    """There is more, and it gets that when there has been room for five minutes."""
    HAND = "hand"
    """A person set it."""
    FULL = "full"
    """The car is full."""
    KNOCK = "knock"
    """A car at 0 A is asked for one minute whether it wants to charge."""
    FIXED = "fixed"
    """The charger is away or does not obey, and is booked with this."""
    SAFE = "safe"
    """The meter of a circuit is silent."""


@record
class CurrentLimit:
    """What one car may draw, and what binds it."""

    amperes: int
    bound: Bound
    circuit: str = ""
    """The circuit that binds it, for CIRCUIT, WAITS and SAFE."""
    phase: int = 0
    outage: bool = False
    """It is the outage ledger of that circuit that is full."""
    over: float = 0.0
    """A that were booked beside it; see Car."""


@record
class CarStanding:
    """What the rule remembers of a car from one decision to the next. It is kept in the
    database."""

    limit: int
    since: float
    """When it was last raised, or began."""
    turn: float | None = None
    """When it began to get current; None: it gets none."""
    waits: float | None = None
    """Since when it has waited for current; None: it does not."""
    room: float | None = None
    """Since when there has been room for more."""
    knocked: float | None = None
    """When a full car was last knocked; as if a knock just ended as long as it has current, because
    it can ask then."""


def moved(standing: CarStanding, by: float) -> CarStanding:
    """Return a standing whose moments are so much later: the clock was set forward."""
    moments = {
        name: getattr(standing, name) for name in ("since", "turn", "waits", "room", "knocked")
    }
    return replace(standing, **{name: at + by for name, at in moments.items() if at is not None})


@record
class PhaseLoad:
    """One phase of one circuit, for the bars that people see. All in A."""

    circuit: str
    phase: int
    limit: float
    other: float
    """The house, now."""
    drawn: float
    """The cars, now."""
    permitted: float
    """The cars, if all drew what they may."""
    outage: float
    """What the house may come to in an outage."""


@record
class Allocation:
    """What the rule said at one moment. Pass it to the next call."""

    at: float
    limits: Mapping[Place, CurrentLimit] = field(default_factory=dict)
    standings: Mapping[Place, CarStanding] = field(default_factory=dict)
    queue: tuple[Place, ...] = ()
    """Those who wait, the next one first."""
    lines: tuple[PhaseLoad, ...] = ()
    ordered: float = 0.0
    """What is drawn of what the grid operator allows: kW, or A on the line that carries most."""
    free: tuple[float, ...] = ()
    """A that are left on each line, in the ledger that has less; see Tree.lines_of."""
    again: float = 0.0
    """When to ask again, if nothing happens before."""
    waits_about: Mapping[Place, float] = field(default_factory=dict)
    """Seconds until each of the queue may get current; an estimate."""


def decide(
    tree: Tree,
    cars: Iterable[Car],
    measured: Measured,
    now: float,
    before: Allocation,
    *,
    first_come: bool = False,
) -> Allocation:
    """Decide what each car may draw. The order of `cars` does not matter; one whose charger is not
    in the tree raises KeyError.

    After a restart, pass `Decision(at=…, standings=…)` as `before`. With `first_come`, nobody takes
    turns.
    """
    rooms = _Ledgers(tree, measured)
    asking = sorted(
        (_CarClaim(tree, car, before.standings.get(car.place), now) for car in cars),
        key=_CarClaim.arrival,
    )
    for one in asking:
        # Of unknown lines, it is what one may carry; all together carry no more than it may.
        rooms.book(one.phases if one.car.lines is None else one.lines, one.car.over, one.car.over)
    free = [one for one in asking if not _is_bound_elsewhere(one, tree, measured, rooms)]
    full = [one for one in free if one.car.demand is CarDemand.FULL]
    asked = _to_knock(full, now)
    turns_end = not first_come and now // TURN_SECONDS > before.at // TURN_SECONDS
    wanting = [one for one in free if one.car.demand is CarDemand.WANTS]
    ranked = sorted(
        [*wanting, *asked],
        key=lambda one: one.rank(now, turns_end=turns_end, first_come=first_come),
    )
    served = [one for one in ranked if _gets_least(one, rooms, now)]
    chosen = [one for one in served if one.car.demand is CarDemand.WANTS]
    for one in chosen:
        if one.car.boost:
            _share([one], rooms)
    _share([one for one in chosen if not one.car.boost], rooms)
    is_swapped = turns_end and any(one.had and not one.grant for one in wanting)
    knocked = {one.car.place for one in full if one.bound is Bound.KNOCK}
    is_knock_over = any(
        limit.bound is Bound.KNOCK and place not in knocked
        for place, limit in before.limits.items()
    )
    _hold_back(chosen, rooms, now, at_once=is_swapped or is_knock_over)
    _keep(chosen, rooms)
    _leave(full, rooms, now)
    queue = [one for one in wanting if not one.grant]
    queue.sort(key=lambda one: one.place_in_queue(now, first_come=first_come))
    lines = _lines(tree, asking, rooms)
    return Allocation(
        at=now,
        limits={one.car.place: one.limit(tree, rooms) for one in asking},
        standings={one.car.place: one.standing(now) for one in asking},
        queue=tuple(one.car.place for one in queue),
        lines=lines,
        ordered=_ordered(measured.grid, asking, lines),
        free=tuple(rooms.free(line) for line in range(len(rooms.now))),
        again=_again(asking, queue, now),
        waits_about={} if first_come else _waits_about(queue, chosen, now),
    )


class _Ledgers:
    """What is still free on each line in both ledgers, in A. A line is one phase of one circuit,
    and the last one is the sum of all phases; see Tree.lines_of.

    An order takes from the root or from that sum, and counts for all that is permitted, drawn or
    not.
    """

    def __init__(self, tree: Tree, measured: Measured) -> None:
        self.limits: list[float] = []
        self.other: list[float] = []
        self.reserves: list[float] = []
        self.now: list[float] = []
        self.outage: list[float] = []
        highest = {name: other.highest for name, other in measured.other.items()}
        flowing = _flowing(tree, measured)
        for name in tree.order:
            amperes = tree.circuits[name].amperes
            reserve = tree.booked_for_others(name, highest)
            now, recent = flowing[name]
            self.limits += [amperes] * len(PHASES)
            self.other += now
            self.reserves += reserve
            self.now += [amperes - house for house in recent]
            self.outage += [OUTAGE * amperes - house for house in reserve]
        self.now.append(math.inf)
        self.outage.append(math.inf)
        grid = measured.grid
        house = flowing[tree.root][1] if grid.of_connection else NOTHING
        left = (
            {} if grid.amperes is None else {phase: grid.amperes - house[phase] for phase in PHASES}
        )
        if grid.kilowatts is not None:
            left[len(self.limits)] = grid.kilowatts * 1000 / VOLTS - sum(house)
        self.ordered = {line for line, amperes in left.items() if amperes < self.now[line]}
        for line, amperes in left.items():
            self.now[line], self.outage[line] = (
                min(self.now[line], amperes),
                min(self.outage[line], amperes),
            )

    def book(self, lines: Iterable[int], permitted: float, drawn: float) -> None:
        for line in lines:
            self.now[line] -= drawn
            self.outage[line] -= permitted

    def lacking(self, lines: Sequence[int], permitted: float, drawn: float) -> int | None:
        """The first line on which this does not fit; None if it fits."""
        for line in lines:
            times = lines.count(line)
            if self.now[line] < times * drawn or self.outage[line] < times * permitted:
                return line
        return None

    def free(self, line: int) -> float:
        return min(self.now[line], self.outage[line])


def _flowing(tree: Tree, measured: Measured) -> dict[str, tuple[Phases, Phases]]:
    """What others draw at each circuit, now and at most in the last 15 minutes. Where there is no
    meter, it is the reserve, or what they draw at the circuits below, if that is more."""
    found: dict[str, tuple[Phases, Phases]] = {}
    for name in reversed(tree.order):
        if other := measured.other.get(name):
            found[name] = other.now, other.recent
        else:
            reserve = on(PHASES, tree.circuits[name].reserve or 0.0)
            below = [found[child] for child in tree.children[name]]
            now, recent = added(now for now, _ in below), added(recent for _, recent in below)
            found[name] = highest_of([reserve, now]), highest_of([reserve, recent])
    return found


class _CarClaim:
    """One car in one decision."""

    def __init__(self, tree: Tree, car: Car, was: CarStanding | None, now: float) -> None:
        socket = tree.sockets[car.place]
        self.car, self.was, self.socket = car, was, socket
        self.lines = tree.lines_of(car.place, car.lines)
        self.phases = tuple(line for line in self.lines if line < len(PHASES) * len(tree.order))
        self.least = self.booked(max(socket.least, car.least))
        self.most = socket.most if car.most is None else self.booked(max(car.most, socket.least))
        if car.by_hand is not None and (by_hand := self.booked(car.by_hand)) < self.most:
            self.most = by_hand if by_hand >= self.least else 0
        self.draws: float | None = None
        """What it draws, if that is less than it may."""
        if (
            was
            and not car.boost
            and car.drawn is not None
            and car.drawn < min(was.limit, self.most) - LESS_AMPERES
            and now - was.since >= SETTLED_SECONDS
        ):
            self.draws = car.drawn
        self.needs = (
            self.most
            if self.draws is None
            else min(self.most, max(self.least, math.ceil(self.draws)))
        )
        """The most that it can make use of at present."""
        self.spare = 0
        """Permitted beyond that, so that a car that draws less than it may is seen to do so the
        next time, too."""
        if self.draws is not None:
            self.spare = (
                max(self.needs, min(self.most, int(self.draws + LESS_AMPERES) + 1)) - self.needs
            )
        self.grant = 0
        self.bound = Bound.WAITS
        self.line: int | None = None
        self.is_outage = False
        self.room: float | None = None
        self.knocked = was.knocked if was else None

    def booked(self, amperes: int) -> int:
        """A that are booked for what it may draw."""
        return min(self.socket.most, amperes * self.car.per_ampere)

    @property
    def amperes(self) -> int:
        """A that it may draw, of which `grant` are booked."""
        if self.bound is Bound.FIXED:
            return self.grant
        amperes = (
            self.grant if self.grant == self.socket.most else self.grant // self.car.per_ampere
        )
        most = self.socket.safe if self.bound is Bound.SAFE else self.socket.most
        return min(amperes, most if self.car.by_hand is None else min(most, self.car.by_hand))

    def arrival(self) -> tuple[float, Place]:
        return self.car.since, self.car.place

    @property
    def had(self) -> int:
        return self.was.limit if self.was else 0

    def rank(self, now: float, *, turns_end: bool, first_come: bool) -> tuple[object, ...]:
        """Who is served first: boosts; then the turns that go on, the latest first; then knocks;
        then those who wait; then the turns that end."""
        was, car = self.was, self.car
        if car.demand is CarDemand.FULL:
            return 2, *self.arrival()
        if car.boost:
            return 0, *self.arrival()
        turn = was.turn if was and was.limit else None
        if turn is not None and not (turns_end and now - turn >= TURN_SECONDS + car.wakes):
            return 1, 0 if first_come else -turn, *self.arrival()
        order = (0, 0 if first_come else self.waits(now)) if turn is None else (1, -turn)
        return 3, -self.priority, not self._is_urgent(now), *order, *self.arrival()

    def place_in_queue(self, now: float, *, first_come: bool) -> tuple[object, ...]:
        """Who of those who wait will be served first."""
        waits = 0 if first_come else self.waits(now)
        return not self.car.boost, -self.priority, not self._is_urgent(now), waits, *self.arrival()

    def waits(self, now: float) -> float:
        """Since when it has waited for current; now, if it has not."""
        return now if self.was is None or self.was.waits is None else self.was.waits

    @property
    def priority(self) -> int:
        return self.car.priority + self.socket.priority

    def _is_urgent(self, now: float) -> bool:
        car = self.car
        if car.departure is None or car.wanted_wh is None:
            return False
        watts = self.most * VOLTS * (car.lines or 1)
        return car.departure - now - car.wanted_wh / max(watts, VOLTS) * 3600 < URGENT_SECONDS

    @property
    def drawn(self) -> float:
        """What it draws; what it may, if its charger does not tell."""
        return self.grant if self.car.drawn is None else self.car.drawn

    def give(self, grant: int, bound: Bound, rooms: _Ledgers) -> None:
        """Permit so much, and book it."""
        drawn = grant if self.draws is None else min(grant, self.draws)
        rooms.book(self.lines, grant, drawn)
        self.grant, self.bound = grant, bound

    def bind(self, line: int, bound: Bound, rooms: _Ledgers) -> None:
        """Remember which line keeps it from more."""
        self.bound, self.line, self.is_outage = bound, line, rooms.outage[line] < rooms.now[line]

    def limit(self, tree: Tree, rooms: _Ledgers) -> CurrentLimit:
        by_hand, bound = self.car.by_hand, self.bound
        if bound is Bound.MOST and by_hand is not None and by_hand <= self.amperes:
            bound = Bound.HAND
        limit = CurrentLimit(amperes=self.amperes, bound=bound, over=self.car.over)
        if self.line is None or bound not in (Bound.CIRCUIT, Bound.WAITS, Bound.SAFE):
            return limit
        if self.line in rooms.ordered and bound is not Bound.SAFE:
            return replace(limit, circuit=GRID, phase=self.line)
        circuit, phase = divmod(self.line, len(PHASES))
        return replace(limit, circuit=tree.order[circuit], phase=phase, outage=self.is_outage)

    def standing(self, now: float) -> CarStanding:
        was = self.was
        is_full, is_waiting = self.car.demand is CarDemand.FULL, self.bound is Bound.WAITS
        turn, knocked = None, self.knocked
        if knocked is None or (self.bound is Bound.FULL and (self.grant or self.had)):
            knocked = now - KNOCK_SECONDS
        if self.grant and not is_full:
            quarter = now - now % TURN_SECONDS
            began = quarter if now - quarter < SETTLED_SECONDS / 4 else now
            turn = was.turn if was and was.limit and was.turn is not None else began
        return CarStanding(
            limit=self.grant,
            since=was.since if was and self.grant <= was.limit else now,
            turn=turn,
            waits=self.waits(now) if is_waiting else None,
            room=self.room,
            knocked=knocked if is_full else None,
        )


def _is_bound_elsewhere(one: _CarClaim, tree: Tree, measured: Measured, rooms: _Ledgers) -> bool:
    """Book a car of which the sharing decides nothing: it cannot be told, its meter is lost, or
    nothing is allowed."""
    car = one.car
    if car.fixed is not None:
        # One that takes nothing now may begin at any moment, but then others are lowered within
        # seconds, if we live.
        drawn = (
            car.fixed
            if car.demand is CarDemand.WANTS or car.drawn is None
            else min(car.fixed, car.drawn)
        )
        rooms.book(one.lines, car.fixed, drawn)
        one.grant, one.bound = math.ceil(car.fixed), Bound.FIXED
        return True
    if one.most < one.least:
        one.bound = Bound.HAND
        return True
    for circuit in tree.above(one.socket.circuit):
        if circuit in measured.other and measured.other[circuit].lost:
            safe = one.booked(one.socket.safe)
            one.give(min(safe, one.most), Bound.SAFE if safe <= one.most else Bound.MOST, rooms)
            one.line = len(PHASES) * tree.order.index(circuit)
            return True
    return False


def _to_knock(full: list[_CarClaim], now: float) -> list[_CarClaim]:
    """Full cars at 0 A that get their least current for a minute, if it fits: one at a circuit,
    once an hour."""
    knocked = [one for one in full if _is_knocked(one, now)]
    busy = {one.socket.circuit for one in knocked}
    for one in full:
        if one.socket.circuit not in busy and _is_due(one, now):
            busy.add(one.socket.circuit)
            knocked.append(one)
    return knocked


def _is_knocked(one: _CarClaim, now: float) -> bool:
    return one.knocked is not None and now - one.knocked < KNOCK_SECONDS


def _is_due(one: _CarClaim, now: float) -> bool:
    """Whether a car is to be knocked: in a new hour, and shortly before its departure."""
    if one.had or one.knocked is None:
        return False
    if (one.knocked + KNOCK_SECONDS) // KNOCK_EVERY_SECONDS < now // KNOCK_EVERY_SECONDS:
        return True
    return (
        one.car.departure is not None
        and one.knocked < one.car.departure - BEFORE_DEPARTURE_SECONDS <= now
    )


def _gets_least(one: _CarClaim, rooms: _Ledgers, now: float) -> bool:
    """Give a car its least current, if that fits; knock it if it is full."""
    drawn = one.least if one.draws is None else min(one.least, one.draws)
    line = rooms.lacking(one.lines, one.least, drawn)
    if line is not None:
        one.bind(line, Bound.WAITS, rooms)
        return False
    if one.car.demand is CarDemand.FULL:
        one.give(one.least, Bound.KNOCK, rooms)
        one.knocked = one.knocked if _is_knocked(one, now) else now
        return True
    one.give(one.least, Bound.MOST, rooms)
    if rooms.lacking(one.lines, one.spare, -math.inf) is not None:
        one.spare = 0
    rooms.book(one.lines, one.spare, 0)
    return True


def _share(sharing: list[_CarClaim], rooms: _Ledgers) -> None:
    """Share equally what is left. Where a line is full, what is left of whole amperes goes to those
    who have least there, in the order in which they came."""
    rising = [one for one in sharing if one.grant < one.needs]
    while rising:
        if tight := _rise(rising, rooms):
            stopped = [one for one in rising if not tight.isdisjoint(one.lines)]
            for one in sorted(stopped, key=lambda one: (one.grant, one.arrival())):
                one.bind(next(line for line in one.lines if line in tight), Bound.CIRCUIT, rooms)
                if rooms.lacking(one.lines, 1, 1) is None:
                    rooms.book(one.lines, 1, 1)
                    one.grant += 1
                    if one.grant == one.needs:
                        one.bound, one.line = Bound.MOST, None
        rising = [one for one in rising if one.line is None and one.grant < one.needs]


def _rise(rising: list[_CarClaim], rooms: _Ledgers) -> set[int]:
    """Give the same to all at the lowest level: until one of them needs no more, others stand at
    their level, or a line is full. Return the lines that are."""
    level = min(one.grant for one in rising)
    ceiling = min(one.needs if one.grant == level else one.grant for one in rising)
    lowest = [one for one in rising if one.grant == level]
    counts = Counter([line for one in lowest for line in one.lines])
    step = min(
        ceiling - level, math.floor(min(rooms.free(line) / count for line, count in counts.items()))
    )
    for line, count in counts.items():
        rooms.now[line] -= step * count
        rooms.outage[line] -= step * count
    for one in lowest:
        one.grant += step
    return (
        {line for line, count in counts.items() if rooms.free(line) < count}
        if step < ceiling - level
        else set()
    )


def _hold_back(chosen: list[_CarClaim], rooms: _Ledgers, now: float, *, at_once: bool) -> None:
    """Lower at once; raise by steps, after there has been room for a while. It is `at_once` if a
    turn has ended or a knock is over: one car then gets what was another's, and nobody has to see
    first whether the room lasts."""
    for one in chosen:
        if one.grant == one.needs:
            one.grant += one.spare
        else:
            rooms.book(one.lines, -one.spare, 0)
        more = one.grant - one.had
        if one.car.boost or not one.had or more <= 0:
            continue
        if more >= STEP_AMPERES or one.grant == one.most:
            one.room = one.was.room if one.was and one.was.room is not None else now
            if at_once or now - one.room >= ROOM_SECONDS:
                one.room = None
                continue
            one.bound = Bound.STEADY
        rooms.book(one.lines, -more, -more)
        one.grant = one.had


def _keep(chosen: list[_CarClaim], rooms: _Ledgers) -> None:
    """Leave a car what it does not need, as long as nobody else needs it: its limit need not follow
    every ampere that it draws less."""
    for one in chosen:
        kept = min(one.had, one.most) - one.grant
        if (
            one.bound is Bound.MOST
            and kept > 0
            and rooms.lacking(one.lines, kept, -math.inf) is None
        ):
            rooms.book(one.lines, kept, 0)
            one.grant += kept


def _leave(full: Iterable[_CarClaim], rooms: _Ledgers, now: float) -> None:
    """A full car keeps its least current where the outage ledger has room for it, because a car at
    0 A cannot ask."""
    for one in full:
        if one.bound is Bound.KNOCK:
            continue
        one.bound = Bound.FULL
        if rooms.lacking(one.lines, one.least, -math.inf) is not None:
            continue
        if one.was and not one.had:
            one.room = now if one.was.room is None else one.was.room
            if now - one.room < ROOM_SECONDS:
                continue
        rooms.book(one.lines, one.least, 0)
        one.grant, one.room = one.least, None


def _lines(tree: Tree, asking: Iterable[_CarClaim], rooms: _Ledgers) -> tuple[PhaseLoad, ...]:
    drawn, permitted = [0.0] * len(rooms.now), [0.0] * len(rooms.now)
    for one in asking:
        for line in one.lines:
            drawn[line] += one.drawn
            permitted[line] += one.grant
    return tuple(
        PhaseLoad(
            circuit=tree.order[line // len(PHASES)],
            phase=line % len(PHASES),
            limit=rooms.limits[line],
            other=rooms.other[line],
            drawn=drawn[line],
            permitted=permitted[line],
            outage=rooms.reserves[line],
        )
        for line in range(len(rooms.limits))
    )


def _ordered(grid: GridOrder, asking: Iterable[_CarClaim], lines: Sequence[PhaseLoad]) -> float:
    """What is drawn of what the grid operator allows, in the unit of his order."""
    root = lines[: len(PHASES)]
    house = [line.other if grid.of_connection else 0.0 for line in root]
    if grid.kilowatts is None:
        return max(line.drawn + amperes for line, amperes in zip(root, house, strict=True))
    cars = sum(one.drawn * one.lines.count(len(lines)) for one in asking)
    return (cars + sum(house)) * VOLTS / 1000


def _again(asking: list[_CarClaim], queue: list[_CarClaim], now: float) -> float:
    """When the clock alone changes something."""
    moments = [
        now + TURN_SECONDS,
        *(one.room + ROOM_SECONDS for one in asking if one.room is not None),
    ]
    if queue:
        moments.append(now - now % TURN_SECONDS + TURN_SECONDS)
    for one in asking:
        if one.bound is Bound.KNOCK and one.knocked is not None:
            moments.append(one.knocked + KNOCK_SECONDS)
        elif one.bound is Bound.FULL and not one.grant:
            moments.append(now - now % KNOCK_EVERY_SECONDS + KNOCK_EVERY_SECONDS)
    return min(moments)


def _waits_about(queue: list[_CarClaim], chosen: list[_CarClaim], now: float) -> dict[Place, float]:
    """Seconds until each gets current: at each quarter-hour, so many can change as now have current
    at their line, and do not always come first. If none does, nothing will change by itself."""
    boundary = TURN_SECONDS - now % TURN_SECONDS
    turning = [one for one in chosen if not one.car.boost]
    ahead: Counter[int | None] = Counter()
    found = {}
    for one in queue:
        places = sum(
            one.line in other.lines and other.priority <= one.priority for other in turning
        )
        if one.line is not None and not places:
            continue
        turns = 0 if one.line is None else ahead[one.line] // places
        found[one.car.place] = boundary + TURN_SECONDS * turns
        ahead[one.line] += 1
    return found
