"""The frame log of whole sessions: all frames, both ways, in order, and no secrets."""

import json
from typing import Any

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.wire.errors import CallTimedOut
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import connected, open_charger, open_raw, upgrade

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


def told(
    writer: InlineWriter, columns: str = "direction, message_id, action"
) -> list[tuple[Any, ...]]:
    return writer.rows(f"SELECT {columns} FROM log ORDER BY id")


async def test_a_conversation_is_kept_in_its_order(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as asking:
        await charger.call("BootNotification", BOOT)
        asking.start_soon(connected(central).call, call.Reset(type="Soft"))
        asked = await charger.receive()
        await charger.send(json.dumps([3, asked[1], {"status": "Accepted"}]))
        await charger.refused("Boot", {})
        await charger.send('[2, 7, "Heartbeat", {}]')
        await charger.receive()
    assert told(writer) == [
        ("connect", None, None),
        ("recv", '"c1"', "BootNotification"),
        ("send", '"c1"', "BootNotification"),
        ("send", asked[1], "Reset"),
        ("recv", asked[1], "Reset"),
        ("recv", '"c2"', "Boot"),
        ("send", '"c2"', "Boot"),
        ("recv", "7", "Heartbeat"),
        ("send", "7", "Heartbeat"),
        ("disconnect", None, None),
    ]
    frames = [json.loads(frame) for (frame,) in told(writer, "frame")]
    assert frames[0] == {
        "remote_address": "memory",
        "target": "/ocpp/CP-1",
        "subprotocol": "ocpp1.6",
    }
    assert frames[1] == [2, "c1", "BootNotification", BOOT]
    assert frames[8] == [3, 7, {"currentTime": "2026-03-01T12:00:00Z"}]
    assert frames[9]["code"] == 1000
    ((session,),) = writer.rows("SELECT id FROM session")
    assert told(writer, "cp_id, session_id") == [("CP-1", None), *[("CP-1", session)] * 9]


async def test_who_never_says_anything_valid_is_in_the_log_all_the_same(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.refused("Nonsense", {})
        assert [direction for direction, _, _ in told(writer)] == ["connect", "recv", "send"]
        await charger.send("AT+CSQ")
        await charger.send('[2,"x"]')
        await charger.receive()
        await charger.send('[3,"nobody asked",{}]')
    assert told(writer, "direction, message_id, action, session_id") == [
        ("connect", None, None, None),
        ("recv", '"c1"', "Nonsense", None),
        ("send", '"c1"', "Nonsense", None),
        ("recv", None, None, None),
        ("recv", '"x"', None, None),
        ("send", '"x"', None, None),
        ("recv", "nobody asked", None, None),
        ("disconnect", None, None, None),
    ]


async def test_what_came_before_the_row_of_the_session_stays_in_its_order(
    central: Central, writer: InlineWriter
) -> None:
    writer.answer_seconds = 1.0
    async with open_charger(central) as charger:
        await charger.send('[2,"1","Heartbeat",{}]')
        await charger.send("AT+CSQ")
        await charger.send('[2,"2","Heartbeat",{}]')
        await charger.receive()
        await charger.receive()
    directions = [(direction, message_id) for direction, message_id, _ in told(writer)]
    assert directions == [
        *[("connect", None), ("recv", '"1"'), ("recv", None), ("recv", '"2"')],
        *[("send", '"1"'), ("send", '"2"'), ("disconnect", None)],
    ]
    assert {session for (session,) in told(writer, "session_id")[1:]} == {1}


async def test_one_that_leaves_before_it_has_a_row_is_told_to_the_end(
    central: Central, writer: InlineWriter
) -> None:
    writer.is_unavailable = True
    async with open_charger(central) as charger:
        await charger.send('[2,"1","Heartbeat",{}]')
        assert (await charger.wait_closed())[0] == 1013
        writer.is_unavailable = False
    assert [direction for direction, _, _ in told(writer)] == ["connect", "recv", "disconnect"]
    ((frame,),) = writer.rows("SELECT frame FROM log WHERE direction = 'disconnect'")
    assert json.loads(frame) == {"code": 1013, "reason": "the database cannot be written"}


async def test_an_answer_that_comes_late_bears_its_action(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, response_timeout_seconds=5.0)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        async with trio.open_nursery() as asking:
            asking.start_soon(call_in_vain, central)
            asked = await charger.receive()
            await trio.sleep(6)
        await charger.send(json.dumps([3, asked[1], {"status": "Accepted"}]))
        await charger.call("Heartbeat")
    assert writer.rows(
        "SELECT direction, action FROM log WHERE message_id = ? ORDER BY id", asked[1]
    ) == [
        ("send", "Reset"),
        ("recv", "Reset"),
    ]


async def call_in_vain(central: Central) -> None:
    with pytest.raises(CallTimedOut):
        await connected(central).call(call.Reset(type="Soft"))


async def test_a_refused_handshake_is_in_the_log(central: Central, writer: InlineWriter) -> None:
    configure(central, max_chargers=1)
    central.known.add("CP-1")
    central.has_charged.add("CP-1")
    line = "Authorization: Basic SECRET"
    for sent in (
        upgrade(f"/ws/CP-2?token=SECRET&a={'x' * 5000}", line),
        b"hello\r\n\r\n",
        upgrade("/ws/", line),
    ):
        async with open_raw(central) as peer:
            await peer.send(sent)
            await peer.read_to_end()
    rows = told(writer, "direction, cp_id, session_id")
    assert rows == [("refuse", "CP-2", None), ("refuse", "", None), ("refuse", "", None)]
    frames = [json.loads(frame) for (frame,) in told(writer, "frame")]
    assert [frame["status"] for frame in frames] == [404, 400, 404]
    assert frames[0]["request"].startswith("GET /ws/CP-2?token=***&a=xxx")
    assert "SECRET" not in str(frames)
    assert len(str(frames[0])) < 2000


async def test_only_other_subprotocols_are_a_refused_handshake(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central, subprotocols=["ocpp2.0.1"]) as charger:
        await charger.wait_closed()
    ((direction, frame),) = told(writer, "direction, frame")
    assert (direction, json.loads(frame)["status"]) == ("refuse", 1002)
