"""Sends one HTTP request to a server outside, over http or https, without redirects."""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import h11
import trio

from levity_trio import __version__
from levity_trio.records import record
from levity_trio.told import Quantity, Told

HEAD_BYTES: Final = 16 * 1024
RECEIVE_BYTES: Final = 4096
NO_HEADERS: Final[Mapping[str, str]] = {}
PORTS: Final = {"http": 80, "https": 443}
_Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class Unanswered(Exception):
    """The server gave no usable response; the text says why."""


@record(kw_only=False)
class Destination:
    """The parts of a URL that a request needs. `authority` is that of the Host header."""

    is_tls: bool
    host: str
    port: int
    authority: str
    target: str


def leading_to(url: str) -> Destination:
    """Return where a URL leads that was checked. A user in it is for `proof_in`."""
    parts = urlsplit(url)
    return Destination(
        is_tls=parts.scheme == "https",
        host=parts.hostname or "",
        port=parts.port or PORTS[parts.scheme],
        authority=parts.netloc.rpartition("@")[2],
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def proof_in(url: str) -> Mapping[str, str]:
    """Return the header that proves who asks, from the user and the password in a URL; nothing
    without a user."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"authorization": f"Basic {b64encode(pair).decode()}"}


class Response(NamedTuple):
    """The status of a response, its body as far as it was read, and after what it wants to be asked
    again, as it says it."""

    status: int
    body: bytes = b""
    retry_after: str = ""


def accept_any(address: str) -> None:
    """Accept every address of a peer."""


async def post(
    to: Destination,
    headers: Mapping[str, str],
    body: bytes,
    seconds: float,
    *,
    check_peer: Callable[[str], None] = accept_any,
    most_bytes: int = 0,
) -> Response:
    """Send JSON and return the response within `seconds`, with up to `most_bytes` of its body.

    `check_peer` may raise for the address to which the connection leads. Raises Unanswered.
    """
    sent = {
        "host": to.authority,
        "user-agent": f"levity-trio/{__version__}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **headers,
    }
    head = h11.Request(method="POST", target=to.target, headers=list(sent.items()))
    return await _within(seconds, to, _Exchange(head, body, check_peer, most_bytes))


async def get(
    to: Destination,
    seconds: float,
    *,
    headers: Mapping[str, str] = NO_HEADERS,
    check_peer: Callable[[str], None] = accept_any,
    most_bytes: int = 0,
) -> Response:
    """Request a URL and return the response, with up to `most_bytes` of its body. The request tells
    nothing but these headers.

    `check_peer` may raise for the address to which the connection leads. Raises Unanswered.
    """
    sent = {"host": to.authority, "connection": "close", **headers}
    head = h11.Request(method="GET", target=to.target, headers=list(sent.items()))
    return await _within(seconds, to, _Exchange(head, b"", check_peer, most_bytes))


class _Exchange(NamedTuple):
    head: h11.Request
    body: bytes
    check_peer: Callable[[str], None]
    most_bytes: int


async def _within(seconds: float, to: Destination, exchange: _Exchange) -> Response:
    try:
        with trio.fail_after(seconds):
            return await _response(to, exchange)
    except trio.TooSlowError:
        raise Unanswered(Told("no response within {1}", Quantity(seconds, "s"))) from None
    except h11.RemoteProtocolError:
        raise Unanswered(Told("the response is not HTTP")) from None
    except UnicodeError:
        raise Unanswered(Told("the host name is not valid")) from None
    except (OSError, trio.BrokenResourceError) as error:
        raise Unanswered(_words(error, to.host)) from None


def _words(error: BaseException, host: str) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, socket.gaierror):
        return Told("the name {1} has no address (DNS: {2})", host, cause.strerror or "")
    words = (
        cause.strerror
        if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError)
        else None
    )
    return words or str(cause) or type(cause).__name__


async def _response(to: Destination, exchange: _Exchange) -> Response:
    async with await trio.open_tcp_stream(to.host, to.port) as plain:
        # of the connection itself: a name may lead elsewhere
        exchange.check_peer(plain.socket.getpeername()[0])
        stream: _Stream = plain
        if to.is_tls:
            stream = trio.SSLStream(
                plain, await trio.to_thread.run_sync(trust), server_hostname=to.host
            )
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        events = exchange.head, h11.Data(data=exchange.body), h11.EndOfMessage()
        await stream.send_all(b"".join(http.send(event) or b"" for event in events))
        return await _received(http, stream, exchange.most_bytes)


@cache
def trust() -> ssl.SSLContext:
    """Return the context that trusts the authorities of this machine; the first time it reads
    them."""
    return ssl.create_default_context()


async def _received(http: h11.Connection, stream: _Stream, most_bytes: int) -> Response:
    status, body, retry_after = None, bytearray(), b""
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            status = event.status_code
            retry_after = dict(event.headers).get(b"retry-after", b"")
        elif isinstance(event, h11.Data):
            body += event.data
        elif event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
        elif isinstance(event, h11.ConnectionClosed):
            raise Unanswered(Told("the receiver closed the connection without a response"))
        if status is not None and (len(body) >= most_bytes or isinstance(event, h11.EndOfMessage)):
            return Response(status, bytes(body[:most_bytes]), retry_after.decode("latin-1"))
