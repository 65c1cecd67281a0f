"""Frames that are not quite JSON, from a firmware that prints NaN or whose buffer is too short: no
energy is lost."""

import json

import pytest

from levity_trio.charger.central import Central
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import Charger, open_charger
from tests.charger.test_calls import open_asked

T = "2026-03-01T12:00:00Z"
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": T}
SAMPLES = [
    *('{"value":NaN}', '{"value":1e999}', '{"value":"\\ud83d"}'),
    *('{"value":"1",}', '{"value":01}', '{"value":"\x01"}'),
]
TX = "SELECT status, suspended_at IS NOT NULL, meter_stop, energy_delivered FROM tx"


async def send(charger: Charger, text: str) -> object:
    """Send a frame with the message id 1; return the payload of its result."""
    await charger.send(text)
    answer = await charger.receive()
    assert answer[:2] == [3, "1"]
    return answer[2]


async def start(charger: Charger) -> int:
    return int((await charger.call("StartTransaction", START))["transactionId"])


def stop(transaction: int, rest: str = "") -> str:
    return (
        f'[2,"1","StopTransaction",{{"transactionId":{transaction},"meterStop":2000,'
        f'"timestamp":"{T}"{rest}'
    )


@pytest.mark.parametrize("sample", [*SAMPLES, '{"value":"17', "{'value':1}"])
async def test_a_stop_closes_its_transaction_whatever_is_wrong_in_its_data(
    central: Central, writer: InlineWriter, sample: str
) -> None:
    async with open_charger(central) as charger:
        transaction = await start(charger)
        data = (
            f',"transactionData":[{{"timestamp":"{T}","sampledValue":[{{"value":"1700"}},'
            f"{sample}]}}]}}]"
        )
        assert await send(charger, stop(transaction, data)) == {}
    assert writer.row(TX) == ("Completed", False, 2000, 1000)
    assert writer.row("SELECT count(*) FROM set_aside") == (0,)
    assert writer.row("SELECT count FROM repair WHERE kind = 'frame: damaged JSON'") == (1,)
    assert (1700,) in writer.rows("SELECT wh FROM meter_val")


async def test_the_sample_of_the_repair_shows_the_fault(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await send(charger, f'[2,"1","Heartbeat",{{"vendor":"{"x" * 5000}","here":NaN}}]')
    ((sample,),) = writer.rows("SELECT sample FROM repair WHERE kind = 'frame: damaged JSON'")
    assert '"here":NaN' in sample


@pytest.mark.parametrize("number", [str(2**63), "1" + "0" * 25, "-1e300"])
async def test_readings_with_an_id_beyond_all_numbers_are_readings_without_one(
    central: Central, writer: InlineWriter, number: str
) -> None:
    async with open_charger(central) as charger:
        transaction = await start(charger)
        values = f'"meterValue":[{{"timestamp":"{T}","sampledValue":[{{"value":"1700"}}]}}]'
        sent = f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":{number},{values}}}]'
        assert await send(charger, sent) == {}
    assert writer.row("SELECT count(*) FROM set_aside") == (0,)
    assert writer.rows("SELECT tx_id, wh FROM meter_val") == [(transaction, 1700)]


async def test_a_cut_stop_closes_its_transaction(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        transaction = await start(charger)
        await send(charger, stop(transaction, ',"transactionData":[{"timest'))
    assert writer.row(TX) == ("Completed", False, 2000, 1000)


@pytest.mark.parametrize("rest", ["", "0", "000", ':NaN,"timestamp":"2026-03-01T12:00:00Z"}]'])
async def test_a_stop_without_a_readable_register_suspends_its_transaction(
    central: Central, writer: InlineWriter, rest: str
) -> None:
    async with open_charger(central) as charger:
        transaction = await start(charger)
        register = rest if ":" in rest else f":2{rest}"
        await send(
            charger,
            f'[2,"1","StopTransaction",{{"transactionId":{transaction},"meterStop"{register}',
        )
    assert writer.row(TX) == ("Active", True, None, None)
    ((kept,),) = writer.rows("SELECT payload FROM set_aside")
    assert json.loads(kept)["transactionId"] == transaction


async def test_a_start_keeps_what_can_be_read(central: Central, writer: InlineWriter) -> None:
    text = json.dumps([2, "1", "StartTransaction", START])
    async with open_charger(central) as charger:
        await send(charger, text.replace("}", ', "x": NaN}'))
        await charger.call(
            "StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"}
        )
        await send(charger, text[: text.index("1000") + 2].replace("TAG", "CUT"))
    rows = writer.rows("SELECT conn_id, id_tag, meter_start FROM tx ORDER BY id")
    assert rows == [(1, "TAG", 1000), (1, "CUT", None)]


async def test_starts_of_which_the_same_can_be_read_are_two(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        for second in (1, 2):
            await send(
                charger,
                (
                    '[2,"1","StartTransaction",{"connectorId":1,"idTag":"T",'
                    f'"timestamp":"2026-0{second}'
                ),
            )
    assert writer.row("SELECT count(*) FROM tx") == (2,)


async def test_readings_keep_what_can_be_read(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        transaction = await start(charger)
        samples = '"sampledValue":[{"value":"1500"},{"value":NaN,"measurand":"Voltage"}'
        text = (
            f'[2,"1","MeterValues",{{"connectorId":1,"transactionId":{transaction},'
            f'"meterValue":[{{"timestamp":"{T}",'
        )
        await send(charger, text + samples + "]}]}]")
        await send(charger, text.replace(":00Z", ":01Z") + samples.replace("1500", "1600"))
    assert writer.rows("SELECT tx_id, wh FROM meter_val ORDER BY id") == [
        (transaction, 1500),
        (transaction, 1600),
    ]


async def test_strict_refuses_a_damaged_stop(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        transaction = await start(charger)
        configure(central, strict=True)
        await charger.send(stop(transaction, ',"transactionData":[{"timestamp":NaN}]}]'))
        assert (await charger.receive())[:3] == [4, "1", "FormationViolation"]
    assert writer.row(TX)[0] == "Active"


async def test_a_damaged_response_is_a_response(central: Central, writer: InlineWriter) -> None:
    async with open_asked(central) as (charger, asked):
        await asked.ask(call.Reset(type="Soft"))
        question = await charger.receive()
        await charger.send(f'[3,"{question[1]}",{{"status":"Accepted","x":NaN}}]')
        assert (await charger.call("Heartbeat"))["currentTime"]
    assert writer.row("SELECT state FROM command") == ("accepted",)
    assert writer.row("SELECT count FROM repair WHERE kind = 'frame: damaged JSON'") == (1,)
