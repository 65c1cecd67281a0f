"""The turns of those who try passwords: one at a time, because each takes a processor for up to a
quarter of a second.

Strangers wait in a bounded queue, few of one address, and one of each where it is full: an address
that has none in it displaces the second of another. A browser that is known waits outside that
queue, behind at most one stranger of each door; so a flood, even from the owner's own address,
keeps nobody out who has logged in before. The drivers' port has a queue of its own, so that its
strangers take no place from those at the port of the API; and so have chargers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
MOST_WAITING: Final = 4
"""The longest queue behind the one whose turn is next at a door: ten people at both doors
together."""
MOST_CHARGERS_WAITING: Final = 9
"""The longest queue of chargers. All may have one address: those of a site come back at the same
time."""
MOST_OF_ADDRESS: Final = 2
RETRY_SECONDS: Final = 3
_ONE: Final = trio.CapacityLimiter(1)


class TooManyWait(Exception):
    """There is no turn for this one now; it may come again in RETRY_SECONDS."""


async def stretch(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function that takes tens of milliseconds of a processor in a thread, one at a time."""
    return await trio.to_thread.run_sync(function, *args, limiter=_ONE)


class Turns:
    """Who waits for a turn at one door; `of_all` is held by the one of all doors who has it."""

    def __init__(
        self, of_all: trio.Lock, most: int = MOST_WAITING, most_of_address: int = MOST_OF_ADDRESS
    ) -> None:
        self._of_strangers = trio.Lock()
        self._of_all = of_all
        self._most, self._most_of_address = most, most_of_address
        self._queue: dict[trio.CancelScope, str] = {}
        """The addresses of strangers, in order of arrival. Whoever is displaced is cancelled."""
        self._known: set[str] = set()

    @asynccontextmanager
    async def stranger(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises TooManyWait."""
        # Whoever was displaced is still in the queue until it runs again.
        waiting = {scope: other for scope, other in self._queue.items() if not scope.cancel_called}
        addresses = Counter(waiting.values())
        if addresses[address] >= self._most_of_address:
            raise TooManyWait
        if len(waiting) >= self._most:
            # An address that has none in it displaces the last one of an address with several.
            several = [scope for scope, other in waiting.items() if addresses[other] > 1]
            if address in addresses or not several:
                raise TooManyWait
            several[-1].cancel()

        with trio.CancelScope() as scope:
            self._queue[scope] = address
            try:
                await self._of_strangers.acquire()
            finally:
                del self._queue[scope]
        if scope.cancelled_caught:
            raise TooManyWait
        try:
            async with self._of_all:
                yield
        finally:
            self._of_strangers.release()

    @asynccontextmanager
    async def known(self, browser: str) -> AsyncIterator[None]:
        """Wait for a turn of a known browser, which has one place, and hold it. Raises
        TooManyWait."""
        if browser in self._known:
            raise TooManyWait
        self._known.add(browser)
        try:
            async with self._of_all:
                yield
        finally:
            self._known.discard(browser)
