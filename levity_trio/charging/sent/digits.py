"""Values as sent: their number without kilo, and their last digit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import gcd
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.wire.numbers import decimal, number

KILO: Final = frozenset({"kW", "kVA", "kWh"})


@lru_cache(maxsize=2048)
def watts_of(value: str, unit: str) -> float | None:
    """Convert a sample's value to the unit without kilo; None if it is not a number, or not a possible one.

    Cached: voltages, and the powers of a car that charges steadily, are the same again and again.
    """
    found = number(value)
    if found is None:
        return None
    if unit in KILO:
        found *= 1000
    return found if 0 <= found <= tolerances.FASTEST_W else None


def coarser(digit: int, values: Iterable[int]) -> int:
    """Return the step of a register in Wh: `digit`, or coarser if many different values show it."""
    different = set(values)
    if len(different) < tolerances.MANY:
        return digit
    step = gcd(*different)
    while digit < 1000 and step % (10 * digit) == 0:
        digit *= 10
    return digit


def digit_of(value: str, unit: str) -> int:
    """Return one unit of the last digit as sent, in Wh or W: 1 if it is no number, a million at most."""
    read = decimal(value)
    exponent = "n" if read is None else read.as_tuple().exponent
    return 10 ** min(max(0, (3 if unit in KILO else 0) + exponent), 6) if isinstance(exponent, int) else 1
