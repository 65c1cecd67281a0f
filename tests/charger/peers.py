"""The other end of a connection: a charger that speaks OCPP-J, and one that speaks bytes."""

import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from levity_trio.charger.central import Central, RegisteredSession
from levity_trio.charger.commands import Chargers, ConnectedCharger
from levity_trio.charger.connection import serve_connection

PATH = "/ocpp/CP-1"
KEY = base64.b64encode(b"sixteen bytes ok").decode()
TEXT, CONTINUATION, BINARY, CLOSE, PING, PONG = 1, 0, 2, 8, 9, 10

StreamPair = Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]


def at(address: str) -> StreamPair:
    """Streams in memory whose charger is at this address (see conftest.py)."""

    def pair() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        ours, theirs = memory_stream_pair()
        ours.address = address  # type: ignore[attr-defined]  # as a socket has one
        return ours, theirs

    return pair


class Charger:
    """A charger on an open WebSocket."""

    def __init__(self, websocket: WebSocketConnection) -> None:
        self.websocket = websocket
        self._ids = itertools.count(1)

    async def send(self, text: str) -> None:
        await self.websocket.send_message(text)

    async def send_call(self, action: str, payload: object) -> str:
        """Send a CALL and return its message id."""
        message_id = f"c{next(self._ids)}"
        await self.send(json.dumps([2, message_id, action, payload]))
        return message_id

    async def receive(self) -> list[Any]:
        """Return the next frame of the server."""
        frame = json.loads(await self.websocket.get_message())
        assert isinstance(frame, list)
        return frame

    async def call(self, action: str, payload: object = None) -> Any:
        """Send a CALL and return the payload of its CALLRESULT."""
        message_id = await self.send_call(action, {} if payload is None else payload)
        frame = await self.receive()
        assert frame[:2] == [3, message_id]
        return frame[2]

    async def refused(self, action: str, payload: object) -> str:
        """Send a CALL and return the code of its CALLERROR."""
        message_id = await self.send_call(action, payload)
        frame = await self.receive()
        assert frame[:2] == [4, message_id]
        return str(frame[2])

    async def wait_closed(self) -> tuple[int, str | None]:
        """Read until the server closes; return its close code and reason."""
        with suppress(ConnectionClosed):
            while True:
                await self.websocket.get_message()
        reason = self.websocket.closed
        assert reason is not None
        return int(reason.code), reason.reason

    async def wait_closed_silently(self) -> tuple[int, str | None]:
        """Like wait_closed, but fail if a message arrives before."""
        with pytest.raises(ConnectionClosed):
            await self.websocket.get_message()
        return await self.wait_closed()


@asynccontextmanager
async def open_charger(
    central: Central,
    path: str = PATH,
    subprotocols: Sequence[str] = ("ocpp1.6",),
    headers: Sequence[tuple[bytes, bytes]] = (),
    pair: StreamPair = memory_stream_pair,
) -> AsyncIterator[Charger]:
    """A charger after its handshake. On exit it closes the connection and waits for the server to
    finish."""
    ours, theirs = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, central, ours)
        websocket = await wrap_client_stream(
            nursery,
            theirs,  # type: ignore[arg-type]  # annotated for sockets only
            "test",
            path,
            subprotocols=subprotocols,
            extra_headers=list(headers),
        )
        async with websocket:
            yield Charger(websocket)


class RawPeer:
    """A peer that sends arbitrary bytes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._received = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def send_frame(
        self, data: bytes | str, opcode: int = TEXT, *, is_last: bool = True
    ) -> None:
        await self.send(frame(data, opcode, is_last=is_last))

    async def read_head(self) -> str:
        """Return the head of the server's HTTP response."""
        while b"\r\n\r\n" not in self._received:
            await self._read_more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head.decode("ascii")

    async def read_to_end(self) -> bytes:
        """Return everything received until the server closes the connection."""
        while data := await self.stream.receive_some():
            self._received += data
        received, self._received = self._received, b""
        return received

    async def receive_frame(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next WebSocket frame, of up to 65535 bytes."""
        opcode, size = await self._take(2)
        if size == 126:
            size = int.from_bytes(await self._take(2), "big")
        return opcode & 0x0F, await self._take(size)

    async def receive(self) -> list[Any]:
        """Return the next OCPP-J frame."""
        opcode, payload = await self.receive_frame()
        assert opcode == TEXT
        loaded = json.loads(payload)
        assert isinstance(loaded, list)
        return loaded

    async def wait_closed(self) -> tuple[int, str]:
        """Read until the server's close frame; return its code and reason."""
        while True:
            opcode, payload = await self.receive_frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            await self._read_more()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    async def _read_more(self) -> None:
        data = await self.stream.receive_some()
        assert data, f"the server closed the connection after {self._received!r}"
        self._received += data


@asynccontextmanager
async def open_raw(
    central: Central, pair: StreamPair = memory_stream_pair
) -> AsyncIterator[RawPeer]:
    """A connection before its handshake. On exit it is cut and the server has finished with it."""
    ours, theirs = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, central, ours)
        async with theirs:
            yield RawPeer(theirs)


@asynccontextmanager
async def open_raw_charger(
    central: Central, path: str = PATH, pair: StreamPair = memory_stream_pair
) -> AsyncIterator[RawPeer]:
    """A raw peer after a plain handshake."""
    async with open_raw(central, pair) as peer:
        await peer.send(upgrade(path))
        assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
        yield peer


def upgrade(target: str = PATH, *lines: str, subprotocol: str | None = "ocpp1.6") -> bytes:
    """An upgrade request with further header lines."""
    offer = [f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []
    head = [
        f"GET {target} HTTP/1.1",
        "Host: test",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    ]
    return ("\r\n".join([*head, *offer, *lines]) + "\r\n\r\n").encode("latin-1")


def frame(data: bytes | str, opcode: int = TEXT, *, is_last: bool = True) -> bytes:
    """A client's WebSocket frame, with a mask of zeros."""
    payload = data.encode() if isinstance(data, str) else data
    first = (0x80 if is_last else 0) | opcode
    if len(payload) < 126:
        size = bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        size = bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    else:
        size = bytes([0x80 | 127]) + len(payload).to_bytes(8, "big")
    return bytes([first]) + size + bytes(4) + payload


def connected(central: Central, charger: str = "CP-1") -> ConnectedCharger:
    """Return a charger as a plugin sees it."""
    return ConnectedCharger(charger, "a test", Chargers(central), central.config.strict)


def session_of(central: Central, charger: str = "CP-1") -> RegisteredSession:
    """Return the current session of a charger."""
    session = central.registry.find(charger)
    assert session is not None
    return session
