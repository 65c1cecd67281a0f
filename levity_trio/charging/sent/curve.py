"""The power of a transaction over its time, short enough to be drawn: the highest power of each stretch of time.

A curve grows with the transaction. When it has too many stretches, each two become one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MOST_POINTS: Final = 60
SHORTEST_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve: `highest` is the highest power in W by the number of the stretch, each of `step` seconds."""

    step: int = SHORTEST_SECONDS
    highest: Mapping[int, float] = field(default_factory=dict)

    def extended(self, points: Iterable[tuple[float, float]]) -> Curve:
        """Return the curve with further points: seconds since the start, and W. Earlier ones count as at the start."""
        step, highest = self.step, dict(self.highest)
        for at, watts in points:
            while at >= MOST_POINTS * step:
                step, highest = 2 * step, _halved(highest)
            place = max(0, int(at // step))
            highest[place] = max(watts, highest.get(place, 0.0))
        return Curve(step, highest)

    def points(self) -> list[tuple[int, float]]:
        """Return the beginning of each stretch in seconds, and its highest power; those without any are left out."""
        return [(place * self.step, round(watts, 1)) for place, watts in sorted(self.highest.items())]


def _halved(highest: Mapping[int, float]) -> dict[int, float]:
    halved: dict[int, float] = {}
    for place, watts in highest.items():
        halved[place // 2] = max(watts, halved.get(place // 2, 0.0))
    return halved
