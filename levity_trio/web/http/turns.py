"""Work that waits for its turn: one at a time, each followed by a rest as long as it took.

So those who ask without pause leave half of the time to the chargers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class TurnQueue:
    """The turns of one kind of work."""

    def __init__(self) -> None:
        self._lock = trio.Lock()
        self._rested_at = 0.0

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return self._lock.statistics().tasks_waiting

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        async with self._lock:
            await trio.sleep_until(self._rested_at)
            began = trio.current_time()
            try:
                yield
            finally:
                self._rested_at = 2 * trio.current_time() - began
