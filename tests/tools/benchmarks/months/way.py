"""One direction of a line."""

from __future__ import annotations

from collections import deque

import trio
from trio_websocket import CloseReason, ConnectionClosed


class Way:
    """The texts in one direction, each with the moment at which it arrives."""

    def __init__(self) -> None:
        self._texts: deque[tuple[float, str]] = deque()
        self._arrived: trio.Event | None = None
        self.end: CloseReason | None = None
        """Why the sender ended the connection."""

    def send(self, text: str, at: float) -> None:
        """Raises ConnectionClosed if its sender has closed it."""
        if self.end is not None:
            raise ConnectionClosed(self.end)
        self._texts.append((at, text))
        self._wake()

    def close(self, code: int, reason: str = "") -> None:
        self.end = self.end or CloseReason(code, reason)
        self._wake()

    async def receive(self) -> str:
        """Return the next text. Raises ConnectionClosed after the last one."""
        while not self._texts:
            if self.end is not None:
                raise ConnectionClosed(self.end)
            self._arrived = trio.Event()
            await self._arrived.wait()
        if self._texts[0][0] > trio.current_time():
            await trio.sleep_until(self._texts[0][0])
        return self._texts.popleft()[1]

    def _wake(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
