"""The energy of the grid's point, of panels and of a battery by the quarter of an hour, from the
powers that their meters show.

Energy is the mean of two neighbouring readings of a meter times the time between them. It counts
only where all of the meters have such readings: what one of them did not measure, nobody did. No
moment counts twice, whatever the clock does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from levity_trio.billing.sun import SunMeasured
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.load.document import MeterConfig

HOUR: Final = 3600.0
WRITE_SECONDS: Final = 60.0
CIRCUIT, PANELS, BATTERY = "circuit", "panels", "battery"
"""What a meter measures. The one of a circuit with panels is at the grid's point."""


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
        self, meters: Mapping[str, MeterConfig], begun: tuple[int, SunMeasured] | None = None
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
        moments |= {turn * SECONDS for turn in turns}
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
        so_far = until - quarter * SECONDS
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
