"""What a charger has sent and wants answered, in its order; bounded in number and in bytes.

An offline charger comes back with a burst, hence the number. Beyond either bound the reader waits, so that TCP pushes
back; a parsed frame takes ten times its bytes in memory, hence the other bound.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import trio

INBOX_CALLS: Final = 64
INBOX_SECONDS: Final = 30.0

T = TypeVar("T")


class Inbox(Generic[T]):
    """One session's inbox. `put` is the reader's, `take` the worker's; closed, it ends with what is in it."""

    __slots__ = ("_bytes", "_count", "_most_bytes", "_receive", "_room", "_send")

    def __init__(self, most_bytes: int) -> None:
        self._send, self._receive = trio.open_memory_channel[tuple[T, int]](INBOX_CALLS)
        self._most_bytes = most_bytes
        self._count = self._bytes = 0
        self._room: trio.Event | None = None
        """Made when the reader waits, for most never do."""

    async def put(self, item: T, size: int) -> None:
        """Put in what takes `size` bytes; one alone always fits.

        Raises:
            trio.TooSlowError: nothing was taken out for INBOX_SECONDS.
        """
        while not self.put_nowait(item, size):
            await self._wait_for_room()

    def put_nowait(self, item: T, size: int) -> bool:
        """Put it in if there is room; False where there is none."""
        if self._count >= INBOX_CALLS or (self._count > 0 and self._bytes + size > self._most_bytes):
            return False
        self._count += 1
        self._bytes += size
        self._send.send_nowait((item, size))
        return True

    async def take(self) -> T:
        """The next one. Raises trio.EndOfChannel behind the last of a closed inbox."""
        item, size = await self._receive.receive()
        self._count -= 1
        self._bytes -= size
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
