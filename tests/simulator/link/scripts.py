"""Central systems that do one thing, usually a wrong one; each serves one connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    wrap_server_stream,
)

from levity_trio.outgoing.websocket import LineStream

Script = Callable[[WebSocketConnection], Awaitable[object]]
BOOTED = {"status": "Accepted", "currentTime": "2026-03-01T12:00:00Z", "interval": 86_400}


@asynccontextmanager
async def asked(stream: trio.abc.Stream) -> AsyncIterator[WebSocketRequest]:
    """Read the request of a handshake."""
    async with stream, trio.open_nursery() as library:
        yield await wrap_server_stream(library, stream)
        library.cancel_scope.cancel()


def serving(script: Script) -> Callable[[trio.abc.Stream], Awaitable[None]]:
    """Accept connections and serve each with `serve`."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with asked(stream) as request:
            with suppress(ConnectionClosed):
                await script(
                    await request.accept(
                        subprotocol=next(iter(request.proposed_subprotocols), None)
                    )
                )

    return serve


async def answer(websocket: WebSocketConnection) -> str:
    """Answer the next call like a central system that accepts everything; return its action."""
    _, message_id, action, _ = json.loads(await websocket.get_message())
    payload = BOOTED if action == "BootNotification" else {}
    await websocket.send_message(json.dumps([3, message_id, payload]))
    return str(action)


async def mute(stream: trio.abc.Stream) -> None:
    """Accept the handshake, then neither read nor send."""
    line = LineStream(stream, answers_pings=True)
    async with asked(line) as request:
        await request.accept(subprotocol="ocpp1.6")
        line.freeze()
        await trio.sleep_forever()


async def vanish(stream: trio.abc.Stream) -> None:
    """Read the request, then close."""
    async with stream:
        await stream.receive_some()


async def ignore(stream: trio.abc.Stream) -> None:
    """Read the request, then wait."""
    async with stream:
        while await stream.receive_some():
            pass


def say(text: bytes) -> Callable[[trio.abc.Stream], Awaitable[None]]:
    """Read the request, send something, then wait."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(text)
            while await stream.receive_some():
                pass

    return serve
