"""A WebSocket to a central system, as a charger opens it: its address, whom it trusts, and the byte
stream below it.

A frame is sent whole or the connection ends: half a frame would corrupt all later ones.
Misbehaviour of simulated sockets is also implemented here, because the library answers pings and
reads on its own. If the connection ends during the handshake, the library's reader task ends
silently and the handshake would wait for ever. So the end of that task cancels the wait.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from levity_trio.records import record

PONG: Final = bytes([0x8A])
"""The first byte of an unfragmented pong (RFC 6455 §5.2). The library sends one frame per call."""
SEND_SECONDS: Final = 5.0
DIAL_SECONDS: Final = 30.0
__all__ = [
    "GONE",
    "Opened",
    "ServerAddress",
    "WebSocketConnection",
    "context_of",
    "open_websocket",
    "parse_address",
    "printable",
    "shared_context",
    "why",
]
SUBPROTOCOL: Final = "ocpp1.6"
HANDSHAKE_SECONDS: Final = 30.0
GOODBYE_SECONDS: Final = 2.0
MAX_MESSAGE_CHARACTERS: Final = 1024 * 1024
REFUSAL_CHARACTERS: Final = 120
GONE: Final = (
    *(ConnectionClosed, HandshakeError, ProtocolError, OSError),
    *(trio.BrokenResourceError, trio.ClosedResourceError),
)
"""Exceptions that mean that there is no connection, or no longer."""
Reader = Callable[[], Awaitable[None]]
Opened = tuple[WebSocketConnection, trio.CancelScope]
"""A WebSocket, and the scope whose cancellation ends it without a close frame."""


class LineStream(trio.abc.HalfCloseableStream):
    """A transport that can fall silent, and that breaks instead of answering a ping if the charger
    tolerates none.

    When silent it accepts data and discards it. A frame already being sent is completed.
    """

    __slots__ = (
        "_answers_pings",
        "_closed",
        "_is_silent",
        "_send_seconds",
        "_sending",
        "_transport",
    )

    def __init__(
        self, transport: trio.abc.Stream, *, answers_pings: bool, send_seconds: float = SEND_SECONDS
    ) -> None:
        self._transport = transport
        self._answers_pings = answers_pings
        self._send_seconds = send_seconds
        self._is_silent = False
        self._closed: trio.Event | None = None
        self._sending = trio.Lock()

    def freeze(self) -> None:
        """Stop reading and sending, and leave the socket open."""
        self._is_silent = True
        if self._closed is None:
            self._closed = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._transport.receive_some(max_bytes)
        if self._closed is not None:
            await self._closed.wait()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all data even if cancelled. Raises BrokenResourceError if the peer does not read it
        in time."""
        if self._is_silent:
            return
        if not self._answers_pings and data[:1] == PONG:
            await trio.aclose_forcefully(self._transport)
            raise trio.BrokenResourceError("this charger does not tolerate pings")
        sent = self._send_at_once(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    def _send_at_once(self, data: bytes | bytearray | memoryview) -> int:
        """Write what fits into the socket's buffer, nearly always everything, and return the number
        of bytes.

        This saves a cancel scope for each frame, which matters with thousands of chargers.
        """
        if not isinstance(self._transport, trio.SocketStream):
            return 0
        try:
            return os.write(self._transport.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(f"the central system went away: {error}") from error

    async def _send_rest(self, data: memoryview) -> None:
        with trio.move_on_after(self._send_seconds, shield=True) as patience:
            async with self._sending:
                await self._transport.send_all(data)
        if patience.cancelled_caught:
            await trio.aclose_forcefully(self._transport)
            raise trio.BrokenResourceError(
                f"the central system read nothing for {self._send_seconds:g} s"
            )

    async def send_eof(self) -> None:
        """Close the sending half of the TCP connection, also below TLS. A broken connection is
        ignored."""
        self._is_silent = True
        transport = (
            self._transport.transport_stream
            if isinstance(self._transport, trio.SSLStream)
            else self._transport
        )
        async with self._sending:
            if isinstance(transport, trio.abc.HalfCloseableStream):
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await transport.send_eof()

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        if self._closed is not None:
            self._closed.set()
        await self._transport.aclose()


class _Library:
    """The part of a nursery that the library uses; the end of the library's task cancels
    `waiting`."""

    def __init__(self, nursery: trio.Nursery, waiting: trio.CancelScope) -> None:
        self._nursery = nursery
        self._waiting = waiting

    def start_soon(self, reader: Reader) -> None:
        self._nursery.start_soon(self._read, reader)

    async def _read(self, reader: Reader) -> None:
        try:
            await reader()
        except GONE:
            raise
        except (
            Exception
        ) as error:  # h11's errors on a bad upgrade response, which wsproto does not catch
            raise HandshakeError(f"invalid response from the central system: {error}") from error
        self._waiting.cancel()


@asynccontextmanager
async def open_websocket(
    stream: trio.abc.Stream,
    authority: str,
    target: str,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    offers_subprotocol: bool,
) -> AsyncIterator[Opened]:
    """Open a WebSocket, which the library reads while the block runs. A normal exit sends a close
    frame.

    Raises one of GONE, in a group, if there is no connection, or no longer.
    """
    async with trio.open_nursery() as library:
        with trio.move_on_after(HANDSHAKE_SECONDS) as waiting:
            websocket = await wrap_client_stream(
                _Library(library, waiting),  # type: ignore[arg-type]  # the library uses only start_soon
                stream,  # type: ignore[arg-type]  # annotated for sockets, made for any stream
                authority,
                target,
                subprotocols=[SUBPROTOCOL] if offers_subprotocol else None,
                extra_headers=list(headers),
                max_message_size=MAX_MESSAGE_CHARACTERS,
            )
        if waiting.cancelled_caught:
            raise HandshakeError("the handshake was not answered")
        yield websocket, library.cancel_scope
        with trio.move_on_after(GOODBYE_SECONDS):
            await websocket.aclose()
        library.cancel_scope.cancel()


def printable(text: str, most: int = REFUSAL_CHARACTERS) -> str:
    """Return what can be shown of a text of the other side."""
    return "".join(filter(str.isprintable, text[: 4 * most]))[:most]


def why(gone: BaseException) -> str:
    """Describe for people why the connection failed or ended."""
    while isinstance(gone, BaseExceptionGroup):
        gone = gone.exceptions[0]
    if isinstance(gone, ConnectionRejected):
        line, _, _ = (gone.body or b"").decode("utf-8", "replace").strip().partition("\n")
        text = "" if line.startswith("<") else printable(line)  # not HTML
        if gone.status_code in (401, 403):
            text = text or "it does not take this name or password"
        return f"refused: HTTP {gone.status_code} {text}".rstrip()
    if isinstance(gone, ConnectionClosed) and gone.reason is not None:
        return f"closed: {gone.reason.code} {printable(gone.reason.reason or '')}".strip()
    return str(gone) or str(gone.__cause__ or "") or type(gone).__name__


def context_of(authority: Path | None, roots: Sequence[str] = ()) -> ssl.SSLContext:
    if authority is None and not roots:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=authority, cadata="".join(roots) or None)


shared_context = cache(context_of)
"""Loads a trust store once for all connections; nobody adds a certificate to what it returns."""


@record(kw_only=False)
class ServerAddress:
    """The central system's address. `path` precedes the charger's identifier."""

    host: str
    port: int
    path: str
    is_tls: bool

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 §7.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'wss' if self.is_tls else 'ws'}://{self.authority}{self.path}"

    async def dial(
        self,
        seconds: float = DIAL_SECONDS,
        trust: ssl.SSLContext | None = None,
        check_peer: Callable[[str], None] = lambda _: None,
    ) -> trio.abc.Stream:
        """Connect, with TLS where the address asks for it.

        The certificate is verified with `trust`, by default with this machine's trust store.
        `check_peer` may raise OSError for the address to which the connection leads.
        Raises OSError, or BrokenResourceError if the TLS handshake fails.
        """
        with trio.move_on_after(seconds):
            stream = await trio.open_tcp_stream(self.host, self.port)
            try:
                check_peer(stream.socket.getpeername()[0])
            except OSError:
                await trio.aclose_forcefully(stream)
                raise
            if not self.is_tls:
                return stream
            context = trust or shared_context(None)
            secured = trio.SSLStream(
                stream, context, server_hostname=self.host, https_compatible=True
            )
            try:
                await secured.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(secured)
                raise
            return secured
        raise TimeoutError(f"no connection within {seconds:g} s")


def parse_address(url: str) -> ServerAddress:
    """Parse `ws://host:port/ws/`. Raises ValueError whose message says what to give."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # an invalid port or host; UnicodeError is a ValueError
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("ws", "wss") or not host or port == 0 or parts.username is not None:
        raise ValueError("give an address such as ws://localhost:9000/ws/")
    is_tls = parts.scheme == "wss"
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~") + "/"
    return ServerAddress(host, port or (443 if is_tls else 80), path, is_tls)
