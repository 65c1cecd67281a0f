"""A write that the database's triggers reject: its message is kept raw and answered, and an error
is logged."""

import json
from typing import Any

import pytest
from structlog.typing import EventDict

from levity_trio.charger.central import Central
from levity_trio.events import MessageSetAside, TransactionStopped
from tests.charger.parts import InlineWriter
from tests.charger.peers import Charger, open_charger

NOW, LATER = "2026-03-01T12:00:00Z", "2026-03-01T12:00:30Z"
START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 1000, "timestamp": NOW}
READING = {"timestamp": LATER, "sampledValue": [{"value": "1001"}]}
SET_ASIDE = "SELECT action, payload, count FROM set_aside"
TX = "SELECT status, suspended_at IS NOT NULL, meter_stop, energy_delivered FROM tx"
REFUSING = {
    "StopTransaction": "BEFORE UPDATE OF energy_delivered ON tx WHEN NEW.status = 'Completed'",
    "MeterValues": "BEFORE INSERT ON meter_val",
}


def guard(writer: InlineWriter, action: str) -> None:
    writer.rows(
        f"CREATE TRIGGER guard {REFUSING[action]} BEGIN "
        "SELECT RAISE(ABORT, 'never in this test'); END"
    )


async def started(charger: Charger) -> int:
    return int((await charger.call("StartTransaction", START))["transactionId"])


def payload_of(action: str, transaction: int) -> dict[str, Any]:
    if action == "MeterValues":
        return {"connectorId": 1, "transactionId": transaction, "meterValue": [READING]}
    return {"transactionId": transaction, "meterStop": 1005, "timestamp": LATER, "idTag": "TAG-1"}


@pytest.mark.logs_errors
@pytest.mark.parametrize("action", REFUSING)
async def test_what_a_guard_refuses_is_set_aside_answered_and_an_error(
    central: Central, writer: InlineWriter, log_lines: list[EventDict], action: str
) -> None:
    async with open_charger(central) as charger:
        payload = payload_of(action, await started(charger))
        guard(writer, action)
        assert await charger.call(action, payload) == {}
        assert await charger.call(action, payload) == {}
        await charger.call("Heartbeat")
    ((told, kept, count),) = writer.rows(SET_ASIDE)
    assert (told, json.loads(kept), count) == (action, payload, 2)
    assert len(writer.recorded(MessageSetAside)) == 1
    errors = [line for line in log_lines if line["log_level"] == "error"]
    assert [(line["event"], line["action"]) for line in errors] == 2 * [("handler failed", action)]
    assert "never in this test" in str(errors[0]["exc_info"])


@pytest.mark.logs_errors
async def test_nothing_of_a_refused_stop_is_stored_and_its_repeat_ends_it(
    central: Central, writer: InlineWriter
) -> None:
    """Half a stop would leave a transaction without energy; it stays suspended until the trigger
    allows the stop."""
    async with open_charger(central) as charger:
        transaction = await started(charger)
        stop = payload_of("StopTransaction", transaction) | {"transactionData": [READING]}
        guard(writer, "StopTransaction")
        await charger.call("StopTransaction", stop)
        assert writer.rows(TX) == [("Active", 1, None, None)]
        assert writer.rows("SELECT kind, cause FROM tx_event ORDER BY id") == [
            ("start", None),
            ("suspend", "its stop could not be read"),
        ]
        assert writer.rows("SELECT * FROM meter_val") == []
        assert writer.recorded(TransactionStopped) == []
        writer.rows("DROP TRIGGER guard")
        assert await charger.call("StopTransaction", stop) == {"idTagInfo": {"status": "Accepted"}}
    assert writer.rows(TX) == [("Completed", 0, 1005, 5)]
    assert len(writer.recorded(TransactionStopped)) == 1


@pytest.mark.logs_errors
async def test_a_start_that_cannot_be_set_aside_with_its_time_opens_a_transaction_all_the_same(
    central: Central, writer: InlineWriter
) -> None:
    """What fails in its handler, a comparison with other transactions, fails again where it is set
    aside."""
    writer.rows(
        "CREATE TRIGGER guard BEFORE INSERT ON tx "
        "WHEN NEW.own_start_time LIKE '2026-03-01T11:59:30%' BEGIN "
        "SELECT RAISE(ABORT, 'never in this test'); END"
    )
    start = START | {"timestamp": "2026-03-01T11:59:30Z"}
    async with open_charger(central) as charger:
        answers = [await charger.call("StartTransaction", start) for _ in range(2)]
    transaction = answers[0]["transactionId"]
    assert answers[1]["transactionId"] == transaction
    assert writer.rows("SELECT id, conn_id, id_tag, meter_start FROM tx") == [
        (transaction, 1, "TAG-1", 1000)
    ]
    ((kept, count),) = writer.rows("SELECT payload, count FROM set_aside")
    assert ("11:59:30" in kept, count) == (True, 2)


@pytest.mark.logs_errors
async def test_a_stop_that_cannot_suspend_its_transaction_is_kept_raw_and_answered(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        stop = payload_of("StopTransaction", await started(charger))
        writer.rows(
            "CREATE TRIGGER guard BEFORE UPDATE ON tx BEGIN "
            "SELECT RAISE(ABORT, 'never in this test'); END"
        )
        assert await charger.call("StopTransaction", stop) == {}
        writer.rows("DROP TRIGGER guard")
    assert [json.loads(payload) for (payload,) in writer.rows("SELECT payload FROM set_aside")] == [
        stop
    ]
