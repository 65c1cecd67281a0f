"""Clocks that do not show the time, whatever the central system tells them (field notes: before 2021, local as UTC)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from levity_trio.simulator.charger.clock import UNSET
from levity_trio.simulator.quirks.base import Quirk

AHEAD: Final = timedelta(hours=2)
"""Summer time in Berlin; far less than a day ahead, where no central system would believe it."""


class Clock1970(Quirk):
    __slots__ = ()
    name = "clock-1970"
    does = "has a clock that was never set and stands still: every time that it tells is 1970-01-01T00:00:00Z"
    seen_in = "chargers without a clock battery (MicroOcpp#311, steve#136)"

    def clock(self, moment: datetime) -> datetime:
        del moment
        return UNSET


class ClockWrong(Quirk):
    __slots__ = ()
    name = "clock-wrong"
    does = "tells its local time, two hours ahead, and calls it Z"
    seen_in = "chargers set to local time (evcc#10399)"

    def clock(self, moment: datetime) -> datetime:
        return moment + AHEAD
