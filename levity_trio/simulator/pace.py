"""How fast simulated time goes against real time.

Everything a charger does is dated in simulated seconds; only the time-outs of the network stay real, for the other end
is as slow as ever.
"""

from __future__ import annotations

import trio


class Pace:
    """Simulated seconds since it was made, `speed` for each real one."""

    __slots__ = ("_began", "speed")

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = trio.current_time()

    @property
    def now(self) -> float:
        return (trio.current_time() - self._began) * self.speed

    def real(self, at: float) -> float:
        """The moment of trio's clock at which it will be `at`."""
        return self._began + at / self.speed

    async def sleep_until(self, at: float) -> None:
        await trio.sleep_until(self.real(at))
