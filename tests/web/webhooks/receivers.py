"""A receiver of webhooks on raw bytes, which checks each signature with a library that is not
ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson
import trio
from standardwebhooks import Webhook

from tests.web.clients import HOST

Respond = Callable[[dict[str, Any]], bytes | None]
PATH = "/in?from=levity&token=of-the-house"
ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"


def accept(_message: dict[str, Any]) -> bytes:
    return ACCEPTED


class Delivered(NamedTuple):
    """A delivery: the id of its fact, which attempt it is, and its body."""

    id: str
    attempt: int
    body: dict[str, Any]


class Receiver:
    """What arrived, in order. `respond` chooses the bytes of the response; None leaves the sender
    without one."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}{PATH}"
        self.secret: str | None = None
        self.delivered: list[Delivered] = []
        self.respond: Respond = accept

    def kinds(self) -> list[str]:
        return [one.body["kind"] for one in self.delivered]

    def numbers(self) -> list[int]:
        return [one.body["id"] for one in self.delivered]

    async def until(self, count: int) -> None:
        """Wait until so many deliveries arrived."""
        with trio.fail_after(60):
            while len(self.delivered) < count:  # noqa: ASYNC110 - what fails is seen by the test
                await trio.sleep(0.01)

    async def serve(self, stream: trio.SocketStream) -> None:
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += await stream.receive_some(65536)
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        assert first == f"POST {PATH} HTTP/1.1"
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        while len(body) < int(headers["content-length"]):
            body += await stream.receive_some(65536)
        self._note(headers, body)
        answer = self.respond(orjson.loads(body))
        if answer is None:
            await trio.sleep_forever()
        else:
            await stream.send_all(answer)

    def _note(self, headers: dict[str, str], body: bytes) -> None:
        if self.secret is not None:
            # raises if the signature or its time is wrong
            Webhook(self.secret).verify(body, headers)
        self.delivered.append(
            Delivered(headers["webhook-id"], int(headers["webhook-attempt"]), orjson.loads(body))
        )


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver on this port while the block runs."""
    listeners = await trio.open_tcp_listeners(port, host=HOST)
    receiver = Receiver(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, receiver.serve, listeners)
        yield receiver
        nursery.cancel_scope.cancel()
