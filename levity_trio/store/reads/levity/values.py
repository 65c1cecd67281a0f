"""The values of Levity's rows as ours: times, whole numbers, texts. A column may hold anything."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from levity_trio.wire.texts import cut
from levity_trio.wire.times import FIRST_BELIEVABLE, parse_time, stamp

LARGEST: Final = 2**53
LONGEST_IDENTITY: Final = 48
FIRST: Final = stamp(FIRST_BELIEVABLE)


@lru_cache(maxsize=4096)
def time_of(value: object) -> str | None:
    """Return a time in the database's format; None for what is no time. Many rows have the same."""
    found = parse_time(value) if isinstance(value, str) else None
    return None if found is None else stamp(found)


def whole(value: object) -> int | None:
    """Return a whole number, rounded half up; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        return None
    return value if isinstance(value, int) else int((value + 0.5) // 1)


def number_text(value: float) -> str:
    """Return a number as a charger would send it: without an exponent for the sizes that meters have."""
    return str(int(value)) if abs(value) <= LARGEST and value == int(value) else repr(value)


@lru_cache(maxsize=4096, typed=True)
def text_of(value: object) -> str | None:
    """Return a text, cut if it is too long; None for an empty one, as Levity's defaults are empty."""
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return cut(f"x'{value.hex()}'")
    return cut(value if isinstance(value, str) else str(value))


def is_identity(value: object) -> bool:
    """Whether a charger can have this identity here."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_IDENTITY and value.isprintable() and "/" not in value


def payload_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it can be stored as JSON: numbers as they are, all else as text."""
    return {name: value if isinstance(value, int | float) else text_of(value) for name, value in row.items()}
