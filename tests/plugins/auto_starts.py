"""Helpers for auto start tests: messages of a charger, and outcomes of its starts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import trio
from structlog.typing import EventDict

from levity_trio.events import AutoStart, PluginFailed
from levity_trio.plugins.auto_remote_start import open_auto_remote_start
from tests.charger.parts import START, configure
from tests.plugins.sites import Answering, Served, connected

HOUR = 3600
DELAY = 1.0
TIMEOUT = 30
LONG_ENOUGH = 600


def switch_on(server: Served, **changes: Any) -> None:
    configure(server.central, **{"auto_start": True} | changes)


@asynccontextmanager
async def plugged(server: Served, status: str = "Preparing") -> AsyncIterator[Answering]:
    """Connect a charger whose connector 1 changed from Available to this status."""
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        await tell(charger, "Available")
        await trio.sleep(60)
        await tell(charger, status)
        yield charger
    assert server.witness.of(PluginFailed) == []


def clock(ago: float = 0) -> str:
    return (START + timedelta(seconds=trio.current_time() - ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def tell(charger: Answering, status: str, connector: int = 1, ago: float = 0) -> None:
    told = {
        "connectorId": connector,
        "errorCode": "NoError",
        "status": status,
        "timestamp": clock(ago),
    }
    await charger.call("StatusNotification", **told)


async def start(
    charger: Answering, connector: int = 1, tag: str = "anonymous", ago: float = 0
) -> int:
    told = {"connectorId": connector, "idTag": tag, "meterStart": 1000, "timestamp": clock(ago)}
    return int((await charger.call("StartTransaction", **told))["transactionId"])


async def stop(charger: Answering, transaction: int) -> None:
    await charger.call(
        "StopTransaction", transactionId=transaction, meterStop=2000, timestamp=clock()
    )


def outcomes(server: Served) -> list[str]:
    return [event.outcome for event in server.witness.of(AutoStart)]


def reasons(lines: list[EventDict]) -> list[str]:
    return [line["reason"] for line in lines if line["event"] == "auto start"]
