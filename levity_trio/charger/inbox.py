"""What a charger has sent and wants answered, in its order; bounded in number. Its memory is bounded by the budget.

An offline charger comes back with a burst. Beyond the bound the reader waits, so that TCP pushes back.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import trio

INBOX_CALLS: Final = 64
INBOX_SECONDS: Final = 30.0

T = TypeVar("T")


class Inbox(Generic[T]):
    """One session's inbox. `put` is the reader's, `take` the worker's; closed, it ends with what is in it."""

    __slots__ = ("_receive", "_room", "_send")

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[T](INBOX_CALLS)
        self._room: trio.Event | None = None
        """Made when the reader waits, for most never do."""

    async def put(self, item: T) -> None:
        """Put it in.

        Raises:
            trio.TooSlowError: nothing was taken out for INBOX_SECONDS.
        """
        while not self.put_nowait(item):
            await self._wait_for_room()

    def put_nowait(self, item: T) -> bool:
        """Put it in if there is room; False where there is none."""
        try:
            self._send.send_nowait(item)
        except trio.WouldBlock:
            return False
        return True

    async def take(self) -> T:
        """The next one. Raises trio.EndOfChannel behind the last of a closed inbox."""
        item = await self._receive.receive()
        if self._room is not None:
            self._room.set()
        return item

    def close(self) -> None:
        """Nothing more comes."""
        self._send.close()

    async def _wait_for_room(self) -> None:
        self._room = trio.Event()
        with trio.fail_after(INBOX_SECONDS):
            await self._room.wait()
        self._room = None
