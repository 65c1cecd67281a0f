"""What the operator API costs: `python -m tests.tools.benchmarks.api`, all on 127.0.0.1.

One operation (ClearCache) over the API is compared with a bare Starlette route on the same
Hypercorn plus the same operation submitted inside the server; the event stream with a bare stream;
the chargers of a server whose API is asked by 16 clients without pause with the same server without
them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import trio

from tests.ports import free_port

from .api_chargers import READY
from .api_limits import CHARGERS
from .machine import describe
from .process import PYTHON, ROOT, Server, _environment, _process
from .report import table

OPERATIONS = 600
AT_ONCE = 200
READERS = 200
CLIENTS = 16
PACE_SECONDS = 0.1
LONGEST_WAIT = 60
"""Seconds after which a stream that had no event has failed; a busy machine needs some."""
HOST = "127.0.0.1"
MS = 1000


def main() -> int:
    """Measure everything; print the machine and a table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.api", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each phase; 10 unless told")
    parser.add_argument(
        "--operations", type=int, default=OPERATIONS, help="one at a time, after as many again"
    )
    parser.add_argument("--only", choices=("operations", "streams", "chargers"), help="one part")
    arguments = parser.parse_args()
    parts = {"operations": _of_operations, "streams": _of_streams, "chargers": _of_chargers}
    chosen = [measure for name, measure in parts.items() if arguments.only in (None, name)]
    with tempfile.TemporaryDirectory(prefix="levity-bench-") as folder:
        directory = Path(folder)
        print(describe(directory).line(), "\n", sep="")
        rows = [row for measure in chosen for row in measure(directory, arguments)]
    print(table(("what", "measured", "limit"), rows))
    return 0


# Processes


@contextmanager
def _levity(directory: Path, api: int) -> Iterator[Server]:
    port = free_port()
    settings = _settings(directory, port, "--api-port", str(api))
    with _process([*PYTHON, "levity_trio", "serve", *settings], port, directory) as process:
        yield Server(process.pid, port)


def _settings(directory: Path, port: int, *more: str) -> list[str]:
    database = directory / f"api-{port}.db"
    return [
        "--host",
        HOST,
        "--port",
        str(port),
        "--db",
        str(database),
        "--log-level",
        "ERROR",
        *more,
    ]


@contextmanager
def _bare(directory: Path) -> Iterator[Server]:
    port = free_port()
    with _process(
        [*PYTHON, "tests.tools.benchmarks.api_limits", "bare", str(port)], port, directory
    ) as process:
        yield Server(process.pid, port)


class Chargers:
    """A process of chargers that are connected; in the end it tells how long their calls took."""

    def __init__(self, port: int, count: int, pace: float) -> None:
        words = [*PYTHON, "tests.tools.benchmarks.api_chargers", str(port), str(count), str(pace)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            words, cwd=ROOT, env=_environment(), stdin=pipe, stdout=pipe, text=True
        )

    def wait(self) -> None:
        """Wait until all have booted."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == READY

    def end(self) -> list[float]:
        told, _ = self._process.communicate()
        seconds: list[float] = json.loads(told)
        return seconds


@contextmanager
def _chargers(port: int, count: int, pace: float = 0.0) -> Iterator[Chargers]:
    chargers = Chargers(port, count, pace)
    chargers.wait()
    yield chargers
    if chargers._process.poll() is None:
        chargers.end()


# Operations


def _of_operations(directory: Path, asked: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    with _bare(directory) as bare:
        route, _ = _one_by_one(bare, bare.port, lambda _: "/operation", asked.operations)
    inside = _inside(directory, asked.operations)
    api = free_port()
    with _levity(directory, api) as server, _chargers(server.port, CHARGERS):
        cpu, times = _one_by_one(server, api, _clear_cache, asked.operations)
    yield "CPU of a bare route", _us(route), ""
    yield "CPU of an operation inside the server", _us(inside), ""
    yield (
        "CPU of an operation over the API",
        f"{_us(cpu)}, {cpu / (route + inside):.2f} x both",
        "1.5 x",
    )
    yield (
        f"one at a time, {CHARGERS} chargers",
        f"p50 {statistics.median(times) * MS:.1f} ms",
        "5 ms",
    )
    with _levity(directory, api) as server, _chargers(server.port, AT_ONCE):
        began, cpu_began = time.perf_counter(), server.cpu().total
        done = trio.run(_many, api, asked.seconds)
        elapsed, used = time.perf_counter() - began, server.cpu().total - cpu_began
    yield (
        f"{AT_ONCE} at once",
        f"{done / elapsed:.0f} operations/s, {_us(used / done)}",
        "500 operations/s",
    )


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us"


def _clear_cache(number: int) -> str:
    return f"/api/admin/chargers/CP-{number}/clear-cache"


def _one_by_one(
    server: Server, port: int, path: Callable[[int], str], count: int
) -> tuple[float, list[float]]:
    """Return the CPU seconds and the times of operations, one after the other."""
    connection = http.client.HTTPConnection(HOST, port)
    times: list[float] = []
    before = 0.0
    for number in range(2 * count):
        if number == count:
            before = server.cpu().total
        began = time.perf_counter()
        connection.request("POST", path(number % CHARGERS), b"{}")
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told
        times.append(time.perf_counter() - began)
    return (server.cpu().total - before) / count, times[count:]


def _inside(directory: Path, count: int) -> float:
    port, file = free_port(), directory / "inside"
    command = [
        *PYTHON,
        "tests.tools.benchmarks.api_limits",
        "inside",
        str(file),
        str(count),
        *_settings(directory, port),
    ]
    with _process(command, port, directory), _chargers(port, CHARGERS):
        while not file.exists() or not file.read_text():
            time.sleep(0.2)
    return float(file.read_text())


async def _many(port: int, seconds: float) -> int:
    counts: list[int] = []
    async with trio.open_nursery() as clients:
        for number in range(AT_ONCE):
            clients.start_soon(_client, port, f"POST {_clear_cache(number)}", seconds, counts)
    return sum(counts)


async def _client(port: int, what: str, seconds: float, counts: list[int]) -> None:
    """Send one request after the other over one connection."""
    stream = await trio.open_tcp_stream(HOST, port)
    body = b"{}" if what.startswith("POST") else b""
    request = (
        f"{what} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )
    until, count = trio.current_time() + seconds, 0
    while trio.current_time() < until:
        await stream.send_all(request)
        await _read_answer(stream)
        count += 1
    counts.append(count)


async def _read_answer(stream: trio.SocketStream) -> None:
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += await stream.receive_some(65536)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), received[:500]
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    missing = length - len(body)
    while missing > 0:
        missing -= len(await stream.receive_some(65536))


# Streams


def _of_streams(directory: Path, asked: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    with _bare(directory) as server:
        bare = trio.run(_read_streams, server.port, "/events", 2 * asked.seconds)
    api = free_port()
    with _levity(directory, api) as server, _chargers(server.port, 1, PACE_SECONDS):
        ours = trio.run(_read_streams, api, "/api/events?kind=StatusChanged", 2 * asked.seconds)
    words = (
        f"p99 {_p99(ours) * MS:.1f} ms of {len(ours)} facts, {_p99(ours) / _p99(bare):.2f} x a "
        "bare stream"
    )
    yield f"the last of {READERS} readers", f"{words} ({_p99(bare) * MS:.1f} ms)", "2 x"


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


async def _read_streams(port: int, path: str, seconds: float) -> list[float]:
    """Return for each event the seconds from its time until the last reader had it, of at least one
    event."""
    last, first = defaultdict[bytes, list[float]](list), trio.Event()
    async with trio.open_nursery() as readers:
        for _ in range(READERS):
            readers.start_soon(_read_stream, port, path, last, first)
        await trio.sleep(seconds)
        with trio.fail_after(LONGEST_WAIT):
            await first.wait()
        readers.cancel_scope.cancel()
    return [max(times) for times in last.values() if len(times) == READERS]


async def _read_stream(
    port: int, path: str, last: dict[bytes, list[float]], first: trio.Event
) -> None:
    stream = await trio.open_tcp_stream(HOST, port)
    await stream.send_all(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    received = b""
    while more := await stream.receive_some(65536):
        now = time.time()
        *events, received = (received + bytes(more)).split(b"\n\n")
        for event in events:
            _, found, rest = event.partition(b'"at":"')
            if found:
                at = datetime.fromisoformat(rest.split(b'"')[0].decode()).timestamp()
                times = last[event.rpartition(b"id: ")[2]]
                times.append(now - at)
                if len(times) == READERS:
                    first.set()


# Chargers


def _of_chargers(directory: Path, asked: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    api = free_port()
    with (
        _levity(directory, api) as server,
        _chargers(server.port, CHARGERS, PACE_SECONDS) as chargers,
    ):
        time.sleep(asked.seconds)
        alone = _p99(chargers.end())
    with (
        _levity(directory, api) as server,
        _chargers(server.port, CHARGERS, PACE_SECONDS) as chargers,
    ):
        requests = trio.run(_ask, api, asked.seconds)
        beside = _p99(chargers.end())
    words = (
        f"p99 {beside * MS:.1f} ms, {beside / alone:.1f} x without them; "
        f"{requests / asked.seconds:.0f} requests/s"
    )
    yield (
        f"{CHARGERS} chargers at {CHARGERS / PACE_SECONDS:.0f} calls/s, {CLIENTS} clients",
        words,
        "2 x or 25 ms",
    )


async def _ask(port: int, seconds: float) -> int:
    counts: list[int] = []
    async with trio.open_nursery() as clients:
        for _ in range(CLIENTS):
            clients.start_soon(_client, port, "GET /api/admin/chargers", seconds, counts)
    return sum(counts)


if __name__ == "__main__":
    sys.exit(main())
