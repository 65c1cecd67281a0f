"""What cars and the house draw, by what chargers and meters tell."""

from __future__ import annotations

from math import ceil
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import seconds
from levity_trio.load.lease import with_tolerance
from levity_trio.load.rule import VOLTS
from levity_trio.load.tree import (
    LETTERS,
    NOTHING,
    PHASES,
    Phases,
    Socket,
    as_phases,
    highest_of,
    lowest_of,
    on,
)
from levity_trio.store.reads.load.load import ConnectorReading, PluggedIn

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
FULL, WITHHELD = "SuspendedEV", "SuspendedEVSE"
PAUSED: Final = (FULL, WITHHELD)


class Between(NamedTuple):
    """What a car draws on its highest line, or may draw by its limit: the least and the most that
    it can be in A, and since when."""

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


def drawn(car: PluggedIn, socket: Socket, lines: int | None) -> Between | None:
    """Return what a car draws; None if its charger does not tell."""
    reading = car.reading
    changed_at = seconds(car.changed_at)
    at = changed_at if reading is None else seconds(reading.at)
    if is_paused(car):
        return Between(0.0, 0.0, max(at, changed_at))
    if reading is None:
        return None
    current = reading.amperes
    if reading.lines is not None:
        current = max(reading.lines)
    elif reading.watts is not None and (current or 0.0) > MOST_RATIO * socket.most:
        # No line of the charger carries so much. It is the current on the car's side of a
        # rectifier, so its power counts.
        current, lines = None, socket.phases
    if current is not None:
        return Between(current, current, at)
    if reading.watts is None:
        return None

    # Power of which the lines are not known is on one of them, or on all that are wired.
    amperes = reading.watts / VOLTS
    return Between(amperes / (lines or socket.phases), amperes / (lines or 1), at)


def watts_drawn(car: PluggedIn, lines: int | None) -> float | None:
    """Return the W that a car draws; None if its charger does not tell."""
    reading = car.reading
    if is_paused(car):
        return 0.0
    if reading is None:
        return None
    if reading.watts is not None:
        return reading.watts
    if reading.lines is not None:
        return VOLTS * sum(reading.lines)
    if reading.amperes is None or lines is None:
        return None
    return VOLTS * lines * reading.amperes


def signed(amperes: Phases, watts: Phases) -> Phases:
    """Return currents with the sign of the power: many meters show none. What flows the other way
    is no more than its power shows: reactive current makes no room."""
    currents: list[float] = []
    for phase in PHASES:
        current = abs(amperes[phase])
        by_power = watts[phase] / VOLTS
        if by_power < 0:
            current = max(-current, by_power)
        currents.append(current)
    return as_phases(currents)


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


def lines_by_power(reading: ConnectorReading, amperes: float, before: float = 0.0) -> int | None:
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
    socket: Socket, car: PluggedIn, lines: int | None, limit: Between | None
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
    by_letter = dict(zip(socket.rotation, own, strict=False))
    known = as_phases(by_letter.get(letter, 0.0) for letter in LETTERS)
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
    return as_phases(house)
