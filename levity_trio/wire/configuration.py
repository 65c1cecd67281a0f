"""Values of configuration keys as chargers report them (§9), read as numbers and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LONGEST_NUMBER: Final = 9
"""Digits of a value that is read as a number."""
Values = Mapping[str, str | None]


def number(values: Values, key: str) -> int | None:
    """Return a value that is a whole number, None if it is unknown or something else."""
    value = (values.get(key) or "").strip()
    return int(value) if value.isdecimal() and len(value) <= LONGEST_NUMBER else None


def words(values: Values, key: str) -> list[str]:
    """Return the words of a value that is a list with commas, in their order; empty if it is
    unknown."""
    return [word.strip() for word in (values.get(key) or "").split(",") if word.strip()]
