"""What a simulated charger costs: `python -m tests.benchmarks.simulated`, or `just bench-simulator`.

CPU of each call against that of bare trio-websocket clients that send the same to the same server in the same minute,
and the memory of a large fleet. Each figure is of the client's process alone, looked at from outside through /proc.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from .process import ROOT, BenchError, Server, running
from .report import table

Client = Literal["bare", "simulate"]

BUSY_CHARGERS, BUSY_SECONDS = 500, 1
FLEET_CHARGERS, FLEET_SECONDS = 5000, 30
MEASURED_SECONDS, ROUNDS = 20.0, 3
ARRIVAL_SECONDS = 90.0
CPU_TARGET, MEMORY_TARGET_MIB = 1.5, 300.0


class Load(NamedTuple):
    """One client process over the measured time."""

    cpu_us_per_call: float
    resident_mib: float


@contextmanager
def _client(client: Client, server: Server, chargers: int, interval: int) -> Iterator[Server]:
    """A client process with so many chargers, connected."""
    url = f"ws://127.0.0.1:{server.port}/ws/"
    bare = ["tests.benchmarks.bare_client", url, str(chargers), str(interval)]
    simulate = ["levity_trio", "simulate", "--scenario", "idle", "--chargers", str(chargers), "--url", url]
    process = subprocess.Popen(
        [sys.executable, "-m", *(bare if client == "bare" else simulate)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_connected(process.pid, chargers)
        yield Server(process.pid, server.port)
        if process.poll() is not None:
            raise BenchError(f"the client {client} ended with status {process.returncode}")
    finally:
        process.kill()
        process.wait()


def _wait_connected(process_id: int, chargers: int) -> None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    descriptors = Path(f"/proc/{process_id}/fd")
    while len(list(descriptors.iterdir())) < chargers:
        if time.monotonic() > deadline:
            raise BenchError(f"only {len(list(descriptors.iterdir()))} of {chargers} chargers connected")
        time.sleep(0.2)


def _measure(client: Client, chargers: int, interval: int, seconds: float, folder: Path) -> Load:
    arguments = ["--heartbeat-interval", str(interval), "--disable-websocket-ping"]
    with running("serve", chargers, folder, arguments) as server, _client(client, server, chargers, interval) as load:
        time.sleep(2 + interval)  # boots and first statuses are over, and each has begun to beat
        before = load.cpu().total
        time.sleep(seconds)
        used = load.cpu().total - before
        return Load(1e6 * used / (chargers * seconds / interval), load.resident_mib())


def _round(number: int, chargers: int, seconds: float, folder: Path) -> dict[Client, Load]:
    """Each begins every other round, so that a machine whose mood changes changes it for both."""
    turn: list[Client] = ["bare", "simulate"]
    return {
        client: _measure(client, chargers, BUSY_SECONDS, seconds, folder)
        for client in (turn if number % 2 == 0 else turn[::-1])
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table; the exit status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=MEASURED_SECONDS, help="measured in each round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--fleet", type=int, default=FLEET_CHARGERS, help="chargers of the memory run; 0: none")
    parser.add_argument("--busy", type=int, default=BUSY_CHARGERS, help="chargers of the rounds")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rounds = [_round(number, chosen.busy, chosen.seconds, folder) for number in range(chosen.rounds)]
        fleet = _measure("simulate", chosen.fleet, FLEET_SECONDS, chosen.seconds, folder) if chosen.fleet else None
    ratios = [loads["simulate"].cpu_us_per_call / loads["bare"].cpu_us_per_call for loads in rounds]
    return _report(rounds, ratios, chosen, fleet)


def _report(
    rounds: list[dict[Client, Load]], ratios: list[float], chosen: argparse.Namespace, fleet: Load | None
) -> int:
    each = f"{chosen.busy} chargers, one Heartbeat a second each"
    ratio = statistics.median(ratios)
    lines = [
        (f"CPU a call, bare clients, {each}", _median(rounds, "bare"), ""),
        (f"CPU a call, simulate, {each}", _median(rounds, "simulate"), ""),
        ("against the bare client", f"{ratio:.2f} x ({min(ratios):.2f} to {max(ratios):.2f})", f"<= {CPU_TARGET} x"),
    ]
    is_met = ratio <= CPU_TARGET
    if fleet is not None:
        is_met = is_met and fleet.resident_mib < MEMORY_TARGET_MIB
        what = f"memory of {chosen.fleet:,} chargers, one Heartbeat in {FLEET_SECONDS} s each"
        lines.append((what, f"{fleet.resident_mib:.0f} MiB", f"< {MEMORY_TARGET_MIB:.0f} MiB"))
    print(table(["what", "measured", "target"], lines))
    return 0 if is_met else 1


def _median(rounds: list[dict[Client, Load]], client: Client) -> str:
    return f"{statistics.median(loads[client].cpu_us_per_call for loads in rounds):.0f} us"


if __name__ == "__main__":
    sys.exit(main())
