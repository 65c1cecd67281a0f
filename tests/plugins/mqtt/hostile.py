"""Brokers that the tests write themselves: they say what mosquitto never does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.plugins.mqtt.broker import Broker

CONNACK: Final = b"\x20\x03\x00\x00\x00"
"""Success, by MQTT 5."""
CONNACK_OF_3: Final = b"\x20\x02\x00\x00"
UNSUPPORTED: Final = b"\x20\x02\x00\x01"
"""What a broker of 3.1.1 says to MQTT 5."""
CONNECT, PUBLISH, PUBACK, PUBREC, PUBCOMP, PINGREQ = 1, 3, 4, 5, 7, 12
Handle = Callable[["Peer"], Awaitable[None]]


def packet(first: int, rest: bytes) -> bytes:
    """Return a packet: its first byte, and what follows the length."""
    length, size = b"", len(rest)
    while size >= 128:
        length, size = length + bytes([size % 128 + 128]), size // 128
    return bytes([first]) + length + bytes([size]) + rest


def message(topic: str, payload: bytes, *, is_retained: bool = False) -> bytes:
    """Return a PUBLISH with QoS 0, by 3.1.1."""
    return packet(0x30 + is_retained, len(topic).to_bytes(2) + topic.encode() + payload)


class Peer:
    """Our client, as the broker sees it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._received = b""

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def receive(self) -> tuple[int, bytes]:
        """Return the kind of the next packet, and what follows its length."""
        while (found := self._next()) is None:
            data = await self._stream.receive_some()
            if not data:
                raise trio.BrokenResourceError
            self._received += data
        return found

    async def greeted(self) -> int:
        """Take CONNECT; return the level of its protocol: 5, or 4 for 3.1.1."""
        kind, rest = await self.receive()
        assert kind == CONNECT
        return rest[6]

    def _next(self) -> tuple[int, bytes] | None:
        size = 0
        for place, byte in enumerate(self._received[1:5]):
            size += byte % 128 << 7 * place
            if byte < 128:
                end = place + 2 + size
                if len(self._received) < end:
                    return None
                found = self._received[0] >> 4, self._received[place + 2 : end]
                self._received = self._received[end:]
                return found
        return None


@asynccontextmanager
async def hostile(handle: Handle) -> AsyncIterator[Broker]:
    """Run a broker that does with each connection what `handle` does, and closes it."""

    async def serve(stream: trio.abc.Stream) -> None:
        try:
            async with stream:
                await handle(Peer(stream))
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        (listening,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, [listening])
        port = listening.socket.getsockname()[1]
        yield Broker(host="127.0.0.1", port=port, is_tls=False, prefix="levity")
        nursery.cancel_scope.cancel()
