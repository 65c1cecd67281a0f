"""HTTP clients on raw bytes, free to violate the protocol."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
import trio

from levity_trio.listening.addresses import Flags, listen

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60


async def on_a_free_port() -> list[trio.SocketListener]:
    return await listen(HOST, 0, Flags())


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """Return a request with `Connection: close`."""
    lines = {
        "host": "localhost",
        "connection": "close",
        "content-length": str(len(body)),
        **headers,
    }
    head = [
        f"{method} {path} HTTP/1.1",
        *(f"{name.replace('_', '-')}: {value}" for name, value in lines.items()),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def exchange(port: int, sent: bytes) -> Answer:
    """Send bytes, and read a response until the connection ends."""
    async with await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(sent)
        return await read_answer(stream)


async def read_answer(stream: trio.abc.ReceiveStream) -> Answer:
    received = b""
    with trio.fail_after(PATIENCE_SECONDS):
        async for part in stream:
            received += part
    return parsed(received)


def parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    return Answer(int(first.split(" ")[1]), headers, body)
