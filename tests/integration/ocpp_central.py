"""A central system that is not ours: the `ocpp` package's own, for the simulator to be tried
against.

It validates what comes by the package's schemas, answers the least that OCPP wants, asks each
charger a few things, and writes what it booked as JSON when it is told to end. Its clock runs
`speed` times as fast as the machine's.

    python tests/integration/ocpp_central.py SPEED BOOKS
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

BEGAN = time.time()
ASKED = (
    call.GetConfiguration(),
    call.GetLocalListVersion(),
    call.TriggerMessage(requested_message="StatusNotification"),
)


class Books:
    """What all chargers said."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.transactions: dict[int, dict[str, Any]] = {}
        self.answers: list[str] = []
        self.readings = 0

    def now(self) -> str:
        moment = datetime.fromtimestamp(BEGAN + (time.time() - BEGAN) * self.speed, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Central(ChargePoint):  # type: ignore[misc]  # the package has no annotations
    """One charger, seen from the central system."""

    def __init__(self, identity: str, connection: Any, books: Books) -> None:
        super().__init__(identity, connection)
        self.books = books

    @on("BootNotification")  # type: ignore[untyped-decorator]
    def boot(self, **_told: Any) -> call_result.BootNotification:
        return call_result.BootNotification(
            current_time=self.books.now(), interval=900, status="Accepted"
        )

    @on("Heartbeat")  # type: ignore[untyped-decorator]
    def heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=self.books.now())

    @on("StatusNotification")  # type: ignore[untyped-decorator]
    def status(self, **_told: Any) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @on("Authorize")  # type: ignore[untyped-decorator]
    def authorize(self, **_told: Any) -> call_result.Authorize:
        return call_result.Authorize(id_tag_info={"status": "Accepted"})

    @on("StartTransaction")  # type: ignore[untyped-decorator]
    def book_start(self, **told: Any) -> call_result.StartTransaction:
        number = len(self.books.transactions) + 1
        self.books.transactions[number] = {"charger": self.id, **told, "meter_stop": None}
        return call_result.StartTransaction(
            transaction_id=number, id_tag_info={"status": "Accepted"}
        )

    @on("MeterValues")  # type: ignore[untyped-decorator]
    def meter_values(self, **_told: Any) -> call_result.MeterValues:
        self.books.readings += 1
        return call_result.MeterValues()

    @on("StopTransaction")  # type: ignore[untyped-decorator]
    def book_stop(
        self, transaction_id: int, meter_stop: int, **_told: Any
    ) -> call_result.StopTransaction:
        self.books.transactions[transaction_id]["meter_stop"] = meter_stop
        return call_result.StopTransaction()

    async def ask(self) -> None:
        """Call the charger, as the package's users do; its answers are validated by the package."""
        for request in ASKED:
            answer = await self.call(request, suppress=False)
            self.books.answers.append(type(answer).__name__)


async def serve(books: Books) -> None:
    """Until SIGTERM."""

    async def converse(connection: Any) -> None:
        charger = Central(connection.request.path.rpartition("/")[2], connection, books)
        asking = asyncio.create_task(charger.ask())
        try:
            await charger.start()
        except websockets.ConnectionClosed:
            asking.cancel()

    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with websockets.serve(
        converse, "127.0.0.1", 0, subprotocols=[websockets.Subprotocol("ocpp1.6")]
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await ended.wait()


def main(speed: float, file: Path) -> None:
    """Serve, and write the books."""
    books = Books(speed)
    asyncio.run(serve(books))
    told = {
        "transactions": list(books.transactions.values()),
        "answers": books.answers,
        "readings": books.readings,
    }
    file.write_text(json.dumps(told))


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
