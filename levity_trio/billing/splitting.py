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

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import isfinite
from typing import Final, NamedTuple

from levity_trio.billing.money import half_up
from levity_trio.billing.statement import Split
from levity_trio.records import record

_TICK: Final = timedelta(microseconds=1)
_NEAR: Final = timedelta(minutes=65)
"""Some chargers send a reading each hour, and some of these a little late."""


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

    @property
    def is_far(self) -> bool:
        """Whether the readings are so far apart that they do not show when the energy between them
        flowed."""
        return self.before.wh < self.after.wh and self.after.at - self.before.at > _NEAR


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
    if not seams:
        return Division((flow.wh,), Split.WHOLE)
    levels = _levels(flow)
    found = [_crossing(seam, levels, flow.powers) for seam in seams]
    flowed = [0, *(crossing.wh for crossing in found), flow.wh]
    parts = tuple(after - before for before, after in pairwise(flowed))
    has_readings = len(levels) > 2
    unread = [crossing for crossing in found if crossing.is_far or not has_readings]
    if not unread:
        return Division(parts, Split.REGISTER)

    for crossing in unread:
        since, until = crossing.before.at, crossing.after.at
        # There must be a power after the reading before the seam; only at the start of the session
        # may it be of that moment.
        powers = [power for power in flow.powers if power.at > since or since == flow.since]
        if not _PowerIntegral(powers, since, until).until(until):
            return Division(parts, Split.EVENLY)
    return Division(parts, Split.POWER)


def crossings(flow: EnergyFlow, seams: Sequence[datetime]) -> list[Crossing]:
    """Return what had flowed until each seam, and the readings around it."""
    levels = _levels(flow)
    return [_crossing(seam, levels, flow.powers) for seam in seams]


def _levels(flow: EnergyFlow) -> list[FlowLevel]:
    """Return start and end, and in between the readings within the session unless they contradict
    the energy."""
    ends = [FlowLevel(flow.since, 0), FlowLevel(flow.until, flow.wh)]
    within = sorted({level for level in flow.levels if flow.since < level.at < flow.until})
    levels = [ends[0], *within, ends[1]]
    # Readings that contradict the energy do not show when it flowed, either.
    is_rising = all(before.wh <= after.wh for before, after in pairwise(levels))
    return levels if is_rising else ends


def _crossing(seam: datetime, levels: Sequence[FlowLevel], powers: Sequence[FlowPower]) -> Crossing:
    number = bisect_right(levels, seam, key=lambda level: level.at)
    # A seam before the start or at the end has nothing, or all, behind it.
    if number in (0, len(levels)):
        end = levels[max(number - 1, 0)]
        return Crossing(seam, end.wh, end, end)
    before, after = levels[number - 1], levels[number]
    work = _PowerIntegral(powers, before.at, after.at)
    part, whole = work.until(seam), work.until(after.at)
    # Without power, the energy flowed evenly.
    if not whole:
        part, whole = (seam - before.at) // _TICK, (after.at - before.at) // _TICK
    rise = half_up((after.wh - before.wh) * Fraction(part, whole))
    return Crossing(seam, before.wh + rise, before, after)


class _PowerIntegral:
    """The integral of the powers reported from one time to another. Between two reports their mean
    counts, before the first and after the last of them this one.

    Numbers are whole, so that nothing is lost: a rate is the sum of two powers in mW, work is that
    times microseconds.
    """

    def __init__(self, powers: Iterable[FlowPower], since: datetime, until: datetime) -> None:
        """Of several powers at one time the last counts. A power below 0 counts as 0."""
        within: dict[datetime, float] = {}
        for power in powers:
            if since <= power.at <= until and isfinite(power.watts):
                within[power.at] = power.watts
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
