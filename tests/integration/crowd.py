"""Many strangers at once, each with the largest messages there are, as a program of its own.

python -m tests.integration.crowd PORT COUNT KIND SECONDS, where KIND is one of CROWDS. Who is
thrown out connects again. In the end it prints as JSON how many bytes it got rid of and how often
it connected.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.integration.websocket import TEXT, client_frame, upgrade_request

from .charger import Charger
from .flood import LARGEST_BYTES, large_frame
from .serving import ROOT, environment

SAMPLES = 25_000
AWAY_SECONDS = 0.5
TURN_SECONDS = 0.1
BEGIN_SECONDS = 60.0
READ_BYTES = 65536
_FINAL = 0x80


def frame(text: str, opcode: int = _FINAL | TEXT) -> bytes:
    """One frame of any size, masked with a key of zeros."""
    payload = text.encode()
    size = (
        bytes((0x80 | len(payload),))
        if len(payload) < 126
        else bytes((0x80 | 127,)) + len(payload).to_bytes(8)
    )
    return bytes((opcode,)) + size + bytes(4) + payload


def _filled(begin: str, piece: str, end: str) -> bytes:
    """A frame of as many pieces as a message may have."""
    return frame(
        begin
        + piece * ((LARGEST_BYTES - len(begin) - len(end)) // len(piece) - 1)
        + piece.strip(",")
        + end
    )


def _samples(count: int) -> bytes:
    return frame(_VALUES + ",".join(['{"value":"1"}'] * count) + "]}]}]")


_BOOT = client_frame(
    TEXT, b'[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
)
_START = client_frame(
    TEXT,
    (
        b'[2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,'
        b'"timestamp":"2026-03-01T12:00:00Z"}]'
    ),
)
_VALUES = (
    '[2,"m","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-03-01T12:00:00Z",'
    '"sampledValue":['
)

CROWDS = {
    "samples": (_BOOT, _samples(SAMPLES)),
    "samples of transactions": (_BOOT + _START, _samples(SAMPLES)),
    "empty samples": (_BOOT, _filled(_VALUES, "{},", "]}]}]")),
    "lists": (_BOOT, _filled('[2,"h","Heartbeat",{"a":[', "[],", "]}]")),
    "no JSON": (_BOOT, _filled('[2,"h","Heartbeat",[', "[],", "")),
    "wide characters": (
        _BOOT,
        frame('[2,"h","Heartbeat",{"a":"\N{ELECTRIC PLUG}' + "x" * (LARGEST_BYTES - 50) + '"}]'),
    ),
    "unfinished": (b"", large_frame(LARGEST_BYTES)[:-1]),
    "fragments": (frame('[2,"f","Heartbeat",{"a":"', TEXT), frame("x", 0) * 500),
}
"""What each says first, and what it then says again and again; `unfinished` says it once and
waits."""


@dataclass
class Crowd:
    """What one crowd did."""

    sent_bytes: int = 0
    connections: int = 0


class _Stranger:
    """One of them: thrown out, it comes again under the same name."""

    def __init__(self, name: str, port: int, kind: str) -> None:
        first, self.again = CROWDS[kind]
        self.first = upgrade_request(f"/ocpp/{name}", port) + first
        self.port = port
        self.socket = socket.socket()
        self.rest = memoryview(b"")
        self.says_it_once = kind == "unfinished"
        self.has_begun = False
        self.due = 0.0

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), BEGIN_SECONDS)
        self.socket.setblocking(False)
        self.rest = memoryview(self.first)
        self.has_begun = False

    def send(self) -> int:
        """Send what the socket takes; gives how much that was."""
        if not self.rest and not (self.has_begun and self.says_it_once):
            self.rest, self.has_begun = memoryview(self.again), True
        sent = self.socket.send(self.rest) if self.rest else 0
        self.rest = self.rest[sent:]
        return sent


def crowd(port: int, count: int, kind: str, seconds: float) -> Crowd:
    """Let so many send without a pause, for so long."""
    done, away = Crowd(), [_Stranger(f"STRANGER-{number}", port, kind) for number in range(count)]
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        while time.monotonic() < deadline:
            away = [stranger for stranger in away if not _is_back(stranger, selector, done)]
            for key, events in selector.select(TURN_SECONDS):
                if not _talk(key.data, events, done):
                    selector.unregister(key.data.socket)
                    key.data.socket.close()
                    key.data.due = time.monotonic() + AWAY_SECONDS
                    away.append(key.data)
    return done


def _is_back(stranger: _Stranger, selector: selectors.BaseSelector, done: Crowd) -> bool:
    if stranger.due > time.monotonic():
        return False
    with suppress(OSError):
        stranger.connect()
        selector.register(stranger.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, stranger)
        done.connections += 1
        return True
    return False


def _talk(stranger: _Stranger, events: int, done: Crowd) -> bool:
    """Read what came and send what goes; False where the server has ended it."""
    try:
        if events & selectors.EVENT_READ and not stranger.socket.recv(READ_BYTES):
            return False
        if events & selectors.EVENT_WRITE:
            done.sent_bytes += stranger.send()
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return True


def boot_seconds(port: int, identity: str, seconds: float) -> list[float]:
    """How long a known charger waits for the answers to its boots meanwhile, each on a connection
    of its own."""
    waits, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        with Charger(port, identity) as charger:
            began = time.perf_counter()
            charger.boot()
            waits.append(time.perf_counter() - began)
        time.sleep(TURN_SECONDS)
    return waits


def let_charge(port: int, identity: str) -> None:
    """A charger becomes a known one."""
    with Charger(port, identity) as charger:
        charger.boot()
        charger.start("TAG")


@contextmanager
def crowding(port: int, count: int, kind: str, seconds: float) -> Iterator[Crowd]:
    """A crowd in another process, while the block runs; what it did is known after the block."""
    told = Crowd()
    command = [
        sys.executable,
        "-m",
        "tests.integration.crowd",
        str(port),
        str(count),
        kind,
        str(seconds),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it begins
            yield told
            did: dict[str, Any] = json.loads(
                process.communicate(timeout=seconds + BEGIN_SECONDS)[0]
            )
            vars(told).update(did)
        finally:
            process.kill()


if __name__ == "__main__":
    print("begins", flush=True)
    print(
        json.dumps(vars(crowd(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))))
    )
