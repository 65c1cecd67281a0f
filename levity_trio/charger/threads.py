"""Stretching of passwords, which takes tens of milliseconds of a processor: in a thread, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_ONE: Final = trio.CapacityLimiter(1)


async def stretch(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function in the thread."""
    return await trio.to_thread.run_sync(function, *args, limiter=_ONE)
