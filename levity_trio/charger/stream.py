"""The bytes of one charger, beneath the WebSocket library.

What the library cannot do is done here, once, for every frame whatever its kind: a frame leaves whole or the
connection ends (half a frame would corrupt all that follow); any byte is a sign of life, pings and pongs included
(OCPP-J 1.6 §5.3); the size of a message is bounded, in bytes, and its memory is paid for before it is read; what comes
with the request head is kept for the WebSocket; and a peer that broke the protocol is told so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from levity_trio.charger.budget import Account
from levity_trio.wire.framing import CLOSE, FINAL, Framing

HEAD_BYTES: Final = 8 * 1024
SEND_SECONDS: Final = 5.0
GOODBYE_SECONDS: Final = 1.5
RECEIVE_BYTES: Final = 2 * 1024
LONGEST_REST_SECONDS: Final = 0.05
FAREWELL_BYTES: Final = 16 * 1024
HEAD_END: Final = (b"\r\n\r\n", b"\n\n")
CLOSE_FRAME: Final = FINAL | CLOSE
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class HeadTooLarge(Exception):
    """The request head did not end within HEAD_BYTES."""


class ChargerStream(trio.abc.Stream):
    """One charger's connection; `last_received` is the monotonic time of its last byte.

    `remote_address` is the peer's, without its port. With `text_as_binary` the library sees no text frame, so that it
    does not refuse what is no UTF-8.
    """

    __slots__ = (
        *("_accepted", "_ahead", "_begun", "_farewell_bytes", "_framing", "_is_full", "_request", "_transport"),
        *("_unpaid", "account", "last_received", "last_word", "left_at", "on_overflow", "remote_address"),
        "send_seconds",
    )

    def __init__(
        self, transport: trio.abc.Stream, account: Account, max_message_bytes: int, *, text_as_binary: bool
    ) -> None:
        self._transport = transport
        self.account = account
        self._unpaid = bytearray()
        """Received, and not passed on yet; `_begun` are the messages that begin in it, where, and how large."""
        self._begun: list[tuple[int, int]] = []
        self.remote_address = _address(transport)
        self._framing = Framing(max_message_bytes, text_as_binary=text_as_binary)
        self._request = b""
        self._accepted = trio.Event()
        self._ahead = b""
        self._farewell_bytes: int | None = None
        self._is_full = False
        self.send_seconds = SEND_SECONDS
        self.last_received = trio.current_time()
        self.left_at = math.inf
        """When the peer closed the connection by itself, by a close frame or the end of its stream; not by a reset."""
        self.on_overflow: Callable[[], None] = _ignore
        self.last_word: Callable[[], bytes] | None = None
        """Gives the close frame that the library owes the peer; forgotten once one was sent."""

    async def read_head(self) -> bytes:
        """Everything up to the empty line that ends a request head; what came after it stays to be read.

        Raises:
            HeadTooLarge: more than HEAD_BYTES came without that line.
            trio.BrokenResourceError: the peer went away before.
        """
        received = b""
        while (end := _head_end(received)) is None:
            if len(received) > HEAD_BYTES:
                raise HeadTooLarge
            data = await self._transport.receive_some(RECEIVE_BYTES)
            if not data:
                raise trio.BrokenResourceError("the peer left before its request was complete")
            received += data
        if end > HEAD_BYTES:
            raise HeadTooLarge
        self._ahead = received[end:]
        return received[:end]

    def begin_handshake(self, request: bytes) -> None:
        """Let the library read this request, and nothing behind it before `end_handshake`.

        What it reads between a request and its own answer it takes for a body, and drops.
        """
        self._request = request

    def end_handshake(self, last_word: Callable[[], bytes]) -> None:
        """The library has answered: from now on it reads frames."""
        self.last_word = last_word
        self.last_received = trio.current_time()
        self._accepted.set()

    def begin_goodbye(self, end: Callable[[], None]) -> None:
        """What still comes is of no use to anybody: `end` is called when there is much of it."""
        self.account.close()
        self._farewell_bytes = FAREWELL_BYTES
        self.on_overflow = end

    async def receive_some(
        self,
        max_bytes: int | None = None,  # noqa: ARG002 - how much is fair is decided here
    ) -> bytes | bytearray:
        """The next bytes. Calls `on_overflow` where a message is too large."""
        if self._request:
            request, self._request = self._request, b""
            await trio.lowlevel.checkpoint()
            return request
        if not self._accepted.is_set():
            await self._accepted.wait()
        if not self._unpaid:
            self._unpaid = await self._follow_next()
        for at, size in self._begun:
            if at and not self.account.take_nowait(size):
                return self._pass_on(at)  # a message that is paid for never waits for one that is not
            if not at:
                await self.account.take(size)
        return self._pass_on(len(self._unpaid))

    def _pass_on(self, end: int) -> bytearray:
        passed, self._unpaid = self._unpaid[:end], self._unpaid[end:]
        self._begun = [(at - end, size) for at, size in self._begun if at >= end]
        return passed

    async def _follow_next(self) -> bytearray:
        data = bytearray(await self._next())
        self.last_received = trio.current_time()
        self._framing.follow(data)
        self._begun = self._framing.begun
        self.account.note(is_unfinished=self._framing.is_within_message)
        if (self._framing.has_closed or not data) and self.last_word is not None:
            self.left_at = min(self.left_at, self.last_received)
        if self._is_too_much(len(data)):
            self._begun = []
            self.on_overflow()
        return data

    async def _next(self) -> bytes | bytearray:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            await trio.lowlevel.checkpoint()
            return ahead
        if self._is_full:
            await self._rest()
        data = await self._receive(RECEIVE_BYTES)
        self._is_full = len(data) == RECEIVE_BYTES
        return data

    def _is_too_much(self, received: int) -> bool:
        if self._farewell_bytes is None:
            return self._framing.is_too_large
        self._farewell_bytes -= received
        return self._farewell_bytes < 0

    async def _rest(self) -> None:
        """One who fills a read floods, or sends something large: what it cost the loop, it rests for twice.

        Hundreds of empty frames fit into one read, and the library gives nobody a turn between them.
        """
        await trio.sleep(min(LONGEST_REST_SECONDS, 2 * (trio.current_time() - self.last_received)))

    async def _receive(self, max_bytes: int) -> bytes | bytearray:
        """Wait, then read: the transport itself would first try in vain, at the price of a system call."""
        if not isinstance(self._transport, trio.SocketStream):
            return await self._transport.receive_some(max_bytes)
        descriptor = self._transport.socket.fileno()
        if descriptor < 0:
            raise trio.ClosedResourceError
        try:
            await trio.lowlevel.wait_readable(descriptor)
            if self._transport.socket.fileno() != descriptor:  # closed meanwhile, and its number perhaps another's
                raise trio.ClosedResourceError
            return os.read(descriptor, max_bytes)
        except BlockingIOError:
            return await self._transport.receive_some(max_bytes)
        except OSError as error:
            raise trio.BrokenResourceError(f"the peer went away: {error}") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, or end the connection: within `send_seconds`, even while being cancelled.

        Raises:
            trio.BrokenResourceError: the peer did not take it; the connection is closed.
        """
        if data[0] == CLOSE_FRAME:
            self.last_word = None
        sent = self._send_at_once(data)
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    def _send_at_once(self, data: bytes | bytearray | memoryview) -> int:
        """As much as the socket's buffer takes, which is nearly always all: without a scope, a deadline and a turn of
        the loop, which together would cost a third of an answer. The library's own lock gives the others their turn.
        """
        if not isinstance(self._transport, trio.SocketStream):
            return 0
        try:
            return os.write(self._transport.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(f"the peer went away: {error}") from error

    async def _send_rest(self, data: memoryview) -> None:
        with trio.move_on_after(self.send_seconds, shield=True) as scope:
            await self._transport.send_all(data)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError(f"the peer took nothing for {self.send_seconds:g} s")

    async def wait_send_all_might_not_block(self) -> None:
        """As the transport says."""
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the connection, after the last word where one is owed."""
        last_word, self.last_word = self.last_word, None
        if last_word is not None and (frame := last_word()):
            with trio.move_on_after(GOODBYE_SECONDS, shield=True), suppress(*GONE):
                await self._transport.send_all(frame)
                await self._let_it_be_read()
        await self._transport.aclose()

    async def _let_it_be_read(self) -> None:
        """Read on until the peer has closed: TCP resets a connection that is closed with bytes unread, and what was
        sent last is lost on the way (RFC 6455 §7.1.1)."""
        left = FAREWELL_BYTES
        while left > 0 and (data := await self._transport.receive_some(RECEIVE_BYTES)):
            left -= len(data)


def _address(transport: trio.abc.Stream) -> str:
    if not isinstance(transport, trio.SocketStream):
        return "memory"
    try:
        return str(transport.socket.getpeername()[0])
    except OSError:  # it has left again
        return "unknown"


def _ignore() -> None:
    """Nobody has asked to be told yet."""


def _head_end(received: bytes) -> int | None:
    ends = [received.index(mark) + len(mark) for mark in HEAD_END if mark in received]
    return min(ends, default=None)
