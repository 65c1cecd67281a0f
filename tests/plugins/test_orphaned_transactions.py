"""OrphanedTransactions over whole conversations: what closes a transaction, and messages that
arrive afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from levity_trio.events import (
    PluginFailed,
    TransactionClosed,
    TransactionStarted,
    TransactionStopped,
)
from levity_trio.plugins.orphaned_transactions import open_orphaned_transactions
from levity_trio.store.writes.transactions import stops
from levity_trio.wire.payloads import call
from tests.charger.parts import START
from tests.plugins.sites import Answering, Served, connected, served

VIRTUAL_TIME = True
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ENDS = "SELECT status, stopped_by, stop_reason, energy_delivered FROM tx ORDER BY id"
OPEN = ("Active", None, None, None)
BOOT = {"chargePointVendor": "United Chargers", "chargePointModel": "Grizzl-E"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as server:
        yield server


def clock(ago: float = 0) -> str:
    """Return the time of a charger's clock."""
    return (START + timedelta(seconds=trio.current_time() - ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def start(charger: Answering, meter: int = 1000, connector: int = 1, ago: float = 0) -> int:
    started = await charger.call(
        "StartTransaction",
        connectorId=connector,
        idTag="TAG",
        meterStart=meter,
        timestamp=clock(ago),
    )
    return int(started["transactionId"])


async def reading(charger: Answering, transaction: int, wh: int, connector: int = 1) -> None:
    value: dict[str, Any] = {"timestamp": clock(), "sampledValue": [{"value": str(wh)}]}
    await charger.call(
        "MeterValues", connectorId=connector, transactionId=transaction, meterValue=[value]
    )


async def stop(charger: Answering, transaction: int, meter: int, ago: float = 0) -> None:
    await charger.call(
        "StopTransaction", transactionId=transaction, meterStop=meter, timestamp=clock(ago)
    )


async def status(charger: Answering, status: str, connector: int = 1, **more: object) -> None:
    more = {"timestamp": clock()} | more
    await charger.call(
        "StatusNotification", connectorId=connector, errorCode="NoError", status=status, **more
    )


async def charge(server: Served, path: str = "/ocpp/CP-1") -> int:
    """Deliver 3 kWh, then lose the connection."""
    async with connected(server.central, path) as charger:
        transaction = await start(charger)
        await trio.sleep(HOUR)
        await reading(charger, transaction, 4000)
        await trio.sleep(MINUTE)
    await trio.sleep(MINUTE)
    return transaction


async def beat(charger: Answering, minutes: float) -> None:
    for _ in range(int(minutes * 2)):
        await trio.sleep(MINUTE / 2)
        await charger.call("Heartbeat")


async def test_a_new_start_closes_its_own_connectors_only(server: Served) -> None:
    async with server.having(open_orphaned_transactions), connected(server.central) as charger:
        first = await start(charger)
        await start(charger, connector=2)
        await trio.sleep(HOUR)
        await reading(charger, first, 4000)
        second = await start(charger, 4000)
        assert second != first
        assert server.writer.rows(ENDS) == [("Completed", "system", "Other", 3000), OPEN, OPEN]
        await start(charger, 4000)  # a repeat of the same StartTransaction
        assert server.writer.rows(ENDS)[1:] == [OPEN, OPEN]
    kinds = [
        type(fact)
        for fact in server.writer.facts
        if isinstance(fact, TransactionClosed | TransactionStarted)
    ]
    assert kinds == [TransactionStarted, TransactionStarted, TransactionClosed, TransactionStarted]


async def test_an_offline_batch_leaves_the_live_transaction_alone(server: Served) -> None:
    """B11: an old start with its readings and stop arrives within a second, while another car is
    charging."""
    async with server.having(open_orphaned_transactions), connected(server.central) as charger:
        await trio.sleep(DAY / 2)
        live = await start(charger, 8000)
        old = await start(charger, 1000, ago=5 * HOUR)
        for wh in (2000, 3000, 4000):
            await reading(charger, old, wh)
        await stop(charger, old, 5000, ago=4 * HOUR)
        await status(charger, "Charging")
        await trio.sleep(HOUR)
        await stop(charger, live, 9000)
    assert server.writer.rows(ENDS) == [
        ("Completed", "charger", "Local", 1000),
        ("Completed", "charger", "Local", 4000),
    ]
    assert server.writer.recorded(TransactionClosed) == []


@pytest.mark.parametrize("more", [{}, {"timestamp": None}])
async def test_available_after_a_boot_closes_and_a_late_stop_wins(
    server: Served, more: dict[str, object]
) -> None:
    """A status without a timestamp has the time of its receipt (OCPP 1.6 §6.47)."""
    async with server.having(open_orphaned_transactions):
        transaction = await charge(server)
        async with connected(server.central) as charger:
            await charger.call("BootNotification", **BOOT)
            await status(charger, "Available", connector=2)
            await status(charger, "Available", connector=0)
            assert server.writer.rows(ENDS) == [OPEN]
            await charger.call(
                "StatusNotification",
                **{name: value for name, value in ({"timestamp": clock()} | more).items() if value},
                connectorId=1,
                errorCode="NoError",
                status="Available",
            )
            assert server.writer.rows(ENDS) == [("Completed", "system", "Reboot", 3000)]
            await stop(charger, transaction, 4500, ago=MINUTE)
            assert server.writer.rows(ENDS) == [("Completed", "charger", "Local", 3500)]
    assert [fact.energy_wh for fact in server.writer.recorded(TransactionClosed)] == [3000]
    assert [fact.energy_wh for fact in server.writer.recorded(TransactionStopped)] == [3500]
    assert [kind for (kind,) in server.writer.rows("SELECT kind FROM tx_event ORDER BY id")] == [
        *("start", "suspend", "close", "stop"),
    ]


async def test_available_without_a_stop_closes_after_three_minutes(server: Served) -> None:
    async with server.having(open_orphaned_transactions), connected(server.central) as charger:
        first = await start(charger)
        await trio.sleep(2 * MINUTE)
        await start(charger)
        await reading(charger, first, 2000)
        await stop(charger, first, 3000)
        await status(charger, "Available")
        await beat(charger, 2.5)
        assert server.writer.rows(ENDS) == [("Completed", "charger", "Local", 2000), OPEN]
        await beat(charger, 2)
        assert server.writer.rows(ENDS)[1] == ("Completed", "system", "Other", 0)


@pytest.mark.parametrize("told", ["Preparing", "Finishing", "Unavailable"])
async def test_only_available_closes(server: Served, told: str) -> None:
    async with server.having(open_orphaned_transactions):
        await charge(server)
        async with connected(server.central) as charger:
            await status(charger, told)
            assert server.writer.rows(ENDS) == [OPEN]


async def test_available_in_an_hour_closes_nothing(server: Served) -> None:
    async with server.having(open_orphaned_transactions):
        await charge(server)
        async with connected(server.central) as charger:
            await status(charger, "Available", timestamp=clock(-HOUR))
            assert server.writer.rows(ENDS) == [OPEN]


async def test_silence_in_connection_closes(server: Served) -> None:
    async with server.having(open_orphaned_transactions):
        await charge(server)
        await trio.sleep(3 * HOUR)  # while it is away, the silence is not counted
        assert server.writer.rows(ENDS) == [OPEN]
        async with connected(server.central) as charger:
            await beat(charger, 14)
            assert server.writer.rows(ENDS) == [OPEN]
            await beat(charger, 2)
            assert server.writer.rows(ENDS) == [("Completed", "system", "Reboot", 3000)]
    (closed,) = server.writer.recorded(TransactionClosed)
    assert (closed.charger, closed.connector, closed.reason) == ("CP-1", 1, "Reboot")


@pytest.mark.logs_errors
async def test_a_failure_ends_neither_the_plugin_nor_its_next_look(server: Served) -> None:
    async with server.having(open_orphaned_transactions):
        await charge(server)
        server.writer.rows(
            "CREATE TRIGGER guard BEFORE UPDATE OF stopped_by ON tx BEGIN "
            "SELECT RAISE(ABORT, 'not yet'); END"
        )
        async with connected(server.central) as charger:
            await beat(charger, 20)
            server.writer.rows("DROP TRIGGER guard")
            await beat(charger, 5)
            assert server.writer.rows(ENDS) == [("Completed", "system", "Reboot", 3000)]


async def test_its_own_readings_resume_it(server: Served) -> None:
    async with server.having(open_orphaned_transactions):
        transaction = await charge(server)
        async with connected(server.central) as charger:
            await beat(charger, 10)
            await reading(charger, transaction, 5000)
            await beat(charger, 60)
            assert server.writer.rows(ENDS) == [OPEN]
            assert server.writer.row("SELECT suspended_at FROM tx") == (None,)


async def test_a_restart_of_ours_does_not_make_it_forget(server: Served) -> None:
    async with server.having(open_orphaned_transactions):
        await charge(server)
        async with connected(server.central) as charger:
            await beat(charger, 10)
    server.restart()
    async with server.having(open_orphaned_transactions), connected(server.central) as charger:
        await beat(charger, 6)
        assert server.writer.rows(ENDS)[0][:3] == ("Completed", "system", "Reboot")


async def test_a_clock_that_cannot_be_trusted_closes_nothing_by_time(server: Served) -> None:
    server.is_clock_trusted = False
    async with server.having(open_orphaned_transactions):
        await charge(server)
        async with connected(server.central) as charger:
            await beat(charger, 60)
            assert server.writer.rows(ENDS) == [OPEN]


async def test_switched_off_nothing_is_closed_and_what_is_suspended_shows(server: Served) -> None:
    server.central.config = replace(server.central.config, orphans=False)
    async with server.having(open_orphaned_transactions) as hooks:
        assert hooks.amendment(call.StartTransaction(1, "TAG", 0, "")) is None
        await charge(server)
        async with connected(server.central) as charger:
            await status(charger, "Available")
            await beat(charger, 60)
            await start(charger, 5000)
    assert server.writer.rows(ENDS) == [OPEN, OPEN]
    assert server.writer.rows(
        "SELECT suspended_at IS NULL FROM tx WHERE id = (SELECT min(id) FROM tx)"
    ) == [(0,)]


@pytest.mark.logs_errors
async def test_a_failure_costs_the_start_nothing(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stops, "close_before_start", fail)
    async with server.having(open_orphaned_transactions), connected(server.central) as charger:
        await start(charger)
        await trio.sleep(HOUR)
        await start(charger, 4000)
    assert server.writer.rows(ENDS) == [OPEN, OPEN]
    assert [failure.hook for failure in server.witness.of(PluginFailed)] == ["amend", "amend"]
