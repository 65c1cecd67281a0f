"""Wrong clocks, whatever time the central system sends (seen in the field: dates before 2021, local time as UTC)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from levity_trio.simulator.charger.clock import UNSET
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.quirks.base import Quirk

AHEAD_HOURS: Final = (1.0, 9.0)
UNTIL_SET_SECONDS: Final = (1 * 3600.0, 5 * 3600.0)
UNTIL_LOST_SECONDS: Final = (4 * 3600.0, 30 * 3600.0)
AHEAD: Final = timedelta(hours=2)
"""Summer time in Berlin. A central system would not believe a clock that is a day ahead."""


class Clock1970(Quirk):
    __slots__ = ()
    name = "clock-1970"
    does = "has a stopped clock that was never set: every timestamp is 1970-01-01T00:00:00Z"
    seen_in = "chargers without a clock battery (MicroOcpp#311, steve#136)"

    def clock(self, moment: datetime) -> datetime:
        del moment
        return UNSET


class ClockWrong(Quirk):
    __slots__ = ()
    name = "clock-wrong"
    does = "sends local time, two hours ahead, marked as UTC (Z)"
    seen_in = "chargers set to local time (evcc#10399)"

    def clock(self, moment: datetime) -> datetime:
        return moment + AHEAD


class ClockSetLate(Quirk):
    __slots__ = ("_ahead",)
    name = "clock-set-late"
    does = "has a clock that is 1 to 9 hours ahead after start-up, is set hours later, and becomes wrong again"
    seen_in = "no report yet; plausible for chargers that take their first time from a modem"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._ahead = timedelta()

    def power_on(self, charger: State, at: float) -> None:
        self._lose(charger, at)

    def clock(self, moment: datetime) -> datetime:
        return moment + self._ahead

    def _lose(self, charger: State, at: float) -> None:
        self._ahead = timedelta(hours=self.random.uniform(*AHEAD_HOURS))
        charger.agenda.plan(at + self.random.uniform(*UNTIL_SET_SECONDS), partial(self._set, charger))

    def _set(self, charger: State, at: float) -> None:
        self._ahead = timedelta()
        charger.agenda.plan(at + self.random.uniform(*UNTIL_LOST_SECONDS), partial(self._lose, charger))
