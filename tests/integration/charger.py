"""One simulated charger on a blocking socket: as well-behaved, or as rude, as a test wants it.

For what a load generator is too blunt for. Every wait ends after ANSWER_SECONDS with an error.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

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

ANSWER_SECONDS = 60.0
DEAF_CALLS, DEAF_ID = 200, "x" * 60_000
"""So many answers with such ids are more than the buffers of a connection hold."""
DEAF_SECONDS = 1.0
_HEAD_END = b"\r\n\r\n"
_CALL_RESULT = 3
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Answer = list[Any]
"""A message of OCPP-J as it came: [3, id, payload] or [4, id, code, description, details]."""


class Closed(Exception):
    """The server ended the connection: `code` is its close code, None where it just went away."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class NoWebSocket(Exception):
    """The handshake was answered with something else; `head` is that answer."""

    def __init__(self, head: bytes) -> None:
        super().__init__(head)
        self.head = head
        self.status = int(head.split(b" ", 2)[1])


def now() -> str:
    """The present moment as chargers write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Charger:
    """A charger with an open connection, from an address of this machine; `with` closes it."""

    def __init__(
        self,
        port: int,
        identity: str,
        head: bytes | None = None,
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.identity = identity
        self.socket = socket.create_connection(
            ("127.0.0.1", port), ANSWER_SECONDS, source_address=(address, 0)
        )
        self._buffer = b""
        self._calls = 0
        try:
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
            self.socket.sendall(head or upgrade_request(f"/ocpp/{identity}", port))
            self._read_head()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def call(self, action: str, **payload: Any) -> dict[str, Any]:
        """Send a CALL and give the payload of its CALLRESULT."""
        message_id = self.send(action, **payload)
        kind, answered, *rest = self.receive()
        assert (kind, answered) == (_CALL_RESULT, message_id), (kind, answered, rest)
        answer: dict[str, Any] = rest[0]
        return answer

    def send(self, action: str, **payload: Any) -> str:
        """Send a CALL without waiting; gives its message id, which no other charger uses."""
        self._calls += 1
        message_id = f"{self.identity}-{self._calls}"
        self.send_text(json.dumps([2, message_id, action, payload]))
        return message_id

    def send_text(self, text: str) -> None:
        """Send any text as one frame."""
        self.socket.sendall(client_frame(TEXT, text.encode()))

    def receive(self) -> Answer:
        """The next message of the server. Raises Closed."""
        while True:
            while (taken := take_frame(self._buffer)) is None:
                self._receive_more()
            frame, self._buffer = taken
            if frame.opcode == TEXT:
                message: Answer = json.loads(frame.payload)
                return message
            if frame.opcode == PING:
                self.socket.sendall(client_frame(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                with suppress(ConnectionError):  # whoever was thrown out need not answer
                    self.socket.sendall(client_frame(CLOSE, frame.payload[:2]))
                raise Closed(int.from_bytes(frame.payload[:2]), frame.payload[2:].decode())

    def wait_closed(self) -> Closed:
        """Read until the server ends the connection; gives how."""
        try:
            while True:
                self.receive()
        except Closed as closed:
            return closed

    def close(self) -> None:
        """Say goodbye and wait for the answer to it."""
        self.socket.sendall(client_frame(CLOSE, (1000).to_bytes(2)))
        self.wait_closed()
        self.socket.close()

    def vanish(self) -> None:
        """Go away with a reset, as a charger does whose power fails behind a router."""
        reset(self.socket)

    def boot(self) -> dict[str, Any]:
        """BootNotification."""
        return self.call(
            "BootNotification", chargePointVendor="Integration", chargePointModel="Real Socket"
        )

    def start(self, tag: str, meter_start: int = 1000, timestamp: str | None = None) -> int:
        """StartTransaction on connector 1; gives the transactionId."""
        told = self.call(
            "StartTransaction",
            connectorId=1,
            idTag=tag,
            meterStart=meter_start,
            timestamp=timestamp or now(),
        )
        transaction: int = told["transactionId"]
        return transaction

    def _read_head(self) -> None:
        while _HEAD_END not in self._buffer:
            self._receive_more()
        head, _, rest = self._buffer.partition(_HEAD_END)
        if not head.startswith(UPGRADED):
            raise NoWebSocket(self._buffer)
        self._buffer = rest

    def _receive_more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionError as error:
            raise Closed(None, str(error)) from error
        if not data:
            raise Closed(None, "end of stream")
        self._buffer += data


def reset(connected: socket.socket) -> None:
    """Close a socket so that the peer sees a reset."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    connected.close()


def meter_values(transaction: int, value: str, timestamp: str | None = None) -> dict[str, Any]:
    """The payload of a MeterValues with one reading of the register, in Wh."""
    reading = {"timestamp": timestamp or now(), "sampledValue": [{"value": value}]}
    return {"connectorId": 1, "transactionId": transaction, "meterValue": [reading]}


@contextmanager
def deaf(port: int, identity: str = "DEAF") -> Iterator[Charger]:
    """A charger that asks and never reads: an answer repeats the id of its question, and so can be
    large."""
    with Charger(port, identity) as charger:
        charger.boot()
        charger.socket.settimeout(DEAF_SECONDS)
        with suppress(TimeoutError):
            for number in range(DEAF_CALLS):
                charger.send_text(json.dumps([2, f"{number}{DEAF_ID}", "Heartbeat", {}]))
        yield charger
