"""One rude peer as a program of its own, so that what it costs is not counted against those who
measure.

python -m tests.integration.flood PORT KIND SECONDS, where KIND is one of FLOODS. It connects again
whenever it is thrown out, and prints how many bytes it got rid of and how often it was thrown out,
as JSON.
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

from levity_trio.config import ServerConfig
from tests.integration.websocket import CLOSE, PING, TEXT, client_frame, take_frame

from .charger import Charger, Closed, NoWebSocket
from .serving import ROOT, environment

LARGEST_BYTES = ServerConfig().max_message_bytes
CHUNK = 64
"""Small frames go out so many at a time."""
READ_BYTES = 65536
POLL_SECONDS = 0.1
AGAIN_SECONDS = 0.05
_CONTINUATION_BEGUN, _CONTINUATION = bytes((0x01, 0x80)) + bytes(4), bytes((0x00, 0x80)) + bytes(4)


def large_frame(size: int) -> bytes:
    """A Heartbeat of so many bytes, in one frame: valid but for what it carries along."""
    begin, end = b'[2,"1","Heartbeat",{"ballast":"', b'"}]'
    text = begin + b"x" * (size - len(begin) - len(end)) + end
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
    """What one flood did: bytes sent, connections made, and the close codes (None: none was read)
    that ended them."""

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
            time.sleep(AGAIN_SECONDS)
    return done


def _pour(connected: socket.socket, data: bytes, deadline: float, done: Flood) -> int | None:
    """Send it again and again until the time is up or the server ends it; gives the close code, if
    one came."""
    connected.setblocking(False)
    rest, received = memoryview(data), b""
    while time.monotonic() < deadline:
        readable, writable, _ = select.select([connected], [connected], [], POLL_SECONDS)
        try:
            if readable:
                received += _received(connected)
            sent = connected.send(rest) if writable else 0
        except ConnectionError:
            return None
        done.sent_bytes += sent
        rest = rest[sent:] or memoryview(data)
        while taken := take_frame(received):
            frame, received = taken
            if frame.opcode == CLOSE:
                return int.from_bytes(frame.payload[:2])
    return None


def _received(connected: socket.socket) -> bytes:
    if not (data := connected.recv(READ_BYTES)):
        raise ConnectionResetError
    return data


@contextmanager
def flooding(port: int, kind: str, seconds: float) -> Iterator[Flood]:
    """A flood in another process, while the block runs; what it did is known after the block."""
    told = Flood()
    command = [sys.executable, "-m", "tests.integration.flood", str(port), kind, str(seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
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
