"""Windows of local time: which one holds when, over a span of UTC time with its clock changes.

A window is by the clock on the wall: an hour that comes twice lies in the same windows twice, one
that is skipped in none. Weekday and season are those of the local date of each moment, so a night
of Fridays is the early morning and the late evening of Fridays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Final, Generic, NamedTuple, TypeVar

from levity_trio.records import record
from levity_trio.wire.times import in_zone, shifted

DAY_MINUTES: Final = 24 * 60
DAYS_KEPT: Final = 512
"""It is remembered for so many days when windows begin: for some months of a few tariffs."""
ALL_WEEKDAYS: Final = frozenset(range(7))
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)

T = TypeVar("T")


class Times(NamedTuple):
    """Times of day from `since` until before `until`, in minutes since midnight; over midnight if
    until <= since."""

    since: int
    until: int

    def hold(self, minute: float) -> bool:
        """Whether a minute of the day lies within."""
        if self.since < self.until:
            return self.since <= minute < self.until
        return minute >= self.since or minute < self.until


class Season(NamedTuple):
    """Days of the year as (month, day), both included; over new year if the last comes before the
    first."""

    first: tuple[int, int]
    last: tuple[int, int]

    def holds(self, day: tuple[int, int]) -> bool:
        """Whether a day of the year lies within."""
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last


ALL_DAY: Final = (Times(0, DAY_MINUTES),)


@record(kw_only=False)
class Recurrence:
    """Times of day on some weekdays (Monday is 0) in a season, None for the whole year."""

    times: tuple[Times, ...] = ALL_DAY
    weekdays: frozenset[int] = ALL_WEEKDAYS
    season: Season | None = None

    def holds(self, local: datetime) -> bool:
        """Whether a local time lies within."""
        minute = local.hour * 60 + local.minute + local.second / 60
        return self.covers(minute, local.weekday(), (local.month, local.day))

    def covers(self, minute: float, weekday: int, day: tuple[int, int]) -> bool:
        """Whether a minute of the day, on a weekday and a day of the year, lies within."""
        is_day = weekday in self.weekdays and (self.season is None or self.season.holds(day))
        return is_day and any(times.hold(minute) for times in self.times)


class HoldingSpan(NamedTuple, Generic[T]):
    """A span of UTC time in which the same holds."""

    since: datetime
    until: datetime
    holds: T


def spans(
    since: datetime,
    until: datetime,
    zone: tzinfo,
    minutes: Iterable[int],
    what: Callable[[datetime], T],
) -> list[HoldingSpan[T]]:
    """Return what holds between two times, in order and without gaps; one span without length if
    they are the same.

    `what` says what holds at a local time. It may change at these minutes of the day and at
    midnight.
    """
    # A day more at both ends: a clock that is put back over midnight shows the day before again.
    first = in_zone(shifted(since, -_DAY), zone).date()
    last = in_zone(shifted(until, _DAY), zone).date()
    minutes_and_midnight = frozenset((0, *minutes))
    cuts = set[datetime]()
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        moments = _of_day(date.fromordinal(ordinal), zone, minutes_and_midnight)
        cuts.update(moment for moment in moments if since < moment < until)

    # Where the clock is changed, another window may hold at once.
    for begin, end in pairwise([since, *sorted(cuts), until]):
        change = _clock_change(begin, end, zone)
        if change is not None:
            cuts.add(change)

    merged = list[HoldingSpan[T]]()
    for begin, end in pairwise([since, *sorted(cuts), until]):
        holds = what(in_zone(begin, zone))
        if merged and merged[-1].holds == holds:
            merged[-1] = merged[-1]._replace(until=end)
        else:
            merged.append(HoldingSpan(begin, end, holds))
    return merged


@lru_cache(maxsize=DAYS_KEPT)
def _of_day(day: date, zone: tzinfo, minutes: frozenset[int]) -> tuple[datetime, ...]:
    """Return when the clock shows these minutes on a day: some twice. A month of sessions asks for
    the same days."""
    midnight = datetime.combine(day, time(), zone)
    moments = list[datetime]()
    for minute in minutes:
        local = shifted(midnight, timedelta(minutes=minute))
        # In an hour that comes twice, the clock shows it twice.
        moments += [in_zone(local.replace(fold=fold), UTC) for fold in (0, 1)]
    return tuple(moments)


def _clock_change(since: datetime, until: datetime, zone: tzinfo) -> datetime | None:
    """Return the moment of the clock change between two times less than two days apart, if there is
    one."""
    before = in_zone(since, zone).utcoffset()
    if before == in_zone(until, zone).utcoffset():
        return None
    while until - since > _SECOND:
        middle = since + (until - since) / 2
        if in_zone(middle, zone).utcoffset() == before:
            since = middle
        else:
            until = middle
    # Clocks change at a whole second.
    change = until.replace(microsecond=0)
    return change if change > since else until
