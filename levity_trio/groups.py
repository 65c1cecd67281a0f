"""Exception groups, in which a nursery raises whatever ended one of its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def innermost(error: BaseException) -> BaseException:
    """Return the first leaf of nested exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def unwrapped(*kinds: type[BaseException]) -> Iterator[None]:
    """Raise the first exception of a group that has only these kinds, without the group.

    `except*` cannot do this: a new exception that it raises is wrapped in a group again.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        _, others = group.split(kinds)
        if others is not None:
            raise
        raise innermost(group) from None
