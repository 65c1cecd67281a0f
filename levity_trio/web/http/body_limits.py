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


class _Gone(Exception):
    """The client disconnected before its body was complete."""


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


@record(kw_only=False)
class Bodies:
    """ASGI middleware that passes bodies to `app`. `cut` closes the connection at once.

    `is_streamed` says which requests have a body that is streamed.
    """

    app: ASGIApp
    limit_bytes: int
    limit_seconds: float
    cut: Callable[[], None]
    is_streamed: Callable[[Scope], bool] = is_never_streamed
    stream_limits: StreamLimits = DEFAULT_STREAM_LIMITS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # Before it is accepted, this is a 403 for the client.
            await send({"type": "websocket.close"})
        elif self.is_streamed(scope):
            await self._stream(scope, receive, send)
        else:
            await self._pass_whole(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Streamed(receive, self.stream_limits)

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
        body, is_whole = bytearray(), False
        try:
            with trio.fail_after(self.limit_seconds):
                while not is_whole and len(body) <= self.limit_bytes:
                    part, is_whole = await _part(receive)
                    body += part
        except _Gone:
            return
        except trio.TooSlowError:
            text = Told("the body did not arrive within {1}", Quantity(self.limit_seconds, "s"))
            await self._refuse(HTTPStatus.REQUEST_TIMEOUT, text, scope, receive, send)
            return
        if len(body) > self.limit_bytes:
            await _discard(receive)
            text = Told("the body is too large; the limit is {1} bytes", self.limit_bytes)
            await self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, scope, receive, send)
            return

        parts: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def receive_whole() -> Message:
            # Later calls wait for the client to disconnect.
            return parts.pop() if parts else await receive()

        await self.app(scope, receive_whole, send)

    async def _refuse(
        self, status: int, text: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send the response, then close: Hypercorn's reader could hang forever on a body that
        nobody reads."""
        with trio.move_on_after(REFUSAL_SECONDS):
            await problem(status, text, headers={"connection": "close"})(scope, receive, send)
        self.cut()


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


async def _part(receive: Receive) -> tuple[bytes, bool]:
    """Return the next part of a body, and whether it was the last. Raises _Gone."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Gone
    return message.get("body", b""), _is_last(message)


async def _discard(receive: Receive) -> None:
    with trio.move_on_after(DISCARD_SECONDS):
        try:
            while not (await _part(receive))[1]:
                pass
        except _Gone:
            return
