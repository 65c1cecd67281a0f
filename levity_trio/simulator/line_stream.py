"""The bytes of a charger, beneath the WebSocket library.

A frame leaves whole or the connection ends: half a frame would corrupt all that follow. And what a charger does to its
socket when it misbehaves is done here, for the library answers pings by itself, and reads as long as it lives.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import trio

PONG: Final = bytes([0x8A])
"""The first byte of a whole pong (RFC 6455 §5.2); the library sends one frame at a time."""
SEND_SECONDS: Final = 5.0


class LineStream(trio.abc.HalfCloseableStream):
    """A transport that can fall silent, and that breaks instead of answering a ping where the charger bears none.

    Silent, it takes what is sent and sends nothing; what was under way leaves whole.
    """

    __slots__ = ("_bears_pings", "_closed", "_is_silent", "_send_seconds", "_sending", "_transport")

    def __init__(self, transport: trio.abc.Stream, *, bears_pings: bool, send_seconds: float = SEND_SECONDS) -> None:
        self._transport = transport
        self._bears_pings = bears_pings
        self._send_seconds = send_seconds
        self._is_silent = False
        self._closed: trio.Event | None = None
        self._sending = trio.Lock()

    def freeze(self) -> None:
        """Nothing is read or sent any more, and the socket stays open until it is closed."""
        self._is_silent = True
        self._closed = self._closed or trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._transport.receive_some(max_bytes)
        if self._closed is not None:
            await self._closed.wait()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, even while being cancelled. Raises BrokenResourceError where nobody takes it."""
        if self._is_silent:
            return
        if not self._bears_pings and data[:1] == PONG:
            await trio.aclose_forcefully(self._transport)
            raise trio.BrokenResourceError("this charger bears no pings")
        sent = self._send_at_once(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    def _send_at_once(self, data: bytes | bytearray | memoryview) -> int:
        """What the socket's buffer takes, which is nearly always all: a fleet of thousands pays for each scope."""
        if not isinstance(self._transport, trio.SocketStream):
            return 0
        try:
            return os.write(self._transport.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(f"the central system went away: {error}") from error

    async def _send_rest(self, data: memoryview) -> None:
        with trio.move_on_after(self._send_seconds, shield=True) as patience:
            async with self._sending:
                await self._transport.send_all(data)
        if patience.cancelled_caught:
            await trio.aclose_forcefully(self._transport)
            raise trio.BrokenResourceError(f"the central system took nothing for {self._send_seconds:g} s")

    async def send_eof(self) -> None:
        """Close the sending half, of TLS too, and stay. A connection that is gone needs no half closed."""
        self._is_silent = True
        transport = self._transport.transport_stream if isinstance(self._transport, trio.SSLStream) else self._transport
        async with self._sending:
            if isinstance(transport, trio.abc.HalfCloseableStream):
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await transport.send_eof()

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        if self._closed is not None:
            self._closed.set()
        await self._transport.aclose()
