"""How fast simulated time goes against real time.

Everything a charger does is dated in simulated seconds; only the time-outs of the network stay real, for the other end
is as slow as ever.
"""

from __future__ import annotations

from math import inf, nextafter

import trio


class Pace:
    """Simulated seconds since it was made, `speed` for each real one."""

    __slots__ = ("_began", "speed")

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = trio.current_time()

    @property
    def now(self) -> float:
        return self._simulated(trio.current_time())

    def real(self, at: float) -> float:
        """The moment of trio's clock at which it will be `at`; not a rounding earlier, or who waits would spin."""
        moment = self._began + at / self.speed
        while self._simulated(moment) < at:
            moment = nextafter(moment, inf)
        return moment

    async def sleep_until(self, at: float) -> None:
        await trio.sleep_until(self.real(at))

    def _simulated(self, moment: float) -> float:
        return (moment - self._began) * self.speed
