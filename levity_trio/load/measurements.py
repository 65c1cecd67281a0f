"""What cars and the house draw, by what chargers and meters tell.

At each connector there are three witnesses: its status, its current or power, and its register.
What is missing is unknown, and what is impossible is missing. What is booked is the worst case, and
of a status and a reading the newer one counts. But what takes something from a car (it is full,
disobeys, draws no more, or is on fewer lines than are wired) needs two witnesses that agree, or one
that says so for five minutes while the others say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any, NamedTuple

from levity_trio.charging.sent.evidence import seconds, timestamp_of
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

LINE_AMPERES = 1.0
"""A line that carries less is not used."""
MOST_AMPERES = 80.0
"""No line of a socket for alternating current carries more."""
RATIO_AMPERES = 3.0
"""Below, what electronics draw besides makes power over current say nothing of lines."""
RATIO_TOLERANCE = 0.35
"""The voltage of a grid may differ by a tenth from 230 V."""
DIFFERS = 3.0
"""A register and a current of which one shows so many times the other are not both right."""
STEPS = 5
"""So many of its own steps must a register rise before it is compared."""
COARSEST_WH = 1000
"""The step of a register that was not seen to rise."""
COMPARED_SECONDS = 120.0
"""A register may be told once a minute."""
STILL_SECONDS = 360.0
"""A register that does not rise for so long stands still: at 6 A on one line, 100 Wh take 261 s."""
SETTLED_SECONDS = 15.0
"""For so long, a car ramps up after its status has changed."""
ALONE_SECONDS = 300.0
"""For so long must one witness alone say what takes something from a car. A car that may draw has
as long to begin: some need four minutes."""
READINGS = 3
"""So many readings show on how many lines a car charges."""
BEGUN_WH = 20
"""A car that has taken less may have begun, or not."""
LEAST_TRIED, MOST_TRIED = 8, 10
"""A car that does not begin is offered these A, one after the other."""
OFFER_SECONDS = 60.0
"""So long after it was offered less."""
FULL, WITHHELD = "SuspendedEV", "SuspendedEVSE"
PAUSED = (FULL, WITHHELD)


class Between(NamedTuple):
    """What a car draws on its highest line, or may draw by its limit: the least and the most that
    it can be in A, and since when."""

    least: float
    most: float
    at: float


@dataclass(slots=True)
class Witnesses:
    """What the witnesses at a connector have said of the car of a transaction, and what follows
    from that. Whatever else of it is remembered from one decision to the next is kept here, too."""

    socket: Socket
    car: PluggedIn
    """As told last, but for what is impossible. Its reading is the pace of its register, if nothing
    else is told, or that is the larger of two that differ."""
    taught: Mapping[str, int] = field(default_factory=dict)
    """What three sessions with its card have shown: `lines` and `least`."""
    other: ConnectorReading | None = None
    """The smaller one of two that differ."""
    odd: str = ""
    """What is wrong with what is told: it is `impossible`, register and current `differ`, or it
    draws more than was `entered` for its socket."""
    told: str = ""
    """The same, as told last."""
    at: float = 0.0
    """When it was heard last."""
    read_at: str = ""
    """The time of its last reading."""
    every: float = 0.0
    """Seconds between its last two readings, if they show lines."""

    # Register beside current or power
    wh: int | None = None
    watts: tuple[float, float] | None = None
    """The least and the most by current or power, as told last."""
    since: float = 0.0
    """Since when both are compared, and where the register stood then."""
    from_wh: int = 0
    summed_at: float = 0.0
    """Until when current or power were added up."""
    at_rise: bool = False
    """It was seen to rise then."""
    least_wh: float = 0.0
    """What current or power have come to since then, at least and at most: the lower and the higher
    of two readings."""
    most_wh: float = 0.0
    lag: float = inf
    """So late came the quickest of its readings, by its charger's clock."""
    is_off: bool = False
    """Its readings are ahead of the known clock, or that was set back in this session: the register
    that is stored stands still."""
    step: int = COARSEST_WH
    ratio: float | None = None
    """The rise of the register over `least_wh`, by the last comparison."""
    agrees: bool = False
    differs: bool = False
    compared_since: float = 0.0
    pace: ConnectorReading | None = None
    """The power by which the register rises."""

    # Its lines
    used: int = 0
    """Those that carry current by its reading; in how many readings, and since when. If power and a
    limit show them, at which."""
    times: int = 0
    used_since: float = 0.0
    counted_at: str = ""
    limit: float = 0.0
    limit_watts: float = 0.0
    probe: int | None = None
    """So many A are told once to see how much less it then draws on all lines together."""
    has_taught: bool = False
    """They were learned in this session."""

    # What it needs
    is_idle: bool = False
    """It draws nothing."""
    drew_at: float = 0.0
    """When it was last not idle."""
    has_begun: bool = False
    """It has drawn in this session."""
    is_full: bool = False
    """It took nothing, although it might, and has not drawn since."""
    less_since: float | None = None
    """Since when it has drawn less than it may."""
    charged: int = 0
    """The lowest limit at which it charged."""
    least: int = 0
    """What it needs, if it did not charge with less."""
    begins: int = 0
    """What it needs to begin, if it did not with less."""
    may_since: float | None = None
    """Since when it may draw what it needs; None: it may not."""
    wakes: float = 0.0
    """Seconds that it needed to begin when it might."""
    short: str = ""
    """Why it gets too little to charge because of us, as told last; nothing if it does not."""
    per_ampere: int = 1
    """So many A are booked for each of a limit in W, while its lines are not known."""
    has_halved: bool = False
    """It was tried whether two A are enough where it may be three."""
    drew_beside: bool = False
    """It has drawn while another connector of its charger did."""

    def hear(self, car: PluggedIn, follows_at: float, now: float) -> None:
        """Take what is told now. Its last limit was followed at `follows_at` at the earliest."""
        self.at, self.car = now, car
        reading = None if car.reading is None else self._possible(car.reading)
        self._compare(reading, follows_at)
        if reading is not None:
            if reading.at > self.read_at > "" and reading.lines:
                self.every = seconds(reading.at) - seconds(self.read_at)
            self.read_at = reading.at
            amperes, is_sum = reading.amperes, _lines_of(self.ratio or 0.0) == 1
            if reading.lines is None and amperes is not None and is_sum:
                # The register shows that it is that of all lines together: power says no less.
                watts = reading.watts or VOLTS * amperes
                reading = reading._replace(amperes=None, watts=watts)
        self.other = self.pace if self.differs else None
        if self.other is not None and (self.ratio or 0.0) > 1:
            reading, self.other = self.other, reading
        self.car = car._replace(reading=reading or self.pace)

        shown = self.drawn
        if self.other is not None:
            self.odd = "differ"
        elif shown is not None and shown.least > with_tolerance(self.socket.most):
            self.odd = "entered"
        self.is_idle = shown is not None and (
            shown.least < LINE_AMPERES
            if car.status in PAUSED
            else shown.most < LINE_AMPERES and self.wh is not None and not self.rise
        )
        if not self.is_idle:
            if self.may_since is not None and self.drew_at < self.may_since:
                self.wakes = min(ALONE_SECONDS, now - self.may_since)
            self.drew_at = now
            self.is_full = False
        draws = shown is not None and not self.is_idle
        self.has_begun |= draws or (car.energy_wh or 0) >= BEGUN_WH

    def leapt(self, by: float) -> None:
        """Take that our clock was set forward by so much."""
        self.wh = self.pace = None
        for name in (
            "at",
            "since",
            "summed_at",
            "used_since",
            "drew_at",
            "less_since",
            "may_since",
        ):
            at = getattr(self, name)
            if at is not None:
                setattr(self, name, at + by)

    def _possible(self, reading: ConnectorReading) -> ConnectorReading | None:
        """Return what of a reading lines can carry."""
        wired, most = self.socket.phases, max(MOST_AMPERES, self.socket.most)
        highest: dict[str, float] = {
            "lines": max(amperes or 0.0 for amperes in reading.lines or [None]),
            "amperes": (reading.amperes or 0.0) / wired,
            "watts": (reading.watts or 0.0) / wired / VOLTS,
        }
        wrong: dict[str, Any] = {name: None for name, one in highest.items() if one > most}
        self.odd = "impossible" if wrong else ""
        reading = reading._replace(**wrong)
        return reading if any(told is not None for told in reading[1:4]) else None

    def _compare(self, reading: ConnectorReading | None, follows_at: float) -> None:
        """Compare the register with current or power, from one rise to the next: in between, nobody
        knows when it was told."""
        said, self.watts = self.watts, watts_between(reading, self.socket.phases)
        before, self.wh = self.wh, None if self.is_off else self.car.energy_wh
        is_new = reading is None or reading.at != self.read_at
        if said is not None and self.watts is not None and is_new:
            hours = (self.at - self.summed_at) / 3600
            self.least_wh += hours * min(said[0], self.watts[0])
            self.most_wh += hours * max(said[1], self.watts[1])
            self.summed_at = self.at
        if self.wh is None or not self.car.is_connected:
            return
        if before is None or self.wh < before or (said is None) != (self.watts is None):
            self.pace = before = None
        if before is None or self.since < follows_at <= self.at:
            self._begin(at_rise=False)
        elif self.wh > before:
            self.step = min(self.step, self.wh - before)
            # Nobody knows when it was told what it was at first.
            if not self.at_rise:
                self._begin(at_rise=True)
        if is_new and before is not None:
            self._conclude(has_risen=self.wh > before)

    def _conclude(self, *, has_risen: bool) -> None:
        """Compare both, if they have said enough. Without current or power, the register shows what
        is drawn."""
        rise, passed = self.rise, self.at - self.since
        is_over, longest = has_risen, COMPARED_SECONDS
        if self.watts is not None:
            enough = STEPS * self.step
            is_over = has_risen and rise >= enough
            is_over = is_over or self.least_wh >= max(enough, DIFFERS * rise)
        elif not has_risen:
            # It was told, and stands still.
            is_over, longest = self.car.heard is not None, STILL_SECONDS
        if not is_over or passed < longest:
            return
        self.pace = ConnectorReading(timestamp_of(self.at), None, None, rise * 3600 / passed)
        if self.watts is not None:
            self.ratio = rise / max(1.0, self.least_wh)
            self.agrees = self._fits(0)
            self.differs = rise >= DIFFERS * self.most_wh or self.ratio <= 1 / DIFFERS
            self.compared_since = self.since
        self._begin(at_rise=has_risen)

    def _begin(self, *, at_rise: bool) -> None:
        self.since = self.summed_at = self.at
        self.from_wh, self.at_rise = self.wh or 0, at_rise
        self.least_wh = self.most_wh = 0.0

    def _fits(self, beside: int) -> bool:
        """Return whether current or power have come to what the register rose by, or to so many Wh
        beside that."""
        factor = 1 + RATIO_TOLERANCE
        is_enough = self.least_wh <= factor * (self.rise + beside)
        return is_enough and self.rise <= factor * self.most_wh + beside

    def is_backed(self, since: float) -> bool:
        """Return whether the register agrees with what current or power have said since a time, or
        said nothing for long."""
        if self.ratio is not None and self.compared_since >= since and not self.differs:
            return self.agrees
        says_nothing = self.differs or self.watts is None or self.wh is None
        says_nothing = says_nothing or self._fits(self.step)
        return says_nothing and self.at >= since + ALONE_SECONDS

    # What follows

    @property
    def rise(self) -> int:
        """The Wh by which the register has risen since it is compared."""
        return (self.wh or 0) - self.from_wh

    @property
    def lines(self) -> int | None:
        """On how many lines the car charges; None: not known."""
        if not self.times:
            return self.taught.get("lines")
        reading, wired = self.car.reading, self.socket.phases
        used = self.used if self.times >= READINGS else 0
        if not used and reading is not None and None in (reading.lines or ())[:wired]:
            used = 1
        elif not used or used >= wired:
            return used or None
        # Voltages are believed unless the register clearly shows more.
        if used == 1 and reading is not None and reading.has_one_line and (self.ratio or 1) < 2:
            return 1
        # The register rises by as many times a line.
        if self.ratio is not None and self.compared_since >= self.used_since:
            return _lines_of(self.ratio * used)
        is_more = self.rise > (1 + RATIO_TOLERANCE) * self.least_wh + self.step
        return used if self.used and self.is_backed(self.used_since) and not is_more else None

    @property
    def needs(self) -> int:
        """The least A at which it charges."""
        return max(self.socket.least, self.least, self.begins if self.is_idle else 0)

    @property
    def drawn(self) -> Between | None:
        """What the car draws; None if nothing is told of it. If register and current differ, the
        least is the smaller and the most is the larger."""
        shown = drawn(self.car, self.socket, self.lines)
        if shown is None or self.other is None:
            return shown
        car = self.car._replace(reading=self.other, status="")
        smaller = drawn(car, self.socket, self.lines) or shown
        # A register that stands still says no more, but its status and the other one do.
        at = min(shown.at, smaller.at) if shown.most else max(shown.at, smaller.at)
        return Between(min(shown.least, smaller.least), max(shown.most, smaller.most), at)

    @property
    def watts_drawn(self) -> float | None:
        """The W that the car draws; None if its charger does not tell."""
        if is_paused(self.car):
            return 0.0
        told = watts_between(self.car.reading, self.lines or self.socket.phases)
        return None if told is None or told[0] < told[1] else told[0]

    def count_lines(self, limit: float | None, at_least: int = 1) -> None:
        """Count the lines that carry current by a new reading, when the car has followed a limit;
        None: it has not. Once it uses others than before, nothing is known of it again."""
        reading = self.car.reading
        if reading is None or reading.at == self.counted_at:
            return
        self.counted_at = reading.at
        times = 1
        used = lines_used(reading, self.socket.most)
        if used is not None or (reading.lines is not None and None in reading.lines):
            used = used or 0
            times += self.times if used == self.used else 0
        elif limit and limit != self.limit:
            # The sum of all lines shows them only by two limits and by what lies between them: a
            # limit that is ignored, or is more than the car takes, would show others there.
            watts, before, self.probe = reading.watts, self.limit, None
            if watts is None:
                # It may be the current of each line.
                watts, at_least = VOLTS * (reading.amperes or 0.0), 2
            used = _lines_of(watts / VOLTS / limit)
            if used is None or used < at_least:
                return
            step = _lines_of((watts - self.limit_watts) / VOLTS / (limit - before))
            times = READINGS if used == self.used == step else 1
            self.limit, self.limit_watts = limit, watts
            if not before and used == self.socket.phases and limit > self.needs:
                self.probe = int(limit) - 1
        else:
            return
        if used != self.used or not self.times:
            self.used_since = seconds(reading.at)
        self.used, self.times = used, times

    def draws_less(self, limit: float) -> bool:
        """Return whether it surely draws less than it may."""
        shown = self.drawn
        if shown is None or shown.most >= limit - LINE_AMPERES:
            self.less_since = None
            return False
        if self.less_since is None:
            self.less_since = self.at
        reading = self.car.reading
        is_newer = reading is not None and reading.at >= self.car.changed_at
        if self.ratio is None or self.is_idle or not is_newer:
            return self.is_backed(self.less_since)
        return self.agrees or self.differs

    def look_whether_full(self, limit: int | None) -> None:
        """Note if a car that takes nothing is full: it had long to begin at its limit, and with as
        much as any car needs if it has drawn nothing since it might."""
        since, wait = self.drew_at, ALONE_SECONDS
        if limit is not None:
            if self.may_since is None:
                return
            if since < self.may_since:
                since = self.may_since
                if limit < min(MOST_TRIED, self.socket.most):
                    return
                # It had two minutes at less before. Now a second witness may say that it is full.
                wait -= COMPARED_SECONDS if self.car.status == FULL else 0.0
        self.is_full |= self.is_idle and self.at >= since + wait

    def offer_more(self, limit: int, *, may_divide: bool) -> None:
        """Offer a car that does not begin at what it may draw more, or in other words."""
        since = self.at if self.may_since is None else self.may_since
        is_patient = self.at < since + OFFER_SECONDS + self.wakes
        if is_patient or self.is_full or not self.is_idle or self.drew_at > since:
            return
        if may_divide and self.car.status == WITHHELD:
            self.per_ampere = self.socket.phases
            self.may_since = None
        elif limit < MOST_TRIED:
            more = LEAST_TRIED if limit < LEAST_TRIED else MOST_TRIED
            self.begins = min(more, self.socket.most)

    def drawn_between(self, limit: Between | None) -> tuple[Phases, Phases]:
        """Return the least and the most A that the car draws on each phase of the feeder.

        They differ until a reading has shown what it draws since its status changed or it was told
        a limit, while its lines or its rotation are unknown, and where its charger does not tell,
        or is away.
        """
        car, socket = self.car, self.socket
        reading = car.reading
        phases = socket.lines(self.lines)
        if not car.is_connected:
            # Nobody hears what it draws now.
            return NOTHING, on(phases, socket.most)
        most = socket.most if limit is None else min(limit.most, socket.most)
        takes_nothing = is_paused(car)
        changed_at = seconds(car.changed_at)
        read_at = changed_at if reading is None else seconds(reading.at)
        known_at = changed_at if takes_nothing else read_at
        may_follow = limit is not None and known_at < limit.at + SETTLED_SECONDS
        if takes_nothing and not may_follow:
            # One that pauses by itself begins before that is told.
            is_brief = limit is not None and self.at < self.drew_at + ALONE_SECONDS
            return NOTHING, on(phases, most) if is_brief else NOTHING
        if reading is None or takes_nothing or read_at - changed_at < SETTLED_SECONDS:
            return NOTHING, on(phases, most)

        low, high = self._shown_between()
        is_new = self.wh is not None and self.ratio is None
        if is_new and DIFFERS * max(high) < most:
            # Nobody knows yet whether what it tells is in the right unit.
            high = on(phases, most)
        if not may_follow or limit is None:
            return low, high
        lowest = lowest_of([low, on(phases, limit.least)])
        highest = highest_of([high, on(phases, limit.most)])
        return lowest, highest

    def _shown_between(self) -> tuple[Phases, Phases]:
        """Return the same, by its last reading alone."""
        socket, lines, shown, reading = self.socket, self.lines, self.drawn, self.car.reading
        own = None if reading is None else reading.lines
        most = 0.0 if shown is None else shown.most
        carrying = sum((amperes or 0.0) >= LINE_AMPERES for amperes in own or ())
        if own is None or None in own[: socket.phases] or carrying < (lines or 0):
            if lines is None:
                return NOTHING, on(socket.lines(), most)
            own = on(range(lines), most)
        # Until its lines are known, one that seems not to be used may carry as much as any.
        least = as_phases(amperes or 0.0 for amperes in own)
        is_sure = lines is not None or min(least) >= LINE_AMPERES
        highest = least if is_sure else as_phases(most for _ in PHASES)
        if not socket.rotation:
            return on(PHASES, min(least)), on(PHASES, max(highest))
        lines_of = [socket.rotation.find(letter) for letter in LETTERS]
        low, high = ([*amperes, 0.0] for amperes in (least, highest))  # -1: no line
        return as_phases(low[line] for line in lines_of), as_phases(high[line] for line in lines_of)


def is_paused(car: PluggedIn) -> bool:
    """Return whether a car takes nothing by its status. A status may be stuck, so a current in a
    reading that is not older is believed before it."""
    reading = car.reading
    if car.status not in PAUSED:
        return False
    if reading is None or reading.at < car.changed_at:
        return True
    shown = *(reading.lines or ()), reading.amperes, (reading.watts or 0.0) / VOLTS
    return all((amperes or 0.0) < LINE_AMPERES for amperes in shown)


def drawn(car: PluggedIn, socket: Socket, lines: int | None) -> Between | None:
    """Return what a car draws by its status and its current or power; None if its charger does not
    tell. What is not told of lines is on one of them, or on all that are wired; what is more than
    one line of the charger can carry is on several."""
    reading = car.reading
    changed_at = seconds(car.changed_at)
    at = changed_at if reading is None else seconds(reading.at)
    if is_paused(car):
        return Between(0.0, 0.0, max(at, changed_at))
    if reading is None:
        return None
    if reading.lines is not None:
        current = max(amperes or 0.0 for amperes in reading.lines)
        return Between(current, current, at)
    overall, watts = reading.amperes, reading.watts
    least_lines, most_lines = lines or 1, lines or socket.phases
    if overall is not None and watts is not None and overall > MOST_AMPERES:
        # No line carries so much. It is the current on the car's side of a rectifier.
        overall, least_lines = None, socket.phases
    if overall is not None and lines_used(reading, socket.most) is not None:
        return Between(overall, overall, at)
    if overall is None and watts is None:
        return None
    current = (watts or 0.0) / VOLTS if overall is None else overall
    least_lines = max(least_lines, min(socket.phases, lines_at_least(current, socket.most)))
    return Between(current / max(least_lines, most_lines), current / least_lines, at)


def watts_between(reading: ConnectorReading | None, wired: int) -> tuple[float, float] | None:
    """Return the least and the most W that a reading says are drawn from so many wired lines; None
    if it says nothing of that."""
    if reading is None:
        return None
    own = (reading.lines or ())[:wired]
    # One that is wired to one line may name another than the first.
    told = [amperes for amperes in reading.lines or [reading.amperes] if amperes is not None]
    if own and None not in own:
        # Of a line that is not measured, some tell 0 A.
        least, most = VOLTS * sum(told), VOLTS * wired * max(told)
    elif reading.watts is not None:
        least = most = reading.watts
    else:
        least = VOLTS * max(told)
        most = wired * least
    return least, most


def signed(amperes: Phases, watts: Phases) -> Phases:
    """Return currents with the sign of the power: many meters show none. What flows the other way
    is no more than its power shows: reactive current makes no room."""
    return as_phases(
        max(-abs(current), power / VOLTS) if power < 0 else abs(current)
        for current, power in zip(amperes, watts, strict=True)
    )


def lines_used(reading: ConnectorReading, most: int) -> int | None:
    """Return on how many lines a car charges, by one reading: those that carry current, power over
    current, or all if two cannot carry its power. `most` is what its charger gives.

    A current of each wired line must be told, or the power: of a current without a phase nobody
    knows whether it is that of each line or of all together, unless power shows several lines.
    """
    amperes, watts = reading.amperes, reading.watts
    if reading.lines is not None:
        if None not in reading.lines:
            return sum((line or 0.0) >= LINE_AMPERES for line in reading.lines) or None
        amperes = max(line or 0.0 for line in reading.lines)
    if watts is None:
        return None
    on_one_line = watts / VOLTS
    if amperes is None:
        return len(PHASES) if lines_at_least(on_one_line, most) == len(PHASES) else None
    if amperes < RATIO_AMPERES:
        return None
    lines = _lines_of(on_one_line / amperes)
    return None if lines == 1 and reading.lines is None else lines


def lines_at_least(amperes: float, most: int) -> int:
    """Return on how many lines so many A are at least, if each carries what a charger gives, and
    hardly more."""
    return max(1, ceil(amperes / with_tolerance(most)))


def _lines_of(ratio: float) -> int | None:
    lines = round(ratio)
    is_near = abs(ratio - lines) < RATIO_TOLERANCE
    return lines if is_near and 1 <= lines <= len(PHASES) else None


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
