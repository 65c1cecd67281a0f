"""Limits the size and time of request bodies, which Hypercorn does not.

Most bodies are small: such a body is read completely before it reaches the application, which
receives it in one part, and a request is refused before any route has started. Files are streamed:
the application receives the parts as they arrive, and an exception when a limit is exceeded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from levity_trio.records import record
from levity_trio.told import Quantity, Told
from levity_trio.web.http.problems import BodyRefused, problem

DISCARD_SECONDS: Final = 1.0
"""How long the rest of an oversized body is read and discarded. Many clients read the response only
after sending the whole body, and closing the connection with unread bytes would discard the
response."""
REFUSAL_SECONDS: Final = 1.0


def is_never_streamed(_scope: Scope) -> bool:
    """Return False: all bodies are small."""
    return False


@record(kw_only=False)
class StreamLimits:
    """Limits on streamed bodies: their size, the time without progress, and the time in all."""

    size_bytes: int = 256 * 1024 * 1024
    idle_seconds: float = 60.0
    seconds: float = 3600.0


DEFAULT_STREAM_LIMITS: Final = StreamLimits()


@record
class HttpLimits:
    """Limits on clients. Beyond `connections` concurrent ones, clients wait in the kernel's listen
    queue."""

    connections: int = 64
    idle_seconds: float = 5.0
    """Time-out for receiving the head of the first or next request."""
    body_bytes: int = 1024 * 1024
    body_seconds: float = 10.0
    send_seconds: float = 1.5
    grace_seconds: float = 0.5
    """Time allowed to requests in progress when the block is left, and then to each send."""
    is_streamed: Callable[[Scope], bool] = is_never_streamed
    """Whether a request has a body that is streamed, within `streams`."""
    streams: StreamLimits = DEFAULT_STREAM_LIMITS


@record(kw_only=False)
class Bodies:
    """ASGI middleware that passes bodies to `app`. `cut` closes the connection at once."""

    app: ASGIApp
    limits: HttpLimits
    cut: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # Before it is accepted, this is a 403 for the client.
            await send({"type": "websocket.close"})
        elif self.limits.is_streamed(scope):
            await self._stream(scope, receive, send)
        else:
            await self._pass_whole(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Streamed(receive, self.limits.streams)

        async def respond(message: Message) -> None:
            """Send, once the rest of a refused body is read: Hypercorn's send would wait for its
            reader forever."""
            await body.discard()
            with trio.move_on_after(math.inf if body.is_over else REFUSAL_SECONDS):
                await send(message)

        await self.app(scope, body.receive, respond)
        await body.discard()
        if not body.is_over:
            self.cut()

    async def _pass_whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self.limits
        body = _Streamed(receive, StreamLimits(limits.body_bytes, math.inf, limits.body_seconds))
        whole = bytearray()
        try:
            while not body.is_over:
                message = await body.receive()
                if message["type"] == "http.disconnect":
                    return
                whole += message.get("body", b"")
        except BodyRefused as refused:
            text = str(refused)
            if refused.status == HTTPStatus.REQUEST_TIMEOUT:
                seconds = Quantity(limits.body_seconds, "s")
                text = Told("the body did not arrive within {1}", seconds)
            else:
                await body.discard()
            # Then it is closed: Hypercorn's reader could hang forever on a body that nobody reads.
            response = problem(refused.status, text, headers={"connection": "close"})
            with trio.move_on_after(REFUSAL_SECONDS):
                await response(scope, receive, send)
            self.cut()
            return

        parts: list[Message] = [{"type": "http.request", "body": bytes(whole), "more_body": False}]

        async def receive_whole() -> Message:
            # Later calls wait for the client to disconnect.
            return parts.pop() if parts else await receive()

        await self.app(scope, receive_whole, send)


class _Streamed:
    """A body that is read as it arrives, within limits."""

    def __init__(self, receive: Receive, limits: StreamLimits) -> None:
        self.is_over = False
        self._receive = receive
        self._limits = limits
        self._left_bytes = limits.size_bytes
        self._until = trio.current_time() + limits.seconds
        self._is_discarded = False

    async def discard(self) -> None:
        """Read what is left of the body, once, for a second at most."""
        if self.is_over or self._is_discarded:
            return
        self._is_discarded = True
        with trio.move_on_after(DISCARD_SECONDS):
            while not self.is_over:
                self.is_over = _is_last(await self._receive())

    async def receive(self) -> Message:
        """Return the next message. Raises BodyRefused."""
        # Later calls wait for the client to disconnect.
        if self.is_over:
            return await self._receive()
        deadline = min(self._until, trio.current_time() + self._limits.idle_seconds)
        with trio.move_on_at(deadline) as patience:
            message = await self._receive()
        if patience.cancelled_caught:
            raise BodyRefused(HTTPStatus.REQUEST_TIMEOUT, Told("the body arrives too slowly"))
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            text = Told("the body is too large; the limit is {1} bytes", self._limits.size_bytes)
            raise BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        self.is_over = _is_last(message)
        return message


def _is_last(message: Message) -> bool:
    return message["type"] == "http.disconnect" or not message.get("more_body", False)
