"""The turns of those who try passwords: one at a time, because each takes a processor for a quarter of a second.

Strangers wait in a bounded queue, few of one address. A browser that is known waits outside that queue, behind at most
one stranger; so a flood, even from the owner's own address, keeps nobody out who has logged in before. The drivers'
port has a queue of its own, so that its strangers take no place from those at the port of the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.web.api.problems import busy

MOST_WAITING: Final = 8
MOST_OF_ADDRESS: Final = 2
RETRY_SECONDS: Final = 3


class Turns:
    """Who waits for a turn at one door; `of_all` is held by the one of all doors who has it."""

    def __init__(self, of_all: trio.Lock) -> None:
        self._of_strangers = trio.Lock()
        self._of_all = of_all
        self._addresses: Counter[str] = Counter()
        self._known: set[str] = set()

    @asynccontextmanager
    async def stranger(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises Problem."""
        if self._addresses.total() >= MOST_WAITING or self._addresses[address] >= MOST_OF_ADDRESS:
            raise _too_many()
        self._addresses[address] += 1
        try:
            await self._of_strangers.acquire()
        finally:
            self._leave_queue(address)
        try:
            async with self._of_all:
                yield
        finally:
            self._of_strangers.release()

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

    def _leave_queue(self, address: str) -> None:
        self._addresses[address] -= 1
        self._addresses += Counter()  # drops those at 0


def _too_many() -> Exception:
    return busy("too_many_log_ins", "too many log-ins are waiting; try again", RETRY_SECONDS)
