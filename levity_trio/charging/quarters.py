"""The energy of a transaction by the quarter of an hour, from its registers.

A register tells what flowed between two readings, however the power varied; a power tells one
moment. So only registers count here, as on a bill. What rises between two of them is spread evenly
over the time between. Where that is longer than an hour, nobody knows when it flowed: these
quarters are unknown, and a picture has a gap there. Reported power fills none, because what it says
of an hour would be a guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from levity_trio.charging.tolerances import FASTEST_W

SECONDS: Final = 900
LONGEST_SECONDS: Final = 3600.0
"""Between two readings: beyond that it is unknown when energy flowed."""
ROUNDED_WH: Final = 1000
"""A register in whole kWh may rise by one at once."""
HOUR: Final = 3600.0

Point = tuple[float, float]
"""Seconds since 1970 by our clock, and the register in Wh."""


class Quarters(NamedTuple):
    """The energy of each quarter in Wh, None where it is unknown. `first` is the number of quarters
    from 1970 to it."""

    first: int
    wh: Sequence[int | None]


def quarter_of(seconds: float) -> int:
    """Return the number of the quarter in which a moment lies."""
    return int(seconds // SECONDS)


def quarters(points: Sequence[Point], energy_wh: float | None = None) -> Quarters | None:
    """Return the energy between registers in order of time, None without any.

    `energy_wh` is the judged figure of a transaction that has ended: whatever its register says,
    the rises are scaled to it.
    """
    if not points:
        return None
    rises = list[tuple[float, float, float]]()
    for (since, low), (until, high) in pairwise(points):
        if until <= since:
            continue
        # A fall, and a rise that no charger can deliver, begin anew: they count nothing.
        rise, most = high - low, FASTEST_W * (until - since) / HOUR + ROUNDED_WH
        rises.append((since, until, rise if 0 <= rise <= most else 0.0))
    total = sum(rise for _, _, rise in rises)

    first, last = quarter_of(points[0][0]), quarter_of(points[-1][0])
    # No register shows when it flowed: the energy was found in another way.
    if energy_wh and not total:
        return Quarters(first, [None] * (last - first + 1))
    factor = 1.0 if energy_wh is None or not total else energy_wh / total
    flowed, unknown = defaultdict[int, float](float), set[int]()
    for since, until, rise in rises:
        touched = range(quarter_of(since), quarter_of(until) + 1)
        if rise and until - since > LONGEST_SECONDS:
            unknown.update(touched)
            continue
        for quarter in touched:
            begin, end = quarter * SECONDS, (quarter + 1) * SECONDS
            within = min(until, end) - max(since, begin)
            flowed[quarter] += factor * rise * within / (until - since)

    # What is rounded off is carried on, so that the sum is that of the exact values.
    whole, exact, counted = list[int | None](), 0.0, 0
    for quarter in range(first, last + 1):
        if quarter in unknown:
            whole.append(None)
        else:
            exact += flowed.get(quarter, 0.0)
            whole.append(round(exact) - counted)
        counted = round(exact)
    return Quarters(first, whole)
