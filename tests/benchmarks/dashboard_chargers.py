"""Chargers for the benchmark of the dashboard: `python -m tests.benchmarks.dashboard_chargers PORT COUNT PACE`.

Each charges: it has started a transaction. With a pace it sends a StatusNotification of another status every so many
seconds. When standard input ends, they print how long the answers took, in seconds, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle

import trio

from .api_chargers import HOST, Charger
from .websocket import upgrade_request

STATUSES = ("SuspendedEV", "Charging")
Call = tuple[str, dict[str, object]]


def identity(number: int) -> str:
    """Return the identity of a charger, as filled_bills has them."""
    return f"CP-{number:03}"


def beginning(number: int) -> Iterator[Call]:
    """Yield what a charger says before it is ready."""
    yield "BootNotification", {"chargePointVendor": "United Chargers", "chargePointModel": "Grizzl-E"}
    yield status("Preparing")
    start = {"connectorId": 1, "idTag": f"TAG-{number + 1}", "meterStart": 100_000_000, "timestamp": now()}
    yield "StartTransaction", start
    yield status("Charging")
    register = {"value": "100000100"}
    power = {"value": "7360", "measurand": "Power.Active.Import", "unit": "W"}
    reading = {"timestamp": now(), "sampledValue": [register, power]}
    yield "MeterValues", {"connectorId": 1, "meterValue": [reading]}


def status(word: str) -> Call:
    return "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": word, "timestamp": now()}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def run_charger(number: int, port: int, pace: float, seconds: list[float]) -> None:
    stream = await trio.open_tcp_stream(HOST, port)
    await stream.send_all(upgrade_request(f"/ws/{identity(number)}", port))
    received = b""
    while b"\r\n\r\n" not in received:
        received += bytes(await stream.receive_some(65536))
    charger = Charger(stream, seconds)
    async with trio.open_nursery() as tasks:
        tasks.start_soon(charger.listen, received.partition(b"\r\n\r\n")[2])
        for call in beginning(number):
            await charger.ask(*call)
        seconds.clear()
        for word in cycle(STATUSES) if pace else ():
            await charger.ask(*status(word))
            await trio.sleep(pace - (time.perf_counter() - charger.asked_at) % pace)


async def main(port: int, count: int, pace: float) -> None:
    seconds: list[float] = []
    async with trio.open_nursery() as chargers:
        for number in range(count):
            chargers.start_soon(run_charger, number, port, pace, seconds)
        await trio.to_thread.run_sync(sys.stdin.read)
        chargers.cancel_scope.cancel()
    print(json.dumps(seconds))


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
