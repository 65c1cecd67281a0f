"""One rude peer as a program of its own, so that what it costs is not counted against those who measure.

python -m tests.integration.flood PORT KIND SECONDS, where KIND is one of FLOODS. It connects again whenever it is
thrown out, and prints how many bytes it got rid of and how often it was thrown out, as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.benchmarks.websocket import CLOSE, PING, TEXT, client_frame, take_frame

from .charger import Charger, Closed, NoWebSocket
from .serving import ROOT, environment

LARGEST_BYTES = 1_048_576 - 1024
CHUNK = 64
_CONTINUATION_BEGUN, _CONTINUATION = bytes((0x01, 0x80)) + bytes(4), bytes((0x00, 0x80)) + bytes(4)


def large_frame(size: int) -> bytes:
    """A Heartbeat of so many bytes, in one frame: valid but for what it carries along."""
    text = b'[2,"1","Heartbeat",{"ballast":"' + b"x" * (size - 34) + b'"}]'
    return bytes((0x80 | TEXT, 0x80 | 127)) + len(text).to_bytes(8) + bytes(4) + text


FLOODS = {
    "calls": client_frame(TEXT, b'[2,"1","Heartbeat",{}]') * CHUNK,
    "stored calls": client_frame(TEXT, b'[2,"1","DataTransfer",{"vendorId":"flood"}]') * CHUNK,
    "pings": client_frame(PING, b"") * CHUNK,
    "empty continuations": _CONTINUATION * CHUNK,
    "largest frames": large_frame(LARGEST_BYTES),
    "garbage": client_frame(TEXT, b"AT+CSQ") * CHUNK,
}


@dataclass
class Flood:
    """What one flood did: bytes sent, connections made, and the close codes (None: none was read) that ended them."""

    sent_bytes: int = 0
    connections: int = 0
    codes: list[int | None] = field(default_factory=list)


def flood(port: int, kind: str, seconds: float) -> Flood:
    """Send without a pause and read all answers, for so long."""
    done, deadline = Flood(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with Charger(port, "FLOOD") as charger:
                done.connections += 1
                charger.boot()
                if kind == "empty continuations":
                    charger.socket.sendall(_CONTINUATION_BEGUN)
                done.codes.append(_pour(charger.socket, FLOODS[kind], deadline, done))
        except (Closed, NoWebSocket, OSError):
            time.sleep(0.05)
    return done


def _pour(connected: socket.socket, data: bytes, deadline: float, done: Flood) -> int | None:
    connected.setblocking(False)
    rest, received = memoryview(data), b""
    while time.monotonic() < deadline:
        readable, writable, _ = select.select([connected], [connected], [], 0.1)
        try:
            if writable:
                sent = connected.send(rest)
                done.sent_bytes += sent
                rest = rest[sent:] or memoryview(data)
            if readable:
                if not (more := connected.recv(65536)):
                    return None
                received += more
        except BlockingIOError:
            continue
        except ConnectionError:
            return None
        while taken := take_frame(received):
            frame, received = taken
            if frame.opcode == CLOSE:
                return int.from_bytes(frame.payload[:2])
    return None


@contextmanager
def flooding(port: int, kind: str, seconds: float) -> Iterator[Flood]:
    """A flood in another process, while the block runs; what it did is known after the block."""
    told = Flood()
    command = [sys.executable, "-m", "tests.integration.flood", str(port), kind, str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it begins
            yield told
            vars(told).update(json.loads(process.communicate(timeout=seconds + 30)[0]))
        finally:
            process.kill()


if __name__ == "__main__":
    print("begins", flush=True)
    print(json.dumps(vars(flood(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))))
