"""The only import of trio-websocket in this package; other modules take its names from here.

The library gets the connection only after we have read and checked the request head, and sees a
clean copy of it. If a peer sends a ping after our close frame, the library's reader task raises
wsproto's LocalProtocolError, because the pong may no longer be sent. If a peer breaks the protocol,
the library closes the connection without the close frame that wsproto gives it (RFC 6455 §7.1.7);
the stream sends one instead. The stream also limits the size of messages.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from functools import partial
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection
from wsproto.utilities import LocalProtocolError as PingAfterGoodbye

from levity_trio.charger.stream import GOODBYE_SECONDS, ChargerStream
from levity_trio.wire.handshake import Head, canonical_head, choose_subprotocol

__all__ = [
    "NO_COMMON_SUBPROTOCOL",
    "CloseCode",
    "ConnectionClosed",
    "PingAfterGoodbye",
    "WebSocketConnection",
    "accept",
]

NO_COMMON_SUBPROTOCOL: Final = "this server supports only the subprotocol ocpp1.6"


class CloseCode(IntEnum):
    """WebSocket close codes (RFC 6455 §7.4.1; 1012 and 1013 are from the IANA registry)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013


async def accept(
    library: trio.Nursery, stream: ChargerStream, head: Head
) -> WebSocketConnection | None:
    """Complete the handshake and return the connection.

    If the client offers only other subprotocols, complete it without one, close the connection at
    once (OCPP-J §3.2) and return None.
    """
    subprotocol, is_acceptable = choose_subprotocol(head)
    stream.begin_handshake(canonical_head(head, subprotocol))
    request = await wrap_server_stream(library, stream, max_message_size=sys.maxsize)
    websocket = await request.accept(subprotocol=subprotocol)
    stream.end_handshake(partial(_close_frame, websocket))
    if is_acceptable:
        return websocket
    with trio.move_on_after(GOODBYE_SECONDS):
        await websocket.aclose(CloseCode.PROTOCOL_ERROR, NO_COMMON_SUBPROTOCOL)
    return None


def _close_frame(websocket: WebSocketConnection) -> bytes:
    """Return the close frame for a peer that broke the protocol, empty if it did not or is gone."""
    closed = websocket.closed
    if closed is None or closed.code not in (CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_PAYLOAD):
        return b""
    return Connection(ConnectionType.SERVER).send(
        CloseConnection(code=closed.code, reason=closed.reason)
    )
