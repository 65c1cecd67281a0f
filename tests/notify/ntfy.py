"""A receiver with the format that ntfy documents for "publish as JSON", and one of signs of
life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio

HOST = "127.0.0.1"
KNOWN = {
    "topic",
    "message",
    "title",
    "tags",
    "priority",
    "actions",
    "click",
    "attach",
    "markdown",
    "icon",
    "filename",
}


class Ntfy:
    """What was requested, in order: each request's headers, and what was published."""

    def __init__(self, port: int, token: str | None) -> None:
        self.url = f"http://{HOST}:{port}"
        self.headers: list[dict[str, str]] = []
        self.heads: list[bytes] = []
        self.published: list[dict[str, Any]] = []
        self.status = b"200 OK"
        self.unfit = ""
        """A topic that it refuses."""
        self._token = token

    async def until(self, count: int) -> None:
        """Wait until so many requests arrived."""
        with trio.fail_after(60):
            while len(self.heads) < count:  # noqa: ASYNC110 - what fails is seen by the test
                await trio.sleep(0.01)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive_some(65536)
            head, _, body = received.partition(b"\r\n\r\n")
            _, *lines = head.decode().split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
            }
            while len(body) < int(headers.get("content-length", 0)):
                body += await stream.receive_some(65536)
            self.heads.append(head)
            self.headers.append(headers)
            await stream.send_all(self._answer(headers, body))

    def _answer(self, headers: dict[str, str], body: bytes) -> bytes:
        if self._token is not None and headers.get("authorization") != f"Bearer {self._token}":
            return _response(b"403 Forbidden", {"code": 40301, "http": 403, "error": "forbidden"})
        if body:
            message = orjson.loads(body)
            assert message.keys() <= KNOWN
            assert isinstance(message["topic"], str)
            if message["topic"] == self.unfit:
                return _response(
                    b"400 Bad Request", {"code": 40009, "http": 400, "error": "invalid topic"}
                )
            self.published.append(message)
        return _response(self.status, {"id": "sPs71M8A2T", "event": "message"})


def _response(status: bytes, body: dict[str, Any]) -> bytes:
    content = orjson.dumps(body)
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        status,
        len(content),
        content,
    )


@asynccontextmanager
async def serving_ntfy(token: str | None = None) -> AsyncIterator[Ntfy]:
    """A receiver while the block runs."""
    listeners = await trio.open_tcp_listeners(0, host=HOST)
    ntfy = Ntfy(listeners[0].socket.getsockname()[1], token)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, ntfy.serve, listeners)
        yield ntfy
        nursery.cancel_scope.cancel()
