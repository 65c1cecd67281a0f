"""The ratio of simulated time to real time.

Chargers act in simulated seconds. Network time-outs stay in real time, because the central system does not get faster.
"""

from __future__ import annotations

from math import inf, nextafter

import trio


class Pace:
    """Simulated seconds since this object was created, `speed` for each real second."""

    __slots__ = ("_began", "speed")

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = trio.current_time()

    @property
    def now(self) -> float:
        return self._simulated(trio.current_time())

    def real(self, at: float) -> float:
        """Convert simulated time to trio's clock, rounding up: a waiter that wakes early would spin."""
        moment = self._began + at / self.speed
        while self._simulated(moment) < at:
            moment = nextafter(moment, inf)
        return moment

    async def sleep_until(self, at: float) -> None:
        await trio.sleep_until(self.real(at))

    def _simulated(self, moment: float) -> float:
        return (moment - self._began) * self.speed
