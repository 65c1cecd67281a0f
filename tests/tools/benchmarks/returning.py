"""Many clients that come at once, as a program of its own, so that what they cost is not the
server's.

python -m tests.tools.benchmarks.returning PORT KIND COUNT AUTHORITY PASSWORD, where KIND is one of
KINDS. All have the same password. It prints how many were served, after how many seconds the last
one was, and what went wrong, as JSON; they leave when its standard input ends.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from tests.integration.websocket import TEXT, client_frame, upgrade_request

from .conversation import boot_call
from .process import ROOT

SECONDS = 60.0
HEAD_END = b"\r\n\r\n"


@dataclass
class Return:
    """What became of them."""

    served: int = 0
    seconds: float = 0.0
    problems: dict[str, int] = field(default_factory=dict)


def identity(number: int) -> str:
    """The identity of one of them."""
    return f"BACK-{number:05d}"


def boot(number: int) -> bytes:
    """Its BootNotification, as one frame."""
    return client_frame(TEXT, b'[2,"b",' + boot_call(identity(number)) + b"]")


def head(number: int, port: int, password: bytes) -> bytes:
    """Its upgrade request."""
    token = b64encode(identity(number).encode() + b":" + password)
    return (
        upgrade_request(f"/ws/{identity(number)}", port)[:-2]
        + b"Authorization: Basic "
        + token
        + HEAD_END
    )


async def be_charger(stream: trio.abc.Stream, number: int, port: int, password: bytes) -> None:
    """Shake hands and boot."""
    await be_websocket(stream, number, port, password)
    await stream.send_all(boot(number))
    await _read_to(stream, b"}]")


async def be_websocket(stream: trio.abc.Stream, number: int, port: int, password: bytes) -> None:
    """Shake hands."""
    await stream.send_all(head(number, port, password))
    answer = await _read_to(stream, HEAD_END)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise ConnectionRefusedError(answer[:40])


async def be_echoed(stream: trio.abc.Stream, number: int, port: int, password: bytes) -> None:
    """Send what a charger would, and read it again."""
    sent = head(number, port, password) + boot(number)
    await stream.send_all(sent)
    await _read_to(stream, sent[-8:])


Client = Callable[[trio.abc.Stream, int, int, bytes], Awaitable[None]]
KINDS: dict[str, tuple[Client, bool]] = {
    "charger": (be_charger, True),
    "echoed": (be_echoed, True),
    "websocket": (be_websocket, False),
}
"""Each with whether it uses TLS."""


async def _read_to(stream: trio.abc.Stream, end: bytes) -> bytes:
    received = b""
    while end not in received:
        data = await stream.receive_some(4096)
        if not data:
            raise ConnectionResetError("the server left")
        received += data
    return received


async def come(port: int, kind: str, count: int, authority: str, password: bytes) -> None:
    """Let all come at once; each stays."""
    client, is_tls = KINDS[kind]
    context = ssl.create_default_context(cafile=authority)
    done, problems, began = Return(), Counter[str](), time.perf_counter()
    over = trio.Event()

    async def be_one(number: int) -> None:
        try:
            stream: trio.abc.Stream = await trio.open_tcp_stream("127.0.0.1", port)
            if is_tls:
                stream = trio.SSLStream(
                    stream, context, server_hostname="localhost", https_compatible=True
                )
            async with stream:
                await client(stream, number, port, password)
                done.served += 1
                done.seconds = time.perf_counter() - began
                if done.served == count:
                    over.set()
                await trio.sleep_forever()
        except (OSError, trio.BrokenResourceError) as error:
            problems[str(error.__cause__ or error)] += 1

    with trio.move_on_after(SECONDS):
        async with trio.open_nursery() as all_of_them:
            for number in range(count):
                all_of_them.start_soon(be_one, number)
            with trio.move_on_after(SECONDS / 2):
                await over.wait()
            done.problems = dict(problems)
            print(json.dumps(vars(done)), flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)
            all_of_them.cancel_scope.cancel()


def returning(
    port: int, kind: str, count: int, authority: Path, password: bytes
) -> subprocess.Popen[str]:
    """Start them in another process."""
    arguments = (str(port), kind, str(count), str(authority), password.hex())
    command = [sys.executable, "-m", "tests.tools.benchmarks.returning", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def told(process: subprocess.Popen[str]) -> Return:
    """Wait until they were served; return what became of them. They stay."""
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline())
    return Return(**said)


def leave(process: subprocess.Popen[str]) -> None:
    """Let them leave."""
    process.communicate(timeout=SECONDS)


if __name__ == "__main__":
    port_, kind_, count_, authority_, password_ = sys.argv[1:]
    trio.run(come, int(port_), kind_, int(count_), authority_, bytes.fromhex(password_))
