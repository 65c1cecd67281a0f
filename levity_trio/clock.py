"""The one source of wall-clock time.

Durations are never measured with it: they belong to trio's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

Clock = Callable[[], datetime]
"""Gives the present moment, aware and in UTC. Passed in, so that tests and simulations bring their own."""

TIMESYNCD = Path("/run/systemd/timesync")
LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)


class SimulatedTime(NamedTuple):
    """A wall clock that runs `speed` times as fast as the machine's since `begun`, a moment of the machine's."""

    begun: datetime
    speed: int


def system_clock() -> datetime:
    """The present moment of the machine's own clock."""
    return datetime.now(UTC)


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
