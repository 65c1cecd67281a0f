"""Chargers for the benchmark of the API: `python -m tests.tools.benchmarks.api_chargers PORT COUNT
PACE`.

They accept whatever they are asked. With a pace each also sends a StatusNotification every so many
seconds, of another status each time. They print a line when all have booted and, when standard
input ends, how long the answers took, in seconds, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle
from typing import Protocol

import trio

from tests.integration.websocket import PING, PONG, TEXT, client_frame, take_frame, upgrade_request

HOST = "127.0.0.1"
BOOT = '[2,"boot","BootNotification",{"chargePointVendor":"v","chargePointModel":"m"}]'
STATUSES = ("Available", "Preparing", "Charging", "Finishing")
READY = "ready\n"


class Run(Protocol):
    """Runs one charger: its number, the port, its pace, and where the times to its answers go."""

    async def __call__(
        self,
        number: int,
        port: int,
        pace: float,
        seconds: list[float],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None: ...


class Charger:
    """One connection; `seconds` are the times to the answers of its own calls."""

    def __init__(self, stream: trio.SocketStream, seconds: list[float]) -> None:
        self._stream = stream
        self._sending = trio.Lock()
        self._seconds = seconds
        self._calls = 0
        self.asked_at = 0.0
        self._answered = trio.Event()

    async def send(self, text: str) -> None:
        await self._send(TEXT, text.encode())

    async def _send(self, opcode: int, payload: bytes) -> None:
        async with self._sending:
            await self._stream.send_all(client_frame(opcode, payload))

    async def ask(self, action: str, payload: dict[str, object]) -> None:
        """Send a call and wait for its answer."""
        self.asked_at, self._answered = time.perf_counter(), trio.Event()
        self._calls += 1
        await self.send(json.dumps([2, str(self._calls), action, payload]))
        await self._answered.wait()

    async def boot(self) -> None:
        """Say who it is, and wait for the answer, whose time is not counted."""
        self._answered = trio.Event()
        await self.send(BOOT)
        await self._answered.wait()

    async def talk(self, pace: float) -> None:
        """Send a status at this pace, one after the other's answer."""
        for status in cycle(STATUSES):
            await self.ask(
                "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": status}
            )
            await trio.sleep(pace - (time.perf_counter() - self.asked_at) % pace)

    async def listen(self, received: bytes) -> None:
        """Answer calls and pings until the connection ends."""
        while True:
            while (found := take_frame(received)) is not None:
                frame, received = found
                if frame.opcode == PING:
                    await self._send(PONG, frame.payload)
                elif frame.opcode == TEXT:
                    await self._take(frame.payload)
            more = await self._stream.receive_some(65536)
            if not more:
                return
            received += bytes(more)

    async def _take(self, payload: bytes) -> None:
        if payload.startswith(b"[2"):
            number = payload.split(b'"', 2)[1].decode()
            await self.send(f'[3,"{number}",{{"status":"Accepted"}}]')
        else:
            if not payload.startswith(b'[3,"boot"'):
                self._seconds.append(time.perf_counter() - self.asked_at)
            self._answered.set()


async def connected(identity: str, port: int, seconds: list[float], tasks: trio.Nursery) -> Charger:
    """Return a charger that listens in these tasks."""
    stream = await trio.open_tcp_stream(HOST, port)
    await stream.send_all(upgrade_request(f"/ws/{identity}", port))
    received = b""
    while b"\r\n\r\n" not in received:
        received += bytes(await stream.receive_some(65536))
    charger = Charger(stream, seconds)
    tasks.start_soon(charger.listen, received.partition(b"\r\n\r\n")[2])
    return charger


async def run_charger(
    number: int, port: int, pace: float, seconds: list[float], *, task_status: trio.TaskStatus[None]
) -> None:
    async with trio.open_nursery() as tasks:
        charger = await connected(f"CP-{number}", port, seconds, tasks)
        await charger.boot()
        task_status.started()
        if pace:
            tasks.start_soon(charger.talk, pace)


async def main(run: Run, port: int, count: int, pace: float) -> None:
    """Run chargers until standard input ends; print how long their answers took."""
    seconds: list[float] = []
    async with trio.open_nursery() as chargers:
        for number in range(count):
            await chargers.start(run, number, port, pace, seconds)
        print(READY, end="", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        chargers.cancel_scope.cancel()
    print(json.dumps(seconds))


if __name__ == "__main__":
    trio.run(main, run_charger, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
