"""The house's own sun: its energy by the quarter of an hour, from the powers that the meters of the
grid's point, of panels and of a battery show; how much of it went into cars, and how sessions share
it.

Energy is the mean of two neighbouring readings of a meter times the time between them. It counts
only where all of the meters have such readings: what one of them did not measure, nobody did. No
moment counts twice, whatever the clock does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Final, NamedTuple, Protocol

from levity_trio.charging.quarters import quarter_of

QUARTER_SECONDS: Final = 900
MISSED_SECONDS: Final = 10
"""A quarter of which no more was missed counts as measured."""
HOUR: Final = 3600.0
WRITE_SECONDS: Final = 60.0
CIRCUIT, PANELS, BATTERY = "circuit", "panels", "battery"
"""What a meter measures. The one of a circuit with panels is at the grid's point."""


class SunMeasured(NamedTuple):
    """What the meters of the grid's point, of the panels and of a battery measured in a quarter of
    an hour, in Wh, and for how many seconds all of them were read."""

    seconds: int
    import_wh: int
    export_wh: int
    generation_wh: int
    charge_wh: int = 0
    discharge_wh: int = 0

    @property
    def is_whole(self) -> bool:
        return self.seconds >= QUARTER_SECONDS - MISSED_SECONDS

    @property
    def taken_wh(self) -> int:
        """What the house and the cars took together."""
        came = self.import_wh + self.generation_wh + self.discharge_wh
        return max(0, came - self.export_wh - self.charge_wh)

    def measured_of(self, wh: int) -> Fraction:
        """Return how much of an energy flowed while meters were read."""
        return Fraction(wh * self.seconds, QUARTER_SECONDS)

    def of_cars(self, wh: int) -> int:
        """Return how much of the energy of the cars was sun: what the panels gave, less what the
        house took. While meters were not read, it was grid.

        What a battery gives is no sun, and no more can be sun than the panels gave. Cars cannot
        have taken more than came: what a charger tells beyond that flowed at another time.
        """
        cars = min(self.measured_of(wh), Fraction(self.taken_wh))
        house = self.taken_wh - cars
        return max(0, floor(min(cars, Fraction(self.generation_wh), self.generation_wh - house)))


def shares(wh: Mapping[int, int], sun: int) -> dict[int, int]:
    """Return the sun of each session in proportion to its Wh, in whole Wh by largest remainder; of
    equal remainders, the first session has it. No session has more than its Wh."""
    total = sum(wh.values())
    sun = min(sun, total)
    if sun <= 0:
        return dict.fromkeys(wh, 0)
    found = {one: sun * own // total for one, own in wh.items()}
    left = sun - sum(found.values())
    for one in sorted(wh, key=lambda one: (-(sun * wh[one] % total), one))[:left]:
        found[one] += 1
    return found


class SunMeter(Protocol):
    """A meter, as far as its readings need it."""

    @property
    def stale_seconds(self) -> float:
        """It has told nothing of a longer time between two readings."""


@dataclass(slots=True)
class _PowerShown:
    """What a meter showed since all were added up: when, and how many W. Readings that are further
    apart than `longest` seconds say nothing of the time between them."""

    longest: float
    readings: list[tuple[float, float]] = field(default_factory=list)

    def mean(self, since: float, until: float) -> float | None:
        """Return the mean power of a time in which it showed nothing; None if that is not known."""
        middle = (since + until) / 2
        for (begin, before), (end, after) in pairwise(self.readings):
            if begin <= middle <= end:
                lasted = end - begin
                rise = (after - before) / lasted
                return before + rise * (middle - begin) if lasted <= self.longest else None
        return None


class SunSums:
    """The sums of the quarter of an hour that runs, for a site with panels, whose `meters` are
    known by what they measure; `begun` is what was kept of the quarter before a restart."""

    def __init__(
        self, meters: Mapping[str, SunMeter], begun: tuple[int, SunMeasured] | None = None
    ) -> None:
        self.meters = meters
        self._shown = {what: _PowerShown(meter.stale_seconds) for what, meter in meters.items()}
        self._kept = begun or (0, SunMeasured(0, 0, 0, 0))
        self._kept_at = 0.0
        self._quarter, known = self._kept
        self._sums = defaultdict[str, float](float, known._asdict())
        self._ended: list[tuple[int, SunMeasured]] = []

    def take(self, what: str, watts: float, at: float) -> None:
        """Take what a meter shows. Of panels below zero that is their standby, which is no
        generation."""
        shown = self._shown[what]
        if shown.readings and at <= shown.readings[-1][0]:
            return
        if what == PANELS:
            watts = max(0.0, watts)
        shown.readings.append((at, watts))
        longest = max(each.longest for each in self._shown.values())
        self._forget(at - longest)
        every = [each.readings for each in self._shown.values()]
        if not all(every):
            return

        # Up to where all have shown something, between all of their readings and in each quarter.
        since = max(readings[0][0] for readings in every)
        until = min(readings[-1][0] for readings in every)
        moments = {moment for readings in every for moment, _ in readings if moment >= since}
        turns = range(quarter_of(since) + 1, quarter_of(until) + 1)
        moments |= {turn * QUARTER_SECONDS for turn in turns}
        for begin, end in pairwise(sorted(moment for moment in moments if moment <= until)):
            self._add(begin, end)
        self._forget(until)

    def _forget(self, until: float) -> None:
        for shown in self._shown.values():
            readings = shown.readings
            while len(readings) > 1 and readings[1][0] <= until:
                del readings[0]

    def _add(self, since: float, until: float) -> None:
        """Add a time in which no meter showed anything."""
        means = {what: shown.mean(since, until) for what, shown in self._shown.items()}
        grid, panels, battery = means[CIRCUIT], means[PANELS], means.get(BATTERY, 0.0)
        if grid is None or panels is None or battery is None:
            return
        quarter = quarter_of(since)
        if quarter != self._quarter:
            self._end()
            self._quarter = quarter
        # Where our clock was set back, no more is measured than the time that the quarter has had.
        so_far = until - quarter * QUARTER_SECONDS
        passed = min(until - since, so_far - self._sums["seconds"])
        if passed <= 0:
            return
        hours = passed / HOUR
        self._sums["seconds"] += passed
        self._sums["import_wh"] += max(0.0, grid) * hours
        self._sums["export_wh"] += max(0.0, -grid) * hours
        self._sums["generation_wh"] += panels * hours
        self._sums["charge_wh"] += max(0.0, -battery) * hours
        self._sums["discharge_wh"] += max(0.0, battery) * hours

    def _end(self) -> None:
        self._ended += self._unkept()
        self._sums.clear()

    def _unkept(self) -> list[tuple[int, SunMeasured]]:
        sums = [self._sums[name] for name in SunMeasured._fields]
        # Many small parts of a whole quarter may be a hair less than it.
        seconds = int(sums[0] + 0.001)
        measured = SunMeasured(seconds, *map(round, sums[1:]))
        before, self._kept = self._kept, (self._quarter, measured)
        return [self._kept] if seconds and self._kept != before else []

    def leapt(self) -> None:
        """Our clock was set: what lies between the last readings and the next ones is not known."""
        for shown in self._shown.values():
            shown.readings.clear()

    def to_keep(self, now: float) -> list[tuple[int, SunMeasured]]:
        """Return the quarters that are to be stored: those that are over, and each minute the one
        that runs."""
        kept, self._ended = self._ended, []
        if not self._kept_at <= now < self._kept_at + WRITE_SECONDS:
            self._kept_at = now
            kept += self._unkept()
        return kept
