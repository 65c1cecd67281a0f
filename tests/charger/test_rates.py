"""Above a rate that no real charger reaches, transaction messages are not acknowledged; they are
never just counted."""

from typing import Any

import pytest
import trio
from structlog.typing import EventDict
from trio_websocket import ConnectionClosed

from levity_trio.charger.central import Central
from levity_trio.charger.session import REFUSAL_SECONDS
from levity_trio.events import MessagesRefused
from levity_trio.log.facts import log_fact
from levity_trio.store.writes.site.frames import (
    MESSAGES_OF_STARTS,
    READING_BYTES,
    READINGS_OF_STARTS,
)
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import Charger, open_charger

MOST = 3
DAY_SECONDS = 86_400.0


@pytest.fixture(autouse=True)
def few_starts(central: Central) -> None:
    configure(central, max_starts=MOST)


async def start(charger: Charger, number: int, connector: int = 1) -> int:
    payload = {
        "connectorId": connector,
        "idTag": "TAG",
        "meterStart": number,
        "timestamp": "2026-03-01T12:00:00Z",
    }
    answer = await charger.call("StartTransaction", payload)
    return int(answer["transactionId"])


async def assert_refused(charger: Charger, action: str, payload: dict[str, Any]) -> None:
    """Send a message that is not answered: the charger waits, then its connection ends with
    1013."""
    before = trio.current_time()
    await charger.send_call(action, payload)
    with pytest.raises(ConnectionClosed) as closed:
        await charger.receive()
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1013
    assert trio.current_time() - before >= REFUSAL_SECONDS


async def test_a_start_too_many_is_neither_stored_nor_answered(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        for number in range(MOST):
            await start(charger, number)
        before = writer.row("SELECT (SELECT count(*) FROM tx), (SELECT count(*) FROM tx_event)")
        payload = {
            "connectorId": 1,
            "idTag": "TAG",
            "meterStart": 99,
            "timestamp": "2026-03-01T12:00:00Z",
        }
        await assert_refused(charger, "StartTransaction", payload)
    assert writer.row(
        "SELECT (SELECT count(*) FROM tx WHERE meter_start = 99), count(*) FROM tx"
    ) == (0, MOST)
    assert before[0] == MOST
    assert [told.action for told in writer.recorded(MessagesRefused)] == ["StartTransaction"]


async def test_a_refused_message_is_one_line_in_the_log(
    central: Central, writer: InlineWriter, log_lines: list[EventDict]
) -> None:
    writer.publish = log_fact
    async with open_charger(central) as charger:
        for number in range(MOST):
            await start(charger, number)
        payload = {
            "connectorId": 1,
            "idTag": "TAG",
            "meterStart": 99,
            "timestamp": "2026-03-01T12:00:00Z",
        }
        await assert_refused(charger, "StartTransaction", payload)
    (line,) = [line for line in log_lines if line["log_level"] == "warning"]
    assert (line["event"], line["cp"], line["action"]) == (
        "MessagesRefused",
        "CP-1",
        "StartTransaction",
    )
    assert line["reason"] == f"more than {MOST} a day: StartTransaction on 1"


async def test_a_repeat_is_answered_for_ever(central: Central) -> None:
    async with open_charger(central) as charger:
        told = {await start(charger, 5) for _ in range(10 * MESSAGES_OF_STARTS * MOST)}
    assert len(told) == 1


async def test_another_connector_and_the_next_day_have_their_own(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        for number in range(MOST):
            await start(charger, number)
        await start(charger, 50, connector=2)
    await trio.sleep(DAY_SECONDS / 2)
    async with open_charger(central) as charger:
        await start(charger, 60)
    assert writer.row("SELECT count(*) FROM tx") == (MOST + 2,)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("StopTransaction", {"transactionId": 7, "timestamp": "2026-03-01T12:00:00Z"}),
        ("MeterValues", {"connectorId": "none"}),
    ],
)
async def test_what_is_set_aside_has_a_rate_too(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any]
) -> None:
    most = MESSAGES_OF_STARTS * MOST
    async with open_charger(central) as charger:
        for number in range(most):
            await charger.call(action, payload | {"extra": number})
        await assert_refused(charger, action, payload)
    assert writer.row("SELECT count(*) FROM set_aside") == (most,)


async def test_readings_have_a_rate_too(central: Central, writer: InlineWriter) -> None:
    samples = [{"value": str(number)} for number in range(READINGS_OF_STARTS)]
    payload = {
        "connectorId": 1,
        "meterValue": [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": samples}],
    }
    async with open_charger(central) as charger:
        for _ in range(MOST):
            await charger.call("MeterValues", payload)
        await assert_refused(charger, "MeterValues", payload)
    assert writer.recorded(MessagesRefused)


@pytest.mark.parametrize("action", ["MeterValues", "StopTransaction"])
async def test_bytes_count_as_readings_too_and_so_does_the_data_of_a_stop(
    central: Central, action: str
) -> None:
    reading = {"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [{"value": "1"}]}
    ballast = "x" * (READINGS_OF_STARTS * MOST * READING_BYTES * 2 // 5)
    async with open_charger(central) as charger:
        for number in range(3):
            payload: dict[str, Any] = {
                "connectorId": 1,
                "meterValue": [reading],
                "ballast": ballast,
            }
            if action == "StopTransaction":
                stop = {
                    "transactionId": number,
                    "meterStop": number,
                    "timestamp": "2026-03-01T12:00:00Z",
                }
                payload = stop | {"transactionData": [reading], "ballast": ballast}
            if number < 2:
                await charger.call(action, payload)
            else:
                await assert_refused(charger, action, payload)
