"""Chargers for the benchmark of the dashboard: `python -m tests.tools.benchmarks.dashboard_chargers
PORT COUNT PACE`.

Each charges: it has started a transaction. With a pace it sends a StatusNotification of another
status every so many seconds. They print a line when all charge and, when standard input ends, how
long the answers took, in seconds, as JSON.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle

import trio

from .api_chargers import connected, main

STATUSES = ("SuspendedEV", "Charging")
Call = tuple[str, dict[str, object]]


def identity(number: int) -> str:
    """Return the identity of a charger, as filled_bills has them."""
    return f"CP-{number:03}"


def beginning(number: int) -> Iterator[Call]:
    """Yield what a charger says before it is ready."""
    yield (
        "BootNotification",
        {"chargePointVendor": "United Chargers", "chargePointModel": "Grizzl-E"},
    )
    yield status("Preparing")
    start = {
        "connectorId": 1,
        "idTag": f"TAG-{number + 1}",
        "meterStart": 100_000_000,
        "timestamp": now(),
    }
    yield "StartTransaction", start
    yield status("Charging")
    register = {"value": "100000100"}
    power = {"value": "7360", "measurand": "Power.Active.Import", "unit": "W"}
    reading = {"timestamp": now(), "sampledValue": [register, power]}
    yield "MeterValues", {"connectorId": 1, "meterValue": [reading]}


def status(word: str) -> Call:
    return "StatusNotification", {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": word,
        "timestamp": now(),
    }


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def run_charger(
    number: int, port: int, pace: float, seconds: list[float], *, task_status: trio.TaskStatus[None]
) -> None:
    async with trio.open_nursery() as tasks:
        charger = await connected(identity(number), port, seconds, tasks)
        for call in beginning(number):
            await charger.ask(*call)
        seconds.clear()
        task_status.started()
        for word in cycle(STATUSES) if pace else ():
            await charger.ask(*status(word))
            await trio.sleep(pace - (time.perf_counter() - charger.asked_at) % pace)


if __name__ == "__main__":
    trio.run(main, run_charger, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
