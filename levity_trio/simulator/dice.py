"""Chance that can be repeated: dice made of a seed and of what they are for, and what is thrown with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, floor
from random import Random
from typing import Final

HOUR: Final = 3600


def dice_of(seed: int, *what: str) -> Random:
    """Dice of their own for this purpose: what is thrown for others changes nothing here."""
    return Random(":".join((str(seed), *what)))  # noqa: S311 - people and weather are no secrets


def is_dealt(index: int, share: float, offset: float) -> bool:
    """Whether the charger at this place is one of the share: evenly spread, beginning at `offset` (0 to 1)."""
    return floor((index + 1) * share + offset) > floor(index * share + offset)


def moments(rates: Sequence[float], end: float, dice: Random) -> Iterator[float]:
    """Whole seconds of a Poisson process before `end`, in order; `rates` are what each hour brings on average."""
    for hour, rate in enumerate(rates):
        thrown = sorted(float(hour * HOUR + dice.randrange(HOUR)) for _ in range(_count(rate, dice)))
        yield from (moment for moment in thrown if moment < end)


def _count(mean: float, dice: Random) -> int:
    """A Poisson number (Knuth's way, for means that exp() can bear: a few hundred)."""
    least = exp(-mean)
    count, product = 0, dice.random()
    while product > least:
        count, product = count + 1, product * dice.random()
    return count
