"""Reads each request body completely, with limits on size and time, before it reaches the application.

Hypercorn limits neither. All accepted bodies are small, so an application receives its body in one part, and a request
is refused before any route has started.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from levity_trio.web.problems import problem

DISCARD_SECONDS: Final = 1.0
"""How long the rest of an oversized body is read and discarded. Many clients read the response only after sending the
whole body, and closing the connection with unread bytes would discard the response."""
REFUSAL_SECONDS: Final = 1.0


class _Gone(Exception):
    """The client disconnected before its body was complete."""


class _TooLarge(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Bodies:
    """ASGI middleware that passes complete bodies to `app`. `cut` closes the connection at once."""

    app: ASGIApp
    limit_bytes: int
    limit_seconds: float
    cut: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before accepting it: the client receives 403
            return
        try:
            with trio.fail_after(self.limit_seconds):
                body = await self._read(receive)
        except _Gone:
            return
        except _TooLarge:
            await _discard(receive)
            text = f"the body is too large; the limit is {self.limit_bytes} bytes"
            await self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, scope, receive, send)
        except trio.TooSlowError:
            text = f"the body did not arrive within {self.limit_seconds:g} s"
            await self._refuse(HTTPStatus.REQUEST_TIMEOUT, text, scope, receive, send)
        else:
            await self.app(scope, _whole(body, receive), send)

    async def _read(self, receive: Receive) -> bytes:
        body, is_whole = bytearray(), False
        while not is_whole:
            part, is_whole = await _part(receive)
            body += part
            if len(body) > self.limit_bytes:
                raise _TooLarge
        return bytes(body)

    async def _refuse(self, status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, then close: Hypercorn's reader could hang forever on a body that nobody reads."""
        with trio.move_on_after(REFUSAL_SECONDS):
            await problem(status, text, headers={"connection": "close"})(scope, receive, send)
        self.cut()


async def _part(receive: Receive) -> tuple[bytes, bool]:
    """Return the next part of a body, and whether it was the last. Raises _Gone."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Gone
    return message.get("body", b""), not message.get("more_body", False)


async def _discard(receive: Receive) -> None:
    with trio.move_on_after(DISCARD_SECONDS):
        try:
            while not (await _part(receive))[1]:
                pass
        except _Gone:
            return


def _whole(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that returns the body in one part; later calls wait for the client to disconnect."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_whole() -> Message:
        return parts.pop() if parts else await receive()

    return receive_whole
