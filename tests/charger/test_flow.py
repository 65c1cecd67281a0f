"""The flow of messages through a session: in order, bounded, and completed even if the peer has
left."""

import json
from contextlib import suppress

import pytest
import trio
import trio.testing
from trio.testing import lockstep_stream_pair
from trio_websocket import ConnectionClosed

from levity_trio.charger.central import Central
from levity_trio.charger.inbox import INBOX_CALLS
from levity_trio.charger.session import MAX_MALFORMED_FRAMES
from levity_trio.events import TransactionStarted
from levity_trio.store.engine.writer import Sharing
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import BINARY, Charger, frame, open_charger, open_raw_charger

HEARTBEAT = '[2,"h","Heartbeat",{}]'
START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": "2026-03-01T12:00:00Z"}
UNREADABLE_PAYLOADS = [
    '[2,"1","Authorize",{"idTag',
    '[2,"1","Heartbeat",17]',
    '[2,"1","Heartbeat",[{}]]',
    '[2,"1","Heartbeat","{}"]',
    '[2,null,"Authorize"]',
    '[2,"1","Authorize",null]',
    '[2,"1","Authorize",[]]',
]
AS_GOOD_AS_EMPTY = ["null", "[]", '""', ""]
NO_OCPP = [
    "",
    " ",
    "AT+CSQ",
    "null",
    "{}",
    "[]",
    "[2]",
    "[5,1]",
    '[2,"1"',
    "[" * 5000,
    "\0",
    "\N{BYTE ORDER MARK}",
    '[2,"1",7,{}]',
    '[3,{},"x"]',
]


async def still_talks(charger: Charger) -> None:
    """Check that the connection still works, whatever was answered before."""
    await charger.send('[2,"still","Heartbeat",{}]')
    with trio.fail_after(1):
        while (await charger.receive())[:2] != [3, "still"]:
            pass


async def test_several_calls_at_once_are_answered_in_order(
    central: Central, writer: InlineWriter
) -> None:
    count = 40
    calls = [
        f'[2,"{n}","StartTransaction",{json.dumps(START | {"meterStart": n})}]'
        for n in range(count)
    ]
    async with open_raw_charger(central) as peer:
        await peer.send(b"".join(map(frame, calls)))
        answers = [await peer.receive() for _ in calls]
    assert [answer[:2] for answer in answers] == [[3, str(n)] for n in range(count)]
    stored = writer.rows("SELECT id, meter_start FROM tx ORDER BY id")
    assert stored == [(answer[2]["transactionId"], n) for n, answer in enumerate(answers)]


async def test_an_answer_leaves_after_its_commit(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.answer_seconds = 7
        began = trio.current_time()
        await charger.call("StartTransaction", START)
        assert trio.current_time() - began == 7
        writer.answer_seconds = 0


@pytest.mark.parametrize(
    "raw_id", ['"1"', "17", '"\\u00e9\\/"', '"' + 100 * "x" + '"', "1.50", '""']
)
async def test_the_message_id_is_echoed_byte_for_byte(central: Central, raw_id: str) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame(f'[2,{raw_id},"Heartbeat",{{}}]')
        _, text = await peer.receive_frame()
    assert text.startswith(f"[3,{raw_id},".encode())


async def test_a_binary_frame_costs_nothing(central: Central) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame(b"\xff\xfe\x00", BINARY)
        await peer.send_frame(HEARTBEAT)
        assert (await peer.receive())[:2] == [3, "h"]


@pytest.mark.parametrize("text", NO_OCPP)
async def test_what_is_no_ocpp_is_counted_and_the_connection_lives(
    central: Central, log_lines: list[dict[str, object]], text: str
) -> None:
    async with open_charger(central) as charger:
        await charger.send(text)
        await still_talks(charger)
    assert [line["cp"] for line in log_lines if line["event"] == "malformed frame"] == ["CP-1"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[2,"1","Heartbeat",17]', "FormationViolation"),
        ('[2,"1","Authorize"]', "FormationViolation"),
        ('[2,"1","Authorize",null]', "FormationViolation"),
        ('[2,"1","Authorize",""]', "FormationViolation"),
        ('[2,"1","heartbeat",{}]', "NotImplemented"),
        ('[2,"1","Teapot",{}]', "NotImplemented"),
        ('[2,"1","Reset",{"type":"Soft"}]', "NotSupported"),
    ],
)
async def test_a_call_that_cannot_be_served_gets_its_callerror(
    central: Central, text: str, code: str
) -> None:
    async with open_charger(central) as charger:
        await charger.send(text)
        assert (await charger.receive())[:3] == [4, "1", code]
        await still_talks(charger)


@pytest.mark.parametrize("payload", AS_GOOD_AS_EMPTY)
async def test_where_nothing_is_required_nothing_is_as_good_as_empty(
    central: Central, writer: InlineWriter, payload: str
) -> None:
    """A widespread simulator sends null and fails on a CALLERROR."""
    text = f'[2,"1","Heartbeat"{payload and ","}{payload}]'
    async with open_charger(central) as charger:
        for _ in range(2):
            await charger.send(text)
            assert (await charger.receive())[:2] == [3, "1"]
    assert writer.rows("SELECT kind, count FROM repair") == [("Heartbeat: not an object", 2)]
    assert writer.row("SELECT last_heartbeat_at IS NOT NULL FROM cp") == (1,)


@pytest.mark.parametrize("payload", [*AS_GOOD_AS_EMPTY, "{},", '{"a":NaN}'])
@pytest.mark.parametrize("has_row", [False, True])
async def test_strict_refuses_nothing_for_an_object(
    central: Central, writer: InlineWriter, payload: str, has_row: bool
) -> None:
    configure(central, strict=True)
    async with open_charger(central) as charger:
        if has_row:
            await charger.call("Heartbeat")
        await charger.send(f'[2,"1","Heartbeat"{payload and ","}{payload}]')
        assert (await charger.receive())[:3] == [4, "1", "FormationViolation"]
    assert writer.rows("SELECT id FROM cp") == [("CP-1",)] * has_row


async def test_no_ocpp_leaves_no_row(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        for text in NO_OCPP + UNREADABLE_PAYLOADS:
            await charger.send(text)
    assert writer.rows("SELECT id FROM cp") == []
    assert writer.rows("SELECT id FROM session") == []


@pytest.mark.parametrize("payload", ["null", "[]", '{"meterStop":NaN}', '{"transactionId":5,'])
async def test_a_stop_that_cannot_be_read_is_kept_and_answered_in_its_turn(
    central: Central, writer: InlineWriter, payload: str
) -> None:
    text = f'[2,"b","StopTransaction",{payload}]'
    async with open_charger(central) as charger:
        await charger.send('[2,"a","Authorize",{"idTag":"T"}]')
        await charger.send(text)
        assert (await charger.receive())[:2] == [3, "a"]
        assert await charger.receive() == [3, "b", {}]
    ((action, kept),) = writer.rows("SELECT action, payload FROM set_aside")
    assert action == "StopTransaction"
    assert text in (kept, json.loads(kept)["frame"] if kept != text else None)


async def test_starts_that_cannot_be_read_are_told_apart_by_their_text(central: Central) -> None:
    ids = []
    async with open_charger(central) as charger:
        for meter in ("1", "2", "1"):
            await charger.send(f'[2,"s","StartTransaction",{{"meterStart":{meter},}}]')
            ids.append((await charger.receive())[2]["transactionId"])
    assert ids[0] == ids[2] != ids[1]


async def test_a_hundred_frames_in_a_row_that_are_no_ocpp_are_no_charger(central: Central) -> None:
    async with open_charger(central) as charger:
        for _ in range(MAX_MALFORMED_FRAMES):
            await charger.send("AT+CSQ")
        assert await charger.wait_closed() == (1008, "100 malformed frames in a row")


async def test_fewer_are_forgiven_by_a_call(central: Central) -> None:
    async with open_charger(central) as charger:
        for _ in range(3):
            for _ in range(MAX_MALFORMED_FRAMES - 1):
                await charger.send("AT+CSQ")
            await still_talks(charger)


async def test_an_unexpected_answer_costs_nothing(central: Central) -> None:
    async with open_charger(central) as charger:
        for _ in range(MAX_MALFORMED_FRAMES // 2 - 1):
            await charger.send('[3,"nobody asked",{}]')
            await charger.send('[4,"nobody asked","GenericError","",{}]')
        await still_talks(charger)


async def test_a_full_inbox_stops_reading_and_ends_without_progress(
    central: Central, writer: InlineWriter
) -> None:
    async with (
        open_charger(central, pair=lockstep_stream_pair) as charger,
        trio.open_nursery() as nursery,
    ):
        await charger.call("Heartbeat")
        writer.answer_seconds = 1000
        sent: list[str] = []
        nursery.start_soon(send_for_ever, charger, sent)
        began = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        # In the worker, in the inbox, at the reader, and up to three in the library's own queue.
        assert INBOX_CALLS + 2 <= len(sent) <= INBOX_CALLS + 5
        assert (await charger.wait_closed())[0] == 1008
        assert trio.current_time() - began == 30
        assert len(sent) <= INBOX_CALLS + 5
        writer.answer_seconds = 0
    assert writer.row("SELECT close_reason FROM session") == (
        "64 calls are waiting without progress",
    )


async def send_for_ever(charger: Charger, sent: list[str]) -> None:
    with suppress(ConnectionClosed):
        while True:
            sent.append(await charger.send_call("DataTransfer", {"vendorId": "V"}))


async def test_a_full_inbox_with_progress_lives(central: Central, writer: InlineWriter) -> None:
    configure(central, heartbeat_interval_seconds=3600)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.answer_seconds = 9
        for n in range(2 * INBOX_CALLS):
            await charger.send(f'[2,"{n}","DataTransfer",{{"vendorId":"V"}}]')
        answers = [await charger.receive() for _ in range(2 * INBOX_CALLS)]
        writer.answer_seconds = 0
    assert [answer[1] for answer in answers] == [str(n) for n in range(2 * INBOX_CALLS)]


@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_what_came_before_the_peer_left_is_stored(
    central: Central, writer: InlineWriter, says_goodbye: bool
) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame(HEARTBEAT)
        await peer.receive()
        writer.answer_seconds = 5
        for n in range(3):
            await peer.send_frame(
                json.dumps([2, str(n), "StartTransaction", START | {"meterStart": n}])
            )
        if says_goodbye:
            await peer.send_frame((1000).to_bytes(2, "big"), 8)
            await trio.sleep(1)
        await peer.stream.aclose()
        await trio.sleep(30)
        writer.answer_seconds = 0
    assert len(writer.recorded(TransactionStarted)) == 3
    assert writer.row("SELECT close_code FROM session") == (1000 if says_goodbye else 1006,)
    assert writer.row("SELECT is_connected FROM cp") == (0,)
    assert writer.row("SELECT count(*) FROM tx WHERE suspended_at IS NULL") == (0,)


async def test_a_store_that_is_unavailable_ends_the_connection_and_answers_nothing(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.is_unavailable = True
        began = trio.current_time()
        await charger.send_call("StartTransaction", START)
        await charger.send_call("MeterValues", {"connectorId": 1, "meterValue": []})
        with trio.fail_after(10 + 0.001):
            assert await charger.wait_closed_silently() == (1013, "the database cannot be written")
        assert trio.current_time() - began == 10
        await trio.sleep(60)
        assert len(central.registry) == 0
        writer.is_unavailable = False
    assert writer.rows("SELECT id FROM tx") == []
    # stored when the database was available again
    assert writer.rows("SELECT close_code FROM session") == [(1013,)]


async def test_a_server_that_others_may_take_for_dead_answers_nothing(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.sharing = Sharing("other", lambda: 0.0)
        await charger.send_call("StartTransaction", START)
        told = (1012, "this server was silent for too long")
        assert await charger.wait_closed_silently() == told
    assert len(writer.recorded(TransactionStarted)) == 1, "it is sent again, and is known then"


async def test_a_first_message_that_cannot_be_stored_ends_the_connection(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        writer.is_unavailable = True
        await charger.send(HEARTBEAT)
        assert (await charger.wait_closed_silently())[0] == 1013
        writer.is_unavailable = False


async def test_frames_that_are_no_ocpp_are_counted_when_their_session_ends(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        for text in ("AT+CSQ", "{}", "AT+CSQ"):
            await charger.send(text)
        await charger.call("Heartbeat")
    counted = writer.rows("SELECT kind, count, sample FROM repair ORDER BY kind")
    assert counted == [("frame: not JSON", 2, ""), ("frame: not a list", 1, "")]


async def test_answers_to_nothing_that_we_asked_are_no_charger(
    central: Central, log_lines: list[dict[str, object]]
) -> None:
    async with open_charger(central) as charger:
        for number in range(MAX_MALFORMED_FRAMES):
            await charger.send(f'[3,"{number}",{{}}]')
        assert (await charger.wait_closed())[0] == 1008
    # 1, 2, 4, … 64
    assert len([line for line in log_lines if line["event"] == "malformed frame"]) == 7
