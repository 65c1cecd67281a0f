"""The load generator: thousands of chargers in a closed loop, in one thread, over raw sockets.

Closed loop: a charger sends its next call as soon as the answer to the last has come, so the server
always has as much work as there are chargers, and the calls per second are its own. The generator
shares the machine with the server; so it is one epoll loop, and per answer one read, one
comparison, one format and one send.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from tests.integration.websocket import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    UPGRADED,
    client_frame,
    take_frame,
    upgrade_request,
)

from .conversation import Conversation

READ_BYTES = 65536
POLL_SECONDS = 0.1
CONNECT_SECONDS = 10
SAMPLES_KEPT = 5
SAMPLE_CHARACTERS = 200
_SMALL_TEXT_FRAME = 0x81
_SMALL_SIZE = 126
_HEAD_END = b"\r\n\r\n"
_CALL, _CALL_RESULT, _CALL_ERROR = 2, 3, 4


class Connection:
    """One charger's socket, and where it stands in its conversation."""

    __slots__ = (
        *("identity", "conversation", "socket", "upgraded"),
        *("buffer", "message_id", "answer_start", "sent_at"),
    )

    def __init__(self, identity: str, conversation: Conversation, connected: socket.socket) -> None:
        self.identity = identity
        self.conversation = conversation
        self.socket = connected
        self.buffer = b""
        self.upgraded = False
        self.message_id = 0
        self.answer_start = b""
        self.sent_at = 0.0


class Load:
    """Chargers talking to one server; `with Load(port) as load` closes whatever is still open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._unfinished: set[Connection] = set()
        self._waiting: set[Connection] = set()
        self.answer_seconds = array("d")
        """How long each answer took since this was last replaced."""
        self.faults: Counter[str] = Counter()
        self.samples: list[str] = []
        self.upgraded = 0
        self.finished = 0
        self.sent_bytes = self.received_bytes = 0
        """With the headers of WebSocket frames and of upgrades, without those of TCP."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._unfinished:
            self.faults["no answer"] += len(self._unfinished)
        goodbye = client_frame(CLOSE, (1000).to_bytes(2))
        for connection in list(self._connections.values()):
            with contextlib.suppress(OSError):  # a peer that left first
                connection.socket.send(goodbye)
            self._drop(connection)
        self._epoll.close()

    @property
    def unfinished(self) -> int:
        """Chargers that are connected and have more to say."""
        return len(self._unfinished)

    def connect(self, conversations: Iterable[tuple[str, Conversation]]) -> None:
        """Connect all and send each one's upgrade request; the answers are read by `run`."""
        for identity, conversation in conversations:
            self._dial(identity, conversation, self._port)

    def _dial(self, identity: str, conversation: Conversation, port: int) -> bool:
        """Connect one; return whether there was anybody."""
        try:
            connected = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sent_bytes += connected.send(upgrade_request(f"/ocpp/{identity}", port))
        except OSError as error:
            self._note("not connected", f"{identity}: {error}")
            return False
        connected.setblocking(False)
        connection = Connection(identity, conversation, connected)
        self._connections[connected.fileno()] = connection
        self._unfinished.add(connection)
        self._epoll.register(connected.fileno(), select.EPOLLIN)
        return True

    @property
    def waiting(self) -> int:
        """Those of them whose conversation waits to be released."""
        return len(self._waiting)

    def release(self, most: int | None = None) -> None:
        """Let those go on that wait, or so many of them."""
        count = len(self._waiting) if most is None else min(most, len(self._waiting))
        for connection in [self._waiting.pop() for _ in range(count)]:
            self._call_next(connection, b"")

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let them talk that long, or until the condition holds: True if it does."""
        deadline = time.perf_counter() + seconds
        while until is None or not until():
            remaining = deadline - time.perf_counter()
            if remaining <= 0:
                return False
            for descriptor, _ in self._epoll.poll(min(remaining, POLL_SECONDS)):
                self._receive(self._connections[descriptor])
        return True

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(READ_BYTES)
        except OSError as error:
            self._lose(connection, str(error))
            return
        self.received_bytes += len(data)
        start = connection.answer_start
        # The hot path: the expected answer as one whole small text frame, and nothing else.
        if start and data.startswith(start, 2) and _is_small_text(data) and not connection.buffer:
            self._answered(connection, data[1 + len(start) : -1])
        elif data:
            connection.buffer += data
            self._read_buffer(connection)
        else:
            self._lose(connection, "end of stream")

    def _answered(self, connection: Connection, payload: bytes) -> None:
        self.answer_seconds.append(time.perf_counter() - connection.sent_at)
        self._call_next(connection, payload)

    def _call_next(self, connection: Connection, payload: bytes | None) -> None:
        """Send what the conversation says to this answer (None: it has not begun)."""
        try:
            body = (
                next(connection.conversation)
                if payload is None
                else connection.conversation.send(payload)
            )
        except StopIteration:
            connection.answer_start = b""
            self.finished += 1
            self._unfinished.discard(connection)
            return
        if body is None:
            connection.answer_start = b""
            self._waiting.add(connection)
            return
        connection.message_id = message_id = connection.message_id + 1
        connection.answer_start = b'[3,"%d",{' % message_id
        frame = client_frame(TEXT, b'[2,"%d",%s]' % (message_id, body))
        connection.sent_at = time.perf_counter()
        self._send(connection, frame)

    def _send(self, connection: Connection, frame: bytes) -> None:
        try:
            sent = connection.socket.send(frame)
        except OSError as error:
            self._lose(connection, str(error))
        else:
            self.sent_bytes += sent
            if sent < len(frame):
                self._lose(connection, "the server does not read")

    def _read_buffer(self, connection: Connection) -> None:
        if not connection.upgraded and not self._read_head(connection):
            return
        while taken := take_frame(connection.buffer):
            frame, connection.buffer = taken
            if frame.opcode == TEXT:
                self._read_text(connection, frame.payload)
            elif frame.opcode == PING:
                self._send(connection, client_frame(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                self._lose(connection, f"closed with {int.from_bytes(frame.payload[:2])}")
                return

    def _read_head(self, connection: Connection) -> bool:
        """Whether the connection is upgraded; the first call goes out when it is."""
        head, end, rest = connection.buffer.partition(_HEAD_END)
        if not end:
            return False
        if not head.startswith(UPGRADED):
            self._fault("refused", connection, head)
            self._drop(connection)
            return False
        connection.upgraded = True
        connection.buffer = rest
        self.upgraded += 1
        self._call_next(connection, None)
        return True

    def _read_text(self, connection: Connection, text: bytes) -> None:
        """Any message but the short and expected one, with any spelling of JSON."""
        try:
            kind, message_id, *rest = json.loads(text)
        except (ValueError, TypeError):
            self._fault("unreadable", connection, text)
            return
        if kind == _CALL:
            self._called(connection, message_id)
        elif message_id != str(connection.message_id) or not connection.answer_start:
            self._fault("unexpected answer", connection, text)
        elif kind == _CALL_RESULT and len(rest) == 1 and isinstance(rest[0], dict):
            self._answered(connection, json.dumps(rest[0]).encode())
        else:
            self._fault("CALLERROR" if kind == _CALL_ERROR else "unreadable", connection, text)
            self._refused(connection)

    def _called(self, connection: Connection, message_id: str) -> None:
        """Answer a call of the server: these chargers can do nothing."""
        refusal = json.dumps([_CALL_ERROR, message_id, "NotSupported", "", {}])
        self._send(connection, client_frame(TEXT, refusal.encode()))

    def _refused(self, connection: Connection) -> None:
        """Go on behind a call that was not answered as it should be."""
        self._answered(connection, b"{}")

    def _lose(self, connection: Connection, reason: str) -> None:
        self._fault("connection lost", connection, reason)
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._unfinished.discard(connection)
        self._waiting.discard(connection)
        if self._connections.pop(connection.socket.fileno(), None):
            connection.socket.close()  # epoll forgets a closed socket by itself

    def _fault(self, kind: str, connection: Connection, sample: str | bytes) -> None:
        self._note(kind, f"{connection.identity}: {sample!r}")

    def _note(self, kind: str, sample: str) -> None:
        self.faults[kind] += 1
        if len(self.samples) < SAMPLES_KEPT:
            self.samples.append(f"{kind}: {sample[:SAMPLE_CHARACTERS]}")


def _is_small_text(data: bytes) -> bool:
    size = data[1]
    return (
        data[0] == _SMALL_TEXT_FRAME
        and size < _SMALL_SIZE
        and len(data) == size + 2
        and data.endswith(b"}]")
    )
