"""What a charger's own clock shows: nothing believable until the central system has told it the time (§4.2, §4.6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

UNSET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Where a clock without a battery begins."""


class ChargerClock:
    """A clock that goes with the simulated seconds and is set by `currentTime`.

    What is told is a moment old, and `slack_seconds` says how much: a clock that is nearer than that is left alone.
    """

    __slots__ = ("_at", "_first", "_last", "_moment", "_slack_seconds", "zero")

    def __init__(self, slack_seconds: float = 1.0) -> None:
        self._slack_seconds = slack_seconds
        self._at = 0.0
        self._moment = UNSET
        self._first: tuple[float, datetime] | None = None
        self._last: tuple[float, datetime] | None = None
        self.zero: datetime | None = None
        """What the central system's clock showed at second 0: the latest that any told time says, for each is old."""

    @property
    def is_set(self) -> bool:
        return self._moment != UNSET

    def read(self, at: float) -> datetime:
        """The moment that it shows at `at`, simulated seconds; in whole milliseconds.

        So that at the moment that `due` gave it shows what it was asked for, and not a hair's breadth less.
        """
        return self._moment + timedelta(milliseconds=round((at - self._at) * 1000))

    def due(self, moment: datetime, at: float) -> float:
        """The simulated seconds at which it will show that moment; `at` if that is past."""
        return at + max(0.0, (moment - self.read(at)).total_seconds())

    def set(self, told: datetime, at: float) -> bool:
        """Take the central system's time; True where that changed what the clock shows."""
        self._first = self._first or (at, told)
        self._last = (at, told)
        zero = told - timedelta(seconds=at)
        self.zero = zero if self.zero is None else max(self.zero, zero)
        if self.is_set and abs((told - self.read(at)).total_seconds()) <= self._slack_seconds:
            return False
        self._moment, self._at = told.replace(microsecond=told.microsecond // 1000 * 1000), at
        return True

    def forget(self, at: float) -> None:
        """The power was cut, and there is no battery."""
        self._moment, self._at, self._first, self._last = UNSET, at, None, None

    def pace(self, over_seconds: float) -> float | None:
        """How fast the central system's clock goes against ours; None before it was told over so long a time."""
        if self._first is None or self._last is None or self._last[0] - self._first[0] < over_seconds:
            return None
        return (self._last[1] - self._first[1]).total_seconds() / (self._last[0] - self._first[0])
