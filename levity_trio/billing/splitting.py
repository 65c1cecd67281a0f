"""Division of a charging session's energy between spans of time.

The energy of the session is given and certain; what is asked is when it flowed. Between two
readings of the register it is known how much; the power reported between them shows the course,
else it is even. Where no reading lies within the session, or those around a seam are more than an
hour apart, power or time alone decide.

A register that falls, or leaves the range from 0 to the energy (a reset, a figure corrected by
hand), contradicts the energy: then none of its readings counts, and power or time decide for the
whole session.

What flowed until each seam is rounded to whole Wh, and the parts are the differences. So they add
up to the energy, none is negative, and each seam stays between the readings around it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import isfinite
from typing import Final, NamedTuple

from levity_trio.billing.money import half_up
from levity_trio.billing.statement import Split
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.records import record
from levity_trio.wire.times import from_seconds, shifted

_TICK: Final = timedelta(microseconds=1)
_NEAR: Final = timedelta(minutes=65)
"""Some chargers send a reading each hour, and some of these a little late."""
_NEAR_QUARTER: Final = timedelta(minutes=16)
"""So near to each other, readings show how much flowed in a quarter of an hour."""


class FlowLevel(NamedTuple):
    """A register reading, as Wh since the start of the session."""

    at: datetime
    wh: int


class FlowPower(NamedTuple):
    """A reported power in W."""

    at: datetime
    watts: float


class Division(NamedTuple):
    """The Wh of each part, and by what they were found."""

    parts: tuple[int, ...]
    by: Split


class Crossing(NamedTuple):
    """The Wh that had flowed until a seam, and the readings (or start and end) between which it
    lies."""

    at: datetime
    wh: int
    before: FlowLevel
    after: FlowLevel

    def is_far(self, near: timedelta) -> bool:
        """Whether the readings are so far apart that they do not show what had flowed until the
        seam; one that stands at it does."""
        is_apart = self.before.at < self.at and self.after.at - self.before.at > near
        return is_apart and self.before.wh < self.after.wh


@record(kw_only=False)
class EnergyFlow:
    """What is known of the course of a session's energy. Readings may come in any order, doubled,
    or not at all."""

    since: datetime
    until: datetime
    wh: int
    levels: Sequence[FlowLevel] = ()
    powers: Sequence[FlowPower] = ()


def divide(flow: EnergyFlow, seams: Sequence[datetime]) -> Division:
    """Return the energy before, between and after the seams, which are in order."""
    parts, by, _ = _divide(flow, seams, _NEAR)
    return Division(parts, by)


def _divide(
    flow: EnergyFlow, seams: Sequence[datetime], near: timedelta
) -> tuple[tuple[int, ...], Split, frozenset[datetime]]:
    """Return the same, and the seams that no readings show: those around it are further apart than
    `near`."""
    if not seams:
        return (flow.wh,), Split.WHOLE, frozenset()
    course = _FlowCourse(flow)
    found = [course.crossing(seam) for seam in seams]
    flowed = [0, *(crossing.wh for crossing in found), flow.wh]
    parts = tuple(after - before for before, after in pairwise(flowed))
    has_readings = len(course.levels) > 2
    unread = [crossing for crossing in found if crossing.is_far(near) or not has_readings]
    if not unread:
        return parts, Split.REGISTER, frozenset()

    by = Split.POWER
    for crossing in unread:
        since, until = crossing.before.at, crossing.after.at
        # There must be a power after the reading before the seam; only at the start of the session
        # may it be of that moment.
        if not course.work(since, until, is_open=since != flow.since).until(until):
            by = Split.EVENLY
            break
    return parts, by, frozenset(crossing.at for crossing in unread)


class QuarterEnergy(NamedTuple):
    """The Wh of a session in each quarter of an hour from `first` on, which counts from 1970 in
    UTC, and by what they were found; `divided` are the quarters of which readings do not show
    it."""

    first: int
    wh: Sequence[int]
    by: Split
    divided: frozenset[int] = frozenset()

    @property
    def items(self) -> Iterator[tuple[int, int]]:
        """The quarters with their Wh."""
        return enumerate(self.wh, self.first)


def quarter(moment: datetime) -> int:
    """Return the number of the quarter in which a moment lies."""
    return quarter_of(moment.timestamp())


def quarter_seams(since: datetime, until: datetime) -> list[datetime]:
    """Return the beginnings of quarters between two times."""
    first, last = quarter(since) + 1, quarter(shifted(until, -_TICK))
    return [from_seconds(one * SECONDS) for one in range(first, last + 1)]


def by_quarter(flow: EnergyFlow, seams: Sequence[datetime] | None = None) -> QuarterEnergy:
    """Return the energy of each quarter of a session; with seams within quarters, too, that of each
    part."""
    if seams is None:
        seams = quarter_seams(flow.since, flow.until)
    parts, by, unread = _divide(flow, seams, _NEAR_QUARTER)
    divided = frozenset(one for seam in unread for one in (quarter(seam) - 1, quarter(seam)))
    return QuarterEnergy(quarter(flow.since), parts, by, divided)


def crossings(flow: EnergyFlow, seams: Sequence[datetime]) -> list[Crossing]:
    """Return what had flowed until each seam, and the readings around it."""
    course = _FlowCourse(flow)
    return [course.crossing(seam) for seam in seams]


def _levels(flow: EnergyFlow) -> list[FlowLevel]:
    """Return start and end, and in between the readings within the session unless they contradict
    the energy."""
    ends = [FlowLevel(flow.since, 0), FlowLevel(flow.until, flow.wh)]
    within = sorted({level for level in flow.levels if flow.since < level.at < flow.until})
    levels = [ends[0], *within, ends[1]]
    # Readings that contradict the energy do not show when it flowed, either.
    is_rising = all(before.wh <= after.wh for before, after in pairwise(levels))
    return levels if is_rising else ends


class _FlowCourse:
    """The levels of a flow, and its powers in order of time. A session of weeks has thousands, and
    as many seams: what lies between two levels is computed once."""

    def __init__(self, flow: EnergyFlow) -> None:
        self.levels = _levels(flow)
        self._powers = sorted(flow.powers, key=_at)
        self.work = cache(self._work)

    def _work(self, since: datetime, until: datetime, *, is_open: bool = False) -> _PowerIntegral:
        """Return the integral between two times; `is_open` leaves out a power of the first of
        them."""
        begin = (bisect_right if is_open else bisect_left)(self._powers, since, key=_at)
        end = bisect_right(self._powers, until, key=_at)
        return _PowerIntegral(self._powers[begin:end], since, until)

    def crossing(self, seam: datetime) -> Crossing:
        number = bisect_right(self.levels, seam, key=_at)
        # A seam before the start or at the end has nothing, or all, behind it.
        if number in (0, len(self.levels)):
            end = self.levels[max(number - 1, 0)]
            return Crossing(seam, end.wh, end, end)
        before, after = self.levels[number - 1], self.levels[number]
        work = self.work(before.at, after.at)
        part, whole = work.until(seam), work.until(after.at)
        # Without power, the energy flowed evenly.
        if not whole:
            part, whole = (seam - before.at) // _TICK, (after.at - before.at) // _TICK
        rise = half_up((after.wh - before.wh) * Fraction(part, whole))
        return Crossing(seam, before.wh + rise, before, after)


def _at(measured: FlowLevel | FlowPower) -> datetime:
    return measured.at


class _PowerIntegral:
    """The integral of the powers reported from one time to another. Between two reports their mean
    counts, before the first and after the last of them this one.

    Numbers are whole, so that nothing is lost: a rate is the sum of two powers in mW, work is that
    times microseconds.
    """

    def __init__(self, powers: Iterable[FlowPower], since: datetime, until: datetime) -> None:
        """Of several powers at one time the last counts. A power below 0 counts as 0."""
        within = {power.at: power.watts for power in powers if isfinite(power.watts)}
        at = sorted(within)
        # Power that a car gives back must not take energy from a window.
        milliwatts = [max(round(within[moment] * 1000), 0) for moment in at]
        if at:
            at = [since, *at, until]
            milliwatts = [milliwatts[0], *milliwatts, milliwatts[-1]]

        self._at = at
        self._rates = [before + after for before, after in pairwise(milliwatts)]
        self._done = [0]
        for (begin, end), rate in zip(pairwise(at), self._rates, strict=True):
            work = rate * ((end - begin) // _TICK)
            self._done.append(self._done[-1] + work)

    def until(self, moment: datetime) -> int:
        """Return the work until a time within; 0 if no power is known."""
        number = bisect_right(self._at, moment) - 1
        if not 0 <= number < len(self._rates):
            return self._done[-1]
        since = (moment - self._at[number]) // _TICK
        return self._done[number] + self._rates[number] * since
