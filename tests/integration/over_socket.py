"""A site's books and a charger as tests/store tells of them, but of a spawned server and over a socket.

What a story tells happened in the past, and its charger sends it now, as after an outage. The server's clock runs fast,
so that what it does after a minute or a quarter of an hour is soon there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tests.store.books import NOON, Queries

from .charger import Charger
from .serving import Serving

CLOCK_SPEED = 600
PATIENCE_SECONDS = 60.0


class ServerBooks(Queries):
    """The database of a spawned server; `wait` lets time pass in the story."""

    def __init__(self, server: Serving) -> None:
        self.server = server
        self.now = NOON

    def wait(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.server.query(sql, *parameters)

    def settle(self) -> None:
        """Until nothing waits to be judged again."""
        self.until("SELECT count(*) = 0 FROM tx WHERE judge_after IS NOT NULL")

    def until(self, sql: str) -> None:
        """Until a condition holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.value(sql):
            assert time.monotonic() < deadline, sql
            time.sleep(0.05)


class SocketStation:
    """One charger over a socket; all its calls are answered."""

    def __init__(self, books: ServerBooks, name: str = "CP-1", behind: float = 0) -> None:
        self.books = books
        self.name = name
        self.behind = behind
        self.charger = Charger(books.server.port, name)

    def clock(self, minutes_ago: float = 0) -> str:
        told = self.books.now - timedelta(minutes=self.behind + minutes_ago)
        return told.strftime("%Y-%m-%dT%H:%M:%SZ")

    def start(self, meter: float | str = 1000, connector: int = 1, tag: str = "TAG", at: str | None = None) -> int:
        sent = self.clock() if at is None else at
        told = {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": sent}
        return int(self.charger.call("StartTransaction", **told)["transactionId"])

    def stop(
        self,
        transaction: int,
        meter: float | str = 5000,
        at: str | None = None,
        tag: str | None = None,
        reason: str = "Local",
        data: Iterable[dict[str, Any]] = (),
    ) -> None:
        told: dict[str, Any] = {
            "transactionId": transaction,
            "meterStop": meter,
            "timestamp": self.clock() if at is None else at,
        }
        given = {"idTag": tag, "transactionData": list(data)}
        told |= {"reason": reason} | {name: value for name, value in given.items() if value or value == ""}
        self.charger.call("StopTransaction", **told)

    def tell(self, *values: dict[str, Any], transaction: int | None = None, connector: int = 1) -> None:
        named = {} if transaction is None else {"transactionId": transaction}
        self.charger.call("MeterValues", connectorId=connector, meterValue=list(values), **named)

    def register(self, wh: int, minutes_ago: float = 0) -> dict[str, Any]:
        return {"timestamp": self.clock(minutes_ago), "sampledValue": [{"value": str(wh)}]}

    def status(self, status: str, connector: int = 1, error: str = "NoError") -> None:
        told = {"connectorId": connector, "status": status, "errorCode": error, "timestamp": self.clock()}
        self.charger.call("StatusNotification", **told)

    def boot(self, **told: str) -> None:
        keys = {"meter_serial_number": "meterSerialNumber", "firmware_version": "firmwareVersion"}
        known = {"chargePointVendor": "United Chargers", "chargePointModel": "Grizzl-E"}
        self.charger.call("BootNotification", **known, **{keys[name]: value for name, value in told.items()})

    def orphan(self, transaction: int, meter: int, connector: int = 1) -> None:
        """A boot, after a last reading, and a quarter of an hour in which nothing is heard."""
        self.tell(self.register(meter), transaction=transaction, connector=connector)
        self.close_silent()

    def close_silent(self) -> None:
        self.boot()
        self.books.until("SELECT count(*) = 0 FROM tx WHERE suspended_at IS NOT NULL AND status = 'Active'")

    def review(self, transaction: int) -> str:
        return str(self.books.value("SELECT coalesce(review, '') FROM tx WHERE id = ?", transaction))
