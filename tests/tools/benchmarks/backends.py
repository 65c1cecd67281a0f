"""What another backend costs: the answers to chargers, CPU and memory, with one that is there,
away, frozen, slow or hostile, and how it catches up with a week.

Two servers with 20 chargers each, one with a backend for all of them, are called in turns. Each
charger calls once in so many seconds.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.integration.backend_given import UNTOLD, WAITING, give_backend
from tests.integration.fleet import accounts
from tests.integration.serving import query
from tests.ports import free_port

from .bad_backend import KINDS
from .paced import PacedFleet
from .process import ROOT, Server, running

CHARGERS: Final = 20
EVERY_SECONDS: Final = 0.5
P99_TIMES, CATCH_UP_SECONDS, CPU_SHARE, MEGABYTES = 1.05, 600, 0.10, 3
ROUNDS, ROUND_SECONDS = 5, 10.0
SETTLE_SECONDS: Final = 3.0
MESSAGES_OF_A_WEEK: Final = 2500
"""Of a charger: two sessions of three hours a day with a reading each minute."""
MS: Final = 1000


@contextmanager
def other(kind: str, port: int) -> Iterator[None]:
    """A backend of this kind at the port."""
    if kind == "away":
        yield
        return
    program = [sys.executable, "-m", "tests.tools.benchmarks.bad_backend", kind, str(port)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield
        finally:
            process.kill()


@contextmanager
def called(folder: Path, prefix: str, port: int | None) -> Iterator[tuple[Server, PacedFleet]]:
    """A server whose chargers call, with a backend at this port."""
    database = folder / f"{prefix}.db"
    chargers = accounts(CHARGERS, prefix)
    if port is not None:
        give_backend(database, port, [one.identity for one in chargers])
    with (
        running("serve", CHARGERS, folder, ("--db", str(database))) as server,
        PacedFleet([server.port], chargers, EVERY_SECONDS, 1.0) as fleet,
    ):
        fleet.join(1)
        yield server, fleet


class Round(NamedTuple):
    """The p99 of answers in ms, and the share of a core."""

    p99: float
    share: float


def measure(server: Server, fleet: PacedFleet, seconds: float) -> Round:
    """Let them call for so long."""
    fleet.run(0.3)
    fleet.forget()
    before, began = server.cpu().total, time.perf_counter()
    fleet.run(seconds)
    share = (server.cpu().total - before) / (time.perf_counter() - began)
    waits = sorted(answer.seconds for answer in fleet.answers)
    return Round(waits[round(0.99 * (len(waits) - 1))] * MS, share)


def compared(folder: Path, kind: str, rounds: int, seconds: float) -> str:
    """Return how the answers of both servers compare, in turns."""
    port = free_port()
    folder.mkdir()
    with (
        other(kind, port),
        called(folder, "ALONE", None) as alone,
        called(folder, "TOLD", port) as told,
    ):
        found = [(measure(*alone, seconds), measure(*told, seconds)) for _ in range(rounds)]
        grown = told[0].resident_mib() - alone[0].resident_mib()
    ratio = statistics.median(two.p99 / one.p99 for one, two in found)
    p99s = [
        statistics.median(some) for some in zip(*((a.p99, b.p99) for a, b in found), strict=True)
    ]
    shares = [
        statistics.median(some)
        for some in zip(*((a.share, b.share) for a, b in found), strict=True)
    ]
    spread = ", ".join(f"{two.p99 / one.p99:.2f}" for one, two in found)
    return (
        f"{ratio:.3f} x ({p99s[1]:.2f} against {p99s[0]:.2f} ms; rounds {spread}); CPU "
        f"{shares[1]:.1%} against {shares[0]:.1%}; {grown:+.1f} MB"
    )


AGED: Final = {
    "log": ("at",),
    "tx": ("created_at", "stop_received_at"),
    "meter_val": ("received_at",),
}
"""When things came."""


def filled(folder: Path, messages: int, port: int) -> Path:
    """Return a database whose chargers called a week ago, and whose backend was away."""
    database = folder / "week.db"
    chargers = accounts(CHARGERS, "WEEK")
    give_backend(database, port, [one.identity for one in chargers])
    with (
        running("serve", CHARGERS, folder, ("--db", str(database))) as server,
        PacedFleet([server.port], chargers, 0.0, 1.0) as fleet,
    ):
        fleet.join(1)
        fleet.run(600, lambda: len(fleet.answers) >= messages * CHARGERS)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for table, columns in AGED.items():
            guards = connection.execute(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?",
                (table,),
            ).fetchall()
            for name, _ in guards:
                connection.execute(f"DROP TRIGGER {name}")
            for column in columns:
                aged = f"strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-7 days')"
                connection.execute(f"UPDATE {table} SET {column} = {aged}")
            for _, sql in guards:
                connection.execute(sql)
    return database


def caught_up(folder: Path, messages: int) -> tuple[str, str, str]:
    """Return how long it took, how much CPU, and how much memory."""
    folder.mkdir()
    port = free_port()
    database = filled(folder, messages, port)
    with running("serve", CHARGERS, folder, ("--db", str(database), "--log-days", "60")) as server:
        time.sleep(SETTLE_SECONDS)
        alone = server.resident_mib()
    with (
        other("there", port),
        running("serve", CHARGERS, folder, ("--db", str(database), "--log-days", "60")) as server,
    ):
        before, began, most = server.cpu().total, time.perf_counter(), 0.0
        while query(database, f"{UNTOLD} LIMIT 1") or query(database, f"{WAITING} LIMIT 1"):
            time.sleep(1)
            most = max(most, server.resident_mib())
        seconds = time.perf_counter() - began
        share = (server.cpu().total - before) / seconds
    ((told,),) = query(database, "SELECT sum(told) FROM backend_cp")
    return (
        f"{seconds:.0f} s for {told} messages of {CHARGERS} chargers",
        f"{share:.1%} of a core; {share * seconds / told * MS:.2f} ms a message",
        f"{most - alone:+.1f} MB beside {alone:.1f} MB of a server whose backend is away",
    )


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.backends", description=__doc__
    )
    parser.add_argument("--small", action="store_true", help="one round of a second, to try it")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only such backends")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--messages", type=int, default=MESSAGES_OF_A_WEEK, help="0: no week")
    given = parser.parse_args()
    rounds, seconds = (1, 1.0) if given.small else (given.rounds, ROUND_SECONDS)
    messages = 20 if given.small else given.messages
    with tempfile.TemporaryDirectory() as name:
        for kind in given.kind or KINDS:
            found = compared(Path(name) / kind, kind, rounds, seconds)
            print(f"{f'p99, backend {kind}':<28}{f'{P99_TIMES} x':>8}   {found}", flush=True)
        if messages:
            took, cpu, memory = caught_up(Path(name) / "week", messages)
            print(f"{'a week, then back':<28}{f'{CATCH_UP_SECONDS} s':>8}   {took}")
            print(f"{'its CPU':<28}{f'{CPU_SHARE:.0%}':>8}   {cpu}")
            print(f"{'its memory':<28}{f'{MEGABYTES} MB':>8}   {memory}")


if __name__ == "__main__":
    main()
