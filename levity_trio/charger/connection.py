"""One TCP connection, from its first byte to its last: the boundary that no exception crosses.

We read and check the request head, then pass a clean copy of it to the WebSocket library. A request that is not a
charger's is refused with an HTTP response that states the reason. An admitted connection has a session; an error in it,
or in the library's own reader task, ends this connection only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from levity_trio.charger.admission import admit, check_handshakes
from levity_trio.charger.central import Central
from levity_trio.charger.registry import Visitor
from levity_trio.charger.session import Session
from levity_trio.charger.session_row import Peer
from levity_trio.charger.stream import ChargerStream, HeadTooLarge
from levity_trio.charger.transcript import refused
from levity_trio.charger.websocket import NO_COMMON_SUBPROTOCOL, CloseCode, ConnectionClosed, PingAfterGoodbye, accept
from levity_trio.events import HandshakeRefused
from levity_trio.log_output import bind_contextvars, get_logger
from levity_trio.wire.handshake import (
    BadRequest,
    Head,
    identity,
    masked_head,
    parse_head,
    refusal,
)
from levity_trio.wire.secrets import masked_url
from levity_trio.wire.times import stamp

HANDSHAKE_SECONDS: Final = 10.0

log = get_logger("ws")


async def serve_connection(central: Central, transport: trio.abc.Stream) -> None:
    """Serve one connection until it ends. Raises only Cancelled."""
    session: Session | None = None
    with _boundary(), central.budget.opened() as account:
        config = central.config
        stream = ChargerStream(transport, account, config.max_message_bytes, text_as_binary=not config.strict)
        async with stream, trio.open_nursery() as library:  # the library's reader task, inside the boundary
            with central.registry.enlisted(stream.remote_address) as visitor:
                session = await _enter(central, library, stream, visitor)
                if session is not None:
                    await session.converse()
            if session is not None:
                await session.say_goodbye()
            library.cancel_scope.cancel()
    if session is not None:
        with _boundary():
            await session.record_end()


@contextmanager
def _boundary() -> Iterator[None]:
    try:
        yield
    except* (ConnectionClosed, PingAfterGoodbye, trio.BrokenResourceError, trio.ClosedResourceError):
        log.info("connection lost")
    except* Exception:
        log.exception("connection failed")


async def _enter(central: Central, library: trio.Nursery, stream: ChargerStream, visitor: Visitor) -> Session | None:
    """Perform the handshake; return None if the peer was refused and has been sent the reason."""
    connected_at = central.clock()
    raw, head = b"", None
    try:
        check_handshakes(central, visitor)
        raw = await _read_head(stream)
        head = parse_head(raw)
        charger = await admit(central, visitor, head)
    except BadRequest as refused:
        _record_refusal(central, stream, head, refused.status, refused.text, masked_head(raw))
        await stream.send_all(refusal(refused.status, refused.text, refused.headers))
        return None
    stream.account.charger = charger
    websocket = await accept(library, stream, head)
    if websocket is None:
        _record_refusal(central, stream, head, CloseCode.PROTOCOL_ERROR, NO_COMMON_SUBPROTOCOL, masked_head(head.raw))
        return None
    peer = Peer(charger, stream.remote_address, masked_url(head.target), websocket.subprotocol, connected_at)
    session = Session(central, peer, stream, websocket, visitor)
    central.registry.install(session)
    session.transcript.connected(remote_address=peer.remote_address, target=peer.target, subprotocol=peer.subprotocol)
    bind_contextvars(cp=charger)  # in this task and those it starts
    log.debug("connected", remote_address=peer.remote_address)  # ChargerConnected is the line at INFO
    return session


def _record_refusal(
    central: Central, stream: ChargerStream, head: Head | None, status: int, reason: str, request: str
) -> None:
    central.hooks.observe(HandshakeRefused(charger=None, status=status, reason=reason))
    fields = {"status": status, "reason": reason, "remote_address": stream.remote_address, "request": request}
    log.warning("handshake refused", **fields)
    charger = identity(head.target) if head else None
    central.writer.log_frame(refused(stamp(central.clock()), charger, fields))


async def _read_head(stream: ChargerStream) -> bytes:
    with trio.move_on_after(HANDSHAKE_SECONDS):
        try:
            return await stream.read_head()
        except HeadTooLarge as error:
            raise BadRequest(431, "The request head is too large.") from error
    raise BadRequest(408, f"The request was not complete within {HANDSHAKE_SECONDS:g} s.")
