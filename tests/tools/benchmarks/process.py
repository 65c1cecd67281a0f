"""The server under measurement: a process of its own, looked at from outside through /proc."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from levity_trio.client import Api, Sought
from levity_trio.config.settings import DatabaseAddress
from tests import postgresql
from tests.integration.forking import Child, fork_into
from tests.integration.serving import LEFT_OUT
from tests.ports import free_port

Kind = Literal["echo", "durable", "tls echo", "serve", "metrics", "audit", "postgresql"]
"""The bare echo; one that stores each frame before it answers; one by TLS, which knows no
WebSocket; the server; the same that is scraped; the same with an audit to a receiver that takes
all; the server on PostgreSQL."""

BARE: dict[Kind, str] = {"echo": "echo", "durable": "durable_echo", "tls echo": "tls_echo"}
"""The modules of the bare servers."""
ROOT = Path(__file__).parents[3]
PYTHON = (sys.executable, "-m")
FORKING = "BENCH_FORKS"
"""The setting with which processes are forked from one that has imported the package: for tests of
the benchmarks, whose figures say nothing. Imports are most of what a start costs."""
START_SECONDS = 60
STOP_SECONDS = 60
SETTLE_SECONDS = 0.3  # until what the start still allocates is there
SPARE_CONNECTIONS = 50
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024


Process = subprocess.Popen[bytes] | Child


class BenchError(Exception):
    """The bench cannot measure: one plain line that says why."""


class CpuSeconds(NamedTuple):
    """Processor time of all threads of a process since its start."""

    total: float
    """To the nanosecond, so that a phase of any length has some."""
    system: float
    """What of it the kernel counts as its own, to 10 ms."""


@dataclass(frozen=True)
class Server:
    """A server that accepts connections."""

    process_id: int
    port: int

    def cpu(self) -> CpuSeconds:
        """What it has used so far."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return CpuSeconds(clock_seconds(self.process_id), int(fields[12]) * _TICK_SECONDS)

    def cpu_of_ended(self) -> float:
        """What those of its children have used that have ended, to 10 ms."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) * _TICK_SECONDS

    def resident_mib(self) -> float:
        """VmRSS, shared pages of libraries included, as `top` shows it."""
        return self._status_mib("VmRSS")

    def peak_mib(self) -> float:
        """The most that it ever was."""
        return self._status_mib("VmHWM")

    def _status_mib(self, name: str) -> float:
        for line in Path(f"/proc/{self.process_id}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / _KIB_PER_MIB
        raise BenchError("the server ended while it was measured")


def clock_seconds(process_id: int) -> float:
    """The CPU time of a process, to the nanosecond, by the clock that clock_getcpuclockid(3) gives
    on Linux."""
    return time.clock_gettime((~process_id << 3) | 2)


def machine_cpu_seconds() -> float:
    """What all cores together have worked since the machine started, time stolen by a hypervisor
    included."""
    user, nice, system, _idle, _waiting, *others = (
        Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return sum(map(int, (user, nice, system, *others))) * _TICK_SECONDS


@contextmanager
def running(
    kind: Kind,
    chargers: int,
    directory: Path,
    settings: Sequence[str] = (),
    database: DatabaseAddress | None = None,
) -> Iterator[Server]:
    """Start a server with an empty database, or this one, wait until it listens; stop it by SIGTERM
    in the end."""
    if kind == "audit":
        sink = free_port()
        with _process(
            [sys.executable, "-m", "tests.tools.benchmarks.sink", str(sink)], sink, directory
        ):
            audited = ("--metrics-port", "0", "--fluentd-endpoint", f"127.0.0.1:{sink}", *settings)
            with running("serve", chargers, directory, audited) as server:
                yield server
        return
    if kind == "postgresql":
        with postgresql.running() as site:
            site.sql("CREATE DATABASE bench TEMPLATE template0 LOCALE 'C'")
            with running("serve", chargers, directory, settings, site.address("bench")) as server:
                yield server
        return
    watched = ("--metrics-port", "0") if kind == "metrics" else ()
    port = free_port()
    database = database or directory / f"bench-{port}.db"
    command = [*_command(kind, port, database, chargers + SPARE_CONNECTIONS), *watched, *settings]
    with _process(command, port, directory) as process:
        time.sleep(SETTLE_SECONDS)
        yield Server(process.pid, port)
    if kind not in BARE and process.returncode:
        raise BenchError(f"serve was asked to stop and ended with status {process.returncode}")


def _environment() -> dict[str, str]:
    """Ours, and of the settings of the server two only: chargers of a benchmark start more often
    than any does, and the default port of the API is left to others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    return kept | {
        "LEVITY_MAX_STARTS": "1000000000",
        "LEVITY_API_PORT": "0",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def _process(command: list[str], port: int, directory: Path) -> Iterator[Process]:
    """A process that listens; it is stopped in the end, and must not end before."""
    log = directory / f"{port}.log"
    process = begin(command, log)
    try:
        _wait_listening(process, port, log)
        yield process
        if process.poll() is not None:
            raise BenchError(f"{command[2]} ended with status {process.returncode}: {_tail(log)}")
    finally:
        stop(process)


def begin(command: list[str], log: Path, folder: Path = ROOT) -> Process:
    """Start a program in a folder; what it prints is added to the log."""
    with log.open("ab") as output:
        if FORKING in os.environ and tuple(command[:2]) == PYTHON:
            return fork_into(output.fileno(), command[3:], folder, _environment(), command[2])
        return subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=output, stderr=subprocess.STDOUT
        )


def _command(kind: Kind, port: int, database: DatabaseAddress, connections: int) -> list[str]:
    if kind in BARE:
        path = [str(database)] if kind == "durable" else []
        return [sys.executable, "-m", f"tests.tools.benchmarks.{BARE[kind]}", str(port), *path]
    return [
        *(sys.executable, "-m", "levity_trio", "serve"),
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
        *("--db", str(database)),
        *("--log-level", "WARNING"),
        *("--max-connections", str(connections)),
        *("--max-chargers", str(connections)),
    ]


def _wait_listening(process: Process, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"the server did not start, status {process.returncode}: {_tail(log)}")
        if is_listening(port):
            return
        time.sleep(0.05)
    raise BenchError(f"the server does not listen after {START_SECONDS} s: {_tail(log)}")


def wait_until_served(database: Path) -> None:
    """Wait until the API is served at its local socket."""
    while not Path(f"{database}.sock").exists():
        time.sleep(0.1)
    Api(f"unix:{database}.sock", Sought("server", "")).ask("GET", "version", patience=60)


def is_listening(port: int) -> bool:
    """Return whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def stop(process: Process) -> None:
    """End it by SIGTERM, or by SIGKILL if it does not listen."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip() or "it printed nothing"
