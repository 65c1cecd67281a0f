"""The body of a request, read whole before the application sees it: not too large, and not too slowly.

Hypercorn limits neither. Every body that this house takes is small, so an application need not cope with one that
comes in parts, and a refusal needs no half-run route to be undone.
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
"""How long the rest of a body that is too large is read and thrown away: many clients read no answer before they have
sent all, and closing with bytes unread would take the answer from them."""
REFUSAL_SECONDS: Final = 1.0


class _Gone(Exception):
    """The client left before its body was complete."""


class _TooLarge(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Bodies:
    """An ASGI application in front of another: hands it whole bodies. `cut` ends the connection at once."""

    app: ASGIApp
    limit_bytes: int
    limit_seconds: float
    cut: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # before it was accepted, so the client is told 403
            return
        try:
            with trio.fail_after(self.limit_seconds):
                body = await self._read(receive)
        except _Gone:
            return
        except _TooLarge:
            await _discard(receive)
            text = f"the body is too large; {self.limit_bytes} bytes are taken at most"
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
        """Answer, then cut: Hypercorn's reader may hang for ever on a body that nobody takes from it any more."""
        with trio.move_on_after(REFUSAL_SECONDS):
            await problem(status, text, headers={"connection": "close"})(scope, receive, send)
        self.cut()


async def _part(receive: Receive) -> tuple[bytes, bool]:
    """The next part of a body, and whether it was the last."""
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
    """A `receive` that gives the body in one part; what comes after it is the client's leaving."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_whole() -> Message:
        return parts.pop() if parts else await receive()

    return receive_whole
