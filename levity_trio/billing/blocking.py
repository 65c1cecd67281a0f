"""How long a car blocked a place after charging: the minutes that a tariff's fee for blocking
counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from levity_trio.billing.tariff import Blocking, minutes_of
from levity_trio.billing.windows import spans
from levity_trio.records import record

Stretch = tuple[datetime, datetime]
_MINUTE: Final = timedelta(minutes=1)


@record
class Stay:
    """What followed the charging.

    `last_energy_at` is the last evidence of energy (register risen, power, SuspendedEV);
    `available_at` is when the connector was Available after the stop, None if it was never seen.
    `excused` are the spans that never count: SuspendedEVSE, our own limits, faults, lost
    connection, doubtful times. They may overlap.

    `held` are those until the stop in which load management gave the car too little to charge, each
    with the time that a car takes to answer. They never count either, and the grace begins anew at
    the end of each: nobody could see before whether the car still wanted something.
    """

    last_energy_at: datetime
    stopped_at: datetime
    available_at: datetime | None = None
    excused: Sequence[Stretch] = ()
    held: Sequence[Stretch] = ()

    @property
    def is_held(self) -> bool:
        """Whether load management held the car back to the stop, so that it may not have ended by
        itself."""
        return any(until >= self.stopped_at for _, until in self.held)


class CountedStay(NamedTuple):
    """The time for which a stay is counted, and what of it is not: excused stretches, those in
    which load management held the car back (each with the grace after it), and free hours of the
    tariff.

    If `until` is not later than `since`, nothing is counted.
    """

    since: datetime
    until: datetime
    excused: list[Stretch]
    held: list[Stretch]
    free: list[Stretch]

    @property
    def minutes(self) -> int:
        """The minutes that count. They are summed to the second; then a begun minute is a whole
        one."""
        if self.until <= self.since:
            return 0
        never = _union([*self.excused, *self.held, *self.free], self.since, self.until)
        counted = self.until - self.since
        for begin, end in never:
            counted -= end - begin
        # A begun minute is a whole one: floor division of the negative rounds up.
        return -(-counted // _MINUTE)


def counted(stay: Stay, terms: Blocking, zone: tzinfo) -> CountedStay:
    """Return what a fee for blocking counts."""
    grace = terms.grace_minutes * _MINUTE
    since, until = stay.last_energy_at + grace, stay.stopped_at
    # If the connector was never seen Available after the stop, only the stop is certain.
    if terms.is_until_available and stay.available_at is not None:
        until = max(until, stay.available_at)

    free: list[Stretch] = []
    if since < until and terms.free is not None:
        known = spans(since, until, zone, minutes_of(terms.free), terms.free.holds)
        free = [(span.since, span.until) for span in known if span.holds]
    # The grace begins anew when load management gives the car enough again: nobody could see
    # before whether the car still wanted something.
    held = _union(((begin, end + grace) for begin, end in stay.held), since, until)
    excused = _union(stay.excused, since, until)
    return CountedStay(since, until, excused, held, free)


def begun_minutes(stay: Stay, terms: Blocking, zone: tzinfo) -> int:
    """Return the minutes that count."""
    return counted(stay, terms, zone).minutes


def _union(stretches: Iterable[Stretch], since: datetime, until: datetime) -> list[Stretch]:
    """Return the stretches within a time, each moment once."""
    union: list[Stretch] = []
    reached = since
    for begin, end in sorted(stretches):
        first, last = max(begin, reached), min(end, until)
        if first < last:
            union.append((first, last))
            reached = last
    return union
