"""The bytes of a charger that misbehaves below its messages: that falls silent, or cannot bear a ping.

The library answers pings by itself, and reads as long as it lives; so what a charger does to its socket is done here.
"""

from __future__ import annotations

from typing import Final

import trio

PONG: Final = 0x8A
"""The first byte of a whole pong (RFC 6455 §5.2); the library sends one frame at a time."""


class LineStream(trio.abc.Stream):
    """A transport that can be frozen, and that breaks instead of answering a ping where the charger bears none."""

    __slots__ = ("_bears_pings", "_thawed", "_transport")

    def __init__(self, transport: trio.abc.Stream, *, bears_pings: bool) -> None:
        self._transport = transport
        self._bears_pings = bears_pings
        self._thawed: trio.Event | None = None

    def freeze(self) -> None:
        """Fall silent: nothing is read or sent any more, and the socket stays open until it is closed."""
        self._thawed = self._thawed or trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._transport.receive_some(max_bytes)
        await self._wait_thawed()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._wait_thawed()
        if not self._bears_pings and bytes(data[:1]) == bytes([PONG]):
            await trio.aclose_forcefully(self._transport)
            raise trio.BrokenResourceError("this charger bears no pings")
        await self._transport.send_all(data)

    async def send_eof(self) -> None:
        """Close the sending half, and stay."""
        if isinstance(self._transport, trio.abc.HalfCloseableStream):
            await self._transport.send_eof()

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        if self._thawed is not None:
            self._thawed.set()
            await trio.aclose_forcefully(self._transport)
        await self._transport.aclose()

    async def _wait_thawed(self) -> None:
        if self._thawed is not None:
            await self._thawed.wait()
