"""Hypercorn inside our task tree: an ASGI application served while a block runs, on sockets of our own.

Not `hypercorn.trio.serve`, whose accept loop takes any number of connections and runs each of them outside any `try`
of ours: an exception in one would end the server. We accept, within a limit, and run Hypercorn's TCPServer for each
connection inside a boundary, over a thin stream of ours. Its sends are shielded without a deadline; the stream gives
them one, so that a client that stops reading holds neither its place nor the stop. What is left of `serve` is its
ending: whoever is idle is let go at once, requests under way have a moment.

Applications get no lifespan: what they need is open before they are served. WebSockets are refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.logging import Logger
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState, ResponseSummary, WWWScope
from starlette.types import ASGIApp

from levity_trio.log_output import get_logger
from levity_trio.web.bodies import Bodies
from levity_trio.web.problems import application, problem

__all__ = ["Limits", "application", "open_http", "problem"]

SEND_BYTES: Final = 64 * 1024
"""A slow reader has the time of one send for each of these, a stuck one for the first it does not take."""
HTTP2_STREAMS: Final = 8
"""Requests at once over one connection; each may hold a body."""

log = get_logger("system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may cost. Past `connections`, others wait in the kernel until one ends."""

    connections: int = 64
    idle_seconds: float = 5.0
    """Until the head of a (next) request must be complete."""
    body_bytes: int = 1024 * 1024
    body_seconds: float = 10.0
    send_seconds: float = 1.5
    grace_seconds: float = 0.5
    """For requests under way when the block is left."""


DEFAULT_LIMITS: Final = Limits()


@asynccontextmanager
async def open_http(
    app: ASGIApp, listeners: Sequence[trio.SocketListener], limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[int]:
    """Serve `app` while the block runs; gives the port. The listeners are closed in the end.

    A bug in the application is logged with its traceback and costs that request. Leaving takes no longer than
    `grace_seconds` and `send_seconds` together.
    """
    server = _Server(app, limits)
    places = trio.Semaphore(limits.connections)
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            handle = partial(server.serve_connection, places)
            limited = [_Listener(listener, places) for listener in listeners]
            await accepting.start(partial(trio.serve_listeners, handle, limited, handler_nursery=connections))
            yield int(listeners[0].socket.getsockname()[1])
            accepting.cancel_scope.cancel()
        await server.context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + limits.grace_seconds


class _Listener(trio.abc.Listener[trio.SocketStream]):
    """Takes a place before it accepts a connection; whoever serves that connection gives the place back."""

    def __init__(self, listener: trio.SocketListener, places: trio.Semaphore) -> None:
        self._listener = listener
        self._places = places

    async def accept(self) -> trio.SocketStream:
        await self._places.acquire()
        try:
            return await self._listener.accept()
        except BaseException:
            self._places.release()
            raise

    async def aclose(self) -> None:
        await self._listener.aclose()


class _Stream:
    """What Hypercorn needs of a stream, with a deadline for each send, however it is shielded."""

    def __init__(self, stream: trio.SocketStream, seconds: float) -> None:
        self.socket = stream.socket
        self.receive_some = stream.receive_some
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose
        self._stream = stream
        self._seconds = seconds

    async def send_all(self, data: bytes) -> None:
        """Raises BrokenResourceError where the peer stopped reading; the stream is closed then."""
        for start in range(0, len(data), SEND_BYTES):
            with trio.move_on_after(self._seconds) as scope:
                await self._stream.send_all(data[start : start + SEND_BYTES])
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self._stream)
                raise trio.BrokenResourceError("the peer stopped reading")


class _Server:
    """What all connections share."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.context = WorkerContext(None)
        self._app = app
        self._limits = limits
        self._config = _config(limits)

    async def serve_connection(self, places: trio.Semaphore, stream: trio.SocketStream) -> None:
        """The boundary: nothing leaves it. Trio's accept loop closes the stream whatever happened."""
        try:
            with trio.CancelScope() as scope:
                await self._converse(stream, scope)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):  # the peer's doing
            log.debug("HTTP client vanished")
        except* Exception:
            log.exception("HTTP connection failed")
        finally:
            places.release()

    async def _converse(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        bodies = Bodies(self._app, self._limits.body_bytes, self._limits.body_seconds, scope.cancel)
        await TCPServer(
            ASGIWrapper(cast("ASGIFramework", bodies)),
            self._config,
            self.context,
            ConnectionState({}),
            _Stream(stream, self._limits.send_seconds),  # type: ignore[arg-type]  # it is annotated for TLS only
        )


def _config(limits: Limits) -> Config:
    config = Config()
    config.logger_class = _Lines
    config.keep_alive_timeout = limits.idle_seconds
    config.h2_max_concurrent_streams = HTTP2_STREAMS
    config.include_server_header = False
    return config


class _Lines(Logger):
    """Hypercorn's lines as lines of our log: one at DEBUG for each request, and the bugs of the application."""

    def __init__(self, config: Config) -> None:  # noqa: ARG002 - its destinations are not asked for
        self.access_logger = self.error_logger = None

    async def access(self, request: WWWScope, response: ResponseSummary | None, request_time: float) -> None:
        status = response["status"] if response else None
        milliseconds = round(request_time * 1000, 1)
        log.debug("HTTP request", path=request["path"], status=status, milliseconds=milliseconds)

    async def exception(self, message: str, *_args: Any, **_kwargs: Any) -> None:
        log.exception("HTTP request failed", problem=message)  # noqa: LOG004 - Hypercorn calls it while it handles one
