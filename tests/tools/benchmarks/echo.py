"""The limit: a bare trio-websocket server that understands nothing and stores nothing.

It answers every call with an empty result, as cheaply as Python can. What `levity-trio serve` costs
above it is what parsing, validating, deciding and committing cost; below it no server on this
library can go.
"""

from __future__ import annotations

import sys

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

ID_START = len('[2,"')


async def answer_calls(request: WebSocketRequest) -> None:
    """Answer until the charger leaves."""
    websocket = await request.accept(subprotocol="ocpp1.6")
    try:
        while True:
            text: str = await websocket.get_message()  # type: ignore[assignment] # chargers send no bytes
            message_id = text[ID_START : text.index('"', ID_START)]
            await websocket.send_message(f'[3,"{message_id}",{{}}]')
    except ConnectionClosed:
        return


if __name__ == "__main__":
    trio.run(serve_websocket, answer_calls, "127.0.0.1", int(sys.argv[1]), None)
