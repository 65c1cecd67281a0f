"""Reproducible random numbers: one generator for each seed and purpose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, floor
from random import Random
from typing import Final

HOUR: Final = 3600


def dice_of(seed: int, *what: str) -> Random:
    """Return a generator for this purpose, independent of the generators for other purposes."""
    return Random(":".join((str(seed), *what)))  # noqa: S311 - people and weather are no secrets


def is_dealt(index: int, share: float, offset: float) -> bool:
    """Whether the charger at `index` belongs to the `share`, which is spread evenly from `offset` (0 to 1) on."""
    return floor((index + 1) * share + offset) > floor(index * share + offset)


def moments(rates: Sequence[float], end: float, dice: Random) -> Iterator[float]:
    """Yield the events of a Poisson process before `end`, in order, in whole seconds.

    `rates` are the mean numbers of events in each hour.
    """
    for hour, rate in enumerate(rates):
        thrown = sorted(float(hour * HOUR + dice.randrange(HOUR)) for _ in range(_count(rate, dice)))
        yield from (moment for moment in thrown if moment < end)


def _count(mean: float, dice: Random) -> int:
    """Draw a Poisson number by Knuth's algorithm; exp(-mean) must not underflow (means up to a few hundred)."""
    least = exp(-mean)
    count, product = 0, dice.random()
    while product > least:
        count, product = count + 1, product * dice.random()
    return count
