"""Many values in one statement: `id IN (?, ?, …)`, some hundred at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from typing import Final, TypeVar

T = TypeVar("T")
AT_ONCE: Final = 500


def parts(values: Sequence[T], most: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Yield the values in parts of at most so many, in their order."""
    return (values[begin : begin + most] for begin in range(0, len(values), most))


def marks(values: Sized) -> str:
    """Return a placeholder for each value."""
    return ", ".join("?" * len(values))
