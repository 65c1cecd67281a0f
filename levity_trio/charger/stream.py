"""The byte stream of one charger, beneath the WebSocket library.

It does what the library cannot, for frames of every kind:

- A frame is sent whole or the connection ends; half a frame would corrupt all later ones.
- Any received byte shows that the charger is alive, pings and pongs included (OCPP-J 1.6 §5.3).
- The size of a message is limited, in bytes, and its memory is charged before it is read. A large
  one must arrive in time, because the whole server takes one of them at a time.
- Bytes that arrive with the request head are kept for the WebSocket.
- A peer that breaks the protocol gets a close frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from levity_trio.charger.budget import MemoryAccount
from levity_trio.charger.tls import Tls, fingerprint_of
from levity_trio.charger.transport import receive_from, send_at_once
from levity_trio.wire.framing import CLOSE, FINAL, Framing, text_frame
from levity_trio.wire.large import LARGE_BYTES, LARGEST_BYTES
from levity_trio.wire.proxy_header import read_proxy_header

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
