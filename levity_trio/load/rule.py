"""The rule that decides what each car may draw. `decide` is a pure function of the tree, the cars,
the measurements, the clock and its last decision.

Each circuit and phase has two ledgers, and a grant must fit both.

- *Now*: other load and what is drawn stay within 1.0 × the limit.
- *Outage*: if we die now, nobody lowers anything. Everything that is permitted and the highest
  other load of this hour and its two neighbours in the last seven days stay within 1.13 × the
  limit, which a breaker of IEC 60898 holds for an hour.

A decision has six steps. What is certain is booked: chargers that are away, circuits without a
meter. Each car in its turn gets its least current, or waits. What is left is shared equally.
Whoever gets more is raised only after there has been room for a while. What nobody needs stays
where it is. What the next decision must know of each car is kept as its standing.

Currents are in A per phase, moments are seconds since 1970 in UTC. Limits are whole amperes.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum

from levity_trio.load.tree import NOTHING, PHASES, Phases, Place, Tree, added, highest_of, on
from levity_trio.records import record

OUTAGE = 1.13
"""So many times its limit may be permitted at a circuit while nobody can lower anything."""
TURN_SECONDS = 900
"""A car that began to get current keeps it for about so long. Turns end together, at each quarter
of an hour."""
ROOM_SECONDS = 300
"""How long there must have been room before a limit is raised."""
STEP_AMPERES = 2
"""The smallest raise after that, unless it is to the maximum."""
LONE_SECONDS = 900
"""How long there must have been room for one ampere more: each raise wears flash memory out."""
SETTLED_SECONDS = 120
"""So long after a raise a car is booked with its limit, because it may still be following."""
LESS_AMPERES = 1.0
"""A car that draws so much less than its limit does not need all of it."""
KNOCK_SECONDS = 60
"""A full car at 0 A is knocked: it gets its least current for so long, to see whether it
charges."""
KNOCK_EVERY_SECONDS = 3600
BEFORE_DEPARTURE_SECONDS = 1800
"""It is knocked once more so long before its driver leaves."""
URGENT_SECONDS = 3600
"""A driver whose car can wait no longer than this, by what he entered, comes before the others who
wait."""
VOLTS = 230
GRID = "Grid operator"
"""This is named in place of a circuit where his order keeps a car from more; the phase is then a
line of Tree.lines_of."""


@record
class Car:
    """A car that is plugged in and may charge, or a charger that must be booked with a fixed
    current."""

    charger: str
    connector: int = 1
    since: float
    """When it was plugged in."""
    is_full: bool = False
    """It takes nothing although it may. One that is not charges, or waits for current."""
    lines: int | None = None
    """On how many lines it charges, once three readings have shown it; None: not known, so as many
    as its charger has."""
    drawn: float | None = None
    """The A on its highest line, as last measured; None: not reported."""
    draws_less: bool = True
    """If that is less than it may, it is sure."""
    over: float = 0.0
    """The A that it was measured to draw above what it might. They are booked beside its limit."""
    most: int | None = None
    """The most that it ever takes, where that is known."""
    least: int = 0
    """Below this current in A it was seen not to charge, although its charger could."""
    alone: bool = False
    """It charges only while no other connector of its charger does."""
    session: int | None = None
    """By this it is known again when it comes back."""
    per_ampere: int = 1
    """So many A are booked for each that it may draw, up to its maximum: a limit in W is for all
    lines, and it may put that on one."""
    wakes: float = 0.0
    """Seconds that it needed to begin when it was allowed to. If they were many, its turn lasts so
    much longer."""
    by_hand: int | None = None
    """A limit that a person set for this charger."""
    boost: bool = False
    """It gets its maximum, within both ledgers, before others get more than their least."""
    priority: int = 0
    """The priority of its household or card, which is added to that of its socket."""
    departure: float | None = None
    """When its driver wants to leave."""
    wanted_wh: float | None = None
    """What it still lacks of the energy that its driver entered."""
    is_dear: bool = False
    """A kWh costs more now than its driver wants to pay, so it waits."""
    fixed: float | None = None
    """The A that must be booked whatever we say: the charger is away, or does not obey."""

    @property
    def place(self) -> Place:
        return self.charger, self.connector


@record
class OtherLoad:
    """What the other consumers at one circuit draw, those under it included. While the meter is
    silent, or what it shows may be cars, all three are the most that it can be."""

    now: Phases
    """What was measured last."""
    recent: Phases
    """The highest of the last 15 minutes."""
    highest: Phases
    """The highest of this hour and its two neighbours in the last seven days."""
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
    BUDGET = "budget"
    """Its connector was told so much today that it is told no more."""
    FULL = "full"
    """The car is full."""
    KNOCK = "knock"
    """A car at 0 A is asked for one minute whether it wants to charge."""
    PRICE = "price"
    """It waits for a lower price, as its driver wants."""
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
    """The A that were booked beside it; see Car."""


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
    """Since when it has waited for current, whatever else kept it from some meanwhile; None: it
    does not."""
    charged: float = 0.0
    """For how many seconds it has had current."""
    session: int | None = None
    room: float | None = None
    """Since when there has been room for more."""
    knocked: float | None = None
    """When a full car was last knocked. As long as it has current, it can ask for more by itself:
    this is then set as if a knock had just ended."""


def moved(standing: CarStanding, by: float) -> CarStanding:
    """Return a standing whose moments are so much later: the clock was set forward."""
    names = "since", "turn", "waits", "room", "knocked"
    moments = {name: getattr(standing, name) for name in names}
    later = {name: at + by for name, at in moments.items() if at is not None}
    return replace(standing, **later)


@record
class PhaseLoad:
    """What flows in one phase of one circuit, in A: the bars that people see."""

    circuit: str
    phase: int
    limit: float
    other: float
    """What the house draws now."""
    drawn: float
    """What the cars draw now."""
    permitted: float
    """What the cars would draw if all drew what they may."""
    outage: float
    """What the house may come to in an outage."""


@record
class Allocation:
    """What the rule decided at one moment. Pass it to the next call."""

    at: float
    limits: Mapping[Place, CurrentLimit] = field(default_factory=dict)
    standings: Mapping[Place, CarStanding] = field(default_factory=dict)
    queue: tuple[Place, ...] = ()
    """Those who wait, the next one first."""
    lines: tuple[PhaseLoad, ...] = ()
    ordered: float = 0.0
    """What is drawn of what the grid operator allows: kW, or A on the line that carries most."""
    free: tuple[float, ...] = ()
    """The A that are left on each line, in the ledger that has less; see Tree.lines_of."""
    again: float = 0.0
    """When to ask again, if nothing happens before."""
    waits_about: Mapping[Place, float] = field(default_factory=dict)
    """An estimate of the seconds until each of the queue may get current."""


def decide(
    tree: Tree,
    cars: Iterable[Car],
    measured: Measured,
    now: float,
    before: Allocation,
    *,
    first_come: bool = False,
) -> Allocation:
    """Decide what each car may draw.

    The order of `cars` does not matter; one whose charger is not in the tree raises KeyError.
    After a restart, pass `Allocation(at=…, standings=…)` as `before`. With `first_come`, nobody
    takes turns.
    """
    ledgers = _Ledgers(tree, measured)
    claims = [_CarClaim(tree, car, before, now, first_come) for car in cars]
    claims.sort(key=_CarClaim.arrival)
    for claim in claims:
        lines = claim.lines
        if claim.car.lines is None:
            # Any one of its phases may carry what it draws too much. Their sum is not above what it
            # may draw.
            lines = tuple(line for line in lines if line != ledgers.sum_of_phases)
        ledgers.book(lines, claim.car.over, claim.car.over)

    # What is certain is booked before anything is shared.
    sharing = [claim for claim in claims if not _settle(claim, tree, measured, ledgers)]
    full = [claim for claim in sharing if claim.car.is_full]
    wanting = [claim for claim in sharing if not claim.car.is_full]
    turns_end = not first_come and now // TURN_SECONDS > before.at // TURN_SECONDS
    charging = _allocate(wanting, full, ledgers, before, turns_end=turns_end)

    queue = [claim for claim in wanting if not claim.grant]
    queue.sort(key=_CarClaim.place_in_queue)
    loads = tuple(_phase_loads(tree, claims, ledgers))
    limits = {claim.car.place: claim.limit(tree, ledgers) for claim in claims}
    # Who is away or whose charger boots may come back.
    standings = {
        place: replace(was, limit=0, turn=None, room=None)
        for place, was in before.standings.items()
        if was.session is not None and place in tree.sockets
    }
    standings |= {claim.car.place: claim.standing() for claim in claims}
    free = tuple(map(ledgers.free, range(ledgers.sum_of_phases + 1)))
    return Allocation(
        at=now,
        limits=limits,
        standings=standings,
        queue=tuple(claim.car.place for claim in queue),
        lines=loads,
        ordered=_drawn_of_order(measured.grid, claims, loads),
        free=free,
        again=_next_moment(claims, queue, now),
        waits_about={} if first_come else dict(_waits_about(queue, charging, now)),
    )


class _Ledgers:
    """The two ledgers: what is still free on each line, in A. A line is one phase of one circuit,
    and the last one is the sum of all phases; see Tree.lines_of.

    An order of the grid operator takes from the root or from that sum, and counts for all that is
    permitted, drawn or not.
    """

    def __init__(self, tree: Tree, measured: Measured) -> None:
        self.limits: list[float] = []
        self.other: list[float] = []
        """What other consumers draw now."""
        self.reserves: list[float] = []
        """What they may come to in an outage."""
        self.now: list[float] = []
        """What is free now. This and the next go down with each booking."""
        self.outage: list[float] = []
        """What is free in an outage."""
        highest = {name: other.highest for name, other in measured.other.items()}
        drawn_by_others = _drawn_by_others(tree, measured)
        for name in tree.order:
            amperes = tree.circuits[name].amperes
            reserve = tree.booked_for_others(name, highest)
            now, recent = drawn_by_others[name]
            self.limits += [amperes] * len(PHASES)
            self.other += now
            self.reserves += reserve
            self.now += [amperes - house for house in recent]
            self.outage += [OUTAGE * amperes - house for house in reserve]

        # The sum of all phases has no limit of its own, only that of an order in kW.
        self.sum_of_phases = len(self.now)
        self.now.append(math.inf)
        self.outage.append(math.inf)
        grid = measured.grid
        house = drawn_by_others[tree.root][1] if grid.of_connection else NOTHING
        allowed: dict[int, float] = {}
        if grid.amperes is not None:
            # The first three lines are those of the root.
            for phase in PHASES:
                allowed[phase] = grid.amperes - house[phase]
        if grid.kilowatts is not None:
            allowed[self.sum_of_phases] = grid.kilowatts * 1000 / VOLTS - sum(house)
        self.ordered = {line for line, amperes in allowed.items() if amperes < self.now[line]}
        """The lines on which the order binds, and no circuit."""
        for line, amperes in allowed.items():
            self.now[line] = min(self.now[line], amperes)
            self.outage[line] = min(self.outage[line], amperes)

    def book(self, lines: Iterable[int], permitted: float, drawn: float) -> None:
        for line in lines:
            self.now[line] -= drawn
            self.outage[line] -= permitted

    def lacking(self, lines: Sequence[int], permitted: float, drawn: float) -> int | None:
        """Return the first line on which this does not fit; None if it fits."""
        for line in lines:
            times = lines.count(line)
            if self.now[line] < times * drawn or self.outage[line] < times * permitted:
                return line
        return None

    def fits_in_outage(self, lines: Sequence[int], permitted: float) -> bool:
        """Return whether this fits if it is permitted, and not drawn at present."""
        return self.lacking(lines, permitted, -math.inf) is None

    def free(self, line: int) -> float:
        return min(self.now[line], self.outage[line])


def _drawn_by_others(tree: Tree, measured: Measured) -> dict[str, tuple[Phases, Phases]]:
    """Return what others draw at each circuit, now and at most in the last 15 minutes.

    Where there is no meter, it is the reserve, or what they draw at the circuits below, if that is
    more.
    """
    drawn: dict[str, tuple[Phases, Phases]] = {}
    for name in reversed(tree.order):
        other = measured.other.get(name)
        if other is not None:
            drawn[name] = other.now, other.recent
            continue
        reserve = on(PHASES, tree.circuits[name].reserve or 0.0)
        below = [drawn[child] for child in tree.children[name]]
        now = added(now for now, _ in below)
        recent = added(recent for _, recent in below)
        drawn[name] = highest_of([reserve, now]), highest_of([reserve, recent])
    return drawn


class _CarClaim:
    """What one car asks for and gets in one decision. Its amperes are those that are booked."""

    def __init__(
        self, tree: Tree, car: Car, before: Allocation, now: float, first_come: bool
    ) -> None:
        # Of a car that has just come, nothing must be waited for.
        new = CarStanding(limit=0, since=now, room=-math.inf, session=car.session)
        was = before.standings.get(car.place, new)
        if None not in (was.session, car.session) and was.session != car.session:
            was = new
        self.car = car
        self.was = was
        self.now = now
        self.first_come = first_come
        """Nobody takes turns."""
        self.charged = was.charged + (now - before.at if was.limit else 0.0)
        self.socket = socket = tree.sockets[car.place]
        self.lines = tree.lines_of(car.place, car.lines)
        self.had = was.limit
        self.turn = was.turn if was.limit else None
        """When it began to get current, if it has some."""

        least = car.least if car.by_hand is None else min(car.least, car.by_hand)
        self.least = self.booked(max(socket.least, least))
        self.most = socket.most
        if car.most is not None:
            self.most = max(self.least, self.booked(car.most))
        if car.by_hand is not None:
            by_hand = self.booked(car.by_hand)
            self.most = min(self.most, by_hand) if by_hand >= self.least else 0

        self.draws: float | None = None
        """What it draws, if that is less than it may."""
        self.needs = self.most
        """The most that it can make use of at present."""
        self.spare = 0
        """Permitted beyond that, so that a car that draws less than it may is seen to do so the
        next time, too."""
        # A boosted car gets its maximum, whatever it draws.
        if car.drawn is not None and car.draws_less and not car.boost:
            is_settled = now - was.since >= SETTLED_SECONDS
            if is_settled and car.drawn < min(was.limit, self.most) - LESS_AMPERES:
                self.draws = car.drawn
                self.needs = min(self.most, max(self.least, math.ceil(car.drawn)))
                seen_to_draw_less = int(car.drawn + LESS_AMPERES) + 1
                self.spare = max(0, min(self.most, seen_to_draw_less) - self.needs)

        self.grant = 0
        self.bound = Bound.WAITS
        self.line: int | None = None
        """Which line keeps it from more."""
        self.is_outage = False
        self.room: float | None = None
        self.asks_at = math.inf
        """When there will have been room for long enough."""
        self.knocked = was.knocked

    def booked(self, amperes: int) -> int:
        """Return the A that are booked for what it may draw."""
        return min(self.socket.most, amperes * self.car.per_ampere)

    @property
    def amperes(self) -> int:
        """A that it may draw, of which `grant` are booked."""
        amperes = self.grant
        if self.bound is Bound.FIXED:
            return amperes
        # No more than the maximum is booked, however many A it may draw: see `booked`.
        if amperes != self.socket.most:
            amperes //= self.car.per_ampere
        if self.bound is Bound.SAFE:
            amperes = min(amperes, self.socket.safe)
        if self.car.by_hand is not None:
            amperes = min(amperes, self.car.by_hand)
        return amperes

    @property
    def drawn(self) -> float:
        """What it draws; what it may, if its charger does not tell."""
        return self.grant if self.car.drawn is None else self.car.drawn

    @property
    def priority(self) -> int:
        return self.car.priority + self.socket.priority

    def arrival(self) -> tuple[float, Place]:
        return self.car.since, self.car.place

    def waits(self) -> float:
        """Return since when it has waited for current; now, if it has not."""
        return self.now if self.was.waits is None else self.was.waits

    def rank(self, *, turns_end: bool) -> tuple[object, ...]:
        """Return the key by which claims are served: boosts; then the turns that go on, the latest
        first; then knocks; then those who wait; then the turns that end."""
        if self.car.is_full:
            return 2, *self.arrival()
        if self.car.boost:
            return 0, *self.arrival()
        preferred = -self.priority, not self._is_urgent()
        if self.turn is None:
            return 3, *preferred, 0, *self._waited()
        # Turns end together: a few seconds more would be another quarter of an hour.
        longer = self.car.wakes if self.car.wakes >= SETTLED_SECONDS else 0.0
        if turns_end and self.now - self.turn >= TURN_SECONDS + longer:
            return 3, *preferred, 1, -self.turn, *self.arrival()
        return 1, 0 if self.first_come else -self.turn, *self.arrival()

    def place_in_queue(self) -> tuple[object, ...]:
        """Return the key by which those who wait will be served."""
        preferred = not self.car.boost, -self.priority, not self._is_urgent()
        return *preferred, *self._waited()

    def _waited(self) -> tuple[object, ...]:
        """Return the key by which equals are served: who has waited for longest, then who has
        charged for the least time."""
        return () if self.first_come else (self.waits(), self.charged), *self.arrival()

    def _is_urgent(self) -> bool:
        return self.car.wanted_wh is not None and self.can_wait_no_longer()

    def can_wait_no_longer(self) -> bool:
        """Return whether what its driver wants fits only just before he leaves."""
        car = self.car
        if car.departure is None:
            return False
        watts = self.most * VOLTS * (car.lines or 1)
        needed = (car.wanted_wh or 0.0) / max(watts, VOLTS) * 3600
        return car.departure - self.now - needed < URGENT_SECONDS

    def is_being_knocked(self) -> bool:
        return self.knocked is not None and self.now - self.knocked < KNOCK_SECONDS

    def note_room(self, seconds: float = ROOM_SECONDS) -> bool:
        """Note that there is room for more, and return whether there has been for so long."""
        self.room = self.now if self.was.room is None else self.was.room
        self.asks_at = self.room + seconds
        return self.now >= self.asks_at

    def give(self, grant: int, bound: Bound, ledgers: _Ledgers) -> None:
        """Permit so much, and book it."""
        drawn = grant if self.draws is None else min(grant, self.draws)
        ledgers.book(self.lines, grant, drawn)
        self.grant = grant
        self.bound = bound

    def bind(self, line: int, bound: Bound, ledgers: _Ledgers) -> None:
        """Remember which line keeps it from more."""
        self.bound = bound
        self.line = line
        self.is_outage = ledgers.outage[line] < ledgers.now[line]

    def limit(self, tree: Tree, ledgers: _Ledgers) -> CurrentLimit:
        """Return its limit, with the circuit or the order that binds it."""
        amperes, by_hand, bound = self.amperes, self.car.by_hand, self.bound
        if bound is Bound.MOST and by_hand is not None and by_hand <= amperes:
            bound = Bound.HAND
        circuit, phase, is_outage = "", 0, False
        if self.line is not None and bound in (Bound.CIRCUIT, Bound.WAITS, Bound.SAFE):
            circuit, phase = GRID, self.line
            if self.line not in ledgers.ordered or bound is Bound.SAFE:
                circuit, phase = tree.order[phase // len(PHASES)], phase % len(PHASES)
                is_outage = self.is_outage
        return CurrentLimit(
            amperes=amperes,
            bound=bound,
            circuit=circuit,
            phase=phase,
            outage=is_outage,
            over=self.car.over,
        )

    def standing(self) -> CarStanding:
        """Return what the next decision needs to know of it."""
        turn = knocked = waits = None
        if self.bound is Bound.WAITS:
            waits = self.waits()
        elif self.bound is Bound.FIXED or not self.grant:
            waits = self.was.waits
        if self.car.is_full:
            knocked = self.knocked
            if knocked is None or (self.bound is Bound.FULL and (self.grant or self.had)):
                knocked = self.now - KNOCK_SECONDS
        elif self.grant:
            turn = self.turn
            if turn is None:
                # Turns end together. So one that begins soon after a quarter of an hour counts from
                # there: it would be nearly twice as long else.
                quarter = self.now - self.now % TURN_SECONDS
                turn = quarter if self.now - quarter < SETTLED_SECONDS else self.now
        return CarStanding(
            limit=self.grant,
            since=self.was.since if self.grant <= self.had else self.now,
            turn=turn,
            waits=waits,
            charged=self.charged,
            session=self.car.session or self.was.session,
            room=self.room,
            knocked=knocked,
        )


def _allocate(
    wanting: list[_CarClaim],
    full: list[_CarClaim],
    ledgers: _Ledgers,
    before: Allocation,
    *,
    turns_end: bool,
) -> list[_CarClaim]:
    """Share what there is, and book it. Return the claims of the cars that get current."""
    # A car charges with its least current or not at all, so that is given before anything else.
    ranked = [*wanting, *_to_knock(full)]
    ranked.sort(key=lambda claim: claim.rank(turns_end=turns_end))
    served: list[_CarClaim] = []
    for claim in ranked:
        charger = claim.car.charger
        is_taken = claim.car.alone and any(other.car.charger == charger for other in served)
        if not is_taken and _gets_least(claim, ledgers):
            served.append(claim)
    charging = [claim for claim in served if not claim.car.is_full]

    # A boosted car has what it needs before the others share what is left.
    for claim in charging:
        if claim.car.boost:
            _share([claim], ledgers)
    _share([claim for claim in charging if not claim.car.boost], ledgers)

    # What one car gets from another needs no look whether the room for it lasts.
    is_swapped = turns_end and any(claim.had and not claim.grant for claim in wanting)
    knocked = {claim.car.place for claim in full if claim.bound is Bound.KNOCK}
    is_knock_over = any(
        limit.bound is Bound.KNOCK and place not in knocked
        for place, limit in before.limits.items()
    )
    _hold_back(charging, ledgers, at_once=is_swapped or is_knock_over)

    # What nobody needs stays where it is, of those who charge before those who are full.
    _keep_unused(charging, ledgers)
    _leave_full_cars_their_least(full, ledgers)
    return charging


def _settle(claim: _CarClaim, tree: Tree, measured: Measured, ledgers: _Ledgers) -> bool:
    """Book a car of which the sharing decides nothing, and return whether it is one: it cannot be
    told, nothing is allowed, or its meter is lost."""
    car = claim.car
    if car.fixed is not None:
        # One that takes nothing now may begin at any moment, but then others are lowered within
        # seconds, if we live.
        drawn = car.fixed
        if car.is_full and car.drawn is not None:
            drawn = min(car.fixed, car.drawn)
        ledgers.book(claim.lines, car.fixed, drawn)
        claim.grant = math.ceil(car.fixed)
        claim.bound = Bound.FIXED
        return True
    if car.is_dear and not car.boost and not claim.can_wait_no_longer():
        claim.bound = Bound.PRICE
        return True
    if claim.most < claim.least:
        claim.bound = Bound.HAND
        return True
    for circuit in tree.above(claim.socket.circuit):
        other = measured.other.get(circuit)
        if other is not None and other.lost:
            safe = claim.booked(claim.socket.safe)
            bound = Bound.SAFE if safe <= claim.most else Bound.MOST
            claim.give(min(safe, claim.most), bound, ledgers)
            claim.line = len(PHASES) * tree.order.index(circuit)
            return True
    return False


def _to_knock(full: list[_CarClaim]) -> list[_CarClaim]:
    """Return the full cars at 0 A that get their least current for a minute, if it fits: one at a
    circuit, in each new hour, and shortly before it leaves."""
    knocked = [claim for claim in full if claim.is_being_knocked()]
    busy = {claim.socket.circuit for claim in knocked}
    for claim in full:
        if claim.had or claim.knocked is None or claim.socket.circuit in busy:
            continue
        # A car that has just become full counts as knocked until now: hence the end of the knock.
        hour = (claim.knocked + KNOCK_SECONDS) // KNOCK_EVERY_SECONDS
        is_due = hour < claim.now // KNOCK_EVERY_SECONDS
        if claim.car.departure is not None:
            leaves_soon = claim.car.departure - BEFORE_DEPARTURE_SECONDS
            is_due = is_due or claim.knocked < leaves_soon <= claim.now
        if is_due:
            busy.add(claim.socket.circuit)
            knocked.append(claim)
    return knocked


def _gets_least(claim: _CarClaim, ledgers: _Ledgers) -> bool:
    """Give a car its least current, if that fits; knock it if it is full."""
    drawn = claim.least if claim.draws is None else min(claim.least, claim.draws)
    line = ledgers.lacking(claim.lines, claim.least, drawn)
    if line is not None:
        claim.bind(line, Bound.WAITS, ledgers)
        return False
    if claim.car.is_full:
        claim.give(claim.least, Bound.KNOCK, ledgers)
        if not claim.is_being_knocked():
            claim.knocked = claim.now
        return True
    claim.give(claim.least, Bound.MOST, ledgers)
    if not ledgers.fits_in_outage(claim.lines, claim.spare):
        claim.spare = 0
    ledgers.book(claim.lines, claim.spare, 0)
    return True


def _share(sharing: list[_CarClaim], ledgers: _Ledgers) -> None:
    """Share equally what is left. Where a line is full, what is left of whole amperes goes to those
    who have least there, in the order in which they came."""
    rising = [claim for claim in sharing if claim.grant < claim.needs]
    while rising:
        full_lines = _raise_the_lowest(rising, ledgers)
        stopped = [claim for claim in rising if not full_lines.isdisjoint(claim.lines)]
        stopped.sort(key=lambda claim: (claim.grant, claim.arrival()))
        for claim in stopped:
            line = next(line for line in claim.lines if line in full_lines)
            claim.bind(line, Bound.CIRCUIT, ledgers)
            if ledgers.lacking(claim.lines, 1, 1) is None:
                ledgers.book(claim.lines, 1, 1)
                claim.grant += 1
                if claim.grant == claim.needs:
                    claim.bound = Bound.MOST
                    claim.line = None
        rising = [claim for claim in rising if claim.line is None and claim.grant < claim.needs]


def _raise_the_lowest(rising: list[_CarClaim], ledgers: _Ledgers) -> set[int]:
    """Give the same to all at the lowest level: until one of them needs no more, others stand at
    their level, or a line is full. Return the lines that are."""
    level = min(claim.grant for claim in rising)
    lowest = [claim for claim in rising if claim.grant == level]
    ceilings = [claim.needs for claim in lowest]
    ceilings += [claim.grant for claim in rising if claim.grant > level]
    wanted = min(ceilings) - level

    counts: Counter[int] = Counter()
    for claim in lowest:
        counts.update(claim.lines)
    free_for_each = min(ledgers.free(line) / count for line, count in counts.items())
    step = min(wanted, math.floor(free_for_each))
    for line, count in counts.items():
        # One booking a line: those of each car would round otherwise.
        ledgers.book([line], step * count, step * count)
    for claim in lowest:
        claim.grant += step
    if step == wanted:
        return set()
    return {line for line, count in counts.items() if ledgers.free(line) < count}


def _hold_back(charging: list[_CarClaim], ledgers: _Ledgers, *, at_once: bool) -> None:
    """Lower at once; raise by steps, after there has been room for a while.

    It is `at_once` if a turn has ended or a knock is over: one car then gets what was another's.
    """
    for claim in charging:
        if claim.grant == claim.needs:
            claim.grant += claim.spare
        else:
            ledgers.book(claim.lines, -claim.spare, 0)
        more = claim.grant - claim.had
        if claim.car.boost or claim.had < claim.least or more <= 0:
            continue
        is_lone = more < STEP_AMPERES and claim.grant < claim.most
        if claim.note_room(LONE_SECONDS if is_lone else ROOM_SECONDS) or at_once:
            claim.room = None
            continue
        if not is_lone:
            claim.bound = Bound.STEADY
        ledgers.book(claim.lines, -more, -more)
        claim.grant = claim.had


def _keep_unused(charging: list[_CarClaim], ledgers: _Ledgers) -> None:
    """Leave a car what it does not need, as long as nobody else needs it: its limit need not follow
    every ampere that it draws less."""
    for claim in charging:
        kept = min(claim.had, claim.most) - claim.grant
        if claim.bound is not Bound.MOST or kept <= 0:
            continue
        if ledgers.fits_in_outage(claim.lines, kept):
            ledgers.book(claim.lines, kept, 0)
            claim.grant += kept


def _leave_full_cars_their_least(full: list[_CarClaim], ledgers: _Ledgers) -> None:
    """Leave a full car its least current where the outage ledger has room for it, because a car at
    0 A cannot ask."""
    for claim in full:
        if claim.bound is Bound.KNOCK:
            continue
        claim.bound = Bound.FULL
        if claim.car.alone or not ledgers.fits_in_outage(claim.lines, claim.least):
            continue
        if not claim.had and not claim.note_room():
            continue
        ledgers.book(claim.lines, claim.least, 0)
        claim.grant = claim.least
        claim.room = None


def _phase_loads(tree: Tree, claims: list[_CarClaim], ledgers: _Ledgers) -> Iterator[PhaseLoad]:
    drawn = [0.0] * len(ledgers.now)
    permitted = [0.0] * len(ledgers.now)
    for claim in claims:
        for line in claim.lines:
            drawn[line] += claim.drawn
            permitted[line] += claim.grant
    for line, limit in enumerate(ledgers.limits):
        circuit, phase = divmod(line, len(PHASES))
        yield PhaseLoad(
            circuit=tree.order[circuit],
            phase=phase,
            limit=limit,
            other=ledgers.other[line],
            drawn=drawn[line],
            permitted=permitted[line],
            outage=ledgers.reserves[line],
        )


def _drawn_of_order(grid: GridOrder, claims: list[_CarClaim], loads: Sequence[PhaseLoad]) -> float:
    """Return what is drawn of what the grid operator allows, in the unit of his order."""
    root = loads[: len(PHASES)]
    house = [load.other if grid.of_connection else 0.0 for load in root]
    if grid.kilowatts is None:
        return max(load.drawn + amperes for load, amperes in zip(root, house, strict=True))
    sum_of_phases = len(loads)
    cars = sum(claim.drawn * claim.lines.count(sum_of_phases) for claim in claims)
    return (cars + sum(house)) * VOLTS / 1000


def _next_moment(claims: list[_CarClaim], queue: list[_CarClaim], now: float) -> float:
    """Return when the clock alone changes something."""
    moments = [now + TURN_SECONDS]
    if queue:
        moments.append(now - now % TURN_SECONDS + TURN_SECONDS)
    for claim in claims:
        if claim.room is not None:
            moments.append(claim.asks_at)
        if claim.bound is Bound.KNOCK and claim.knocked is not None:
            moments.append(claim.knocked + KNOCK_SECONDS)
        elif claim.bound is Bound.FULL and not claim.grant:
            moments.append(now - now % KNOCK_EVERY_SECONDS + KNOCK_EVERY_SECONDS)
    return min(moments)


def _waits_about(
    queue: list[_CarClaim], charging: list[_CarClaim], now: float
) -> Iterator[tuple[Place, float]]:
    """Estimate in how many seconds each of the queue gets current.

    At each quarter of an hour, as many can change as now have current at their line, and do not
    always come first. If there are none, nothing will change by itself.
    """
    boundary = TURN_SECONDS - now % TURN_SECONDS
    taking_turns = [claim for claim in charging if not claim.car.boost]
    ahead: Counter[int] = Counter()
    for claim in queue:
        turns = 0
        if claim.line is not None:
            rivals = [rival for rival in taking_turns if claim.line in rival.lines]
            places = sum(rival.priority <= claim.priority for rival in rivals)
            if not places:
                continue
            turns = ahead[claim.line] // places
            ahead[claim.line] += 1
        yield claim.car.place, boundary + TURN_SECONDS * turns
