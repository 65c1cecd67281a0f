"""What happens in honest houses: chargers of one delivery, cars that come and go, and one feeder.

Each charger has a meter of its own. Registers begin alike. Many cars begin at the minute of a night
tariff. Those that want current share the feeder by equal leases, so the paces of all change at the
moment when one comes, pauses or goes. Nothing here is told to anybody: tests.tools.honest does
that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Final, NamedTuple

NIGHTS: Final = 60
CHARGERS: Final = 8
EVERY: Final = (1, 5, 5, 15, 15, 60, 60, 0)
"""Minutes between two readings; 0: at start and stop only."""
TELLS: Final = ("nothing", "nothing", "power", "current")
STEPS: Final = (1, 1, 10, 100, 1000)
WAITS: Final = (("",), ("charger",), ("car",), ("", "charger", "car"))
"""Who waits for the night tariff in a house: nobody, the chargers with the start of a session, the
cars, or each household as it likes."""
AGES: Final = (0.0, 1.0, 10.0)
"""So many seconds old a register is when it is sent."""
LEAST_A: Final = 6
VOLTS: Final = 230.0
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
TARIFF: Final = 22 * HOUR
"""When the night tariff begins."""
CUT: Final = "ended by a reboot"


class House(NamedTuple):
    """`feeder` is its A; None: without load management."""

    seed: int
    nights: int = NIGHTS
    feeder: int | None = None
    chargers: int = CHARGERS


class Window(NamedTuple):
    """A time in which a charger is offline, or boots, while its car goes on."""

    since: float
    until: float
    is_reboot: bool = False


class Charger(NamedTuple):
    """What a charger is like: its wiring, how it reports, and how far its clock is behind."""

    amperes: int
    every: int
    by_clock: bool
    """Readings come with the clock, not as long after the start."""
    tells: str
    step: int
    """The last digit of its register, in Wh."""
    reading_step: int
    """The same of readings; in kWh, they may be coarser than start and stop."""
    in_kwh: bool
    behind: float
    age: float
    has_statuses: bool
    keeps_readings: bool
    """Also readings wait for the link, not only start and stop."""
    begun_wh: float
    waits: str
    """Who waits for the night tariff, if anybody does."""
    efficiency: float
    """Which share of its lease a car draws."""
    windows: list[Window]

    def window(self, at: float, after: float = 0.0) -> Window | None:
        """Return that in which a time lies, or so many seconds after it."""
        for one in self.windows:
            if one.since <= at < one.until + after:
                return one
        return None


class Piece(NamedTuple):
    """A part of what a car wants: this share of its current, until the first of these is reached;
    `seconds` count from when the part begins."""

    share: float
    wh: float = inf
    until: float = inf
    seconds: float = inf


@dataclass
class Stay:
    """A car at a charger, with what it wants; what follows `story` is how far it is."""

    charger: int
    come: float
    leave: float
    card: str
    phases: int
    amperes: int
    pieces: list[Piece] = field(default_factory=list)
    leaves_when_full: bool = False
    story: list[str] = field(default_factory=list)
    lease: int = 0
    pace: float = 0.0
    drawn: float = 0.0
    """Of the present piece, in Wh."""
    piece_began: float = 0.0
    leases: list[tuple[float, int]] = field(default_factory=list)
    """Each A that it was allowed, with the time from which on."""

    @property
    def piece(self) -> Piece:
        return self.pieces[0] if self.pieces else Piece(0)

    def piece_ends(self, now: float) -> float:
        """Return when its present part ends, as it draws now."""
        piece = self.piece
        full = now + (piece.wh - self.drawn) / self.pace * HOUR if self.pace else inf
        return min(full, piece.until, self.piece_began + piece.seconds)

    def go_on(self, now: float) -> None:
        """Begin the part that follows if the present one has ended."""
        while self.pieces and self.piece_ends(now) <= now + 1e-3:
            self.pieces.pop(0)
            self.drawn, self.piece_began, self.pace = 0.0, now, 0.0
        if not self.pieces and self.leaves_when_full:
            self.leave = min(self.leave, now + 30)

    def allowed(self, at: float) -> float:
        before = bisect_right(self.leases, (at, inf))
        return self.leases[before - 1][1] if before else 0


# Who comes


def built(house: House, chance: Random) -> tuple[list[Charger], list[Stay]]:
    """Return the chargers of a house, and all cars that come."""
    chargers = list(_chargers_of(house, chance))
    stays: list[Stay] = []
    for number, charger in enumerate(chargers):
        stays += _stays_of(house, number, charger, chance)
        charger.windows.sort()
    return chargers, stays


def _chargers_of(house: House, chance: Random) -> Iterator[Charger]:
    """Yield new chargers, or those of one delivery: their registers are equal, near or far."""
    base = chance.choice((0.0, 0.0, 130.0, 2000.0, 800_000.0))
    spread = chance.choice((0.0, 20.0, 2000.0))
    step, every = chance.choice(STEPS), chance.choice(EVERY)
    is_alike, are_same_cars = chance.random() < 0.5, chance.random() < 0.5
    waits = chance.choice(WAITS)
    for _ in range(house.chargers):
        if not is_alike:
            step, every = chance.choice(STEPS), chance.choice(EVERY)
        in_kwh = chance.random() < 0.5
        yield Charger(
            amperes=chance.choice((16, 16, 32)),
            every=every,
            by_clock=chance.random() < 0.5,
            tells=chance.choice(TELLS),
            step=step,
            reading_step=max(step, chance.choice((1, 1, 10, 100))) if in_kwh else step,
            in_kwh=in_kwh,
            behind=chance.choice((chance.uniform(-5, 5), chance.uniform(-120, 120))),
            age=chance.choice(AGES),
            has_statuses=chance.random() < 0.5,
            keeps_readings=chance.random() < 0.7,
            begun_wh=base + chance.random() * spread * chance.choice((0, 1)),
            waits=chance.choice(waits),
            efficiency=0.98 if are_same_cars else chance.uniform(0.95, 1),
            windows=list(_windows(house, chance)),
        )


def _windows(house: House, chance: Random) -> Iterator[Window]:
    for night in range(house.nights):
        if chance.random() < 0.06:
            since = night * DAY + chance.uniform(17, 27) * HOUR
            hours = chance.choice((0.3, 2, 10)) * chance.uniform(0.3, 1)
            yield Window(since, since + hours * HOUR)
        elif chance.random() < 0.02:
            since = night * DAY + chance.uniform(17, 32) * HOUR
            yield Window(since, since + chance.uniform(40, 120), is_reboot=True)


def _stays_of(house: House, number: int, charger: Charger, chance: Random) -> Iterator[Stay]:
    """Yield the cars of one charger, whose household has its habits."""
    usual, home = chance.uniform(3000, 18_000), chance.uniform(16.5, 20.5) * HOUR
    phases, most = chance.choice(((1, 16), (1, 32), (2, 16), (3, 16), (3, 10)))
    free = 0.0
    for night in range(house.nights):
        if chance.random() < 0.2:
            continue
        begin = night * DAY
        come = begin + home + chance.gauss(0, 1800)
        if charger.waits == "charger":
            come = begin + TARIFF + chance.uniform(0, 40)
        leave = begin + DAY + chance.gauss(7, 0.7) * HOUR
        stay = Stay(number, max(come, free + 120), leave, f"CARD-{number}", phases, most)
        stay.leaves_when_full = chance.random() < 0.25
        _plan(stay, usual * chance.uniform(0.4, 1.5), chance)
        if charger.waits:
            stay.story.append(f"night tariff by the {charger.waits}")
        if charger.waits == "car" and stay.come < begin + TARIFF:
            wait = Piece(0, until=begin + TARIFF + chance.uniform(0, 5))
            stay.pieces.insert(0, wait)
        if chance.random() < 0.2:
            stay.leave = stay.come + chance.uniform(0.2, 4) * HOUR
            stay.story.append("unplugged early")

        # Another session follows: of the same car after a power cut, or of a guest.
        cut = chance.uniform(stay.come, min(stay.leave, stay.come + 6 * HOUR))
        is_free = charger.window(cut - 60, after=60) is None and cut + 600 < stay.leave
        next_one = None
        if chance.random() < 0.03 and is_free:
            charger.windows.append(Window(cut - 1, cut + 60, is_reboot=True))
            next_one = Stay(number, cut + 100, stay.leave, stay.card, phases, most)
            _plan(next_one, usual * 0.5, chance)
            next_one.story.append("after a reboot")
            stay.leave = cut
            stay.story.append(CUT)
        elif stay.leave < begin + DAY and chance.random() < 0.6:
            come = stay.leave + chance.uniform(2, 90) * 60
            leave = begin + DAY + chance.gauss(8, 0.5) * HOUR
            next_one = Stay(number, come, leave, f"GUEST-{number}", chance.choice((1, 3)), 16)
            _plan(next_one, chance.uniform(3000, 25_000), chance)
            next_one.story.append("second car")
        yield stay
        if next_one is not None:
            yield next_one
        free = stay.leave if next_one is None else next_one.leave


def _plan(stay: Stay, wanted: float, chance: Random) -> None:
    """Draw what the car wants: most at full current, with a pause, a taper and heat at last."""
    tapers = chance.random() < 0.6
    whole = wanted * (0.8 if tapers else 1)
    first = chance.random() if chance.random() < 0.25 else 1
    stay.pieces.append(Piece(1, wh=whole * first))
    if first < 1:
        stay.pieces.append(Piece(0, seconds=chance.uniform(10, 90) * 60))
        stay.pieces.append(Piece(1, wh=whole * (1 - first)))
        stay.story.append("paused")
    if tapers:
        stay.pieces += [Piece(share, wh=wanted / 20) for share in (0.75, 0.55, 0.35, 0.2)]
        stay.story.append("tapered")
    if chance.random() < 0.3:
        stay.pieces.append(Piece(0, until=stay.leave - chance.uniform(10, 30) * 60))
        stay.pieces.append(Piece(chance.uniform(0.2, 0.6), until=stay.leave))
        stay.story.append("preheated")


# What flows


class Course:
    """A register: knots of time, Wh, and the pace from there on."""

    def __init__(self, wh: float) -> None:
        self.at, self.wh, self.watts = [-inf], [wh], [0.0]

    def turn(self, at: float, watts: float) -> None:
        if watts != self.watts[-1]:
            wh = self.register(at)
            self.at.append(at)
            self.wh.append(wh)
            self.watts.append(watts)

    def register(self, at: float) -> float:
        one = bisect_right(self.at, at) - 1
        return self.wh[one] + (self.watts[one] * (at - self.at[one]) / HOUR if one else 0)

    def pace(self, at: float) -> float:
        return self.watts[bisect_right(self.at, at) - 1]


def flow(house: House, chargers: Sequence[Charger], stays: Sequence[Stay]) -> list[Course]:
    """Let all cars charge, from one change of a pace to the next; return the registers."""
    courses = [Course(one.begun_wh) for one in chargers]
    coming = sorted(stays, key=lambda stay: stay.come, reverse=True)
    edges = {edge for one in chargers for window in one.windows for edge in window[:2]}
    later = sorted(edges, reverse=True)
    present: list[Stay] = []
    now = 0.0
    while coming or present:
        turns = [one.come for one in coming[-1:]] + later[-1:]
        turns += [min(stay.leave, stay.piece_ends(now)) for stay in present]
        passed = max(0.0, min(turns) - now)
        now += passed
        for stay in present:
            stay.drawn += stay.pace * passed / HOUR
        while later and later[-1] <= now:
            later.pop()
        for stay in [one for one in present if one.leave <= now]:
            present.remove(stay)
            courses[stay.charger].turn(now, 0)
        while coming and coming[-1].come <= now:
            coming[-1].piece_began = now
            present.append(coming.pop())
        for stay in present:
            stay.go_on(now)

        # All paces change at one moment.
        _share(house.feeder, [one for one in present if one.piece.share], chargers, now)
        for stay in present:
            if not stay.leases or stay.leases[-1][1] != stay.lease:
                stay.leases.append((now, stay.lease))
            drawn_a = min(stay.lease, stay.amperes * stay.piece.share)
            drawn_w = drawn_a * stay.phases * VOLTS * chargers[stay.charger].efficiency
            stay.pace = round(drawn_w, 1)
            courses[stay.charger].turn(now, stay.pace)
    return courses


def _share(
    feeder: int | None, wanting: Sequence[Stay], chargers: Sequence[Charger], at: float
) -> None:
    """Lease the feeder equally to those that want current, the first ones first; who is offline
    keeps the lease that it has."""
    if feeder is None:
        for stay in wanting:
            stay.lease = chargers[stay.charger].amperes
        return
    reached, free = list[Stay](), feeder
    for stay in sorted(wanting, key=lambda stay: stay.come):
        if chargers[stay.charger].window(at) is None:
            reached.append(stay)
            continue
        stay.lease = stay.lease if stay.leases else LEAST_A
        free -= stay.lease
    served = max(0, min(len(reached), free // LEAST_A))
    for place, stay in enumerate(reached):
        most = chargers[stay.charger].amperes
        stay.lease = min(most, free // served) if place < served else 0
