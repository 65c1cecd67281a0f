"""The door to trio-websocket: the rest of the room takes its names from here.

The library gets the connection only after we have read and judged the request head, and sees a clean one in its place.
Where a peer pings on after our close frame, its reader task raises wsproto's LocalProtocolError: the pong may no longer
be sent.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError as PingAfterGoodbye

from levity_trio.charger.stream import ChargerStream
from levity_trio.wire.handshake import Head, canonical_head, choose_subprotocol

__all__ = [
    "GOODBYE_SECONDS",
    "NO_COMMON_SUBPROTOCOL",
    "CloseCode",
    "ConnectionClosed",
    "PingAfterGoodbye",
    "WebSocketConnection",
    "accept",
]

GOODBYE_SECONDS: Final = 1.5
NO_COMMON_SUBPROTOCOL: Final = "only ocpp1.6 is spoken here"


class CloseCode(IntEnum):
    """Why a connection ends (RFC 6455 §7.4.1, and 1013 of the registry that it founded)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    TRY_AGAIN_LATER = 1013


async def accept(
    library: trio.Nursery, stream: ChargerStream, head: Head, max_message_bytes: int
) -> WebSocketConnection | None:
    """Complete the handshake. Who offers only other subprotocols gets it without one, and a close (J 3.2): None."""
    subprotocol = choose_subprotocol(head)
    stream.put_first(canonical_head(head, subprotocol.name))
    request = await wrap_server_stream(library, stream, max_message_size=max_message_bytes)
    websocket = await request.accept(subprotocol=subprotocol.name)
    stream.message_completed()
    if subprotocol.acceptable:
        return websocket
    with trio.move_on_after(GOODBYE_SECONDS):
        await websocket.aclose(CloseCode.PROTOCOL_ERROR, NO_COMMON_SUBPROTOCOL)
    return None
