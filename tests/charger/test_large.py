"""A large StopTransaction or MeterValues of a charger that has charged here is read in parts, in
one write."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.charger.session import REFUSAL_SECONDS
from levity_trio.charger.stream import ARRIVAL_SECONDS, STALL_SECONDS, STRANGERS_SHARE
from levity_trio.wire import large
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import (
    BINARY,
    CONTINUATION,
    TEXT,
    Charger,
    frame,
    open_charger,
    open_raw_charger,
)

BEGUN = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
METER_START = 1000


@pytest.fixture(autouse=True)
def little(central: Central, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of a tenth, so that a large message has a few parts."""
    monkeypatch.setattr("levity_trio.charger.session.LARGE_BYTES", 8_000)
    monkeypatch.setattr("levity_trio.charger.budget.LARGE_BYTES", 8_000)
    monkeypatch.setattr("levity_trio.charger.stream.LARGE_BYTES", 8_000)
    monkeypatch.setattr("levity_trio.charger.stream.LARGEST_BYTES", 60_000)
    monkeypatch.setattr("levity_trio.wire.framing.LARGE_BYTES", 8_000)
    monkeypatch.setattr("levity_trio.wire.large.LARGE_BYTES", 8_000)
    monkeypatch.setattr(large, "PART_BYTES", 3_000)
    configure(central, max_message_bytes=8_000)


def at(second: int) -> str:
    return (BEGUN + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def elements(count: int, wh: int = 0) -> list[dict[str, Any]]:
    """Readings 10 s and 10 Wh apart."""
    return [
        {
            "timestamp": at(10 * number),
            "sampledValue": [{"value": str(METER_START + wh + 10 * number), "unit": "Wh"}],
        }
        for number in range(1, count + 1)
    ]


def stop(transaction: int, data: Sequence[object], **more: object) -> dict[str, Any]:
    wh = METER_START + 10 * (len(data) + 1)
    told = {"meterStop": wh, "timestamp": at(10 * (len(data) + 1)), "transactionId": transaction}
    return {"transactionData": [*data], **told, **more}


async def start(charger: Charger, **more: object) -> int:
    told = {"connectorId": 1, "idTag": "TAG-1", "meterStart": METER_START, "timestamp": at(0)}
    return int((await charger.call("StartTransaction", told | more))["transactionId"])


def readings(writer: InlineWriter) -> list[tuple[object, ...]]:
    return writer.rows("SELECT sent_timestamp, value, source, tx_id FROM meter_val ORDER BY id")


def as_rows(
    data: Sequence[dict[str, Any]], source: str, transaction: int | None
) -> list[tuple[object, ...]]:
    return [
        (one["timestamp"], one["sampledValue"][0]["value"], source, transaction) for one in data
    ]


async def test_a_stop_with_the_data_of_a_long_session(
    central: Central, writer: InlineWriter
) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        assert await charger.call("StopTransaction", stop(transaction, data, idTag="TAG-1")) == {
            "idTagInfo": {"status": "Accepted"}
        }
    assert readings(writer) == as_rows(data, "transactionData", transaction)
    told = "SELECT energy_delivered, confidence, review, stopped_by FROM tx"
    assert writer.rows(told) == [(2010, "certain", None, "charger")]
    assert central.budget.taken == 0
    assert central.budget.large.is_free


async def test_what_it_sent_is_kept_as_evidence(central: Central, writer: InlineWriter) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        await charger.call("StopTransaction", stop(transaction, data, reason="EVDisconnected"))
    ((text,),) = writer.rows("SELECT frame FROM evidence WHERE id > 1")
    assert json.loads(text) == [
        2,
        "c2",
        "StopTransaction",
        stop(transaction, data, reason="EVDisconnected"),
    ]


async def test_the_same_after_a_reconnect_gets_the_same_answer_and_adds_nothing(
    central: Central, writer: InlineWriter
) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        first = await charger.call("StopTransaction", stop(transaction, data, idTag="TAG-1"))
    before = [writer.rows(f"SELECT * FROM {table}") for table in ("meter_val", "tx", "evidence")]
    async with open_charger(central) as charger:
        assert (
            await charger.call("StopTransaction", stop(transaction, data, idTag="TAG-1")) == first
        )
    assert [
        writer.rows(f"SELECT * FROM {table}") for table in ("meter_val", "tx", "evidence")
    ] == before


@pytest.mark.parametrize("clock", ["set", "1970"])
@pytest.mark.parametrize("action", ["StopTransaction", "MeterValues"])
async def test_after_a_crash_before_its_answer_no_reading_is_stored_twice(
    central: Central, writer: InlineWriter, action: str, clock: str
) -> None:
    data = elements(200)
    if clock == "1970":
        data = [one | {"timestamp": "1970-01-01T00:00:00Z"} for one in data]
    writer.answer_seconds = 0.1
    async with open_charger(central) as charger:
        transaction = await start(charger)
        payload = stop(transaction, data)
        if action == "MeterValues":
            payload = {"connectorId": 1, "transactionId": transaction, "meterValue": data}
        with trio.move_on_after(0.05):
            await charger.call(action, payload)
        session = central.registry.find("CP-1")
        assert session is not None
        session.end(1001, "killed")
    writer.answer_seconds = 0
    assert len(readings(writer)) == len(data)
    async with open_charger(central) as charger:
        assert await charger.call(action, payload) == {}
    source = "transactionData" if action == "StopTransaction" else action
    assert readings(writer) == as_rows(data, source, transaction)


async def test_meter_values_are_stored_as_if_they_were_many(
    central: Central, writer: InlineWriter
) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        told = {"connectorId": 1, "meterValue": data, "transactionId": transaction}
        assert await charger.call("MeterValues", told) == {}
        assert await charger.call("MeterValues", told) == {}
        assert readings(writer) == as_rows(data, "MeterValues", transaction)
        await charger.call(
            "StopTransaction", stop(transaction, []) | {"meterStop": 3000, "timestamp": at(2001)}
        )
    assert writer.rows("SELECT energy_delivered, confidence FROM tx") == [(2000, "certain")]


async def test_a_stop_whose_start_was_lost(central: Central, writer: InlineWriter) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        await charger.call(
            "StopTransaction", stop(await start(charger), []) | {"meterStop": METER_START + 1}
        )
        await charger.call("StopTransaction", stop(77, data))
    told = "SELECT id, energy_delivered, review FROM tx ORDER BY id DESC LIMIT 1"
    ((transaction, energy, review),) = writer.rows(told)
    assert energy == 2000  # from its first reading
    assert review is not None
    assert sorted(readings(writer)) == as_rows(data, "transactionData", transaction)
    assert writer.rows("SELECT * FROM set_aside") == []


async def test_a_stop_that_fits_nothing_waits_with_all_of_its_data(
    central: Central, writer: InlineWriter
) -> None:
    data = [one | {"sampledValue": [{"value": "5", "unit": "Celsius"}]} for one in elements(200)]
    async with open_charger(central) as charger:
        await charger.call(
            "StopTransaction", stop(await start(charger), []) | {"meterStop": METER_START + 1}
        )
        await charger.call("StopTransaction", stop(77, data))
    assert writer.rows("SELECT action, count FROM set_aside") == [("StopTransaction", 1)]
    ((text,),) = writer.rows("SELECT frame FROM evidence WHERE id > 2")
    assert json.loads(text)[3]["transactionData"] == data


FOREIGN = 77_002


async def tell_energy(charger: Charger) -> None:
    """Send the readings of a stop with an id of another server, which waits for them."""
    told = {"connectorId": 1, "transactionId": FOREIGN, "meterValue": elements(2)}
    await charger.call("MeterValues", told)


async def test_such_a_stop_brings_all_of_its_data_when_its_readings_come(
    central: Central, writer: InlineWriter
) -> None:
    data = [
        one | {"sampledValue": [{"value": "5", "unit": "Celsius", "measurand": "Temperature"}]}
        for one in elements(200)
    ]
    async with open_charger(central) as charger:
        ended = await start(charger, timestamp="2026-03-01T09:00:00Z")
        await charger.call(
            "StopTransaction",
            stop(ended, [], meterStop=METER_START, timestamp="2026-03-01T09:30:00Z"),
        )
        await charger.call("StopTransaction", stop(FOREIGN, data))
        assert readings(writer) == []
        await tell_energy(charger)
    (transaction,) = writer.row("SELECT max(id) FROM tx")
    assert writer.rows("SELECT energy_delivered FROM tx ORDER BY id") == [(0,), (2000,)]
    assert readings(writer)[2:] == as_rows(data, "transactionData", transaction)


async def test_a_stop_whose_register_cannot_be_read(central: Central, writer: InlineWriter) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        assert (
            await charger.call("StopTransaction", stop(transaction, data, meterStop="many")) == {}
        )
    assert writer.rows("SELECT action, count FROM set_aside") == [("StopTransaction", 1)]
    assert readings(writer) == as_rows(data, "transactionData", transaction)
    assert writer.rows("SELECT last_register_wh FROM tx") == [(3000,)]


async def test_a_stop_that_cannot_be_read_counts_as_one_message(
    central: Central, writer: InlineWriter
) -> None:
    """Otherwise one stop could use up what its charger may send in a day, and would never be
    answered."""
    configure(central, max_starts=1)  # and so ten messages
    data = elements(600)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        assert (
            await charger.call("StopTransaction", stop(transaction, data, meterStop="many")) == {}
        )
    assert readings(writer) == as_rows(data, "transactionData", transaction)


async def test_one_broken_element_costs_itself(central: Central, writer: InlineWriter) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        text = json.dumps([2, "s", "StopTransaction", stop(transaction, data)])
        lost = data[100]["sampledValue"][0]["value"]
        assert f'"{lost}"' in text
        await charger.send(text.replace(f'"{lost}"', f'"{lost}', 1))
        assert (await charger.receive())[:2] == [3, "s"]
    kept = readings(writer)
    assert [one for one in as_rows(data, "transactionData", transaction) if one not in kept] == [
        *as_rows(data[100:101], "transactionData", transaction)
    ]
    assert writer.rows("SELECT energy_delivered FROM tx") == [(2010,)]
    assert ("frame: damaged JSON",) in writer.rows("SELECT kind FROM repair")


async def test_one_at_a_time_and_the_others_wait_in_tcp(
    central: Central, writer: InlineWriter
) -> None:
    writer.answer_seconds = 0.1
    async with open_raw_charger(central, "/ocpp/A") as a, open_raw_charger(central, "/ocpp/B") as b:
        whole = []
        for peer, wh in ((a, 0), (b, 70_000)):
            told = {
                "connectorId": 1,
                "idTag": "T",
                "meterStart": METER_START + wh,
                "timestamp": at(0),
            }
            await peer.send_frame(json.dumps([2, "1", "StartTransaction", told]))
            ended = stop((await peer.receive())[2]["transactionId"], elements(200, wh=wh))
            ended["meterStop"] += wh
            whole.append(frame(json.dumps([2, "2", "StopTransaction", ended])))
        await a.send(whole[0][:5000])
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as sending:
            sending.start_soon(b.send, whole[1])
            await trio.sleep(5)
            assert not central.budget.large.is_free
            assert writer.rows("SELECT count(*) FROM meter_val") == [(0,)]
            await a.send(whole[0][5000:])
            assert (await a.receive())[:2] == [3, "2"]
            assert (await b.receive())[:2] == [3, "2"]
    assert writer.rows("SELECT energy_delivered FROM tx") == [(2010,)] * 2


async def test_who_waits_is_not_silent(central: Central) -> None:
    configure(central, heartbeat_interval_seconds=10)
    data = elements(200)
    async with (
        open_charger(central, "/ocpp/A") as first,
        open_charger(central, "/ocpp/B") as second,
    ):
        await start(first)
        transaction = await start(second)
    async with (
        open_raw_charger(central, "/ocpp/A") as slow,
        open_charger(central, "/ocpp/B") as other,
    ):
        whole = frame(json.dumps([2, "2", "StopTransaction", stop(1, data)]))
        await slow.send(whole[:5000])
        await other.send_call("StopTransaction", stop(transaction, data))
        for sent in range(5000, 5060):
            await slow.send(whole[sent : sent + 1])
            await trio.sleep(5)
        await slow.send(whole[5060:])
        assert (await other.receive())[:2] == [3, "c1"]


async def test_one_behind_a_small_message_waits_for_its_place_too(central: Central) -> None:
    async with open_charger(central, "/ocpp/A") as charger:
        transaction = await start(charger)
    async with open_raw_charger(central, "/ocpp/A") as peer:
        await central.budget.large.acquire("OTHER")
        large = frame(json.dumps([2, "2", "StopTransaction", stop(transaction, elements(200))]))
        await peer.send(frame('[2,"1","Heartbeat",{}]') + large)
        assert (await peer.receive())[:2] == [3, "1"]
        await trio.sleep(10)
        assert central.budget.taken == 0
        central.budget.large.release()
        assert (await peer.receive())[:2] == [3, "2"]
    assert (central.budget.taken, central.budget.large.is_free) == (0, True)


async def test_the_time_to_arrive_is_that_of_each_message(central: Central) -> None:
    """The second one begins in the last bytes of the first, and waits for longer than it may take
    to arrive."""
    configure(central, heartbeat_interval_seconds=3600)
    async with open_charger(central) as charger:
        transaction = await start(charger)
    async with open_raw_charger(central) as peer, trio.open_nursery() as others:
        first, second = (
            frame(json.dumps([2, name, "StopTransaction", stop(transaction, elements(200))]))
            for name in "12"
        )
        await peer.send(first[:-100])
        await trio.testing.wait_all_tasks_blocked()
        central.has_charged.add("OTHER")  # so that it goes before a later message
        others.start_soon(hold_the_place, central, 2 * ARRIVAL_SECONDS)
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(first[-100:] + second[:1000])
        assert (await peer.receive())[:2] == [3, "1"]
        await trio.sleep(2 * ARRIVAL_SECONDS + 1)
        await peer.send(second[1000:])
        assert (await peer.receive())[:2] == [3, "2"]
    assert (central.budget.taken, central.budget.large.is_free) == (0, True)


async def test_who_waits_to_pay_is_not_silent_either(central: Central) -> None:
    """Nor is one that waits for its place as good as alive: its charger may have begun another
    connection."""
    configure(central, heartbeat_interval_seconds=5)
    async with open_charger(central) as charger:
        transaction = await start(charger)
    async with open_raw_charger(central) as peer:
        central.budget.taken += central.budget.share * 8
        async with central.budget.large.held("OTHER"):
            await peer.send(
                frame(json.dumps([2, "2", "StopTransaction", stop(transaction, elements(200))]))
            )
            await trio.sleep(40)
        waiting = central.registry.find("CP-1")
        assert waiting is not None
        assert waiting.silent_seconds >= 40
        await trio.sleep(20)  # it has its place, but there is no memory
        central.budget.taken -= central.budget.share * 8
        central.budget.let_pay()
        assert (await peer.receive())[:2] == [3, "2"]


async def test_a_strangers_large_message_must_arrive_soon(central: Central) -> None:
    """Where --max-message-bytes lets it send one, the chargers that have charged here need not wait
    for it."""
    configure(central, max_message_bytes=60_000, heartbeat_interval_seconds=3600)
    async with open_charger(central, "/ocpp/B") as second:
        transaction = await start(second)
    async with (
        open_raw_charger(central, "/ocpp/S") as stranger,
        open_charger(central, "/ocpp/B") as other,
    ):
        await stranger.send_frame('[2,"1","Heartbeat",{}]')
        await stranger.receive()
        await stranger.send(
            frame(json.dumps([2, "2", "StopTransaction", stop(1, elements(200))]))[:5000]
        )
        begun = trio.current_time()
        await other.send_call("StopTransaction", stop(transaction, elements(200)))
        with suppress(trio.BrokenResourceError):
            while trio.current_time() < begun + ARRIVAL_SECONDS:
                await stranger.send(b"x")
                await trio.sleep(1)
        assert (await stranger.wait_closed())[0] == 1013
        assert trio.current_time() - begun <= ARRIVAL_SECONDS / STRANGERS_SHARE + 5
        assert (await other.receive())[:2] == [3, "c1"]


async def test_one_that_is_refused_gives_its_place_to_others_at_once(central: Central) -> None:
    async with (
        open_charger(central, "/ocpp/A") as first,
        open_charger(central, "/ocpp/B") as second,
    ):
        await start(first)
        transaction = await start(second)
        configure(central, max_starts=0)  # no reading more today
        await first.send_call("MeterValues", {"connectorId": 1, "meterValue": elements(200)})
        await trio.sleep(1)
        assert central.budget.large.is_free
        began = trio.current_time()
        configure(central, max_starts=100)
        await second.call("StopTransaction", stop(transaction, elements(200)))
        assert trio.current_time() - began < REFUSAL_SECONDS
        assert (await first.wait_closed())[0] == 1013


async def hold_the_place(central: Central, seconds: float) -> None:
    async with central.budget.large.held("OTHER"):
        await trio.sleep(seconds)


async def test_one_that_is_too_large_waits_for_no_place(central: Central) -> None:
    began = trio.current_time()
    async with central.budget.large.held("OTHER"):
        async with open_charger(central) as stranger:
            await stranger.call("Heartbeat")
            await stranger.send_call("StopTransaction", stop(1, elements(200)))
            assert (await stranger.wait_closed())[0] == 1009
        assert trio.current_time() == began


@pytest.mark.parametrize("trickles", [False, True])
async def test_one_that_does_not_arrive_gives_way(central: Central, trickles: bool) -> None:
    configure(central, heartbeat_interval_seconds=3600)
    data = elements(200)
    async with (
        open_charger(central, "/ocpp/A") as first,
        open_charger(central, "/ocpp/B") as second,
    ):
        await start(first)
        transaction = await start(second)
    async with (
        open_raw_charger(central, "/ocpp/A") as slow,
        open_charger(central, "/ocpp/B") as other,
    ):
        await slow.send(frame(json.dumps([2, "2", "StopTransaction", stop(1, data)]))[:5000])
        await other.send_call("StopTransaction", stop(transaction, data))
        begun = trio.current_time()
        if trickles:
            with suppress(trio.BrokenResourceError):
                while trio.current_time() < begun + ARRIVAL_SECONDS - 5:
                    await slow.send(b"x")
                    await trio.sleep(10)
        assert (await slow.wait_closed())[0] == 1013
        assert trio.current_time() - begun == pytest.approx(
            ARRIVAL_SECONDS if trickles else STALL_SECONDS, abs=11
        )
        assert (await other.receive())[:2] == [3, "c1"]
    assert central.budget.large.is_free


async def test_one_whose_charger_leaves_in_between_gives_way(central: Central) -> None:
    data = elements(200)
    async with (
        open_charger(central, "/ocpp/A") as first,
        open_charger(central, "/ocpp/B") as second,
    ):
        await start(first)
        transaction = await start(second)
    async with open_raw_charger(central, "/ocpp/A") as gone:
        await gone.send(frame(json.dumps([2, "2", "StopTransaction", stop(1, data)]))[:5000])
        await trio.testing.wait_all_tasks_blocked()
        assert not central.budget.large.is_free
    async with open_charger(central, "/ocpp/B") as other:
        assert await other.call("StopTransaction", stop(transaction, data)) == {}


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_one_in_fragments_that_cut_its_characters(
    central: Central, writer: InlineWriter, opcode: int
) -> None:
    data = [one | {"note": "Größe 💡"} for one in elements(120)]
    async with open_raw_charger(central) as peer:
        told = {"connectorId": 1, "idTag": "T", "meterStart": METER_START, "timestamp": at(0)}
        await peer.send_frame(json.dumps([2, "1", "StartTransaction", told]))
        transaction = (await peer.receive())[2]["transactionId"]
        text = json.dumps(
            [2, "2", "StopTransaction", stop(transaction, data)], ensure_ascii=False
        ).encode()
        for first in range(0, len(text), 101):
            is_last = first + 101 >= len(text)
            await peer.send_frame(
                text[first : first + 101], CONTINUATION if first else opcode, is_last=is_last
            )
        assert (await peer.receive())[:2] == [3, "2"]
    assert len(readings(writer)) == 120
    assert [kind for (kind,) in writer.rows("SELECT kind FROM repair") if "UTF-8" in kind] == []
    assert (central.budget.taken, central.budget.large.is_free) == (0, True)


async def test_a_stranger_keeps_the_limit(central: Central) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        await charger.send_call("StopTransaction", stop(1, elements(200)))
        code, reason = await charger.wait_closed()
        assert (code, str(reason).partition(", ")[2]) == (
            1009,
            "larger than 8000 (--max-message-bytes)",
        )


@pytest.mark.parametrize("count", [1_000, 200])
async def test_its_owner_is_told_what_is_too_large_or_no_list(
    central: Central, writer: InlineWriter, count: int
) -> None:
    async with open_charger(central) as charger:
        await start(charger)
        if count == 1_000:
            await charger.send_call(
                "MeterValues", {"connectorId": 1, "meterValue": elements(count)}
            )
        else:
            await charger.send_call("DataTransfer", {"vendorId": "V", "data": "x" * 20_000})
        assert (await charger.wait_closed())[0] == 1009
    ((kind, reason),) = writer.rows("SELECT kind, reason FROM turned_away")
    assert (kind, f"larger than {60_000 if count == 1_000 else 8_000} " in str(reason)) == (
        "message",
        True,
    )


async def test_a_stranger_is_taken_under_a_higher_limit(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, max_message_bytes=100_000)
    data = elements(200)
    async with open_charger(central) as charger:
        await charger.call("StopTransaction", stop(77, data))
        answer = await charger.call("DataTransfer", {"vendorId": "V", "data": "x" * 20_000})
        assert answer["status"] == "UnknownVendorId"
    assert writer.rows("SELECT energy_delivered FROM tx") == [(2000,)]
    assert len(readings(writer)) == 200


async def test_a_server_that_is_strict_refuses_one_with_a_wrong_element(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, strict=True)
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        wrong = [*data[:50], {"timestamp": at(1)}, *data[50:]]
        assert (
            await charger.refused("StopTransaction", stop(transaction, wrong))
            == "OccurenceConstraintViolation"
        )
        assert await charger.call("StopTransaction", stop(transaction, data)) == {}
    assert readings(writer) == as_rows(data, "transactionData", transaction)


async def test_a_server_that_is_strict_answers_one_whose_head_is_not_exact(
    central: Central, writer: InlineWriter
) -> None:
    data = elements(200)
    async with open_charger(central) as charger:
        transaction = await start(charger)
        configure(central, max_message_bytes=8_000, strict=True)
        message_id = 37 * "i"
        await charger.send(json.dumps([2, message_id, "StopTransaction", stop(transaction, data)]))
        assert (await charger.receive())[:3] == [4, message_id, "FormationViolation"]
    assert readings(writer) == []
    assert central.budget.large.is_free
