"""The turns of those who try passwords: one at a time, because each takes a processor for a quarter of a second.

Strangers wait in a bounded queue, few of one address, and one of each where it is full: an address that has none in it
displaces the second of another. A browser that is known waits outside that queue, behind at most one stranger of each
door; so a flood, even from the owner's own address, keeps nobody out who has logged in before. The drivers' port has a
queue of its own, so that its strangers take no place from those at the port of the API.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import trio

from levity_trio.web.api.problems import busy

MOST_WAITING: Final = 8
MOST_OF_ADDRESS: Final = 2
RETRY_SECONDS: Final = 3


class _Waiting(NamedTuple):
    """A stranger in the queue. Whoever is displaced from it is cancelled."""

    address: str
    scope: trio.CancelScope


class Turns:
    """Who waits for a turn at one door; `of_all` is held by the one of all doors who has it."""

    def __init__(self, of_all: trio.Lock) -> None:
        self._of_strangers = trio.Lock()
        self._of_all = of_all
        self._queue: list[_Waiting] = []
        self._known: set[str] = set()

    @asynccontextmanager
    async def stranger(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises Problem."""
        self._make_room(address)
        with trio.CancelScope() as scope:
            waiting = _Waiting(address, scope)
            self._queue.append(waiting)
            try:
                await self._of_strangers.acquire()
            finally:
                self._queue.remove(waiting)
        if scope.cancelled_caught:
            raise _too_many()
        try:
            async with self._of_all:
                yield
        finally:
            self._of_strangers.release()

    def _make_room(self, address: str) -> None:
        """Displace the last one of an address with several, if the queue is full and this address has none in it."""
        waiting = [one.address for one in self._queue if not one.scope.cancel_called]
        if waiting.count(address) >= MOST_OF_ADDRESS:
            raise _too_many()
        if len(waiting) < MOST_WAITING:
            return
        several = [one for one in self._queue if not one.scope.cancel_called and waiting.count(one.address) > 1]
        if address in waiting or not several:
            raise _too_many()
        several[-1].scope.cancel()

    @asynccontextmanager
    async def known(self, browser: str) -> AsyncIterator[None]:
        """The same for a known browser, which has one place. Raises Problem."""
        if browser in self._known:
            raise _too_many()
        self._known.add(browser)
        try:
            async with self._of_all:
                yield
        finally:
            self._known.discard(browser)


def _too_many() -> Exception:
    return busy("too_many_log_ins", "too many log-ins are waiting; try again", RETRY_SECONDS)
