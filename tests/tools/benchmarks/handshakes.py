"""Handshakes: chargers that all come back at once over TLS with a password, and a flood of bad
ones.

python -m tests.tools.benchmarks.handshakes (or `just bench-handshakes`). The CPU of a connection up
to the answered boot is compared with a TLS echo plus a bare WebSocket handshake, with the same
certificate and without resumption. While the chargers return, and during the flood, some others
send calls, whose waits are measured. The exit status is 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import select
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from levity_trio.access import passwords
from levity_trio.access.passwords import GENERATED
from levity_trio.store.engine.database import UnitOfWork, commit
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.writes.chargers import security
from tests.integration.charger import Charger
from tests.integration.keys import Authority
from tests.integration.knocking import Knocks, knocking
from tests.integration.knocking import told as told_of_knocks

from .process import Kind, Server, running
from .report import table
from .returning import Return, identity, leave, returning, told

CHARGERS, HANDSHAKES, SOCKETS, ADDRESSES, OTHERS, ROUNDS = 1000, 10_000, 50, 5000, 5, 3
FROM_ONE_ADDRESS = 200
PAUSE_SECONDS = 0.02
SETTLE_SECONDS = 3.0
CPU_TARGET, P99_TARGET_MS, GROWTH_TARGET_MIB = 2.0, 50.0, 3.0
PASSWORD = bytes(range(0x80, 0x94))
AT = "2026-01-01T00:00:00.000Z"


@dataclass
class Figures:
    """What was measured."""

    returns: list[Return] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    cpu_ms: list[tuple[float, float, float]] = field(default_factory=list)
    """Of a connection: ours, the TLS echo, the bare WebSocket handshake."""
    return_p99_ms: float = 0.0
    flood_p99_ms: float = 0.0
    floods: list[Knocks] = field(default_factory=list)
    flood_seconds: list[float] = field(default_factory=list)
    growth_mib: float = 0.0
    one_address: Knocks = field(default_factory=Knocks)


@dataclass(frozen=True)
class Scene:
    """Where it is measured."""

    folder: Path
    authority: Authority
    pem: Path
    database: Path

    @contextmanager
    def serving(self, kind: Kind, chargers: int) -> Iterator[Server]:
        """Start a server."""
        settings = {"serve": ("--tls-cert", str(self.pem)), "tls echo": (str(self.pem),)}.get(
            kind, ()
        )
        database = self.database if kind == "serve" else None
        with running(kind, chargers, self.folder, settings, database) as server:
            yield server


def prepare(folder: Path, chargers: int) -> Scene:
    """Make certificates, and a database of chargers that have a password."""
    authority = Authority(folder)
    scene = Scene(folder, authority, authority.server(), folder / "handshakes.db")
    names = [identity(number) for number in range(chargers)]

    def write(db: UnitOfWork) -> None:
        for name in names:
            db.execute(
                "INSERT INTO cp (id, created_at, updated_at) VALUES (?, ?, ?)", (name, AT, AT)
            )
            security.expect_password(db, name, passwords.store(PASSWORD, GENERATED), AT, "bench")
            security.require_profile(db, name, 2, AT, "bench")

    with open_database(scene.database) as connection:
        (result,) = commit(connection, [write])
        result.unwrap()
    return scene


def cpu_of(
    scene: Scene, kind: Kind, client: str, chargers: int, settle: float
) -> tuple[float, Return]:
    """Let all come; return the CPU milliseconds of a connection, of the second time they come."""
    used, done = 0.0, Return()
    with scene.serving(kind, chargers) as server:
        for _ in range(2):
            before = server.cpu().total
            process = returning(server.port, client, chargers, scene.authority.path, PASSWORD)
            done = told(process)
            used = server.cpu().total - before
            leave(process)
            time.sleep(settle)
    return 1000 * used / max(1, done.served), done


def measure_cpu(scene: Scene, chosen: argparse.Namespace, figures: Figures) -> None:
    """One round of the comparison."""
    ours, done = cpu_of(scene, "serve", "charger", chosen.chargers, chosen.settle)
    tls, _ = cpu_of(scene, "tls echo", "echoed", chosen.chargers, chosen.settle)
    websocket, _ = cpu_of(scene, "echo", "websocket", chosen.chargers, chosen.settle)
    figures.returns.append(done)
    figures.cpu_ms.append((ours, tls, websocket))
    figures.ratios.append(ours / (tls + websocket))


def waits_ms(others: list[Charger], output: IO[str] | None) -> list[float]:
    """Send a call now and then, from each in turn, until a process has told its result."""
    assert output is not None
    waits: list[float] = []
    while not select.select([output], [], [], 0)[0]:
        for other in others:
            began = time.perf_counter()
            other.call("Heartbeat")
            waits.append(1000 * (time.perf_counter() - began))
            time.sleep(PAUSE_SECONDS)
    return waits


def p99(waits: Iterable[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles([*waits, 0.0], n=100)[98]


@contextmanager
def others_of(server: Server, count: int) -> Iterator[list[Charger]]:
    """Some chargers that are connected meanwhile."""
    with ExitStack() as stack:
        others = [
            stack.enter_context(Charger(server.port, f"OTHER-{number}")) for number in range(count)
        ]
        for other in others:
            other.boot()
        yield others


def measure_others(scene: Scene, chosen: argparse.Namespace, figures: Figures) -> None:
    """The waits of others while all return, and during two waves of bad handshakes."""
    with scene.serving("serve", chosen.chargers) as server, others_of(server, OTHERS) as others:
        process = returning(server.port, "charger", chosen.chargers, scene.authority.path, PASSWORD)
        figures.return_p99_ms = p99(waits_ms(others, process.stdout))
        figures.returns.append(told(process))
        leave(process)
    with scene.serving("serve", chosen.chargers) as server, others_of(server, OTHERS) as others:
        sizes, waits = [], []
        for _ in range(2):
            began = time.perf_counter()
            with knocking(
                server.port, chosen.handshakes, SOCKETS, ADDRESSES, identity(0)
            ) as process:
                waits += waits_ms(others, process.stdout)
                figures.floods.append(told_of_knocks(process))
            figures.flood_seconds.append(time.perf_counter() - began)
            time.sleep(chosen.settle)
            sizes.append(server.resident_mib())
        figures.flood_p99_ms, figures.growth_mib = p99(waits), sizes[1] - sizes[0]
        with knocking(server.port, FROM_ONE_ADDRESS, SOCKETS, 1, identity(0)) as process:
            figures.one_address = told_of_knocks(process)


def lines_of(figures: Figures, chosen: argparse.Namespace) -> list[tuple[str, str, str]]:
    """The table: what, measured, target."""
    lost = sum(chosen.chargers - one.served for one in figures.returns)
    slowest = max(one.seconds for one in figures.returns)
    ours, tls, websocket = (
        statistics.median(column) for column in zip(*figures.cpu_ms, strict=True)
    )
    ratio = (
        f"{statistics.median(figures.ratios):.2f} x ({min(figures.ratios):.2f} to "
        f"{max(figures.ratios):.2f})"
    )
    ended = ", ".join(
        f"{status} {count}" for status, count in sorted(figures.floods[-1].statuses.items())
    )
    return [
        (
            f"{chosen.chargers} at once, TLS and password: lost",
            f"{lost}, the last after {slowest:.1f} s",
            "0",
        ),
        ("CPU of a connection to the answered boot", f"{ours:.2f} ms", ""),
        ("TLS echo + bare WebSocket handshake", f"{tls:.2f} + {websocket:.2f} ms", ""),
        ("ratio", ratio, f"<= {CPU_TARGET} x"),
        ("others' p99 meanwhile", f"{figures.return_p99_ms:.1f} ms", ""),
        (
            f"{chosen.handshakes} bad handshakes: others' p99",
            f"{figures.flood_p99_ms:.1f} ms",
            f"< {P99_TARGET_MS} ms",
        ),
        ("they took", " and ".join(f"{seconds:.1f} s" for seconds in figures.flood_seconds), ""),
        ("they ended with", ended, ""),
        ("a second wave adds", f"{figures.growth_mib:.1f} MiB", f"< {GROWTH_TARGET_MIB} MiB"),
        (
            "from one address: asked to wait",
            f"{figures.one_address.waits} of {FROM_ONE_ADDRESS}",
            "> 0",
        ),
    ]


def is_met(figures: Figures, chosen: argparse.Namespace) -> bool:
    """Whether all targets are reached."""
    return (
        all(one.served == chosen.chargers for one in figures.returns)
        and statistics.median(figures.ratios) <= CPU_TARGET
        and figures.flood_p99_ms < P99_TARGET_MS
        and figures.growth_mib < GROWTH_TARGET_MIB
        and figures.one_address.waits > 0
    )


def measure(chosen: argparse.Namespace) -> Figures:
    """Measure everything."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as name:
        scene = prepare(Path(name), chosen.chargers)
        for _ in range(chosen.rounds):
            measure_cpu(scene, chosen, figures)
        measure_others(scene, chosen, figures)
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table; the exit status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chargers", type=int, default=CHARGERS, help="that come back at once")
    parser.add_argument("--handshakes", type=int, default=HANDSHAKES, help="of a wave of bad ones")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the comparison of CPU")
    parser.add_argument(
        "--settle", type=float, default=SETTLE_SECONDS, help="seconds for connections to end"
    )
    chosen = parser.parse_args(arguments)
    figures = measure(chosen)
    print(table(["what", "measured", "target"], lines_of(figures, chosen), left=2))
    for problems in (one.problems for one in figures.returns if one.problems):
        print(problems)
    return 0 if is_met(figures, chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
