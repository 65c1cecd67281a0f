"""Numbers for people. It imports nothing of ours, because the completion of shells needs it at
once."""

from __future__ import annotations

from math import isfinite
from typing import Final

MOST_PLACES: Final = 12


def plain(number: float, digits: int = 6) -> str:
    """Return a number for people: with so many digits, or more if it is whole, and never with an
    exponent."""
    if not isfinite(number):
        return str(number)
    exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])
    places = min(max(0, digits - 1 - exponent), MOST_PLACES)
    text = f"{round(number, places) + 0.0:.{places}f}"  # without the sign of zero
    return text.rstrip("0").rstrip(".") if places else text
