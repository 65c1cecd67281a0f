"""What connectors may draw by what they were sent, what may be sent next, and whether they obey.

A limit that we set ends in a safe state without us, so each is a lease: so many amperes until a
moment, then the safe limit. A car is lowered before another is raised, and what it still draws is
booked until a measurement shows that it obeyed. Currents are in A per phase, moments are seconds
since 1970 in UTC.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from levity_trio.load.rule import Allocation
from levity_trio.load.tree import Place, Socket, Tree
from levity_trio.records import record

LEASE_SECONDS = 1800.0
PAUSE_SECONDS = 4 * 3600.0
"""The lease of a car at 0 A: all others have certainly ended when it gets its safe limit."""
RENEWED_AT = 2 / 3
"""A lease is renewed when so much of its time is over."""
MARGIN_SECONDS = 60.0
"""So much earlier or later than we think may a lease end."""
DAY_SECONDS = 86_400
WRITES_A_DAY = 100
"""Profiles to one connector, for whatever reason. Flash memory wears out."""
NO_RAISES = 0.9
"""When so many of these writes are used up, there are no raises and no defaults."""
NO_WAITS = 0.8
"""When so many are used up, no car waits for a lower price: it could not be raised after that."""
CALM_SECONDS, HOUR_SECONDS = 60.0, 3600.0
"""A connector is raised so long after it was lowered; a turn lasts so long when all is used up."""
LEASE, DEFAULT, HOUR, OTHER_WORDS = "lease", "default", "hour", "other words"
"""Some reasons for which a connector is sent a profile. HOUR is outside of its budget."""
FOLLOW_SECONDS = 5.0
"""A reading that is taken sooner after a limit was accepted says nothing."""
OBEY_SECONDS = 120.0
OBEY_REPORTS = 2
"""A car that draws more than its limit for so long, by so many reports, does not obey."""
NONE = -1
"""The number in place of a transaction, for a lease that is to be sent anew."""
RETRY_SECONDS = 30.0
"""After a limit was not answered, or refused."""


@record
class Lease:
    """The most that a connector may draw by what it was sent: so many amperes until it ends, then
    its safe limit."""

    amperes: int
    ends: float | None
    """None: the amperes hold without an end."""
    safe: int
    sent: float
    transaction: int | None = None

    def most(self, now: float) -> int:
        """Return the most that it may allow at about this moment."""
        if self.ends is None or now < self.ends - MARGIN_SECONDS:
            return self.amperes
        if now < self.ends + MARGIN_SECONDS:
            return max(self.amperes, self.safe)
        return self.safe

    def is_due(self, now: float) -> bool:
        """Return whether it is time to renew it."""
        return self.ends is not None and now >= self.sent + RENEWED_AT * (self.ends - self.sent)


def end_of_day(now: float) -> float:
    """Return when the day of a moment ends, and its budgets with it."""
    return (now // DAY_SECONDS + 1) * DAY_SECONDS


def waiting(safe: int, now: float) -> Lease:
    """Return what the default profile allows a car that begins now: nothing for the time of a
    lease, then the safe limit."""
    return Lease(amperes=0, ends=now + LEASE_SECONDS, safe=safe, sent=now)


def lasting(amperes: int, now: float, transaction: int | None = None) -> Lease:
    """Return a lease that has no end."""
    return Lease(amperes=amperes, ends=None, safe=amperes, sent=now, transaction=transaction)


def leased(amperes: int, safe: int, now: float, transaction: int | None) -> Lease:
    """Return a new lease. A car at or below its safe limit keeps that; one at 0 A waits longer than
    any other lease lasts."""
    then = safe if amperes == 0 else min(safe, amperes)
    lasts = PAUSE_SECONDS if amperes == 0 else LEASE_SECONDS
    return Lease(
        amperes=amperes,
        ends=None if amperes == then else now + lasts,
        safe=then,
        sent=now,
        transaction=transaction,
    )


class LeaseBasis(NamedTuple):
    """What a lease was made by when it was sent. If that changes, it is sent anew."""

    skew: int
    """Seconds by which its charger's clock was ahead."""
    lines: int | None
    """On how many lines its car charged; None: nobody knew."""
    way: int
    """The last of the ways in which the connector was told since it had its default."""
    boot: int | None
    """The number of its charger's last boot."""


@record
class LimitStep:
    """A limit that is to be sent now. One that is not `is_lower` is recorded before."""

    place: Place
    lease: Lease
    is_lower: bool
    why: str = LEASE


@dataclass(slots=True)
class HeldLease:
    """What is known of one connector. `lease` is never less than what holds at the charger."""

    lease: Lease
    may_still_draw: int = 0
    """In A, until a measurement shows that it obeys a limit that lowered it; 0: it was seen."""
    answered: float = 0.0
    """When the charger accepted its limit."""
    above: float | None = None
    """Since when it draws more than its limit."""
    reports: int = 0
    """How many reports showed that."""
    drawn: float | None = None
    """A that it draws at least, as last reported."""
    drawn_most: float = 0.0
    """The most that it can be, where its lines are not known."""
    drawn_at: float = 0.0
    retry: float = 0.0
    """Nothing is sent before."""
    pending: Lease | None = None
    """A raise that is being recorded, before it is sent."""
    is_stuck: bool = False
    """It draws more than its limit, and was told again in vain."""
    lowered: float = 0.0
    """When it was last lowered."""
    anew: str = LEASE
    """Why its lease is sent once more."""
    before: Lease | None = None
    """What held before it was sent something."""
    has_obeyed: bool = False
    """It was seen to obey a limit that lowered it."""
    basis: LeaseBasis | None = None

    def send_anew(self, why: str = "change") -> None:
        """Note that what the connector was sent may be gone."""
        self.lease = replace(self.lease, transaction=NONE)
        self.anew = why

    def doubt(self, most: int, now: float) -> None:
        """Note that it may draw so much until a reading shows that it obeys."""
        self.may_still_draw = most
        self.answered = now

    def is_obeyed(self, now: float) -> bool:
        """Return whether it was seen to obey, and its lease has not ended."""
        return self.has_obeyed and self.lease.most(now) == self.lease.amperes

    def booked(self, now: float) -> float:
        """Return the A that it may draw now, or is about to be allowed."""
        most: float = max(self.lease.most(now), self.may_still_draw)
        if self.pending is not None:
            most = max(most, self.pending.amperes)
        if self.above is None or self.drawn is None:
            return most
        return max(most, self.drawn_most if self.is_stuck else self.drawn)

    def reported(self, drawn: float, at: float, most: float | None = None) -> bool:
        """Take what it draws, as reported at a time; a report counts once.

        Where the lines of its car are not known, `drawn` is the least that it can be, and `most`
        the most. Return whether it was just seen to obey a limit that lowered it: the worst case
        shows that, and only the best case accuses.
        """
        if at <= self.drawn_at:
            return False
        self.drawn = drawn
        self.drawn_most = drawn if most is None else most
        self.drawn_at = at
        if at < self.answered + FOLLOW_SECONDS:
            return False
        limit = with_tolerance(self.lease.most(at))
        if drawn > limit:
            if self.above is None:
                self.above = at
                self.reports = 0
            self.reports += 1
            return False
        self.above = None
        if self.drawn_most > limit:
            self.may_still_draw = math.ceil(self.drawn_most)
            return False
        has_obeyed = self.may_still_draw > 0 or self.is_stuck
        self.has_obeyed = self.has_obeyed or has_obeyed
        self.may_still_draw = 0
        self.is_stuck = False
        return has_obeyed

    def disobeys(self, now: float) -> bool:
        """Return whether it has drawn more than its limit for long enough."""
        is_long = self.above is not None and now - self.above >= OBEY_SECONDS
        return is_long and self.reports >= OBEY_REPORTS

    def tell_again(self, now: float) -> None:
        """Begin anew, in another way. What it draws is booked meanwhile."""
        self.is_stuck = True
        self.reports = 0
        self.answered = now
        self.retry = 0.0
        if self.above is not None:
            self.above = now
        self.send_anew("overdraw")


@dataclass(slots=True)
class Leases:
    """The leases of a site, from one decision to the next. `writes_a_day` is the most for a
    connector."""

    writes_a_day: int = WRITES_A_DAY
    held: dict[Place, HeldLease] = field(default_factory=dict)
    budgets: dict[Place, tuple[int, Counter[str]]] = field(default_factory=dict)
    """On which day each connector was last written to, and how often for which reason."""
    written: dict[str, float] = field(default_factory=dict)
    """When each charger was last sent a profile."""
    caps: dict[Place, int] = field(default_factory=dict)
    """The most that connectors with a car get whose budget is used up."""
    floors: dict[str, int] = field(default_factory=dict)
    """The least that chargers can be told, of those that cannot be paused."""
    in_watts: dict[Place, int] = field(default_factory=dict)
    """How many A are booked for each at the connectors whose limit is sent in W for all lines
    together, while it is not known on how many their car charges: it may draw all of it on one."""
    busy: set[Place] = field(default_factory=set)
    """The connectors that are being sent something."""

    @property
    def busy_chargers(self) -> set[str]:
        return {charger for charger, _ in self.busy}

    def hold(self, place: Place, lease: Lease) -> HeldLease:
        """Take what is known of a connector from elsewhere: it was stored, or the charger told
        it."""
        self.held[place] = held = HeldLease(lease)
        return held

    def adopt(self, place: Place, lease: Lease, now: float) -> None:
        """Take what an earlier run has recorded; it is sent anew."""
        # Only a raise is recorded before it is sent. So the charger may hold a lower lease that was
        # sent later and ends later. A lease at or below its safe limit stays as it is: its end is
        # when the car may draw more.
        if lease.ends is not None and lease.amperes > lease.safe:
            lease = replace(lease, ends=max(lease.ends, now + LEASE_SECONDS))
        self.hold(place, lease).send_anew()

    def on_one_line(self, socket: Socket, amperes: float) -> float:
        """Return the most that a connector may draw on one line if its limit is so many A on
        each."""
        # 3 × 10 A in W are 30 A for a car on one line, but not more than its socket can give. A car
        # that was measured above that is booked with what it draws.
        return max(amperes, min(socket.most, self.in_watts.get(socket.place, 1) * amperes))

    # The budget

    def writes(self, place: Place, now: float) -> Counter[str]:
        """Return how often a connector was sent a profile on the day of a moment, by reason."""
        today = int(now // DAY_SECONDS)
        if self.budgets.get(place, (None,))[0] != today:
            self.budgets[place] = today, Counter[str]()
        return self.budgets[place][1]

    def count(self, place: Place, why: str, now: float) -> None:
        """Note that a connector is sent a profile."""
        self.writes(place, now)[why] += 1
        self.written[place[0]] = now

    def may_write(self, place: Place, now: float, part: float = 1.0) -> bool:
        """Return whether less than a part of a connector's budget is used up."""
        writes = self.writes(place, now)
        return writes.total() - writes[HOUR] < part * self.writes_a_day

    def look_for_caps(
        self, sockets: Mapping[Place, Socket], needs: Mapping[Place, int], now: float
    ) -> None:
        """Find the connectors with a car that may not be raised today any more. `needs` are the
        least currents of all cars: those that cannot charge with their safe limit get theirs by
        turns, for an hour each."""
        self.caps.clear()
        turns: list[Place] = []
        for place in sorted(needs):
            if place in self.held and not self.may_write(place, now, NO_RAISES):
                self.caps[place] = self.held[place].lease.most(now)
                if sockets[place].safe < needs[place]:
                    turns.append(place)
        if turns:
            place = turns[int(now // HOUR_SECONDS) % len(turns)]
            self.caps[place] = max(self.caps[place], needs[place])

    def leapt(self, seconds: float) -> None:
        """Note that our clock was set forward by so much. What the chargers hold has not moved, so
        its moments move with our clock, and all is sent anew."""
        self.written.clear()
        for held in self.held.values():
            if held.lease.ends is not None:
                held.lease = replace(held.lease, ends=held.lease.ends + seconds)
            if held.basis is not None:
                held.basis = held.basis._replace(skew=held.basis.skew - round(seconds))
            held.send_anew()
            held.drawn_at += seconds
            held.answered += seconds
            held.lowered += seconds
            if held.above is not None:
                held.above += seconds
            held.retry = 0.0
            held.pending = None

    # What is sent

    def as_sent(self, decision: Allocation, now: float) -> Allocation:
        """Return a decision as the next one must see it: a car that was not sent its limit yet
        counts as raised just now. Its small current says nothing of what it needs."""
        standings = dict(decision.standings)
        for place, standing in decision.standings.items():
            held = self.held.get(place)
            if held is None:
                continue
            if held.lease.most(now) < standing.limit or held.lease.transaction == NONE:
                standings[place] = replace(standing, since=now)
        return replace(decision, standings=standings)

    def steps(
        self,
        tree: Tree,
        decision: Allocation,
        running: Mapping[Place, int | None],
        lines_used: Mapping[Place, int],
        now: float,
    ) -> list[LimitStep]:
        """Return what is to be sent now: all that is lowered, and what may be raised because it
        fits beside what others still draw.

        `running` are the connectors that can be told, with their transactions; `lines_used` on how
        many lines their cars charge, where that is known.
        """
        has = {place: self.held[place].lease.most(now) for place in running if place in self.held}
        wanted = {place: decision.limits[place].amperes for place in has}
        booked_on = {place: tree.lines_of(place, lines_used.get(place)) for place in has}
        may_draw = {
            place: self.on_one_line(tree.sockets[place], self.held[place].booked(now))
            for place in has
        }

        # The decision has booked what it wants each car to draw. That is given back, and what the
        # car may still draw is booked instead.
        spare = [*decision.free]
        sum_of_phases = len(spare) - 1
        for place, amperes in wanted.items():
            over = decision.limits[place].over
            decided = self.on_one_line(tree.sockets[place], amperes) + over
            given_back = decided - max(may_draw[place], has[place] + over)
            for line in booked_on[place]:
                # Watts that may all come on one line are so many amperes on that line, but not in
                # the sum of all phases.
                if line == sum_of_phases and place not in lines_used:
                    spare[line] += amperes - has[place]
                else:
                    spare[line] += given_back

        # Those that are lowered come first: they are sent even if they make no room.
        steps: list[LimitStep] = []
        busy = self.busy_chargers
        for place in sorted(has, key=lambda place: (wanted[place] >= has[place], place)):
            held, amperes, socket = self.held[place], wanted[place], tree.sockets[place]
            is_lower = amperes < has[place]
            # What was refused or lost holds no lowering back, but one that was lost itself.
            may_go = now >= held.retry or (is_lower and now >= held.lowered + RETRY_SECONDS)
            if place[0] in busy or not may_go or (held.pending is not None and not is_lower):
                continue
            if amperes > has[place]:
                # The sum of all phases is booked once for each line of the car.
                lines = booked_on[place]
                room = min(spare[line] / lines.count(line) for line in lines)
                amperes = self._raised(socket, amperes, room, now)
                raised_by = max(0.0, self.on_one_line(socket, amperes) - may_draw[place])
                for line in lines:
                    spare[line] -= raised_by

            # A lease that may not be renewed any more today is left to end.
            is_due = held.lease.transaction != running[place] or held.lease.is_due(now)
            if amperes != has[place] or (is_due and self.may_write(place, now)):
                safe = max(socket.safe, self.floors.get(place[0], 0))
                lease = leased(amperes, safe, now, running[place])
                why = "lower" if is_lower else held.anew
                if place in self.caps and amperes > has[place]:
                    lease, why = replace(lease, ends=now + HOUR_SECONDS), HOUR
                steps.append(LimitStep(place=place, lease=lease, is_lower=is_lower, why=why))
        return steps

    def _raised(self, socket: Socket, amperes: int, room: float, now: float) -> int:
        """Return what a connector gets that is to be raised to `amperes`. `room` is what is free
        beside that which is booked for it."""
        held = self.held[socket.place]
        has = held.lease.most(now)
        booked = self.on_one_line(socket, held.booked(now))
        most = booked + room
        at_most = int(most / self.in_watts.get(socket.place, 1))
        if has == 0 and socket.least <= at_most < amperes:
            # A car that waits takes what room there is: another car may never be seen to have made
            # room for all of it. One that charges waits until all of its raise fits.
            amperes = at_most
        fits = max(booked, self.on_one_line(socket, amperes)) <= most
        may = self.may_write(socket.place, now, NO_RAISES)
        if amperes <= self.caps.get(socket.place, 0):
            # It is its turn.
            hours = self.writes(socket.place, now)[HOUR]
            may = hours <= now % DAY_SECONDS // HOUR_SECONDS
        return amperes if fits and may and now >= held.lowered + CALM_SECONDS else has

    def recording(self, step: LimitStep, now: float) -> Lease:
        """Note that a raise is being recorded, which is booked from now on. Return what must be
        recorded."""
        held = self.held[step.place]
        held.pending = step.lease
        return _higher(held.lease, step, now)

    def end_recording(self, step: LimitStep, wanted: int) -> bool:
        """Note that a raise was recorded. Return whether it may still be sent: the connector was
        sent nothing else meanwhile, as much is still wanted, and its charger is not busy."""
        held = self.held.get(step.place)
        if held is None or held.pending is not step.lease:
            return False
        held.pending = None
        return wanted >= step.lease.amperes and step.place[0] not in self.busy_chargers

    def sending(self, step: LimitStep, now: float) -> None:
        """Note that a step is being sent. Until the answer, the higher of both may hold."""
        held = self.held[step.place]
        held.before = held.lease
        held.lease = _higher(held.lease, step, now)
        held.pending = None
        held.lowered = now if step.is_lower else held.lowered
        self.count(step.place, step.why, now)
        self.busy.add(step.place)

    def accepted(self, step: LimitStep, now: float) -> None:
        """Note that a charger accepted a limit. It says nothing if another car came meanwhile, or
        all is sent anew."""
        self.busy.discard(step.place)
        held, lease = self.held.get(step.place), step.lease
        if held is None or held.lease.transaction != lease.transaction:
            return

        # A car that was lowered may draw until its next report what it drew, or what it had.
        may_draw = max(held.lease.most(now), held.may_still_draw)
        follows_answer = held.drawn_at >= held.answered + FOLLOW_SECONDS
        is_recent = held.drawn_at > now - OBEY_SECONDS
        if held.drawn is not None and follows_answer and is_recent:
            may_draw = min(may_draw, int(held.drawn_most) + 1)
        held.may_still_draw = may_draw if may_draw > lease.amperes else 0
        if held.above is None or (held.drawn or 0.0) <= with_tolerance(lease.amperes):
            held.answered = now
            held.above = None
        held.lease = lease
        held.anew = LEASE

    def failed(self, step: LimitStep, now: float, *, is_refused: bool = False) -> None:
        """Note that a limit was refused, not answered or not recorded: it is sent again, at once in
        other words if it was refused."""
        self.busy.discard(step.place)
        held, lease = self.held.get(step.place), step.lease
        if held is None:
            return
        if is_refused and held.before is not None and not held.answered:
            # What it had before holds: its default.
            held.lease = replace(held.before, transaction=lease.transaction)
        if held.pending is lease or held.lease.transaction == lease.transaction:
            held.retry = 0.0 if is_refused else now + RETRY_SECONDS
            held.pending = None
            held.send_anew(OTHER_WORDS if is_refused else "retry")


def _higher(has: Lease, step: LimitStep, now: float) -> Lease:
    """Return the higher of what a connector has and what it is sent: nobody knows which of them
    holds."""
    new = step.lease
    most = max(has.most(now), new.amperes)
    safe = max(has.safe, new.safe)
    if has.ends is None:
        return replace(new, amperes=most, safe=max(has.amperes, safe))
    if step.is_lower or new.amperes < has.safe:
        return replace(new, amperes=most, ends=has.ends, safe=max(safe, new.amperes))
    return replace(new, safe=safe)


def with_tolerance(amperes: float) -> float:
    """Return what a car may draw at a limit: meters and cars differ."""
    return 1.05 * amperes + 1.0
