"""The simulator's only use of trio-websocket, as a client.

If the connection ends during the handshake, the library's reader task ends silently and the handshake would wait for
ever. So the end of that task cancels the wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

__all__ = ["GONE", "Opened", "WebSocketConnection", "open_websocket", "why"]

SUBPROTOCOL: Final = "ocpp1.6"
HANDSHAKE_SECONDS: Final = 30.0
GOODBYE_SECONDS: Final = 2.0
MAX_MESSAGE_CHARACTERS: Final = 1024 * 1024
REFUSAL_CHARACTERS: Final = 120
GONE: Final = (
    *(ConnectionClosed, HandshakeError, ProtocolError, OSError),
    *(trio.BrokenResourceError, trio.ClosedResourceError),
)
"""Exceptions that mean that there is no connection, or no longer."""

Reader = Callable[[], Awaitable[None]]
Opened = tuple[WebSocketConnection, trio.CancelScope]
"""A WebSocket, and the scope whose cancellation ends it without a close frame."""


class _Library:
    """The part of a nursery that the library uses; the end of the library's task cancels `waiting`."""

    def __init__(self, nursery: trio.Nursery, waiting: trio.CancelScope) -> None:
        self._nursery = nursery
        self._waiting = waiting

    def start_soon(self, reader: Reader) -> None:
        self._nursery.start_soon(self._read, reader)

    async def _read(self, reader: Reader) -> None:
        try:
            await reader()
        except GONE:
            raise
        except Exception as error:  # h11's errors on a bad upgrade response, which wsproto does not catch
            raise HandshakeError(f"invalid response from the central system: {error}") from error
        self._waiting.cancel()


@asynccontextmanager
async def open_websocket(
    stream: trio.abc.Stream,
    authority: str,
    target: str,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    offers_subprotocol: bool,
) -> AsyncIterator[Opened]:
    """Open a WebSocket, which the library reads while the block runs. A normal exit sends a close frame.

    Raises one of GONE, in a group, if there is no connection, or no longer.
    """
    async with trio.open_nursery() as library:
        with trio.move_on_after(HANDSHAKE_SECONDS) as waiting:
            websocket = await wrap_client_stream(
                _Library(library, waiting),  # type: ignore[arg-type]  # the library uses only start_soon
                stream,  # type: ignore[arg-type]  # annotated for sockets, made for any stream
                authority,
                target,
                subprotocols=[SUBPROTOCOL] if offers_subprotocol else None,
                extra_headers=list(headers),
                max_message_size=MAX_MESSAGE_CHARACTERS,
            )
        if waiting.cancelled_caught:
            raise HandshakeError("the handshake was not answered")
        yield websocket, library.cancel_scope
        with trio.move_on_after(GOODBYE_SECONDS):
            await websocket.aclose()
        library.cancel_scope.cancel()


def why(gone: BaseException) -> str:
    """Describe for people why the connection failed or ended."""
    while isinstance(gone, BaseExceptionGroup):
        gone = gone.exceptions[0]
    if isinstance(gone, ConnectionRejected):
        return f"refused: HTTP {gone.status_code} {_first_line(gone.body or b'')}".rstrip()
    if isinstance(gone, ConnectionClosed) and gone.reason is not None:
        return f"closed: {gone.reason.code} {gone.reason.reason or ''}".strip()
    return str(gone) or str(gone.__cause__ or "") or type(gone).__name__


def _first_line(body: bytes) -> str:
    """The first line of a refusal's body, for people; empty for HTML."""
    line, _, _ = body.decode("utf-8", "replace").strip().partition("\n")
    return "" if line.startswith("<") else "".join(filter(str.isprintable, line))[:REFUSAL_CHARACTERS]
