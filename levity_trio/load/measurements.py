"""What the rule is asked, made of what chargers told, what people want, and what was learned."""

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
from levity_trio.store.reads.load import LoadOrder, LoadPresent, PluggedIn, Reading

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
    wanted: dict[Place, Wishes] = {}
    heard = {
        one.transaction
        for one in present.cars
        if hears_drivers and present.too_large[one.transaction] < MOST_TOO_LARGE
    }
    for one in present.wishes:
        place = one.charger, one.connector
        before = wanted.get(place, Wishes())
        if one.kind == "hand":
            wanted[place] = before._replace(by_hand=one.amperes)
        elif one.kind == "boost" and one.until is not None and one.until > at:
            wanted[place] = before._replace(is_boosted=True)
        elif one.departure_at is not None and one.transaction in heard:
            wanted[place] = before._replace(
                departure=seconds(one.departure_at), wanted_wh=one.wanted_wh
            )
    return wanted


class AcceptedLimit(NamedTuple):
    """What a car may draw by the limit that its charger accepted last, and by what holds until it
    was seen to follow: the lower and the higher of both in A, and since when."""

    least: int
    most: int
    at: float


class CarConstraints(NamedTuple):
    """What holds for a car whatever is wanted: A that it has if it may not be raised, A below which
    it was seen not to charge, whether it is full, what it may draw by the limit that it was told,
    how many seconds it needs to begin, and whether watts for all lines may be on one."""

    cap: int | None
    least: int
    is_full: bool
    told: AcceptedLimit | None
    wakes: float
    may_be_on_one: bool


def cars_of(
    tree: Tree,
    present: LoadPresent,
    lines: Mapping[Place, int],
    wanted: Mapping[Place, Wishes],
    known: Mapping[Place, CarConstraints],
    booked: Mapping[Place, float],
    away: Collection[str],
) -> Iterator[Car]:
    """Yield the cars that are plugged in, and the connectors that must be booked without one.
    `lines` are those on which cars charge, where that is known. Of chargers that are away, nothing
    is known of what flows now."""
    here = set()
    for one in present.cars:
        place = one.place
        here.add(place)
        socket, own, wishes, used = (
            tree.sockets[place],
            known[place],
            wanted.get(place, Wishes()),
            lines.get(place),
        )
        lacking = (
            None if wishes.wanted_wh is None else max(0, wishes.wanted_wh - (one.energy_wh or 0))
        )
        capped = [amperes for amperes in (wishes.by_hand, own.cap) if amperes is not None]

        # Where its lines are not known, it may draw what it was not seen to be below.
        shown, most, highest = drawn(one, socket, used), socket.most, socket.most
        if own.told is not None:
            highest = own.told.most
            most = (
                own.told.least
                if shown is not None and shown.at >= own.told.at + FOLLOW_SECONDS
                else highest
            )
        if own.may_be_on_one:
            most = socket.most  # of what it is told for all lines, one may carry all
        over = 0.0
        if shown is not None and place not in booked:
            over = max(0.0, max(shown.least, min(shown.most, highest)) - most)
        yield Car(
            charger=one.charger,
            connector=one.connector,
            since=seconds(one.since),
            demand=CarDemand.FULL if own.is_full and one.is_connected else CarDemand.WANTS,
            lines=used,
            drawn=None if shown is None else max(shown.least, min(shown.most, most)),
            over=over,
            least=own.least,
            per_ampere=socket.phases if own.may_be_on_one else 1,
            wakes=own.wakes,
            by_hand=min(capped, default=None),
            boost=wishes.is_boosted,
            departure=wishes.departure,
            wanted_wh=lacking,
            fixed=booked.get(place),
        )
    for place, amperes in booked.items():
        if place not in here:
            demand = CarDemand.WANTS if place[0] in away else CarDemand.FULL
            yield Car(
                charger=place[0],
                connector=place[1],
                since=0.0,
                demand=demand,
                drawn=0.0,
                fixed=amperes,
            )


class CarCurrent(NamedTuple):
    """The least and the most A that a car draws on its highest line, by what was told of it last,
    and when that was."""

    least: float
    most: float
    at: float


def is_paused(one: PluggedIn) -> bool:
    """Return whether a car takes nothing by its status. A status may be stuck, so a current in a
    reading that is not older is believed before it."""
    told = one.reading
    is_told = one.status in PAUSED
    if not is_told or told is None or told.at < one.changed_at:
        return is_told
    shown: list[float] = [*(told.lines or ()), told.amperes or 0.0, (told.watts or 0.0) / VOLTS]
    return max(shown) < LINE_AMPERES


def drawn(one: PluggedIn, socket: Socket, lines: int | None) -> CarCurrent | None:
    """Return what a car draws; None if its charger does not tell.

    Power of which the lines are not known is on one of them, or on all that are wired. A current
    that no line of the charger carries is on the car's side of a rectifier, so its power counts.
    """
    told = one.reading
    at = seconds(one.changed_at if told is None else told.at)
    if is_paused(one):
        return CarCurrent(0.0, 0.0, max(at, seconds(one.changed_at)))
    if told is None:
        return None
    current = told.amperes if told.lines is None else max(told.lines)
    is_direct = (
        told.lines is None
        and told.watts is not None
        and (current or 0.0) > MOST_RATIO * socket.most
    )
    if current is not None and not is_direct:
        return CarCurrent(current, current, at)
    if told.watts is None:
        return None
    amperes = told.watts / VOLTS
    used = socket.phases if is_direct else lines
    return CarCurrent(amperes / (used or socket.phases), amperes / (used or 1), at)


def lines_used(told: Reading, most: int) -> int | None:
    """Return on how many lines a car charges, by one reading: those that carry current, power over
    current, or all if two cannot carry its power. `most` is what its charger gives."""
    if told.lines is not None:
        return sum(amperes >= LINE_AMPERES for amperes in told.lines) or None
    if told.watts is None:
        return None
    if told.amperes is None:
        return len(PHASES) if lines_at_least(told.watts / VOLTS, most) == len(PHASES) else None
    return _lines_of(told.watts / VOLTS / told.amperes) if told.amperes >= RATIO_AMPERES else None


def lines_at_least(amperes: float, most: int) -> int:
    """Return on how many lines so many A are at least, if each carries what a charger gives, and
    hardly more."""
    return max(1, ceil(amperes / with_tolerance(most)))


def lines_by_power(told: Reading, amperes: int, before: float = 0.0) -> int | None:
    """Return on how many lines a car charges if it draws all of its limit, by its power alone: by
    that above `before` W, for the A between two limits."""
    if told.lines is not None or told.amperes is not None or told.watts is None or not amperes:
        return None
    return _lines_of((told.watts - before) / VOLTS / amperes)


def _lines_of(ratio: float) -> int | None:
    return (
        round(ratio)
        if round(ratio) in (1, 2, 3) and abs(ratio - round(ratio)) < RATIO_TOLERANCE
        else None
    )


def drawn_between(
    socket: Socket, one: PluggedIn, lines: int | None, limit: AcceptedLimit | None = None
) -> tuple[Phases, Phases]:
    """Return the least and the most A that a car draws on each phase of the feeder.

    They differ until a reading has shown what it draws since its status changed or it was told a
    limit, while its lines or its rotation are unknown, and where its charger does not tell.
    """
    told, takes_nothing = one.reading, is_paused(one)
    known_at = seconds(one.changed_at) if takes_nothing or told is None else seconds(told.at)
    may_follow = limit is not None and known_at < limit.at + SETTLED_SECONDS
    if takes_nothing and not may_follow:
        return NOTHING, NOTHING
    if (
        told is None
        or takes_nothing
        or seconds(told.at) - seconds(one.changed_at) < SETTLED_SECONDS
    ):
        return NOTHING, on(
            socket.lines(lines), socket.most if limit is None else min(limit.most, socket.most)
        )
    low, high = _shown_between(socket, one, lines)
    if not may_follow or limit is None:
        return low, high
    phases = socket.lines(lines)
    return lowest_of([low, on(phases, limit.least)]), highest_of([high, on(phases, limit.most)])


def _shown_between(socket: Socket, one: PluggedIn, lines: int | None) -> tuple[Phases, Phases]:
    """Return the same, by its last reading alone."""
    own = None if one.reading is None else one.reading.lines
    shown = drawn(one, socket, lines)
    most = 0.0 if shown is None else min(shown.most, socket.most)
    if own is None and lines is not None:
        own = on(range(lines), most)
    if own is None:
        return NOTHING, on(socket.lines(), most)
    if socket.rotation:
        phases = dict(zip((LETTERS.index(letter) for letter in socket.rotation), own, strict=False))
        known = phases.get(0, 0.0), phases.get(1, 0.0), phases.get(2, 0.0)
        return known, known
    return on(PHASES, min(own)), on(PHASES, max(own))


def house_between(total: Phases, least: Phases, most: Phases, before: Phases | None) -> Phases:
    """Return what is the house's of what a meter shows, when the cars below it draw between these.

    A car that begins to charge is in the meter at once, and in its charger's readings later. So the
    house is taken to draw what it did before, as far as that is possible.
    """
    found = []
    for phase in PHASES:
        low, high = max(0.0, total[phase] - most[phase]), max(0.0, total[phase] - least[phase])
        found.append(high if before is None else min(max(before[phase], low), high))
    return found[0], found[1], found[2]


def grid_order(order: LoadOrder | None, options: SiteOptions, now: float) -> GridOrder:
    """Return what the grid operator allows. Where a heartbeat is expected and none came in time, no
    more than the fail-safe value. Unless the owner says what orders limit, that is what the last
    one did."""
    amperes, kilowatts, limits = (
        (None, None, "") if order is None else (order.amperes, order.kilowatts, order.limits)
    )
    heartbeat = options.heartbeat_seconds
    if heartbeat is not None and (order is None or now - seconds(order.last_at) > heartbeat):
        amperes = min(
            (one for one in (options.failsafe_amperes, amperes) if one is not None), default=None
        )
    return GridOrder(
        amperes=amperes, kilowatts=kilowatts, of_connection=(options.of or limits) == CONNECTION
    )
