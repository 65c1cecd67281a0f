"""A charger's own clock. It is unset until the central system sends the time (§4.2, §4.6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

UNSET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a clock without a battery after power-on."""


class ChargerClock:
    """A clock that runs on simulated seconds and is set by `currentTime`.

    A received time is slightly old; a clock that differs by `slack_seconds` or less is not set.
    """

    __slots__ = ("_at", "_first", "_last", "_moment", "_slack_seconds", "zero")

    def __init__(self, slack_seconds: float = 1.0) -> None:
        self._slack_seconds = slack_seconds
        self._at = 0.0
        self._moment = UNSET
        self._first: tuple[float, datetime] | None = None
        self._last: tuple[float, datetime] | None = None
        self.zero: datetime | None = None
        """The central system's time at second 0: the latest estimate, since every received time is slightly old."""

    @property
    def is_set(self) -> bool:
        return self._moment != UNSET

    def read(self, at: float) -> datetime:
        """Return the time that it shows at `at`, in whole milliseconds.

        Rounding ensures that at the moment that `due` returned it shows the requested time, not slightly less.
        """
        return self._moment + timedelta(milliseconds=round((at - self._at) * 1000))

    def due(self, moment: datetime, at: float) -> float:
        """Return the simulated seconds at which it shows that moment; `at` if the moment is past."""
        return at + max(0.0, (moment - self.read(at)).total_seconds())

    def set(self, received: datetime, at: float) -> bool:
        """Take the central system's time. Return True if the clock was set."""
        self._first = self._first or (at, received)
        self._last = (at, received)
        zero = received - timedelta(seconds=at)
        self.zero = zero if self.zero is None else max(self.zero, zero)
        if self.is_set and abs((received - self.read(at)).total_seconds()) <= self._slack_seconds:
            return False
        self._moment, self._at = received.replace(microsecond=received.microsecond // 1000 * 1000), at
        return True

    def forget(self, at: float) -> None:
        """Lose the time in a power cut, as a clock without a battery does."""
        self._moment, self._at, self._first, self._last = UNSET, at, None, None

    def pace(self, over_seconds: float) -> float | None:
        """Return the rate of the central system's clock against ours; None before it has times over such a span."""
        if self._first is None or self._last is None or self._last[0] - self._first[0] < over_seconds:
            return None
        return (self._last[1] - self._first[1]).total_seconds() / (self._last[0] - self._first[0])
