"""Bad handshakes from some sockets at once, as a program of its own.

python -m tests.integration.knocking PORT COUNT SOCKETS ADDRESSES KNOWN, where KNOWN is the identity
of a charger with a password. It prints how the server ended them: by HTTP status, how many said
Retry-After, and the others.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.integration.websocket import upgrade_request

from .serving import ROOT, environment

PATIENCE_SECONDS = 30.0
HALF_SECONDS = 0.05
LONGEST_RESPONSE = 4096


@dataclass
class Knocks:
    """How they ended."""

    statuses: dict[str, int] = field(default_factory=dict)
    waits: int = 0
    """Responses with Retry-After."""


def requests(port: int, known: str) -> dict[str, bytes]:
    """The bad handshakes, by kind."""
    good = upgrade_request(f"/ws/{known}", port)[:-2]
    return {
        "no upgrade": f"GET /ws/{known} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        "wrong password": good + b"Authorization: Basic Q1AtMTp3cm9uZyB3cm9uZyB3cm9uZw==\r\n\r\n",
        "half": good[: len(good) // 2],
        "huge headers": good + b"X-Filler: " + b"x" * 20_000 + b"\r\n\r\n",
        "foreign subprotocol": good.replace(b"ocpp1.6", b"ocpp9.9").replace(
            known.encode(), b"FOREIGN"
        )
        + b"\r\n",
        "garbage": bytes((0x80, 0xFF, 13, 10)) * 40 + b"\r\n\r\n",
        "half TLS": bytes((0x16, 3, 1, 1, 0, 1)),
        "no TLS": b"\x16\x03\x01\x00\x05garbage",
    }


class Knocking:
    """Threads that knock until so many handshakes are made, from so many addresses of
    127.0.0.0/8."""

    def __init__(self, port: int, total: int, addresses: int, known: str) -> None:
        self.port = port
        self.numbers = count()
        self.total = total
        self.addresses = [
            f"127.{1 + n // 62_500 % 250}.{n // 250 % 250}.{2 + n % 250}" for n in range(addresses)
        ]
        self.requests = list(requests(port, known).values())
        self.statuses: Counter[str] = Counter()
        self.waits = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        """Knock, one after the other."""
        while (number := next(self.numbers)) < self.total:
            address = self.addresses[number % len(self.addresses)]
            answer = self._knock(address, self.requests[number % len(self.requests)])
            with self._lock:
                self.statuses[
                    answer.split(b" ")[1].decode() if answer.startswith(b"HTTP") else "none"
                ] += 1
                self.waits += b"Retry-After" in answer

    def _knock(self, address: str, request: bytes) -> bytes:
        """Send a request and read to the end; who sends half of one leaves soon."""
        answer = b""
        with suppress(OSError), socket.socket() as stream:
            stream.setsockopt(socket.SOL_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            stream.bind((address, 0))
            stream.settimeout(PATIENCE_SECONDS)
            stream.connect(("127.0.0.1", self.port))
            stream.sendall(request)
            if not request.endswith(b"\r\n"):
                stream.settimeout(HALF_SECONDS * random.random())
            while len(answer) < LONGEST_RESPONSE and (data := stream.recv(LONGEST_RESPONSE)):
                answer += data
        return answer


def knock(port: int, total: int, sockets: int, addresses: int, known: str) -> Knocks:
    """Make so many bad handshakes."""
    knocking = Knocking(port, total, addresses, known)
    threads = [threading.Thread(target=knocking.run) for _ in range(sockets)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Knocks(dict(knocking.statuses), knocking.waits)


@contextmanager
def knocking(
    port: int, total: int, sockets: int, addresses: int, known: str
) -> Iterator[subprocess.Popen[str]]:
    """Bad handshakes from another process; `told` waits for its end."""
    arguments = (str(port), str(total), str(sockets), str(addresses), known)
    command = [sys.executable, "-m", "tests.integration.knocking", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str], seconds: float = 600.0) -> Knocks:
    """Wait for them; return how they ended."""
    said: dict[str, Any] = json.loads(process.communicate(timeout=seconds)[0])
    return Knocks(**said)


if __name__ == "__main__":
    port_, total_, sockets_, addresses_ = map(int, sys.argv[1:5])
    print(json.dumps(vars(knock(port_, total_, sockets_, addresses_, sys.argv[5]))))
