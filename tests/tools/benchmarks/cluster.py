"""Several servers on one PostgreSQL server, with HAProxy before them: each can be drained, killed
and started anew.

HAProxy runs with the configuration that `deploy` writes, with other ports. Where it is not
installed, chargers dial the servers themselves, each in turn.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.postgresql.connection import open_reader
from tests import postgresql
from tests.ports import free_port
from tests.store.postgresql.stored import new_database

from .process import (
    PYTHON,
    ROOT,
    START_SECONDS,
    BenchError,
    Process,
    Server,
    begin,
    clock_seconds,
    is_listening,
    stop,
)

NAMES: Final = ("one", "two", "three")
SPARE_CONNECTIONS: Final = 200
TURN_SECONDS: Final = 0.05
PROGRAM: Final = (*PYTHON, "levity_trio")
_OF_ROOT: Final = re.compile(r"^    (user|group|chroot) .*\n", re.MULTILINE)
_SERVER: Final = re.compile(r"server levity-\d+ \S+ port \d+")
_BATCHES: Final = "SELECT sum(batch) FROM levity.server"


class Member:
    """One of the servers, in a folder of its own, with the same ports each time."""

    def __init__(
        self, name: str, folder: Path, address: PostgresqlAddress, chargers: int, *, proxied: bool
    ) -> None:
        self.name, self.folder = name, folder / name
        self.folder.mkdir()
        self.port, self.metrics_port, self.api_port = free_port(), free_port(), free_port()
        self.log = self.folder / "log"
        self.process: Process | None = None
        self._command = [
            *(*PROGRAM, "serve", "--host", "127.0.0.1", "--db", str(address), "--server-name", name)
        ]
        for setting, value in (
            *(
                ("--port", self.port),
                ("--metrics-port", self.metrics_port),
                ("--api-port", self.api_port),
            ),
            *(
                ("--max-connections", chargers + SPARE_CONNECTIONS),
                ("--max-chargers", chargers + SPARE_CONNECTIONS),
            ),
            *(("--log-level", "WARNING"), ("--unknown-tags", "accept")),
        ):
            self._command += [setting, str(value)]
        self._command += ["--proxy-from", "127.0.0.1"] if proxied else []

    @property
    def api(self) -> str:
        """Where it takes commands."""
        return f"unix:{self.folder / self.name}.sock"

    @property
    def server(self) -> Server:
        """Its process, to be looked at."""
        assert self.process is not None
        return Server(self.process.pid, self.port)

    def start(self) -> None:
        """Start it, without waiting."""
        self.process = begin(self._command, self.log, self.folder)

    def is_well(self) -> bool:
        """Return whether a proxy would send chargers. Raises BenchError: it has ended."""
        if self.process is None or self.process.poll() is not None:
            raise BenchError(
                f"{self.name} has ended: {self.log.read_text(errors='replace')[-2000:]}"
            )
        if not is_listening(self.metrics_port):
            return False
        connection = HTTPConnection("127.0.0.1", self.metrics_port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> Process:
        """Ask it to stop, without waiting."""
        assert self.process is not None
        self.process.terminate()
        return self.process

    def drain(self, seconds: float) -> Process:
        """Start `levity-trio drain`."""
        return begin(
            [*PROGRAM, "drain", "--seconds", str(seconds), "--api", self.api],
            self.folder / "drain",
            ROOT,
        )

    def complaints(self) -> list[str]:
        """The lines of its log: it logs only what is a warning at least."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []


class Cluster:
    """Servers on one database. `ports` are those that chargers dial."""

    def __init__(
        self, site: postgresql.Server, address: PostgresqlAddress, members: Sequence[Member]
    ) -> None:
        self.site, self.address, self.members = site, address, members
        self.ports = [member.port for member in members]
        self.proxies: list[Server] = []

    def cpu_seconds(self) -> float:
        """What the servers have used so far."""
        return sum(member.server.cpu().total for member in self.members)

    def batches(self) -> int:
        """How many batches all servers have begun so far."""
        with closing(open_reader(self.address).conn) as connection:
            ((count,),) = connection.execute(_BATCHES).fetchall()
            return int(count)

    def database_seconds(self) -> float:
        """What all processes of PostgreSQL have used so far, those that have ended too."""
        pid = int((self.site.data / "postmaster.pid").read_text().split()[0])
        living = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        used = Server(pid, 0).cpu_of_ended()
        for process in living:
            with suppress(OSError):  # it has just ended
                used += clock_seconds(process)
        return used


@contextmanager
def cluster(
    site: postgresql.Server,
    folder: Path,
    names: Sequence[str],
    chargers: int,
    proxies: int = 0,
) -> Iterator[Cluster]:
    """Start the servers of these names with a new database; wait until they are well."""
    address = new_database(site, folder.name.replace("-", "_"))
    folder.mkdir()
    proxies = proxies if haproxy() else 0
    members = [Member(name, folder, address, chargers, proxied=bool(proxies)) for name in names]
    with ExitStack() as opened:
        opened.callback(_stop_all, members)
        for member in members:
            member.start()
        running = Cluster(site, address, members)
        wait_until_well(members)
        running.proxies = [
            opened.enter_context(_proxy(folder / f"haproxy-{n}", members)) for n in range(proxies)
        ]
        running.ports = [proxy.port for proxy in running.proxies] or running.ports
        yield running


def _stop_all(members: Sequence[Member]) -> None:
    for member in members:
        if member.process is not None:
            stop(member.process)


def wait_until_well(members: Sequence[Member]) -> None:
    """Wait until chargers can come. Raises BenchError."""
    until = time.monotonic() + START_SECONDS
    while not all(member.is_well() for member in members):
        if time.monotonic() > until:
            raise BenchError("a server is not well")
        time.sleep(TURN_SECONDS)


def haproxy() -> str | None:
    """Return where HAProxy is, which Debian has outside of PATH."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


@contextmanager
def _proxy(path: Path, members: Sequence[Member]) -> Iterator[Server]:
    found, port = haproxy(), free_port()
    assert found
    path.with_suffix(".cfg").write_text(configuration(members, port))
    command = [found, "-db", "-f", str(path.with_suffix(".cfg"))]
    process = begin(command, path.with_suffix(".log"))
    try:
        until = time.monotonic() + START_SECONDS
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > until:
                raise BenchError(
                    f"haproxy did not start: {path.with_suffix('.log').read_text()[-2000:]}"
                )
            time.sleep(TURN_SECONDS)
        yield Server(process.pid, port)
    finally:
        stop(process)


def configuration(members: Sequence[Member], port: int) -> str:
    """Return what `deploy` writes, for the chargers of these servers, and this port."""
    with TemporaryDirectory() as folder:
        count = str(max(2, len(members)))
        command = [*PROGRAM, "deploy", "--servers", count, "--db", "postgresql:///levity", folder]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        text = (Path(folder) / "haproxy.cfg").read_text()
    text = _OF_ROOT.sub("", text[: text.index("frontend pages")]).replace(
        "0.0.0.0:9000", f"127.0.0.1:{port}"
    )
    places = iter(members)
    return _SERVER.sub(lambda _: _place(next(places, None)), text)


def _place(member: Member | None) -> str:
    return (
        ""
        if member is None
        else f"server {member.name} 127.0.0.1:{member.port} port {member.metrics_port}"
    )
