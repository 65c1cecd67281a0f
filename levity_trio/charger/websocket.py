"""The door to trio-websocket: the rest of the room takes its names from here.

The library gets the connection only after we have read and judged the request head, and sees a clean one in its place.
Where a peer pings on after our close frame, its reader task raises wsproto's LocalProtocolError: the pong may no longer
be sent. Where a peer breaks the protocol, it closes the connection without the close frame that wsproto hands it
(RFC 6455 §7.1.7); the stream sends that in its place. How large a message may be is for the stream to say.
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

NO_COMMON_SUBPROTOCOL: Final = "only ocpp1.6 is spoken here"


class CloseCode(IntEnum):
    """Why a connection ends (RFC 6455 §7.4.1, and 1013 of the registry that it founded)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    TRY_AGAIN_LATER = 1013


async def accept(library: trio.Nursery, stream: ChargerStream, head: Head) -> WebSocketConnection | None:
    """Complete the handshake. Who offers only other subprotocols gets it without one, and a close (J 3.2): None."""
    subprotocol = choose_subprotocol(head)
    stream.begin_handshake(canonical_head(head, subprotocol.name))
    request = await wrap_server_stream(library, stream, max_message_size=sys.maxsize)
    websocket = await request.accept(subprotocol=subprotocol.name)
    stream.end_handshake(partial(_close_frame, websocket))
    if subprotocol.acceptable:
        return websocket
    with trio.move_on_after(GOODBYE_SECONDS):
        await websocket.aclose(CloseCode.PROTOCOL_ERROR, NO_COMMON_SUBPROTOCOL)
    return None


def _close_frame(websocket: WebSocketConnection) -> bytes:
    """The close frame for a peer that broke the protocol; nothing where it did not, or has gone."""
    closed = websocket.closed
    if closed is None or closed.code not in (CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_PAYLOAD):
        return b""
    return Connection(ConnectionType.SERVER).send(CloseConnection(code=closed.code, reason=closed.reason))
