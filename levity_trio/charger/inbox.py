"""The queue of messages that a charger has sent and that need a response, in their order.

Its length is bounded here, its memory by the budget. A charger that was offline returns with a burst of messages; when
the inbox is full the reader waits, which applies back-pressure through TCP.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import trio

INBOX_CALLS: Final = 64
INBOX_SECONDS: Final = 30.0

T = TypeVar("T")


class Inbox(Generic[T]):
    """One session's inbox: the reader uses `put`, the worker `take`. Items remain available after `close`."""

    __slots__ = ("_receive", "_room", "_send")

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[T](INBOX_CALLS)
        self._room: trio.Event | None = None
        """Made only when the reader waits, because most readers never do."""

    async def put(self, item: T) -> None:
        """Add an item, waiting for room.

        Raises:
            trio.TooSlowError: the worker took no item for INBOX_SECONDS.
        """
        while not self.put_nowait(item):
            await self._wait_for_room()

    def put_nowait(self, item: T) -> bool:
        """Add an item without waiting; return False if the inbox is full."""
        try:
            self._send.send_nowait(item)
        except trio.WouldBlock:
            return False
        return True

    async def take(self) -> T:
        """Return the next item. Raises trio.EndOfChannel after the last item of a closed inbox."""
        item = await self._receive.receive()
        if self._room is not None:
            self._room.set()
        return item

    def close(self) -> None:
        """Accept no more items."""
        self._send.close()

    async def _wait_for_room(self) -> None:
        self._room = trio.Event()
        with trio.fail_after(INBOX_SECONDS):
            await self._room.wait()
        self._room = None
