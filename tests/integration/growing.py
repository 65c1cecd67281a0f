"""What grows while all floods run at once, compared with what may.

`site.db` is flooded for so long, with a charger beside it that has charged and only sends
heartbeats.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.bounds import BOUNDS
from tests.integration.charger import Charger
from tests.integration.crowd import let_charge
from tests.integration.everything import Ports, flooding
from tests.integration.keys import Authority
from tests.integration.serving import PROGRAM, Serving, serving
from tests.integration.simulating import controlled
from tests.tools.benchmarks.process import Server

DATABASE, LOG = "site.db", "server.log"
BEAT_SECONDS = 0.1
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Grown:
    """What the floods did. Sizes in bytes, of tables with their indexes and of files, the largest
    that was seen."""

    grown: Mapping[str, int]
    peak_bytes: int
    identities: int
    starts: int
    log_megabytes: int
    waits: list[float]
    """Seconds of each heartbeat of the other charger, in order of length."""
    memory_megabytes: float
    messages: Mapping[str, int]
    sent_bytes: int

    @property
    def p99_milliseconds(self) -> float:
        return 1000 * self.waits[int(len(self.waits) * 0.99)]

    @property
    def bound_megabytes(self) -> float:
        """What the whole folder may have."""
        return self.log_megabytes + sum(
            one.megabytes(self.starts, self.identities) for one in BOUNDS
        )

    def beyond(self) -> list[str]:
        """The tables and files that the manual does not name, and those that have more than it
        says."""
        known = BOUNDS
        wrong = [
            f"{name} is not in the table"
            for name in self.grown
            if not any(one.has(name) for one in known)
        ]
        for bound in known:
            megabytes = sum(size for name, size in self.grown.items() if bound.has(name)) / MEGABYTE
            most = bound.megabytes(self.starts, self.identities) + self.log_megabytes * bound.has(
                "log"
            )
            if megabytes > most:
                wrong.append(f"{bound.names}: {megabytes:.1f} of {most:.1f} MB")
        if self.peak_bytes > MEGABYTE * self.bound_megabytes:
            wrong.append(
                f"the folder: {self.peak_bytes / MEGABYTE:.1f} of {self.bound_megabytes:.1f} MB"
            )
        return wrong


def flood_all(folder: Path, seconds: float, starts: int, log_megabytes: int) -> Grown:
    """Flood a new server for so long."""
    with _served(folder, starts, log_megabytes) as (server, ports):
        let_charge(server.port, "OTHER")
        before, largest, waits = _tables(folder / DATABASE), dict[str, int](), list[float]()
        with flooding(ports, seconds) as told, Charger(server.port, "OTHER") as other:
            other.boot()
            until, peak = time.monotonic() + seconds, 0
            while (began := time.monotonic()) < until:
                other.call("Heartbeat")
                waits.append(time.monotonic() - began)
                files = _files(folder)
                largest |= {name: max(size, largest.get(name, 0)) for name, size in files.items()}
                peak = max(peak, sum(files.values()))
                time.sleep(max(0.0, BEAT_SECONDS - (time.monotonic() - began)))
        after = _tables(folder / DATABASE)
        grown = {name: size for name, size in after.items() if size > before.get(name, 0)}
        largest.pop(DATABASE)
        ((identities,),) = server.query("SELECT count(*) FROM cp")
        memory = Server(server.process.pid, server.port).peak_mib() * 2**20 / MEGABYTE
    waits.sort()
    messages, sent_bytes = told["messages"], told["sent_bytes"]
    return Grown(
        grown | largest,
        peak,
        identities,
        starts,
        log_megabytes,
        waits,
        memory,
        messages,
        sent_bytes,
    )


@contextmanager
def _served(folder: Path, starts: int, log_megabytes: int) -> Iterator[tuple[Serving, Ports]]:
    """A server with all its ports, and a simulator with its control."""
    (keys := folder.with_name(f"{folder.name}-keys")).mkdir()
    ports = ("--tls-port", "--metrics-port", "--drivers-port", "--files-port")
    flags = [part for flag in ports for part in (flag, "0")]
    flags += ["--tls-cert", str(Authority(keys).server()), "--log-file", str(folder / LOG)]
    flags += ["--max-starts", str(starts), "--log-max-mb", str(log_megabytes)]
    with (
        serving(folder / DATABASE, *flags, program=PROGRAM, may_log_errors=True) as server,
        controlled(server.port, folder) as control,
    ):
        lines = {
            "files": "serving files",
            "api": "serving the operator API",
            "drivers": "serving the drivers' port",
            "metrics": "serving metrics",
        }
        found = {name: _port(server.wait_line(event)["address"]) for name, event in lines.items()}
        tls = int(server.wait_line("serving TLS")["port"])
        yield server, {"chargers": server.port, "tls": tls, "control": _port(control), **found}


def _port(address: str) -> int:
    found = re.search(r":(\d+)", address.removeprefix("http:"))
    assert found, address
    return int(found[1])


def _tables(database: Path) -> dict[str, int]:
    """The bytes of each table with its indexes."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        sizes = (
            "SELECT tbl_name, sum(pgsize) FROM dbstat "
            "JOIN sqlite_schema USING (name) GROUP BY tbl_name"
        )
        free = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
        return dict(connection.execute(sizes).fetchall()) | {
            "free pages": connection.execute(free).fetchone()[0]
        }


def _files(folder: Path) -> dict[str, int]:
    """The bytes of each file in the folder, and in those below it."""
    found = {}
    for path in folder.rglob("*"):
        try:
            found[str(path.relative_to(folder))] = path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # rotated or removed at this moment
            continue
    return {name: size for name, size in found.items() if size}
