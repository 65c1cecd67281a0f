"""The energy of a transaction by the quarter of an hour, from its registers.

A register tells what flowed between two readings, however the power varied; a power tells one
moment. So only registers count here, as on a bill. What rises between two of them is spread evenly
over the time between. Where that is longer than an hour, nobody knows when it flowed: these
quarters are unknown, and a picture has a gap there. Reported power fills none, because what it says
of an hour would be a guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
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
    the rises are scaled to it. A fall, and a rise that no charger can deliver, begin anew: they
    count nothing.
    """
    if not points:
        return None
    rises = [*_rises(points)]
    total = sum(rise for *_, rise in rises)
    factor = 1.0 if energy_wh is None or not total else energy_wh / total
    first, last = quarter_of(points[0][0]), quarter_of(points[-1][0])
    if energy_wh and not total:  # it was found in another way than by registers
        return Quarters(first, [None] * (last - first + 1))
    flowed, unknown = defaultdict[int, float](float), set[int]()
    for since, until, rise in rises:
        touched = range(quarter_of(since), quarter_of(until) + 1)
        if rise and until - since > LONGEST_SECONDS:
            unknown.update(touched)
            continue
        for one in touched:
            within = min(until, (one + 1) * SECONDS) - max(since, one * SECONDS)
            flowed[one] += factor * rise * within / (until - since)
    return Quarters(first, [*_rounded(first, last, flowed, unknown)])


def _rises(points: Sequence[Point]) -> Iterator[tuple[float, float, float]]:
    """Yield since when, until when, and by how much the register rose between each two points."""
    for (since, low), (until, high) in pairwise(points):
        if until > since:
            rise = high - low
            is_possible = 0 <= rise <= FASTEST_W * (until - since) / HOUR + ROUNDED_WH
            yield since, until, rise if is_possible else 0.0


def _rounded(
    first: int, last: int, flowed: dict[int, float], unknown: set[int]
) -> Iterator[int | None]:
    """Yield whole Wh. What is rounded off is carried on, so that the sum is that of the exact
    values."""
    exact, told = 0.0, 0
    for one in range(first, last + 1):
        exact += 0.0 if one in unknown else flowed.get(one, 0.0)
        yield None if one in unknown else round(exact) - told
        told = round(exact)
