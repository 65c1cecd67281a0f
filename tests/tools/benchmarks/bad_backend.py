"""Backends that are not as they should be, each as a process of its own.

python -m tests.tools.benchmarks.bad_backend KIND PORT
"""

from __future__ import annotations

import hashlib
import struct
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from tests.integration.backend_central import Central, honest

SLOW_SECONDS: Final = 10.0
WEBSOCKET_KEY: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HUGE_BYTES: Final = 100 * 1024 * 1024
PART: Final = bytes(65_536)
TRIGGER: Final = b'[2,"%d","TriggerMessage",{"requestedMessage":"Heartbeat"}]'
Raw = Callable[[trio.SocketStream], Awaitable[None]]


async def _handshake(stream: trio.SocketStream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        more = await stream.receive_some()
        if not more:
            raise trio.BrokenResourceError
        head += more
    start = head.lower().index(b"sec-websocket-key:") + len(b"sec-websocket-key:")
    key = head[start:].partition(b"\r\n")[0].strip()
    accept = b64encode(hashlib.sha1(key + WEBSOCKET_KEY).digest())  # noqa: S324 - RFC 6455 §4.2.2
    await stream.send_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return head


def _text(text: bytes) -> bytes:
    if len(text) < 126:
        return bytes((0x81, len(text))) + text
    return bytes((0x81, 126)) + struct.pack(">H", len(text)) + text


async def frozen(stream: trio.SocketStream) -> None:
    """Accept TCP and say nothing."""
    with stream.socket:
        await trio.sleep_forever()


async def silent(stream: trio.SocketStream) -> None:
    """Answer the handshake and nothing else."""
    await _handshake(stream)
    async for _ in stream:
        pass


async def frames(stream: trio.SocketStream) -> None:
    """Send frames without end."""
    await _handshake(stream)
    while True:
        await stream.send_all(_text(b'[3,"nobody asked",{}]') * 1000)


async def calls(stream: trio.SocketStream) -> None:
    """Ask without end."""
    await _handshake(stream)
    while True:
        await stream.send_all(_text(b'[2,"1","GetConfiguration",{}]') * 1000)


async def pings(stream: trio.SocketStream) -> None:
    """Send pings without end."""
    await _handshake(stream)
    while True:
        await stream.send_all(b"\x89\x04ping" * 1000)


async def huge(stream: trio.SocketStream) -> None:
    """Send one message of 100 MB."""
    await _handshake(stream)
    await stream.send_all(bytes((0x81, 127)) + struct.pack(">Q", HUGE_BYTES))
    for _ in range(HUGE_BYTES // len(PART)):
        await stream.send_all(PART)
    await trio.sleep_forever()


async def head(stream: trio.SocketStream) -> None:
    """Answer the handshake with headers without end."""
    await stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await stream.send_all(b"X-More: and more\r\n" * 1000)


async def triggers(stream: trio.SocketStream) -> None:
    """Answer each message, and ask for the next one, for ever."""
    await _handshake(stream)
    buffer, number = b"", 0
    while data := await stream.receive_some():
        buffer += data
        while (taken := _unmasked(buffer)) is not None:
            text, buffer = taken
            if not text.startswith(b"[2,"):
                continue
            number += 1
            identity = text[3 : text.index(b'"', 4) + 1]
            answer = b'[3,%s,{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z",' % identity
            answer += b'"interval":300,"transactionId":%d}]' % number
            await stream.send_all(_text(answer) + _text(TRIGGER % number))


def _unmasked(buffer: bytes) -> tuple[bytes, bytes] | None:
    """The payload of the first frame, and the rest; None while it is not whole."""
    if len(buffer) < 2:
        return None
    size, start = buffer[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(buffer[2:4]), 4
    end = start + 4 + size
    if len(buffer) < end:
        return None
    mask = buffer[start : start + 4]
    payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(buffer[start + 4 : end]))
    return payload, buffer[end:]


RAW: Final[dict[str, Raw]] = {
    each.__name__: each for each in (frozen, silent, frames, calls, pings, huge, head, triggers)
}
KINDS: Final = ("there", "away", "slow", *RAW)


async def _surviving(raw: Raw, stream: trio.SocketStream) -> None:
    try:
        async with stream:
            await raw(stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


def main(kind: str, port: int) -> None:
    """Listen until killed."""
    begun = partial(print, "listening", flush=True)
    if kind in RAW:

        async def serve() -> None:
            async with trio.open_nursery() as nursery:
                serving = partial(trio.serve_tcp, partial(_surviving, RAW[kind]), port)
                await nursery.start(partial(serving, host="127.0.0.1"))
                begun()

        trio.run(serve)
        return
    pause = SLOW_SECONDS if kind == "slow" else 0.0
    trio.run(Central(honest(), pause=pause).listen, port, begun)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
