"""Serves an ASGI application with Hypercorn while a block runs, on sockets that the caller opened.

`hypercorn.trio.serve` is not used: its accept loop has no limit on connections, and an exception in
one connection would end the server. Here a limited number of connections is accepted, and
Hypercorn's TCPServer runs for each of them within an exception boundary, over a thin stream.
Hypercorn shields its sends without a deadline; the stream adds one, so that a client that stops
reading neither occupies a connection forever nor delays the stop. At the stop, idle connections are
closed at once, and requests in progress have `grace_seconds`.

Applications receive no lifespan events: their resources are open before they are served. WebSockets
are refused, and HTTP/2 is not spoken.

A proxy passes connections on with a PROXY header before the first request, which tells whose they
are. Limits by address, the audit, and what only this machine may do would otherwise take all
clients for the proxy.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import hypercorn
import trio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from levity_trio.importing import StandIns, spared
from levity_trio.listening.addresses import is_loopback
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.web.http.body_limits import Bodies, HttpLimits
from levity_trio.web.http.problems import MEDIA_TYPE, application, problem, send_with
from levity_trio.wire.handshake import last_response
from levity_trio.wire.proxy_header import (
    BadProxyHeader,
    Proxies,
    is_from,
    missing_bytes,
    read_proxy_header,
)
from levity_trio.wire.secrets import masked_url

# HTTP/2, UDP and several processes: 2.2 MB.
_SPARED: StandIns = {
    "h2": {},
    "h2.events": {},
    "hypercorn.protocol.h2": {"H2Protocol": None},
    "hypercorn.trio": {"__path__": [f"{hypercorn.__path__[0]}/trio"]},
    "multiprocessing.synchronize": {"Event": None},
}
with spared(_SPARED):
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.config import Config
    from hypercorn.logging import Logger
    from hypercorn.protocol.h11 import H11Protocol
    from hypercorn.trio.tcp_server import TCPServer
    from hypercorn.trio.worker_context import WorkerContext
    from hypercorn.typing import ASGIFramework, ConnectionState, ResponseSummary, WWWScope

__all__ = [
    "HttpLimits",
    "OwnHosts",
    "application",
    "host_name",
    "is_own_host",
    "open_http",
    "problem",
]

SEND_BYTES: Final = 64 * 1024
"""Sends are split into pieces of this size, and `send_seconds` applies to each piece."""
LAST_REQUEST_SECONDS: Final = 1.0
AMBIGUOUS: Final = frozenset((b"content-length", b"transfer-encoding"))
"""A proxy before us may see another end of a request with both: what follows it is no request (RFC
9112, 6.3)."""

log = get_logger("system")


class ServedTls(Protocol):
    """How a port is served by TLS. `context` is read anew for each connection."""

    @property
    def context(self) -> ssl.SSLContext: ...


DEFAULT_LIMITS: Final = HttpLimits()
_Transport = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@asynccontextmanager
async def open_http(
    app: ASGIApp,
    listeners: Sequence[trio.SocketListener],
    limits: HttpLimits = DEFAULT_LIMITS,
    tls: ServedTls | None = None,
    proxies: Proxies = (),
) -> AsyncIterator[int]:
    """Serve `app` while the block runs, by TLS if it is given, and yield the port of a TCP
    listener, else 0.

    The listeners are closed at the end. Connections from `proxies` begin with a PROXY header.

    An exception in the application is logged with its traceback and fails that request only.
    Leaving the block takes at most twice `grace_seconds`.
    """
    server = _HttpServer(app, limits, tls, proxies)
    slots = trio.Semaphore(limits.connections)
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            handle = partial(server.serve_connection, slots)
            limited = [_Listener(listener, slots) for listener in listeners]
            await accepting.start(
                partial(trio.serve_listeners, handle, limited, handler_nursery=connections)
            )
            name = listeners[0].socket.getsockname()
            # A Unix socket has a path.
            yield 0 if isinstance(name, str) else int(name[1])
            accepting.cancel_scope.cancel()
        await server.context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + limits.grace_seconds
        server.sends.end_at(trio.current_time() + 2 * limits.grace_seconds)


def host_name(host: str) -> str:
    """Return the name or address in a Host header, without its port and in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].casefold()
    # An address of IPv6 without brackets has several colons, and no port.
    if host.count(":") == 1:
        name = host.rpartition(":")[0] or host
        return name.rstrip(".").casefold()
    return host.casefold()


def is_own_host(scope: Scope, host: str, names: Collection[str] = ()) -> bool:
    """Whether a Host header names this machine: loopback, where the connection arrived, or one of
    these names.

    A web page could otherwise reach us under a name that it controls (DNS rebinding).
    """
    name = host_name(host)
    if not name:
        return False
    arrived_at, *_ = scope.get("server") or [""]
    return is_loopback(name) or name in names or name == str(arrived_at)


@record(kw_only=False)
class OwnHosts:
    """ASGI middleware that refuses requests to names that are not ours. `words` say what to do
    about one that is.

    A request without the header is no browser's: health checks of proxies have none.
    """

    app: ASGIApp
    names: Collection[str]
    words: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host")
        if host is None or is_own_host(scope, host, self.names):
            await self.app(scope, receive, send)
        else:
            detail = f"this Host is not ours; {self.words}"
            await problem(HTTPStatus.MISDIRECTED_REQUEST, detail)(scope, receive, send)


class _Listener(trio.abc.Listener[trio.SocketStream]):
    """Acquires a slot before accepting a connection; `serve_connection` releases it."""

    def __init__(self, listener: trio.SocketListener, slots: trio.Semaphore) -> None:
        self._listener = listener
        self._slots = slots

    async def accept(self) -> trio.SocketStream:
        await self._slots.acquire()
        try:
            return await self._listener.accept()
        except BaseException:
            self._slots.release()
            raise

    async def aclose(self) -> None:
        await self._listener.aclose()


class _Sends:
    """The deadlines of all sends: `seconds` for each, and a last one at the stop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = math.inf
        self._open: set[trio.CancelScope] = set()

    @contextmanager
    def within(self) -> Iterator[trio.CancelScope]:
        """Cancel the block at its deadline."""
        deadline = min(self._last, trio.current_time() + self._seconds)
        with trio.CancelScope(deadline=deadline) as scope:
            self._open.add(scope)
            try:
                yield scope
            finally:
                self._open.discard(scope)

    def end_at(self, last: float) -> None:
        """Let no send last longer than until then."""
        self._last = last
        for scope in self._open:
            scope.deadline = min(scope.deadline, last)


class _HttpConnection:
    """The requests in progress on a connection. When its client has left and none is, `scope` is
    cancelled.

    Hypercorn would keep such a connection for `idle_seconds` if the client left before the end of
    the response.
    """

    def __init__(self, app: ASGIApp, client: str, scope: trio.CancelScope) -> None:
        self._app = app
        self._client = client
        self._scope = scope
        self._requests = 0
        self._has_left = False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the application."""
        self._requests += 1
        self._scope.deadline = math.inf
        if self._client:
            scope["client"] = (self._client, 0)
        if {name for name, _ in scope["headers"]} >= AMBIGUOUS:
            send = partial(send_with, send, [(b"connection", b"close")])
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= 1
            if self._has_left and not self._requests:
                self._scope.deadline = trio.current_time()

    def end(self) -> None:
        """Note that the client has sent its last byte; perhaps it still waits for a response that
        is about to begin."""
        self._has_left = True
        if not self._requests:
            self._scope.deadline = trio.current_time() + LAST_REQUEST_SECONDS


class _Stream:
    """The parts of a stream that Hypercorn uses, with a deadline for each send even within a
    shield."""

    def __init__(self, stream: _Transport, sends: _Sends, at_end: Callable[[], None]) -> None:
        # Hypercorn recognises TLS by these.
        if isinstance(stream, trio.SSLStream):
            self.transport_stream = stream.transport_stream
            self.do_handshake = stream.do_handshake
            self.selected_alpn_protocol = partial(_selected_alpn_protocol, stream)
        else:
            self.socket = stream.socket
        # TLS has no half-closed connection.
        self.send_eof = getattr(stream, "send_eof", trio.lowlevel.checkpoint)
        self.aclose = stream.aclose
        self._stream = stream
        self._sends = sends
        self._at_end = at_end

    async def receive_some(self, most_bytes: int) -> bytes | bytearray:
        """Receive data, none at its end."""
        data = await self._stream.receive_some(most_bytes)
        if not data:
            self._at_end()
        return data

    async def send_all(self, data: bytes) -> None:
        """Send data. Raises BrokenResourceError and closes the stream if the peer has stopped
        reading."""
        for start in range(0, len(data), SEND_BYTES):
            with self._sends.within() as scope:
                await self._stream.send_all(data[start : start + SEND_BYTES])
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self._stream)
                raise trio.BrokenResourceError("the peer stopped reading")


def _selected_alpn_protocol(stream: trio.SSLStream[trio.SocketStream]) -> str | None:
    """Return the protocol that was agreed on. Trio has this method only after the handshake."""
    selected: str | None = stream.selected_alpn_protocol()
    return selected


class _Http1(TCPServer):
    """Hypercorn's server of a connection that stays with HTTP/1.1.

    Hypercorn changes to HTTP/2 when the first bytes or a header of a request ask for it (h2c). A
    proxy that passes such a header on sees no further request of that connection, so none of them
    has the header that tells of the proxy.
    """

    async def _read_data(self) -> None:
        protocol = self.protocol.protocol
        if isinstance(protocol, H11Protocol):
            protocol._check_protocol = _stay  # type: ignore[assignment]  # it has no setting for this
        await super()._read_data()


async def _stay(_request: object) -> None:
    """Change to no other protocol."""


class _HttpServer:
    """State shared by all connections."""

    def __init__(
        self, app: ASGIApp, limits: HttpLimits, tls: ServedTls | None, proxies: Proxies
    ) -> None:
        self.context = WorkerContext(None)
        self._tls = tls
        self._proxies = proxies
        self._app = app
        self._limits = limits
        self._config = Config()
        self._config.logger_class = _HypercornLog
        self._config.keep_alive_timeout = limits.idle_seconds
        self._config.include_server_header = False
        self.sends = _Sends(limits.send_seconds)

    async def serve_connection(self, slots: trio.Semaphore, stream: trio.SocketStream) -> None:
        """Serve a connection. No exception leaves this function; trio's accept loop closes the
        stream in any case."""
        try:
            with trio.CancelScope() as scope:
                client = await client_of(stream, self._proxies)
                if client is not None:
                    await self._converse(stream, client, scope)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            # The peer has caused it.
            log.debug("HTTP client disconnected")
        except* Exception:
            log.exception("HTTP connection failed")
        finally:
            slots.release()

    async def _converse(
        self, stream: trio.SocketStream, client: str, scope: trio.CancelScope
    ) -> None:
        bodies = Bodies(self._app, self._limits, scope.cancel)
        conversation = _HttpConnection(bodies, client, scope)
        transport: _Transport = stream
        if self._tls is not None:
            transport = trio.SSLStream(
                stream, self._tls.context, server_side=True, https_compatible=True
            )
        await _Http1(
            ASGIWrapper(cast("ASGIFramework", conversation.serve)),
            self._config,
            self.context,
            ConnectionState({}),
            _Stream(transport, self.sends, conversation.end),  # type: ignore[arg-type]  # annotated for TLS streams only
        )


class _HypercornLog(Logger):
    """Writes Hypercorn's log lines to the server's log: requests at DEBUG, exceptions of the
    application at ERROR."""

    def __init__(self, config: Config) -> None:  # noqa: ARG002 - its log destinations are ignored
        self.access_logger = self.error_logger = None

    async def access(
        self, request: WWWScope, response: ResponseSummary | None, request_time: float
    ) -> None:
        status = response["status"] if response else None
        milliseconds = round(request_time * 1000, 1)
        log.debug(
            "HTTP request",
            path=masked_url(request["path"]),
            status=status,
            milliseconds=milliseconds,
        )

    async def exception(self, message: str, *_args: Any, **_kwargs: Any) -> None:
        log.exception("HTTP request failed", problem=message)  # noqa: LOG004 - called within Hypercorn's except block


HEADER_SECONDS: Final = 5.0
REFUSED_BYTES: Final = 64 * 1024
REFUSED_SECONDS: Final = 0.5


async def client_of(stream: trio.SocketStream, proxies: Proxies) -> str | None:
    """Return the address of the client of a connection; None if nobody is to be served, as for a
    proxy's own check.

    Raises OSError, trio.BrokenResourceError: the peer has left.
    """
    name = stream.socket.getpeername()
    # A Unix socket has no address.
    address = "" if isinstance(name, (str, bytes)) else str(name[0])
    if not is_from(address, proxies):
        return address
    received = b""
    try:
        with trio.move_on_after(HEADER_SECONDS):
            while (header := read_proxy_header(received)) is None:
                # No byte more than the header has, because what follows may be TLS.
                more = await stream.receive_some(missing_bytes(received))
                if not more:
                    return None
                received += more
            return header.address
    except BadProxyHeader as error:
        await _refuse(stream, f"{address} is in --api-proxy-from, but {error}.")
    return None


async def _refuse(stream: trio.SocketStream, words: str) -> None:
    """Answer somebody who comes past the proxy. Closing with unread data would reset the
    connection."""
    log.debug("connection refused", reason=words)
    answer = problem(HTTPStatus.BAD_REQUEST, words)
    response = last_response(answer.status_code, bytes(answer.body), MEDIA_TYPE)
    with trio.move_on_after(REFUSED_SECONDS):
        await stream.send_all(response)
        await stream.send_eof()
        while await stream.receive_some(REFUSED_BYTES):
            pass
