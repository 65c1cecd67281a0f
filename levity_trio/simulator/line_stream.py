"""The charger's byte stream, below the WebSocket library.

A frame is sent whole or the connection ends: half a frame would corrupt all later ones. Misbehaviour of the socket is
also implemented here, because the library answers pings and reads on its own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import trio

PONG: Final = bytes([0x8A])
"""The first byte of an unfragmented pong (RFC 6455 §5.2). The library sends one frame per call."""
SEND_SECONDS: Final = 5.0


class LineStream(trio.abc.HalfCloseableStream):
    """A transport that can fall silent, and that breaks instead of answering a ping if the charger tolerates none.

    When silent it accepts data and discards it. A frame already being sent is completed.
    """

    __slots__ = ("_answers_pings", "_closed", "_is_silent", "_send_seconds", "_sending", "_transport")

    def __init__(self, transport: trio.abc.Stream, *, answers_pings: bool, send_seconds: float = SEND_SECONDS) -> None:
        self._transport = transport
        self._answers_pings = answers_pings
        self._send_seconds = send_seconds
        self._is_silent = False
        self._closed: trio.Event | None = None
        self._sending = trio.Lock()

    def freeze(self) -> None:
        """Stop reading and sending, and leave the socket open."""
        self._is_silent = True
        if self._closed is None:
            self._closed = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._transport.receive_some(max_bytes)
        if self._closed is not None:
            await self._closed.wait()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all data even if cancelled. Raises BrokenResourceError if the peer does not read it in time."""
        if self._is_silent:
            return
        if not self._answers_pings and data[:1] == PONG:
            await trio.aclose_forcefully(self._transport)
            raise trio.BrokenResourceError("this charger does not tolerate pings")
        sent = self._send_at_once(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    def _send_at_once(self, data: bytes | bytearray | memoryview) -> int:
        """Write what fits into the socket's buffer, nearly always everything, and return the number of bytes.

        This saves a cancel scope for each frame, which matters with thousands of chargers.
        """
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
            raise trio.BrokenResourceError(f"the central system read nothing for {self._send_seconds:g} s")

    async def send_eof(self) -> None:
        """Close the sending half of the TCP connection, also below TLS. A broken connection is ignored."""
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
