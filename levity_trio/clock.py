"""The only source of wall-clock time. Durations are measured with trio's monotonic clock
instead."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

Clock = Callable[[], datetime]
"""Returns the current time, aware and in UTC. It is passed in, so that tests and simulations can
provide their own."""

Elapsed = Callable[[], float]
"""Returns the seconds since a fixed moment, by a clock that cannot be set."""

TIMESYNCD = Path("/run/systemd/timesync")
LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)
STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that includes the time of a suspended machine: the first on Linux, the second on
macOS."""
LEAP_SECONDS: Final = 10.0
"""Smaller steps are ordinary corrections of the clock."""
MOST_LEAPS: Final = 16
MOST_BACK_SECONDS: Final = 60.0
MOST_AHEAD_SECONDS: Final = 31 * 24 * 3600.0
"""The clock may leap ahead by this much after a machine was switched off or a virtual machine was
suspended."""
NOTICED_SECONDS: Final = 5.0
"""A leap is noticed within this time."""
UNSYNCHRONISED: Final = 5
"""TIME_ERROR of adjtimex(2). Below zero, the call is not allowed."""

Vouched = Callable[[float, float], bool]
"""Whether the system said that its clock is synchronised, between two moments by that clock (in
seconds since 1970)."""


class SimulatedTime(NamedTuple):
    """A wall clock that showed `begun` when the machine's showed `started`, and runs `speed` times
    as fast since then.

    Without `started` both showed the same time.
    """

    begun: datetime
    speed: int
    started: datetime | None = None


def system_clock() -> datetime:
    """Return the current time of the machine's clock."""
    return datetime.now(UTC)


def elapsed_seconds() -> float:
    """Return the seconds since this machine was started."""
    return time.clock_gettime(STEADY)


class Leap(NamedTuple):
    """A leap of the machine's clock, ahead or back, and whether it is followed."""

    seconds: float
    is_believed: bool


def says_synchronised(since: float, until: float, timesyncd: Path = TIMESYNCD) -> bool:
    """Whether the system said so between these moments: systemd-timesyncd, which touches a file
    each time that it has set the clock, or the kernel, to which chrony and ntpd tell it. A clock
    that somebody else sets is not synchronised.
    """
    import ctypes  # noqa: PLC0415 - 1 MB, for a clock that is doubtful

    with suppress(OSError):
        if since <= (timesyncd / "synchronized").stat().st_mtime <= until:
            return True
    with suppress(AttributeError):  # macOS has no adjtimex
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(256))
        return 0 <= state < UNSYNCHRONISED
    return False


class SteadyClock:
    """The machine's clock. Once it `is_set`, a leap is followed only if it leads to a plausible
    time.

    A plausible time is at most a minute before the last plausible one and at most a month after the
    current one. After an implausible leap this clock is `astray`: it continues by elapsed time
    until the machine's is plausible again. It follows the machine's clock back as soon as the
    system says that this is synchronised: until then it was ahead.
    """

    def __init__(
        self,
        clock: Clock,
        newest: datetime | None = None,
        elapsed: Elapsed = elapsed_seconds,
        vouched: Vouched = says_synchronised,
    ) -> None:
        """`newest` is the newest time in the database. If the clock is far ahead of it, the clock
        may be wrong, and a leap back as far as `newest` stays plausible.
        """
        self._clock = clock
        self._elapsed = elapsed
        self._vouched = vouched
        began = clock()
        self._ahead = began.timestamp() - elapsed()
        """Seconds by which the wall clock is ahead of the elapsed time."""
        known = began if newest is None else newest
        self._doubt = (began - known).total_seconds()
        if self._doubt <= MOST_AHEAD_SECONDS:
            self._doubt = 0.0
        self._last_believed: float | None = None
        self._back_at = 0.0
        """By the elapsed time: when the machine's clock was set back."""
        self.is_set = False
        self.leaps: deque[Leap] = deque(maxlen=MOST_LEAPS)
        """Leaps that are not reported yet, at most the newest MOST_LEAPS."""

    def __repr__(self) -> str:
        return (
            f"<SteadyClock is_set={self.is_set} is_astray={self.is_astray} "
            f"leaps={list(self.leaps)}>"
        )

    @property
    def is_astray(self) -> bool:
        """Whether the machine's clock is implausible."""
        return self._last_believed is not None

    @property
    def is_vouched_for(self) -> bool:
        """Whether the system said, at any time that lies before its present one, that its clock is
        synchronised."""
        return self._vouched(0.0, self._clock().timestamp())

    def __call__(self) -> datetime:
        """Return the current time."""
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
        is_believable = (
            last - self._doubt - MOST_BACK_SECONDS <= shown <= reckoned + MOST_AHEAD_SECONDS
        )
        if not self.is_astray:
            self._back_at = elapsed
        is_believed = (
            is_believable
            or not self.is_set
            or (shown < reckoned and self._is_right(shown, elapsed))
        )
        if is_believed or not self.is_astray:
            self.leaps.append(Leap(shown - reckoned, is_believed))
        if is_believed:
            self._ahead, self._doubt, self._last_believed = shown - elapsed, 0.0, None
            return now
        self._last_believed = last
        return datetime.fromtimestamp(reckoned, UTC)

    def _is_right(self, shown: float, elapsed: float) -> bool:
        """Whether the system said that its clock is synchronised since it was set back."""
        return self._vouched(
            shown - (elapsed - self._back_at) - NOTICED_SECONDS, shown + NOTICED_SECONDS
        )


def accelerated(simulated: SimulatedTime, clock: Clock) -> Clock:
    """Return a simulated clock; `clock` is the machine's.

    It depends on nothing else, so it continues after a restart. It stands still before the moment
    at which it was started (the machine's clock is not set yet), and from LAST_MOMENT on.
    """
    begun, speed, started = simulated.begun, simulated.speed, simulated.started or simulated.begun
    longest = (LAST_MOMENT - begun) / speed

    def shown() -> datetime:
        return begun + min(max(clock() - started, timedelta()), longest) * speed

    return shown


def is_synchronised(timesyncd: Path = TIMESYNCD) -> bool:
    """Whether the clock is synchronised: False only if systemd-timesyncd is in use and has not set
    it yet.

    The kernel's own flag (adjtimex) does not help: it always reads "unsynchronised" on virtual
    machines that take their time from the host, and a server that waited for it would seem broken.
    """
    return not timesyncd.is_dir() or (timesyncd / "synchronized").exists()
