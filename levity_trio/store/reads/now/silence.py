"""Which open sessions are silent, and which powers are those of now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from levity_trio.store.reads.present import OpenTransaction
from levity_trio.wire.times import stamp

INTERVALS: Final = 3
"""A session is silent when it has told nothing for so many sampling intervals."""
UNKNOWN_SECONDS: Final = 300.0
"""The sampling interval of a charger that did not tell it, and whose readings show none yet."""
LEAST_SECONDS: Final = 60.0
"""No session is silent before: a network may take a while."""


class Silence:
    """Judges the age of readings at one time. `intervals` are the MeterValueSampleIntervals of chargers, as read.

    The interval of a charger that did not tell it, or tells 0, is the usual time between the readings of its session.
    """

    def __init__(self, now: datetime, intervals: Mapping[str, str | None]) -> None:
        self._now = now
        self._intervals = intervals
        self._times: dict[float, str] = {}

    def is_silent(self, one: OpenTransaction) -> bool:
        """Whether a session has told nothing for three intervals; one that is suspended is, for now, over."""
        return not one.is_suspended and (one.read_at or one.started_at) < self._oldest(one)

    def power_w(self, one: OpenTransaction) -> float | None:
        """Return the power of a session if it is that of now."""
        return one.power_w if one.power_at is not None and one.power_at >= self._oldest(one) else None

    def is_beginning(self, one: OpenTransaction) -> bool:
        """Whether a session is so young that its first power need not have come."""
        return one.power_at is None and one.started_at >= self._before(max(LEAST_SECONDS, self._interval(one)))

    def _oldest(self, one: OpenTransaction) -> str:
        return self._before(max(LEAST_SECONDS, INTERVALS * self._interval(one)))

    def _interval(self, one: OpenTransaction) -> float:
        told = self._intervals.get(one.charger) or ""
        interval = int(told) if told.isascii() and told.isdecimal() and len(told) < 7 else 0
        return interval or one.pace_seconds or UNKNOWN_SECONDS

    def _before(self, seconds: float) -> str:
        if seconds not in self._times:
            self._times[seconds] = stamp(self._now - timedelta(seconds=seconds))
        return self._times[seconds]
