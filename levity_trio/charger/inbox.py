"""The queue of messages that a charger has sent and that need a response, in their order.

Its length is bounded here, its memory by the budget. A charger that was offline returns with a
burst of messages; when the inbox is full the reader waits, which applies back-pressure through TCP.

An empty memory channel of trio would take 1.4 KB more for each charger.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import trio

INBOX_CALLS: Final = 64
INBOX_SECONDS: Final = 30.0

T = TypeVar("T")


class Inbox(Generic[T]):
    """One session's inbox: the reader uses `put`, the worker `take`. Items remain available after
    `close`."""

    __slots__ = ("_arrived", "_is_closed", "_items", "_room")

    def __init__(self) -> None:
        self._items: list[T] = []
        self._is_closed = False
        self._arrived: trio.Event | None = None
        """Made when the worker waits for an item, and `_room` when the reader waits for room."""
        self._room: trio.Event | None = None

    async def put(self, item: T) -> None:
        """Add an item, waiting for room.

        Raises:
            trio.TooSlowError: the worker took no item for INBOX_SECONDS.
        """
        while self.is_full:
            self._room = trio.Event()
            with trio.fail_after(INBOX_SECONDS):
                await self._room.wait()
            self._room = None
        self.put_nowait(item)

    @property
    def is_full(self) -> bool:
        return len(self._items) >= INBOX_CALLS

    def put_nowait(self, item: T) -> None:
        """Add an item. The inbox must not be full."""
        self._items.append(item)
        self._wake_worker()

    async def take(self) -> T:
        """Return the next item. Raises trio.EndOfChannel after the last item of a closed inbox."""
        if self._items:
            await trio.lowlevel.checkpoint()
        while not self._items:
            if self._is_closed:
                raise trio.EndOfChannel
            self._arrived = trio.Event()
            await self._arrived.wait()
        if self._room is not None:
            self._room.set()
        return self._items.pop(0)

    def close(self) -> None:
        """Accept no more items."""
        self._is_closed = True
        self._wake_worker()

    def _wake_worker(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
