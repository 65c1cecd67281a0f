"""A curve so small that it has no axes: the power of a session beside its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 300, 40


class Sparkline(NamedTuple):
    """The paths of a curve in a box of WIDTH and HEIGHT, and its highest power in W."""

    area: str
    line: str
    highest: float


def sparkline(points: Sequence[tuple[float, float]]) -> Sparkline | None:
    """Return the curve of power (seconds, W), None if there is too little to draw."""
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return None
    began, lasts = points[0][0], points[-1][0] - points[0][0]
    highest = max(watts for _, watts in points)
    scale = (HEIGHT - 2) / (highest or 1)
    places = [f"{WIDTH * (at - began) / lasts:.0f} {HEIGHT - max(watts, 0) * scale:.1f}" for at, watts in points]
    line = "M" + "L".join(places)
    return Sparkline(f"{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z", line, highest)
