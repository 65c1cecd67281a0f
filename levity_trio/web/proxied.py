"""Connections that a proxy passes on: a PROXY header before the first request tells whose they are.

Limits by address, the audit, and what only this machine may do would otherwise take all clients for the proxy.
"""

from __future__ import annotations

from typing import Final

import trio

from levity_trio.log.output import get_logger
from levity_trio.web.problems import MEDIA_TYPE, problem
from levity_trio.wire.handshake import last_response
from levity_trio.wire.proxy_header import BadProxyHeader, Proxies, is_from, missing_bytes, read_proxy_header

HEADER_SECONDS: Final = 5.0
REFUSED_BYTES: Final = 64 * 1024
REFUSED_SECONDS: Final = 0.5

log = get_logger("system")


async def client_of(stream: trio.SocketStream, proxies: Proxies) -> str | None:
    """Return the address of the client of a connection; None if nobody is to be served, as for a proxy's own check.

    Raises OSError, trio.BrokenResourceError: the peer has left.
    """
    name = stream.socket.getpeername()
    address = "" if isinstance(name, (str, bytes)) else str(name[0])  # a Unix socket has no address
    if not is_from(address, proxies):
        return address
    try:
        with trio.move_on_after(HEADER_SECONDS):
            return await _named_by_proxy(stream)
    except BadProxyHeader as error:
        await _refuse(stream, f"{address} is in --api-proxy-from, but {error}.")
    return None


async def _named_by_proxy(stream: trio.SocketStream) -> str | None:
    received = b""
    while (header := read_proxy_header(received)) is None:
        more = await stream.receive_some(missing_bytes(received))  # no more, because what follows may be TLS
        if not more:
            return None
        received += more
    return header.address


async def _refuse(stream: trio.SocketStream, words: str) -> None:
    """Answer somebody who comes past the proxy. Closing with unread data would reset the connection."""
    log.debug("connection refused", reason=words)
    answer = problem(400, words)
    with trio.move_on_after(REFUSED_SECONDS):
        await stream.send_all(last_response(answer.status_code, bytes(answer.body), MEDIA_TYPE))
        await stream.send_eof()
        while await stream.receive_some(REFUSED_BYTES):
            pass
