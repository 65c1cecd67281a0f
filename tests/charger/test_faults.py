"""A bug or a malformed message affects one message only; transaction messages are kept and
answered."""

import json
from typing import Any

import pytest

from levity_trio.charger.central import Central
from levity_trio.charger.exchange import Exchange
from levity_trio.charger.handlers import HANDLERS
from levity_trio.events import MessageSetAside
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.payloads import call_result
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import open_charger, open_raw_charger

NOW = "2026-03-01T12:00:00Z"
START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 1000, "timestamp": NOW}
UNREADABLE = {"connectorId": 1, "idTag": "TAG-1", "timestamp": NOW}
STOP = {"transactionId": 1, "meterStop": 2000, "timestamp": NOW}
METER_VALUES = {
    "connectorId": 1,
    "meterValue": [{"timestamp": NOW, "sampledValue": [{"value": "1"}]}],
}
READING = {"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [{"value": "1"}]}
SET_ASIDE = "SELECT action, payload, count, tx_id FROM set_aside"


async def failing(exchange: Exchange, request: Any) -> object:
    """A handler with a bug in it."""
    raise ZeroDivisionError(exchange.call.action, request)


def failing_write(db: UnitOfWork, origin: Origin) -> None:
    """A write with a bug; its earlier statements are rolled back."""
    db.execute("UPDATE cp SET vendor = 'half done' WHERE id = ?", (origin.charger,))
    db.execute("INSERT INTO nowhere VALUES (1)")


async def failing_in_the_store(exchange: Exchange, request: Any) -> object:
    """A handler whose write has a bug in it."""
    await exchange.write(failing_write)
    return request


@pytest.mark.logs_errors
@pytest.mark.parametrize("handler", [failing, failing_in_the_store])
async def test_a_bug_in_a_handler_costs_one_message(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    monkeypatch.setitem(HANDLERS, "Authorize", handler)
    async with open_charger(central) as charger:
        assert await charger.refused("Authorize", {"idTag": "TAG-1"}) == "InternalError"
        assert await charger.call("Heartbeat") == {"currentTime": NOW}
    assert writer.row("SELECT vendor FROM cp") == (None,)
    assert writer.rows(SET_ASIDE) == []


@pytest.mark.logs_errors
@pytest.mark.parametrize("handler", [failing, failing_in_the_store])
@pytest.mark.parametrize(
    ("action", "payload"), [("MeterValues", METER_VALUES), ("StopTransaction", STOP)]
)
async def test_a_bug_sets_a_transaction_message_aside_and_answers_it(
    central: Central,
    writer: InlineWriter,
    monkeypatch: pytest.MonkeyPatch,
    handler: Any,
    action: str,
    payload: dict[str, Any],
) -> None:
    monkeypatch.setitem(HANDLERS, action, handler)
    async with open_charger(central) as charger:
        assert await charger.call(action, payload) == {}
        assert await charger.call(action, payload) == {}
        assert await charger.call("Heartbeat") == {"currentTime": NOW}
    ((told, kept, count, transaction),) = writer.rows(SET_ASIDE)
    assert (told, json.loads(kept), count, transaction) == (action, payload, 2, None)
    assert len(writer.recorded(MessageSetAside)) == 1


@pytest.mark.logs_errors
@pytest.mark.parametrize("handler", [failing, failing_in_the_store])
async def test_a_bug_gives_a_start_a_real_id(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    monkeypatch.setitem(HANDLERS, "StartTransaction", handler)
    async with open_charger(central) as charger:
        first = await charger.call("StartTransaction", START)
        assert first["idTagInfo"] == {"status": "Accepted"}
        assert await charger.call("StartTransaction", START) == first
    assert writer.rows("SELECT id, status FROM tx") == [(first["transactionId"], "Active")]
    ((_, kept, count, transaction),) = writer.rows(SET_ASIDE)
    assert (json.loads(kept), count, transaction) == (START, 2, first["transactionId"])


@pytest.mark.logs_errors
async def test_an_answer_of_ours_that_breaks_its_schema_is_a_bug_like_any_other(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def heartbeat(exchange: Exchange, request: Any) -> object:
        del exchange, request
        return call_result.BootNotification(current_time=NOW, interval=60, status="Perhaps")

    monkeypatch.setitem(HANDLERS, "Heartbeat", heartbeat)
    async with open_charger(central) as charger:
        assert await charger.refused("Heartbeat", {}) == "InternalError"
        await charger.call("Authorize", {"idTag": "TAG-1"})


async def test_an_unreadable_start_gets_a_real_id_once(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        first = await charger.call("StartTransaction", UNREADABLE)
        assert await charger.call("StartTransaction", UNREADABLE) == first
    async with open_charger(central) as charger:
        assert await charger.call("StartTransaction", UNREADABLE) == first
        assert first["transactionId"] > 1_000_000
        other = await charger.call("StartTransaction", UNREADABLE | {"connectorId": 2})
        assert other["transactionId"] != first["transactionId"]
    assert writer.row("SELECT count(*) FROM tx") == (2,)


async def test_the_stop_of_an_unreadable_start_closes_it(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        transaction = (await charger.call("StartTransaction", UNREADABLE))["transactionId"]
        assert await charger.call("StopTransaction", STOP | {"transactionId": transaction}) == {}
    assert writer.row("SELECT id, status, meter_stop FROM tx") == (transaction, "Completed", 2000)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("StopTransaction", {"transactionId": 7, "timestamp": NOW}),
        ("MeterValues", {"meterValue": "many"}),
    ],
)
async def test_an_unreadable_transaction_message_is_set_aside_and_answered(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any]
) -> None:
    async with open_charger(central) as charger:
        assert await charger.call(action, payload) == {}
    assert [(told, json.loads(kept)) for told, kept, _, _ in writer.rows(SET_ASIDE)] == [
        (action, payload)
    ]


async def test_other_messages_that_cannot_be_read_are_refused(central: Central) -> None:
    async with open_charger(central) as charger:
        assert await charger.refused("Authorize", {}) == "OccurenceConstraintViolation"
        assert (
            await charger.refused("StatusNotification", {"connectorId": "one"}) != "InternalError"
        )
        await charger.call("Heartbeat")


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Heartbeat", {"why": "not"}, "FormationViolation"),
        ("StartTransaction", UNREADABLE, "OccurenceConstraintViolation"),
        ("StartTransaction", START | {"meterStart": "1000"}, "TypeConstraintViolation"),
        ("StartTransaction", START | {"idTag": 21 * "x"}, "PropertyConstraintViolation"),
        ("StatusNotification", {"connectorId": 1, "status": "Occupied", "errorCode": "NoError"})
        + ("PropertyConstraintViolation",),
        ("StartTransaction", START | {"connectorId": 0}, "PropertyConstraintViolation"),
        ("StartTransaction", START | {"connectorId": -1}, "PropertyConstraintViolation"),
        ("StatusNotification", {"connectorId": -1, "status": "Available", "errorCode": "NoError"})
        + ("PropertyConstraintViolation",),
        (
            "MeterValues",
            {"connectorId": -1, "meterValue": [READING]},
            "PropertyConstraintViolation",
        ),
        ("Teapot", {}, "NotImplemented"),
        ("Reset", {"type": "Soft"}, "NotSupported"),
    ],
)
async def test_strict_refuses_instead_of_repairing(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any], code: str
) -> None:
    configure(central, strict=True)
    async with open_charger(central) as charger:
        assert await charger.refused(action, payload) == code
        await charger.call("StartTransaction", START)
    assert writer.row("SELECT count(*) FROM tx") == (1,)
    assert writer.rows(SET_ASIDE) == []


@pytest.mark.parametrize("is_strict", [True, False])
async def test_the_charger_itself_may_report_also_under_strict(
    central: Central, is_strict: bool
) -> None:
    configure(central, strict=is_strict)
    async with open_charger(central) as charger:
        await charger.call(
            "StatusNotification", {"connectorId": 0, "status": "Available", "errorCode": "NoError"}
        )
        await charger.call("MeterValues", {"connectorId": 0, "meterValue": [READING]})


@pytest.mark.logs_errors
async def test_a_bug_under_strict_still_keeps_the_start(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(central, strict=True)
    monkeypatch.setitem(HANDLERS, "StartTransaction", failing)
    async with open_charger(central) as charger:
        answer = await charger.call("StartTransaction", START)
    assert writer.rows("SELECT id FROM tx") == [(answer["transactionId"],)]


@pytest.mark.logs_errors
async def test_a_bug_in_the_last_write_of_a_connection_stays_in_it(
    central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(db: UnitOfWork, *_: object) -> None:
        db.execute("INSERT INTO nowhere VALUES (1)")

    async with open_charger(central, "/ws/CP-2") as other:
        with monkeypatch.context() as patch:
            patch.setattr(sessions, "end", end)
            async with open_raw_charger(central):
                pass
        await other.call("Heartbeat")


@pytest.mark.logs_errors
async def test_a_failure_beneath_the_handlers_costs_one_connection(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(db: UnitOfWork, *_: object) -> None:
        db.execute("INSERT INTO nowhere VALUES (1)")

    async with open_charger(central, "/ws/CP-2") as other:
        await other.call("Heartbeat")
        with monkeypatch.context() as patch:
            patch.setattr(sessions, "begin", begin)
            async with open_charger(central) as charger:
                await charger.send_call("Heartbeat", {})
                await charger.wait_closed_silently()
        await other.call("Heartbeat")
    assert writer.rows("SELECT id FROM cp") == [("CP-2",)]
    assert len(central.registry) == 0
