"""What the rule is asked, made of measurements, of what people want, and of what was learned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import ceil
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import seconds
from levity_trio.load.document import CONNECTION, SiteOptions
from levity_trio.load.lease import FOLLOW_SECONDS, with_tolerance
from levity_trio.load.rule import Car, CarDemand, GridOrder
from levity_trio.load.tree import (
    LETTERS,
    NOTHING,
    PHASES,
    Phases,
    Place,
    Socket,
    Tree,
    highest_of,
    lowest_of,
    on,
)
from levity_trio.store.reads.load.load import ConnectorReading, LoadOrder, LoadPresent, PluggedIn

VOLTS: Final = 230
LINE_AMPERES: Final = 1.0
"""A line that carries less is not used."""
RATIO_AMPERES: Final = 3.0
"""Below, what electronics draw besides makes power over current say nothing of lines."""
RATIO_TOLERANCE: Final = 0.35
"""The voltage of a grid may differ by a tenth from 230 V."""
SETTLED_SECONDS: Final = 15.0
"""For so long, a car ramps up after its status has changed."""
MOST_RATIO: Final = 1.25
"""Cars and readings exceed a limit by less."""
MOST_TOO_LARGE: Final = 10
"""After so many sessions with a wish that was too large, a driver is not believed."""
FULL, WITHHELD = "SuspendedEV", "SuspendedEVSE"
PAUSED: Final = (FULL, WITHHELD)


class Wishes(NamedTuple):
    """What people want for one connector at present."""

    by_hand: int | None = None
    is_boosted: bool = False
    departure: float | None = None
    wanted_wh: int | None = None


def wanted_at(present: LoadPresent, at: str, *, hears_drivers: bool) -> dict[Place, Wishes]:
    """Return what people want, by connector. A boost ends by itself. A driver whose wishes were too
    large on many nights is treated as if he had entered nothing."""
    believed = {
        car.transaction
        for car in present.cars
        if hears_drivers and present.too_large[car.transaction] < MOST_TOO_LARGE
    }
    wanted: dict[Place, Wishes] = {}
    for wish in present.wishes:
        place = wish.charger, wish.connector
        before = wanted.get(place, Wishes())
        if wish.kind == "hand":
            wanted[place] = before._replace(by_hand=wish.amperes)
        elif wish.kind == "boost" and wish.until is not None and wish.until > at:
            wanted[place] = before._replace(is_boosted=True)
        elif wish.departure_at is not None and wish.transaction in believed:
            departure = seconds(wish.departure_at)
            wanted[place] = before._replace(departure=departure, wanted_wh=wish.wanted_wh)
    return wanted


class AcceptedLimit(NamedTuple):
    """What a car may draw by the limit that its charger accepted last, and by what holds until it
    was seen to follow: the lower and the higher of both in A, and since when."""

    least: int
    most: int
    at: float


class CarConstraints(NamedTuple):
    """What holds for a car whatever is wanted."""

    cap: int | None
    """A that it has, if it may not be raised today any more."""
    least: int
    """A below which it was seen not to charge."""
    is_full: bool
    limit: AcceptedLimit | None
    wakes: float
    """Seconds that it needs to begin."""
    may_be_on_one: bool
    """Its charger may put the watts for all lines on one."""


def cars_of(
    tree: Tree,
    present: LoadPresent,
    lines: Mapping[Place, int],
    wanted: Mapping[Place, Wishes],
    constraints: Mapping[Place, CarConstraints],
    booked: Mapping[Place, float],
    away: Collection[str],
) -> Iterator[Car]:
    """Yield the cars that are plugged in, and the connectors that must be booked without one.

    `lines` are those on which cars charge, where that is known.
    """
    here: set[Place] = set()
    for plugged_in in present.cars:
        place = plugged_in.place
        here.add(place)
        wishes = wanted.get(place, Wishes())
        yield _car_of(
            tree.sockets[place],
            plugged_in,
            lines.get(place),
            wishes,
            constraints[place],
            booked.get(place),
        )
    for place, amperes in booked.items():
        if place not in here:
            # Of a charger that is away, nobody knows whether a car draws there now.
            charger, connector = place
            demand = CarDemand.WANTS if charger in away else CarDemand.FULL
            yield Car(
                charger=charger,
                connector=connector,
                since=0.0,
                demand=demand,
                drawn=0.0,
                fixed=amperes,
            )


def _car_of(
    socket: Socket,
    plugged_in: PluggedIn,
    lines: int | None,
    wishes: Wishes,
    constraints: CarConstraints,
    fixed: float | None,
) -> Car:
    shown = drawn(plugged_in, socket, lines)
    limit = constraints.limit

    # Until it was seen to follow a limit, it may draw what it might before.
    most = highest = socket.most
    if limit is not None:
        most = highest = limit.most
        if shown is not None and shown.at >= limit.at + FOLLOW_SECONDS:
            most = limit.least
    if constraints.may_be_on_one:
        most = socket.most
    draws, over = None, 0.0
    if shown is not None:
        # Where its lines are not known, it may draw what it was not seen to be below.
        draws = max(shown.least, min(shown.most, most))
        if fixed is None:
            over = max(0.0, max(shown.least, min(shown.most, highest)) - most)

    lacking = wishes.wanted_wh
    if lacking is not None:
        lacking = max(0, lacking - (plugged_in.energy_wh or 0))
    limits = [amperes for amperes in (wishes.by_hand, constraints.cap) if amperes is not None]
    is_full = constraints.is_full and plugged_in.is_connected
    return Car(
        charger=plugged_in.charger,
        connector=plugged_in.connector,
        since=seconds(plugged_in.since),
        demand=CarDemand.FULL if is_full else CarDemand.WANTS,
        lines=lines,
        drawn=draws,
        over=over,
        least=constraints.least,
        per_ampere=socket.phases if constraints.may_be_on_one else 1,
        wakes=constraints.wakes,
        by_hand=min(limits, default=None),
        boost=wishes.is_boosted,
        departure=wishes.departure,
        wanted_wh=lacking,
        fixed=fixed,
    )


class CarCurrent(NamedTuple):
    """The least and the most A that a car draws on its highest line, by what was told of it last,
    and when that was."""

    least: float
    most: float
    at: float


def is_paused(car: PluggedIn) -> bool:
    """Return whether a car takes nothing by its status. A status may be stuck, so a current in a
    reading that is not older is believed before it."""
    reading = car.reading
    if car.status not in PAUSED:
        return False
    if reading is None or reading.at < car.changed_at:
        return True
    shown: list[float] = [*(reading.lines or ()), reading.amperes or 0.0]
    shown.append((reading.watts or 0.0) / VOLTS)
    return max(shown) < LINE_AMPERES


def drawn(car: PluggedIn, socket: Socket, lines: int | None) -> CarCurrent | None:
    """Return what a car draws; None if its charger does not tell."""
    reading = car.reading
    changed_at = seconds(car.changed_at)
    at = changed_at if reading is None else seconds(reading.at)
    if is_paused(car):
        return CarCurrent(0.0, 0.0, max(at, changed_at))
    if reading is None:
        return None
    current = reading.amperes if reading.lines is None else max(reading.lines)
    is_direct = False
    if reading.lines is None and reading.watts is not None and current is not None:
        # No line of the charger carries so much. It is the current on the car's side of a
        # rectifier, so its power counts.
        is_direct = current > MOST_RATIO * socket.most
    if current is not None and not is_direct:
        return CarCurrent(current, current, at)
    if reading.watts is None:
        return None

    # Power of which the lines are not known is on one of them, or on all that are wired.
    amperes = reading.watts / VOLTS
    used = socket.phases if is_direct else lines
    return CarCurrent(amperes / (used or socket.phases), amperes / (used or 1), at)


def lines_used(reading: ConnectorReading, most: int) -> int | None:
    """Return on how many lines a car charges, by one reading: those that carry current, power over
    current, or all if two cannot carry its power. `most` is what its charger gives."""
    if reading.lines is not None:
        return sum(amperes >= LINE_AMPERES for amperes in reading.lines) or None
    if reading.watts is None:
        return None
    on_one_line = reading.watts / VOLTS
    if reading.amperes is None:
        return len(PHASES) if lines_at_least(on_one_line, most) == len(PHASES) else None
    if reading.amperes < RATIO_AMPERES:
        return None
    return _lines_of(on_one_line / reading.amperes)


def lines_at_least(amperes: float, most: int) -> int:
    """Return on how many lines so many A are at least, if each carries what a charger gives, and
    hardly more."""
    return max(1, ceil(amperes / with_tolerance(most)))


def lines_by_power(reading: ConnectorReading, amperes: int, before: float = 0.0) -> int | None:
    """Return on how many lines a car charges if it draws all of its limit, by its power alone: by
    that above `before` W, for the A between two limits."""
    if reading.lines is not None or reading.amperes is not None:
        return None
    if reading.watts is None or not amperes:
        return None
    return _lines_of((reading.watts - before) / VOLTS / amperes)


def _lines_of(ratio: float) -> int | None:
    lines = round(ratio)
    is_near = abs(ratio - lines) < RATIO_TOLERANCE
    return lines if is_near and 1 <= lines <= len(PHASES) else None


def drawn_between(
    socket: Socket, car: PluggedIn, lines: int | None, limit: AcceptedLimit | None = None
) -> tuple[Phases, Phases]:
    """Return the least and the most A that a car draws on each phase of the feeder.

    They differ until a reading has shown what it draws since its status changed or it was told a
    limit, while its lines or its rotation are unknown, and where its charger does not tell.
    """
    reading = car.reading
    takes_nothing = is_paused(car)
    changed_at = seconds(car.changed_at)
    read_at = changed_at if reading is None else seconds(reading.at)
    known_at = changed_at if takes_nothing else read_at
    may_follow = limit is not None and known_at < limit.at + SETTLED_SECONDS
    if takes_nothing and not may_follow:
        return NOTHING, NOTHING
    if reading is None or takes_nothing or read_at - changed_at < SETTLED_SECONDS:
        most = socket.most if limit is None else min(limit.most, socket.most)
        return NOTHING, on(socket.lines(lines), most)

    low, high = _shown_between(socket, car, lines)
    if not may_follow or limit is None:
        return low, high
    phases = socket.lines(lines)
    lowest = lowest_of([low, on(phases, limit.least)])
    highest = highest_of([high, on(phases, limit.most)])
    return lowest, highest


def _shown_between(socket: Socket, car: PluggedIn, lines: int | None) -> tuple[Phases, Phases]:
    """Return the same, by its last reading alone."""
    own = None if car.reading is None else car.reading.lines
    shown = drawn(car, socket, lines)
    most = 0.0 if shown is None else min(shown.most, socket.most)
    if own is None:
        if lines is None:
            return NOTHING, on(socket.lines(), most)
        own = on(range(lines), most)
    if not socket.rotation:
        return on(PHASES, min(own)), on(PHASES, max(own))
    phases = [0.0] * len(PHASES)
    for letter, amperes in zip(socket.rotation, own, strict=False):
        phases[LETTERS.index(letter)] = amperes
    known = phases[0], phases[1], phases[2]
    return known, known


def house_between(total: Phases, least: Phases, most: Phases, before: Phases | None) -> Phases:
    """Return what is the house's of what a meter shows, when the cars below it draw between these.

    A car that begins to charge is in the meter at once, and in its charger's readings later. So the
    house is taken to draw what it did before, as far as that is possible.
    """
    house: list[float] = []
    for phase in PHASES:
        low = max(0.0, total[phase] - most[phase])
        high = max(0.0, total[phase] - least[phase])
        house.append(high if before is None else min(max(before[phase], low), high))
    return house[0], house[1], house[2]


def grid_order(order: LoadOrder | None, options: SiteOptions, now: float) -> GridOrder:
    """Return what the grid operator allows. Where a heartbeat is expected and none came in time, no
    more than the fail-safe value. Unless the owner says what orders limit, that is what the last
    one did."""
    amperes = kilowatts = None
    limits = options.of
    if order is not None:
        amperes, kilowatts = order.amperes, order.kilowatts
        limits = limits or order.limits
    heartbeat = options.heartbeat_seconds
    if heartbeat is not None and (order is None or now - seconds(order.last_at) > heartbeat):
        values = [amperes, options.failsafe_amperes]
        amperes = min((value for value in values if value is not None), default=None)
    return GridOrder(amperes=amperes, kilowatts=kilowatts, of_connection=limits == CONNECTION)
