"""The one source of wall-clock time.

Durations are never measured with it: they belong to trio's monotonic clock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

Clock = Callable[[], datetime]
"""Gives the present moment, aware and in UTC. Passed in, so that tests and simulations bring their own."""

Elapsed = Callable[[], float]
"""Gives the seconds since some moment, by a clock that nobody can set."""

TIMESYNCD = Path("/run/systemd/timesync")
LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)
STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux counts the time of a suspended machine in the first, macOS in the second."""
LEAP_SECONDS: Final = 10.0
"""Less is how a clock is kept right."""
MOST_LEAPS: Final = 16
MOST_BACK_SECONDS: Final = 60.0
MOST_AHEAD_SECONDS: Final = 31 * 24 * 3600.0
"""A machine that was switched off, or a virtual one that was stopped, may set its clock so much later."""


class SimulatedTime(NamedTuple):
    """A wall clock that runs `speed` times as fast as the machine's since `begun`, a moment of the machine's."""

    begun: datetime
    speed: int


def system_clock() -> datetime:
    """The present moment of the machine's own clock."""
    return datetime.now(UTC)


def elapsed_seconds() -> float:
    """Since this machine was started."""
    return time.clock_gettime(STEADY)


class Leap(NamedTuple):
    """How far the machine's clock leapt, ahead or back, and whether it is followed."""

    seconds: float
    is_believed: bool


class SteadyClock:
    """The machine's clock; once it `is_set`, leaps are followed only where they lead to a believable time.

    That is not before the last believed one (but for a minute), nor more than a month after the present one. Otherwise
    this clock goes on by the time that elapses, until the machine's shows a believable one: it is then `astray`.
    """

    def __init__(self, clock: Clock, newest: datetime | None = None, elapsed: Elapsed = elapsed_seconds) -> None:
        """`newest` is what the database knows of the time: one that is far behind makes us doubt ours."""
        self._clock = clock
        self._elapsed = elapsed
        began = clock()
        self._ahead = began.timestamp() - elapsed()
        """Of the time that elapsed."""
        known = began if newest is None else newest
        self._doubt = (began - known).total_seconds()
        if self._doubt <= MOST_AHEAD_SECONDS:
            self._doubt = 0.0
        self._last_believed: float | None = None
        self.is_set = False
        self.leaps: deque[Leap] = deque(maxlen=MOST_LEAPS)
        """Those that were not told yet, the newest of them."""

    def __repr__(self) -> str:
        return f"<SteadyClock is_set={self.is_set} is_astray={self.is_astray} leaps={list(self.leaps)}>"

    @property
    def is_astray(self) -> bool:
        """The machine shows a time that cannot be believed."""
        return self._last_believed is not None

    def __call__(self) -> datetime:
        """The present moment."""
        now, elapsed = self._clock(), self._elapsed()
        ahead = now.timestamp() - elapsed
        if not -LEAP_SECONDS < ahead - self._ahead < LEAP_SECONDS:
            return self._judge(now, elapsed)
        self._ahead = ahead
        self._last_believed = None
        return now

    def _judge(self, now: datetime, elapsed: float) -> datetime:
        reckoned, shown = elapsed + self._ahead, now.timestamp()
        last = reckoned if self._last_believed is None else self._last_believed
        is_believable = last - self._doubt - MOST_BACK_SECONDS <= shown <= reckoned + MOST_AHEAD_SECONDS
        is_believed = is_believable or not self.is_set
        if is_believed or not self.is_astray:
            self.leaps.append(Leap(shown - reckoned, is_believed))
        if is_believed:
            self._ahead, self._doubt, self._last_believed = shown - elapsed, 0.0, None
            return now
        self._last_believed = last
        return datetime.fromtimestamp(reckoned, UTC)


def accelerated(begun: datetime, speed: int, clock: Clock) -> Clock:
    """A clock that shows `begun` when this one does, and runs `speed` times as fast.

    Nothing else decides what it shows, so it goes on where a restart asks again. While the other is behind `begun` (the
    machine's is not set yet) it stands there; and at the end of the years with four digits it stands too.
    """
    longest = (LAST_MOMENT - begun) / speed

    def simulated() -> datetime:
        return begun + min(max(clock() - begun, timedelta()), longest) * speed

    return simulated


def is_synchronised(timesyncd: Path = TIMESYNCD) -> bool:
    """False only where systemd-timesyncd keeps the time and says that it has not been set yet.

    The kernel's own flag (adjtimex) is no help: it says "unsynchronised" for ever on virtual machines that take
    their time from the host, and a server that waited there would look broken.
    """
    return not timesyncd.is_dir() or (timesyncd / "synchronized").exists()
