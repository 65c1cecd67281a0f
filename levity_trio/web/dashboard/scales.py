"""The arithmetic of charts: fewer points with the same extremes, gaps, and ticks at round values and times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import count, pairwise
from statistics import median
from typing import Final, NamedTuple

from levity_trio.wire.times import in_zone, shifted

MOST_POINTS: Final = 500
MOST_TICKS: Final = 5
LEAST_TICKS: Final = 3
GAP_STEPS: Final = 3
"""Readings that are missing in a row make a gap."""
SHORTEST_GAP: Final = 180.0
MINUTE, HOUR, DAY = 60, 3600, 86_400
_ROUND: Final = (1.0, 2.0, 2.5, 5.0)
_NARROWEST: Final = 1e-6
"""Of the size of its values: a range below that is widened."""
_SECONDS: Final = (1, 2, 5, 10, 15, 30)
_TIMES: Final = (
    *_SECONDS,
    *(MINUTE * one for one in (1, 2, 5, 10, 15, 20, 30)),
    *(HOUR * one for one in (1, 2, 3, 4, 6, 12)),
    *(DAY * one for one in (1, 2, 4, 7, 14, 28, 56, 112, 224, 448, 896)),
)

Point = tuple[float, float]
"""Seconds since the beginning of the chart, and a value."""


class Tick(NamedTuple):
    """A place on an axis, and its label."""

    at: float
    label: str


def reduced(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Return at most so many points: of equal stretches of time the lowest and the highest, and the last of all.

    The points are in order of time.
    """
    if len(points) <= most:
        return list(points)
    first, last = points[0][0], points[-1][0]
    stretches = max(1, (most - 1) // 2)
    width = (last - first) / stretches or 1.0
    kept: dict[int, tuple[int, int]] = {}
    for place, (at, value) in enumerate(points):
        stretch = min(stretches - 1, int((at - first) / width))
        low, high = kept.get(stretch, (place, place))
        kept[stretch] = (place if value < points[low][1] else low, place if value > points[high][1] else high)
    places = {place for both in kept.values() for place in both} | {len(points) - 1}
    return [points[place] for place in sorted(places)]


def longest_step(times: Sequence[float]) -> float:
    """Return how far apart two readings may be without a gap: several times their usual distance."""
    steps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return max(SHORTEST_GAP, GAP_STEPS * median(steps)) if steps else SHORTEST_GAP


def runs(points: Sequence[Point], longest: float) -> list[list[Point]]:
    """Return the points in runs without a gap."""
    found: list[list[Point]] = []
    for point in points:
        if found and point[0] - found[-1][-1][0] <= longest:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def ticks(low: float, high: float) -> list[Tick]:
    """Return three to five ticks at round values, the first not above `low` and the last not below `high`."""
    narrowest = max(_NARROWEST, max(abs(low), abs(high)) * _NARROWEST)
    if high - low < narrowest:
        high = low + max(1.0, narrowest)
    step, first, last = next(
        (step, first, last)
        for step in _steps((high - low) / MOST_TICKS)
        if (last := math.ceil(high / step)) - (first := math.floor(low / step)) < MOST_TICKS
    )
    last = max(last, first + LEAST_TICKS - 1)
    digits = max(0, 1 - math.floor(math.log10(step)))
    values = [round(place * step, digits) for place in range(first, last + 1)]
    shown = next(few for few in range(digits + 1) if all(round(one, few) == one for one in values))
    return [Tick(value, written(value, shown)) for value in values]


def _steps(least: float) -> Iterator[float]:
    """Yield round steps, from the last one below `least` on."""
    power = math.floor(math.log10(least))
    for exponent in count(power):
        for one in _ROUND:
            yield one * 10.0**exponent


def written(value: float, digits: int) -> str:
    """Return a number with narrow spaces between thousands."""
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def time_ticks(since: datetime, until: datetime, zone: tzinfo) -> list[Tick]:
    """Return ticks at round times of the zone, three to five of them in all but the shortest stretches of time."""
    seconds, found, step = (until - since).total_seconds(), list[datetime](), 0
    for wider in (one for one in _TIMES if one * 2 * MOST_TICKS >= seconds):
        narrower, (found, step) = found, (_moments(since, until, zone, wider), wider)
        if len(found) > MOST_TICKS:
            continue
        if len(found) < LEAST_TICKS < len(narrower):
            found = narrower[::2]
        break
    return [Tick((at - since).total_seconds(), _label(in_zone(at, zone), step, seconds)) for at in found]


def _moments(since: datetime, until: datetime, zone: tzinfo, step: int) -> list[datetime]:
    """Return the round times of a step: the wall clock of the zone shows multiples of it."""
    begin = in_zone(since, zone).replace(tzinfo=None)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    if step >= DAY:
        midnight -= timedelta(days=(midnight.toordinal() - 1) % (step // DAY))  # weeks begin on a Monday
    first = math.floor(((begin - midnight).total_seconds() - HOUR) / step)
    most = math.ceil((until - since).total_seconds() / step) + 2 + math.ceil(3 * HOUR / step)
    walls = [shifted(midnight, timedelta(seconds=place * step)) for place in range(first, first + most)]
    folds = (0, 1) if step < HOUR else (0,)  # in autumn, an hour comes twice: the wall goes back, too
    moments = {in_zone(wall.replace(tzinfo=zone, fold=fold), since.tzinfo) for wall in walls for fold in folds}
    return sorted(one for one in moments if since <= one <= until)


def _label(local: datetime, step: int, seconds: float) -> str:
    if step >= DAY or (local.hour == local.minute == local.second == 0 and seconds > 7 * DAY):
        return f"{local.day} {local:%b}"
    if local.hour == local.minute == local.second == 0:
        return f"{local:%a}"
    return f"{local:%H:%M:%S}" if step < MINUTE else f"{local:%H:%M}"
