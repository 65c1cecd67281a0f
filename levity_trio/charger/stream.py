"""The byte stream of one charger, the TLS beneath it and the WebSocket above.

The stream does what the WebSocket library cannot, for frames of every kind:

- A frame is sent whole or the connection ends; half a frame would corrupt all later ones.
- Any received byte shows that the charger is alive, pings and pongs included (OCPP-J 1.6 §5.3).
- The size of a message is limited, in bytes, and its memory is charged before it is read. A large
  one must arrive in time, because the whole server takes one of them at a time.
- Bytes that arrive with the request head are kept for the WebSocket.
- A peer that breaks the protocol gets a close frame.

Only this module imports trio-websocket here; others take its names from here. The library gets the
connection only after we have read and checked the request head, and sees a clean copy of it. If a
peer sends a ping after our close frame, the library's reader task raises wsproto's
LocalProtocolError, because the pong may no longer be sent. If a peer breaks the protocol, the
library closes the connection without the close frame that wsproto gives it (RFC 6455 §7.1.7); the
stream sends one instead.

TLS of the chargers' ports (whitepaper, profiles 2 and 3) is TLS 1.2 and up, without renegotiation,
compression or resumption. Python cannot switch off the session cache of OpenSSL, which belongs to a
context and serves TLS 1.2. So a connection of TLS 1.2 begins with an empty context of its own, and
gets the certificates from the common one, which costs a tenth of a millisecond; one of TLS 1.3 uses
the common one. Handshakes do not take turns: a thousand at once hold up the messages of all others
for a quarter of a second, but one in each turn of the event loop costs half as much again, because
each finds the processor's caches cold.
"""

from __future__ import annotations

import math
import os
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection
from wsproto.utilities import LocalProtocolError as PingAfterGoodbye

from levity_trio.charger.budget import MemoryAccount
from levity_trio.config import EnvironmentProblem, ServerConfig, certificates_folder
from levity_trio.listening.tls_files import LOOK_SECONDS, Pair, stamps, use, watch_files
from levity_trio.wire.client_hello import offers_tls_1_3
from levity_trio.wire.framing import CLOSE, FINAL, Framing, text_frame
from levity_trio.wire.handshake import Head, canonical_head, choose_subprotocol
from levity_trio.wire.large import LARGE_BYTES, LARGEST_BYTES
from levity_trio.wire.proxy_header import read_proxy_header


async def receive_from(transport: trio.abc.Stream, max_bytes: int) -> bytes | bytearray:
    """Wait until the socket is readable, then read. trio's own method tries first, at the cost of a
    system call.

    Raises:
        trio.BrokenResourceError: the connection was lost.
    """
    if not isinstance(transport, trio.SocketStream):
        return await transport.receive_some(max_bytes)
    descriptor = transport.socket.fileno()
    if descriptor < 0:
        raise trio.ClosedResourceError
    try:
        await trio.lowlevel.wait_readable(descriptor)
        # It may have been closed meanwhile, and its number be another socket's now.
        if transport.socket.fileno() != descriptor:
            raise trio.ClosedResourceError
        return os.read(descriptor, max_bytes)
    except BlockingIOError:
        return await transport.receive_some(max_bytes)
    except OSError as error:
        raise trio.BrokenResourceError(f"the connection was lost: {error}") from error


def send_at_once(transport: trio.abc.Stream, data: bytes | bytearray | memoryview) -> int:
    """Write as much as the socket's buffer takes, nearly always all, and return the number of
    bytes.

    A cancel scope, a deadline and a checkpoint would cost a third of the time that a response
    takes. Other tasks run when the session takes its next message.

    Raises:
        trio.BrokenResourceError: the connection was lost.
    """
    if not isinstance(transport, trio.SocketStream):
        return 0
    try:
        return os.write(transport.socket.fileno(), data)
    except BlockingIOError:
        return 0
    except OSError as error:
        raise trio.BrokenResourceError(f"the connection was lost: {error}") from error


OWN_SERVER: Final = ("server-rsa.pem", "server-ecdsa.pem")
OWN_ROOT: Final = "root.pem"


def files_of(config: ServerConfig) -> Files:
    """Return the files that are configured, and those of our own certificate authority beside the
    database.

    Raises EnvironmentProblem.
    """
    # One file may hold both.
    keys = config.tls_keys or config.tls_certs
    pairs = tuple(Pair(*pair) for pair in zip(config.tls_certs, keys, strict=True))
    folder = certificates_folder(config.beside)
    authorities: tuple[Path, ...] = () if config.tls_client_ca is None else (config.tls_client_ca,)
    try:
        if not pairs and config.tls_port is not None:
            own_files = [folder / name for name in OWN_SERVER]
            pairs = tuple([Pair(path, path) for path in own_files if path.is_file()])
        root = folder / OWN_ROOT
        if pairs and root.is_file():
            authorities += (root,)
    except PermissionError as problem:
        text = (
            f"cannot look at {problem.filename}: give it to the user of the server (chown), who "
            "alone may read it"
        )
        raise EnvironmentProblem(text) from problem
    return Files(pairs, authorities)


def open_tls(config: ServerConfig) -> Tls | None:
    """Return how chargers are served by TLS, None if nothing is configured. Raises
    EnvironmentProblem."""
    if config.tls_port is None and not config.tls_certs:
        return None
    return Tls(_load(config))


def _load(config: ServerConfig) -> ssl.SSLContext:
    if config.tls_keys and len(config.tls_keys) != len(config.tls_certs):
        raise EnvironmentProblem("give --tls-key once for each --tls-cert, in the same order")
    files = files_of(config)
    if not files.pairs:
        text = (
            "TLS needs a certificate: give --tls-cert and --tls-key, or run `levity-trio "
            "certificate init`"
        )
        raise EnvironmentProblem(text)
    return load(files, rsa_suites=config.tls_rsa_suites)


async def watch_tls(config: ServerConfig, tls: Tls, seconds: float = LOOK_SECONDS) -> None:
    """Use renewed files, looking every so many seconds."""
    await watch_files(
        "chargers", partial(_look, config), lambda: tls.replace(_load(config)), seconds
    )


def _look(config: ServerConfig) -> object:
    try:
        files = files_of(config)
    except EnvironmentProblem as problem:
        # A change like others: loading the files says what to do.
        return str(problem)
    paths = [path for pair in files.pairs for path in pair]
    return files, stamps((*paths, *files.authorities))


RECORD_BYTES: Final = 4 * 1024
"""Read at once from the network; a handshake message of a charger is smaller."""
ALERT_SECONDS: Final = 0.5
HANDSHAKE_BYTE: Final = b"\x16"
"""The first byte of a TLS ClientHello (RFC 8446 §5.1); no request begins with it."""
SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""The suites of TLS 1.2: the whitepaper's with forward secrecy, and their siblings for RSA
certificates."""
RSA_SUITES: Final = ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
"""TLS_RSA_WITH_AES_*_GCM_*, which the whitepaper also asks for: without forward secrecy, and off in
Python."""


class Files(NamedTuple):
    """The files of TLS: pairs of the server, and the authorities of client certificates."""

    pairs: tuple[Pair, ...]
    authorities: tuple[Path, ...]


class TlsFailed(Exception):
    """A TLS handshake failed; the peer got an alert if it could read one."""


class Tls:
    """How chargers are served by TLS. `replace` changes the certificates of later handshakes."""

    def __init__(self, common: ssl.SSLContext) -> None:
        self._common = common

    def replace(self, common: ssl.SSLContext) -> None:
        """Use this context from now on."""
        self._common = common

    @property
    def asks_for_certificates(self) -> bool:
        """Whether chargers may prove themselves by a certificate."""
        return self._common.verify_mode is not ssl.CERT_NONE

    async def secure(self, transport: trio.abc.Stream, ahead: bytes) -> trio.SSLStream[_Beginning]:
        """Perform the handshake; `ahead` was received already.

        Raises:
            TlsFailed: the peer offered no common version or suite, a certificate that is not valid,
            or no TLS.
        """
        context = _ContextByVersion(self._common, has_tls_1_3=offers_tls_1_3(ahead))
        stream = trio.SSLStream(
            _Beginning(transport, ahead),
            context,  # type: ignore[arg-type]  # what it uses of a context
            server_side=True,
            https_compatible=True,
        )
        failed: trio.BrokenResourceError | None = None
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            failed = error
        if failed is None:
            return stream

        # OpenSSL has written an alert that tells the peer why; trio's stream does not send it.
        if context.outgoing is not None and (alert := context.outgoing.read()):
            with (
                trio.move_on_after(ALERT_SECONDS),
                suppress(trio.BrokenResourceError, trio.ClosedResourceError),
            ):
                await transport.send_all(alert)
        cause = failed.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"the client certificate is not valid: {cause.verify_message}"
        elif isinstance(cause, ssl.SSLEOFError) or not isinstance(cause, ssl.SSLError):
            reason = "the peer left during the TLS handshake"
        else:
            reason = str(cause.reason or cause).lower().replace("_", " ")
        raise TlsFailed(reason) from failed


def fingerprint_of(stream: trio.SSLStream[Any]) -> str | None:
    """Return the SHA-256 of the peer's certificate, None if it presented none."""
    certificate: bytes | None = stream.getpeercert(binary_form=True)
    return None if certificate is None else sha256(certificate).hexdigest()


def load(files: Files, *, rsa_suites: bool) -> ssl.SSLContext:
    """Read the certificates, and the authorities of client certificates. Call it in a thread.

    Raises EnvironmentProblem.
    """
    # Connections of TLS 1.2 begin in another context, and take certificates and suites from this.
    context = _context(ssl.TLSVersion.TLSv1_3, verifies=bool(files.authorities))
    context.set_ciphers(":".join([*SUITES, *RSA_SUITES] if rsa_suites else SUITES))
    for pair in files.pairs:
        use(context, pair)
    for authority in files.authorities:
        try:
            context.load_verify_locations(authority)
        except (OSError, ValueError) as problem:
            text = (
                f"cannot use the authority {authority} of client certificates: {problem}; give a "
                "PEM file"
            )
            raise EnvironmentProblem(text) from problem
    return context


def _context(minimum: ssl.TLSVersion, *, verifies: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_OPTIONAL if verifies else ssl.CERT_NONE
    return context


class _ContextByVersion:
    """What SSLStream uses of a context. A connection of TLS 1.3 uses the common context. One of TLS
    1.2 begins with a fresh context, and then takes the certificates of the common one."""

    def __init__(self, common: ssl.SSLContext, *, has_tls_1_3: bool) -> None:
        self._common = common
        self._has_tls_1_3 = has_tls_1_3
        self.outgoing: ssl.MemoryBIO | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *,
        server_side: bool,
        server_hostname: str | None,
    ) -> ssl.SSLObject:
        """Begin a connection."""
        # A server has none.
        del server_hostname
        self.outgoing = outgoing
        common = self._common
        if self._has_tls_1_3:
            return common.wrap_bio(incoming, outgoing, server_side=server_side)
        # Its session cache is empty, so nothing can be resumed; the certificates come afterwards.
        fresh = _context(ssl.TLSVersion.TLSv1_2, verifies=common.verify_mode is not ssl.CERT_NONE)
        begun = fresh.wrap_bio(incoming, outgoing, server_side=server_side)
        begun.context = common
        return begun


class _Beginning(trio.abc.Stream):
    """The transport beneath TLS: what was received already comes first."""

    def __init__(self, transport: trio.abc.Stream, ahead: bytes) -> None:
        self._transport = transport
        self._ahead = ahead

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            await trio.lowlevel.checkpoint()
            return ahead
        return await receive_from(self._transport, max_bytes or RECORD_BYTES)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        sent = send_at_once(self._transport, data)
        if sent < len(data):
            await self._transport.send_all(memoryview(data)[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._transport.aclose()


HEAD_BYTES: Final = 8 * 1024
SEND_SECONDS: Final = 5.0
LAST_SEND_SECONDS: Final = 1.0
"""The time for a frame that is half sent when the server stops. A peer that reads it then has its
goodbye."""
GOODBYE_SECONDS: Final = 1.5
RECEIVE_BYTES: Final = 2 * 1024
LONGEST_REST_SECONDS: Final = 0.05
ARRIVAL_SECONDS: Final = 600.0
"""The time in which a large message must arrive: 2 KB/s for 1.1 MB. The others wait for it
meanwhile."""
STALL_SECONDS: Final = 60.0
"""The longest pause between two bytes of a large message."""
STRANGERS_SHARE: Final = 10
"""A large message of a charger that has never charged here must arrive in 1/STRANGERS_SHARE of
these times."""
FAREWELL_BYTES: Final = 16 * 1024
HEAD_END: Final = (b"\r\n\r\n", b"\n\n")
CLOSE_FRAME: Final = FINAL | CLOSE
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class HeadTooLarge(Exception):
    """The request head did not end within HEAD_BYTES."""


class ChargerStream(trio.abc.Stream):
    """One charger's connection; `last_received` is the monotonic time of its last byte.

    `remote_address` is the peer's address without the port. `text_as_binary` turns text frames into
    binary ones, so that the library does not reject invalid UTF-8.
    """

    __slots__ = (
        "_accepted",
        "_ahead",
        "_begun",
        "_due",
        "_farewell_bytes",
        "_framing",
        "_is_full",
        "_most_bytes",
        "_request",
        "_rest_sent",
        "_sending",
        "_transport",
        "_unpaid",
        "account",
        "has_begun_tls",
        "last_received",
        "last_word",
        "left_at",
        "local_address",
        "on_message",
        "on_overflow",
        "on_slow",
        "remote_address",
        "send_seconds",
    )

    def __init__(
        self,
        transport: trio.abc.Stream,
        remote_address: str,
        account: MemoryAccount,
        max_message_bytes: int,
        *,
        text_as_binary: bool,
    ) -> None:
        self._transport = transport
        self.account = account
        self._unpaid = bytearray()
        """Received bytes that are not passed on yet."""
        self._begun: list[tuple[int, int]] = []
        """The offset and the size of each message that begins in them."""
        self.remote_address = remote_address
        self.local_address = _local_address(transport)
        self.has_begun_tls = False
        self._most_bytes = max_message_bytes
        self._framing = Framing(max_message_bytes, text_as_binary=text_as_binary)
        self._due = math.inf
        """The time at which the large message that is arriving must be complete."""
        self._request = b""
        """The request that the library has not read yet."""
        self._accepted: trio.Event | None = trio.Event()
        """Set and forgotten when the handshake is complete."""
        self._ahead = b""
        """Received bytes of which nothing was read yet."""
        self._farewell_bytes: int | None = None
        """How much is still discarded, after our close frame."""
        self._is_full = False
        """Whether the last read brought as much as one can."""
        self.send_seconds = SEND_SECONDS
        self._sending: trio.CancelScope | None = None
        """The scope of the frame that is half sent; after a failure it stays."""
        self._rest_sent: trio.Event
        """Set when the rest of a frame that was half sent has left, or could not."""
        self.last_received = trio.current_time()
        self.left_at = math.inf
        """The time at which the peer sent a close frame or ended its stream; a reset does not
        count."""
        self.on_overflow: Callable[[int, int], None] = _ignore
        """Called with the size of a message that is too large, as far as it is known, and the
        limit."""
        self.on_slow: Callable[[], None] = _ignore
        self.on_message: Callable[[bytes], bool] = _decline
        """Called with a message that arrived whole. If it returns True, it has taken it, and the
        library does not get it: that would parse it again, and pass it from task to task."""
        self.last_word: Callable[[], bytes] | None = None
        """Returns the close frame that the library owes the peer; None once a close frame was
        sent."""

    async def begin_proxied(self) -> bool:
        """Read the header of a proxy: the peer is then the one that it names. Return whether it
        passes on a connection.

        Raises BadProxyHeader.
        """
        received = b""
        while (header := read_proxy_header(received)) is None:
            received += await self._receive_more()
        self._ahead = received[header.size :]
        self.remote_address = header.address or self.remote_address
        return header.address is not None

    async def receive_first(self) -> bytes:
        """Receive the first bytes, which remain to be read, and return them."""
        self._ahead = self._ahead or await self._receive_more()
        return self._ahead

    async def begin_tls(self, tls: Tls) -> str | None:
        """Perform the TLS handshake that the peer began; return the fingerprint of its certificate,
        if it has one.

        Raises TlsFailed.
        """
        self.has_begun_tls = True
        ahead, self._ahead = self._ahead, b""
        self._transport = secured = await tls.secure(self._transport, ahead)
        return fingerprint_of(secured)

    async def _receive_more(self) -> bytes:
        data = bytes(await self._transport.receive_some(RECEIVE_BYTES))
        if not data:
            raise trio.BrokenResourceError(
                "the peer closed the connection before its request was complete"
            )
        return data

    async def read_head(self) -> bytes:
        """Read and return the request head, up to its empty line. Later bytes remain to be read.

        Raises:
            HeadTooLarge: there was no empty line within HEAD_BYTES.
            trio.BrokenResourceError: the peer closed the connection before.
        """
        received, self._ahead = self._ahead, b""
        while True:
            ends = [received.index(mark) + len(mark) for mark in HEAD_END if mark in received]
            if ends:
                break
            if len(received) > HEAD_BYTES:
                raise HeadTooLarge
            received += await self._receive_more()
        end = min(ends)
        if end > HEAD_BYTES:
            raise HeadTooLarge
        self._ahead = received[end:]
        return received[:end]

    def begin_handshake(self, request: bytes) -> None:
        """Let the library read this request, but no later bytes before `end_handshake`.

        The library would drop bytes between the request and its own response, as a request body.
        """
        self._request = request

    def end_handshake(self, last_word: Callable[[], bytes]) -> None:
        """Let the library read frames, now that it has sent its response."""
        self.last_word = last_word
        self.last_received = trio.current_time()
        if self._accepted is not None:
            self._accepted.set()
            self._accepted = None

    @property
    def most_bytes(self) -> int:
        """The largest message of this charger. One that has charged here may have readings that
        belong to a bill."""
        return max(self._most_bytes, LARGEST_BYTES) if self.account.is_known else self._most_bytes

    @property
    def _haste(self) -> int:
        """How many times faster than a known charger this one has to send a large message."""
        return 1 if self.account.is_known else STRANGERS_SHARE

    @property
    def is_held(self) -> bool:
        """Whether nothing is read because a large message waits for its place, or to pay: its
        charger is not silent."""
        return self.account.waits_for_place

    def begin_goodbye(self, end: Callable[[], None]) -> None:
        """Release the account; call `end` after FAREWELL_BYTES more, because later bytes are only
        discarded."""
        self.account.close()
        self._farewell_bytes = FAREWELL_BYTES
        self._due = math.inf
        self.on_overflow = lambda *_: end()
        self.on_message = _decline

    async def receive_some(
        self,
        max_bytes: int | None = None,  # noqa: ARG002 - the fair amount is decided here
    ) -> bytes | bytearray:
        """Return the next bytes. Calls `on_overflow` if a message is too large."""
        if self._request:
            request, self._request = self._request, b""
            await trio.lowlevel.checkpoint()
            return request
        # The library reads on at once, and would take frames for the body of the request.
        if self._accepted is not None:
            await self._accepted.wait()
        if not self._unpaid:
            await self._receive_for_library()

        # A message is paid for before the library parses it: until then, its bytes stay here.
        for at, size in self._begun:
            if self.account.take_nowait(size):
                continue
            if at:
                # A paid message never waits for an unpaid one behind it.
                return self._pass_on(at)
            await self.account.take(size)

        # A message in fragments shows only now that it is large.
        if self._framing.message_bytes > LARGE_BYTES and not self._framing.is_too_large:
            await self.account.grow_large()
            if self._due == math.inf:
                # The time begins now: it may have waited long for its place.
                self.last_received = trio.current_time()
                self._due = self.last_received + ARRIVAL_SECONDS / self._haste
        return self._pass_on(len(self._unpaid))

    def _pass_on(self, end: int) -> bytearray:
        passed, self._unpaid = self._unpaid[:end], self._unpaid[end:]
        self._begun = [(at - end, size) for at, size in self._begun if at >= end]
        return passed

    async def _receive_for_library(self) -> None:
        """Receive the next bytes that are no message which its receiver takes at once."""
        while True:
            data = bytearray(await self._receive_next())
            self.last_received = trio.current_time()
            self._framing.most_bytes = self.most_bytes
            self._framing.follow(data)
            self._begun = self._framing.begun
            if self._begun or not self._framing.is_within_message:
                # The large message has arrived, or there is none.
                self._due = math.inf
            self.account.note(is_unfinished=self._framing.is_within_message)
            if (self._framing.has_closed or not data) and self.last_word is not None:
                self.left_at = min(self.left_at, self.last_received)

            if self._farewell_bytes is None:
                is_too_much = self._framing.is_too_large
            else:
                self._farewell_bytes -= len(data)
                is_too_much = self._farewell_bytes < 0
            if is_too_much:
                self._begun = []
                self.on_overflow(self._framing.message_bytes, self._framing.most_bytes)

            message = self._framing.whole_message(data)
            if message is None or not self.on_message(message):
                self._unpaid = data
                return
            # The next may be long in coming, and this one's memory is not charged then.
            del data, message

    async def _receive_next(self) -> bytes | bytearray:
        """Receive some bytes. Calls `on_slow` if those of a large message do not arrive in time."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            await trio.lowlevel.checkpoint()
            return ahead

        if self._is_full:
            # A peer that filled its last read floods the server or sends a large message. Hundreds
            # of empty frames fit into one read, and the library handles them without yielding to
            # other tasks. So it pauses for twice the time that the read occupied the event loop.
            occupied = trio.current_time() - self.last_received
            await trio.sleep(min(LONGEST_REST_SECONDS, 2 * occupied))

        data: bytes | bytearray | None = None
        if self._due < math.inf:
            # All large messages of others wait for this one.
            stalled_at = trio.current_time() + STALL_SECONDS / self._haste
            with trio.move_on_at(min(self._due, stalled_at)):
                data = await receive_from(self._transport, RECEIVE_BYTES)
            if data is None:
                self._due = math.inf
                self.on_slow()
        if data is None:
            data = await receive_from(self._transport, RECEIVE_BYTES)
        self._is_full = len(data) == RECEIVE_BYTES
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data within `send_seconds`, even while being cancelled, or end the
        connection.

        Raises:
            trio.BrokenResourceError: the peer did not read it in time, or the connection was lost.
        """
        # Nothing may follow half a frame: wait for its rest, and give up if that could not leave.
        while (before := self._sending) is not None:
            await self._rest_sent.wait()
            if self._sending is before:
                raise trio.BrokenResourceError("half of the frame before is out")
        if data[0] == CLOSE_FRAME:
            self.last_word = None
        sent = send_at_once(self._transport, data)
        if sent == len(data):
            return

        # Half a frame may be out now. Whoever is cancelled here must not leave it so: the shield
        # lets the rest follow, and only time ends it.
        with trio.move_on_after(self.send_seconds, shield=True) as scope:
            self._sending, self._rest_sent = scope, trio.Event()
            try:
                await self._transport.send_all(memoryview(data)[sent:])
            finally:
                self._rest_sent.set()
        if scope.cancelled_caught:
            raise trio.BrokenResourceError(f"the peer read nothing for {self.send_seconds:g} s")
        self._sending = None

    async def send_text(self, text: str) -> bool:
        """Send a text as `send_all` does; return False if it could not be sent.

        The library would do the same behind a lock, which costs a turn of all tasks. After a close
        frame, or a lost connection, it knows which error to raise.
        """
        if self.last_word is None:
            return False
        try:
            await self.send_all(text_frame(text))
        except GONE:
            # Half a frame may be out: a goodbye would vanish into it.
            await trio.aclose_forcefully(self)
            return False
        return True

    def hurry(self) -> None:
        """Let the frame that is half sent, which no cancellation ends, wait only a little longer
        for the peer."""
        if self._sending is not None:
            soon = trio.current_time() + LAST_SEND_SECONDS
            self._sending.deadline = min(self._sending.deadline, soon)

    async def wait_send_all_might_not_block(self) -> None:
        """Delegate to the transport."""
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the connection, after sending the close frame if one is owed."""
        last_word, self.last_word = self.last_word, None
        if last_word is not None and (frame := last_word()):
            with trio.move_on_after(GOODBYE_SECONDS, shield=True), suppress(*GONE):
                await self._transport.send_all(frame)
                # TCP resets a connection that is closed with unread bytes, and the peer may then
                # lose the last frame (RFC 6455 §7.1.1).
                left = FAREWELL_BYTES
                while left > 0 and (data := await self._transport.receive_some(RECEIVE_BYTES)):
                    left -= len(data)
        await self._transport.aclose()


def address_of(transport: trio.abc.Stream) -> str | None:
    """Return the address of a peer, None if it has left already, as a health check of a proxy
    does."""
    if not isinstance(transport, trio.SocketStream):
        return "memory"
    try:
        return str(transport.socket.getpeername()[0])
    except OSError:
        return None


def _local_address(transport: trio.abc.Stream) -> str | None:
    """Return the address of ours at which a connection arrived."""
    if isinstance(transport, trio.SocketStream):
        with suppress(OSError):
            return str(transport.socket.getsockname()[0])
    return None


def _ignore(*_: object) -> None:
    """The default callback: no one has registered."""


def _decline(_: object) -> bool:
    """The default callback for messages: the library gets all of them."""
    return False


__all__ = [
    "NO_COMMON_SUBPROTOCOL",
    "CloseCode",
    "ConnectionClosed",
    "PingAfterGoodbye",
    "WebSocketConnection",
    "accept",
]

NO_COMMON_SUBPROTOCOL: Final = "this server supports only the subprotocol ocpp1.6"


class CloseCode(IntEnum):
    """WebSocket close codes (RFC 6455 §7.4.1; 1012 and 1013 are from the IANA registry)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013


async def accept(
    library: trio.Nursery, stream: ChargerStream, head: Head
) -> WebSocketConnection | None:
    """Complete the handshake and return the connection.

    If the client offers only other subprotocols, complete it without one, close the connection at
    once (OCPP-J §3.2) and return None.
    """
    subprotocol, is_acceptable = choose_subprotocol(head)
    stream.begin_handshake(canonical_head(head, subprotocol))
    request = await wrap_server_stream(library, stream, max_message_size=sys.maxsize)
    websocket = await request.accept(subprotocol=subprotocol)
    stream.end_handshake(partial(_close_frame, websocket))
    if is_acceptable:
        return websocket
    with trio.move_on_after(GOODBYE_SECONDS):
        await websocket.aclose(CloseCode.PROTOCOL_ERROR, NO_COMMON_SUBPROTOCOL)
    return None


def _close_frame(websocket: WebSocketConnection) -> bytes:
    """Return the close frame for a peer that broke the protocol, empty if it did not or is gone."""
    closed = websocket.closed
    if closed is None or closed.code not in (CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_PAYLOAD):
        return b""
    return Connection(ConnectionType.SERVER).send(
        CloseConnection(code=closed.code, reason=closed.reason)
    )
