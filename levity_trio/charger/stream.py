"""The bytes of one charger, beneath the WebSocket library.

What the library cannot do is done here, once, for every frame whatever its kind: a frame leaves whole or the
connection ends (half a frame would corrupt all that follow); any byte is a sign of life, pings and pongs included
(OCPP-J 1.6 §5.3); and bytes that never become a message are bounded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import trio

HEAD_BYTES: Final = 8 * 1024
SEND_SECONDS: Final = 5.0
RECEIVE_BYTES: Final = 2 * 1024
LONGEST_REST_SECONDS: Final = 0.05
FAREWELL_BYTES: Final = 16 * 1024
ALONGSIDE_BYTES: Final = 2 * RECEIVE_BYTES
"""What may come with the bytes of a message: its frame's head, and messages read with it that nobody has taken yet."""
HEAD_END: Final = (b"\r\n\r\n", b"\n\n")


class HeadTooLarge(Exception):
    """The request head did not end within HEAD_BYTES."""


class ChargerStream(trio.abc.Stream):
    """One charger's connection; `last_received` is the monotonic time of its last byte.

    `remote_address` is the peer's, without its port.
    """

    __slots__ = (
        *("_ahead", "_max_unframed_bytes", "_transport", "_unframed_bytes"),
        *("_is_full", "last_received", "on_overflow", "remote_address", "send_seconds"),
    )

    def __init__(self, transport: trio.abc.Stream, max_unframed_bytes: int) -> None:
        self._transport = transport
        self.remote_address = _address(transport)
        self._ahead = b""
        self._max_unframed_bytes = max_unframed_bytes
        self._unframed_bytes = 0
        self._is_full = False
        self.send_seconds = SEND_SECONDS
        self.last_received = trio.current_time()
        self.on_overflow: Callable[[], None] = _ignore

    async def read_head(self) -> bytes:
        """Everything up to the empty line that ends a request head; what came after it stays to be read.

        Raises:
            HeadTooLarge: more than HEAD_BYTES came without that line.
            trio.BrokenResourceError: the peer went away before.
        """
        received = b""
        while (end := _head_end(received)) is None:
            if len(received) > HEAD_BYTES:
                raise HeadTooLarge
            data = await self._transport.receive_some(RECEIVE_BYTES)
            if not data:
                raise trio.BrokenResourceError("the peer left before its request was complete")
            received += data
        if end > HEAD_BYTES:
            raise HeadTooLarge
        self._ahead = received[end:]
        return received[:end]

    def put_first(self, data: bytes) -> None:
        """Let `data` be read before all that is still to come."""
        self._ahead = data + self._ahead

    def message_completed(self) -> None:
        """Say that the bytes so far have become a message."""
        self._unframed_bytes = 0

    def begin_goodbye(self, end: Callable[[], None]) -> None:
        """What still comes is of no use to anybody: `end` is called when there is much of it."""
        self._unframed_bytes = 0
        self._max_unframed_bytes = FAREWELL_BYTES
        self.on_overflow = end

    async def receive_some(
        self,
        max_bytes: int | None = None,  # noqa: ARG002 - how much is fair is decided here
    ) -> bytes | bytearray:
        """The next bytes. Calls `on_overflow` where too many came without a whole message."""
        if self._ahead:
            data: bytes | bytearray = self._ahead
            self._ahead = b""
            await trio.lowlevel.checkpoint()
        else:
            if self._is_full:
                await self._rest()
            data = await self._receive(RECEIVE_BYTES)
            self._is_full = len(data) == RECEIVE_BYTES
        self.last_received = trio.current_time()
        self._unframed_bytes += len(data)
        if self._unframed_bytes > self._max_unframed_bytes + ALONGSIDE_BYTES:
            self.on_overflow()
        return data

    async def _rest(self) -> None:
        """One who fills a read floods, or sends something large: what it cost the loop, it rests for twice.

        Hundreds of empty frames fit into one read, and the library gives nobody a turn between them.
        """
        await trio.sleep(min(LONGEST_REST_SECONDS, 2 * (trio.current_time() - self.last_received)))

    async def _receive(self, max_bytes: int) -> bytes | bytearray:
        """Wait, then read: the transport itself would first try in vain, at the price of a system call."""
        if not isinstance(self._transport, trio.SocketStream):
            return await self._transport.receive_some(max_bytes)
        descriptor = self._transport.socket.fileno()
        if descriptor < 0:
            raise trio.ClosedResourceError
        try:
            await trio.lowlevel.wait_readable(descriptor)
            if self._transport.socket.fileno() != descriptor:  # closed meanwhile, and its number perhaps another's
                raise trio.ClosedResourceError
            return os.read(descriptor, max_bytes)
        except BlockingIOError:
            return await self._transport.receive_some(max_bytes)
        except OSError as error:
            raise trio.BrokenResourceError(f"the peer went away: {error}") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, or end the connection: within `send_seconds`, even while being cancelled.

        Raises:
            trio.BrokenResourceError: the peer did not take it; the connection is closed.
        """
        sent = self._send_at_once(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    def _send_at_once(self, data: bytes | bytearray | memoryview) -> int:
        """As much as the socket's buffer takes, which is nearly always all: without a scope, a deadline and a turn of
        the loop, which together would cost a third of an answer. The library's own lock gives the others their turn.
        """
        if not isinstance(self._transport, trio.SocketStream):
            return 0
        try:
            return os.write(self._transport.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(f"the peer went away: {error}") from error

    async def _send_rest(self, data: memoryview) -> None:
        with trio.move_on_after(self.send_seconds, shield=True) as scope:
            await self._transport.send_all(data)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError(f"the peer took nothing for {self.send_seconds:g} s")

    async def wait_send_all_might_not_block(self) -> None:
        """As the transport says."""
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._transport.aclose()


def _address(transport: trio.abc.Stream) -> str:
    if not isinstance(transport, trio.SocketStream):
        return "memory"
    try:
        return str(transport.socket.getpeername()[0])
    except OSError:  # it has left again
        return "unknown"


def _ignore() -> None:
    """Nobody has asked to be told yet."""


def _head_end(received: bytes) -> int | None:
    ends = [received.index(mark) + len(mark) for mark in HEAD_END if mark in received]
    return min(ends, default=None)
