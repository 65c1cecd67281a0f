"""The limit on one message: bytes beyond it end the connection with 1009, valid messages never
do."""

import json
from contextlib import suppress

import pytest
import trio
from trio.testing import lockstep_stream_pair

from levity_trio.charger.central import Central
from levity_trio.charger.stream import GOODBYE_SECONDS, SEND_SECONDS
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame,
    open_charger,
    open_raw,
    open_raw_charger,
    upgrade,
)

LIMIT = 20_000
HEARTBEAT = '[2,"h","Heartbeat",{}]'


@pytest.fixture(autouse=True)
def small_messages(central: Central) -> None:
    configure(central, max_message_bytes=LIMIT)


def data_transfer(size: int) -> str:
    """A DataTransfer of exactly this many bytes."""
    empty = json.dumps([2, "d", "DataTransfer", {"vendorId": "V", "data": ""}])
    return json.dumps(
        [2, "d", "DataTransfer", {"vendorId": "V", "data": (size - len(empty)) * "x"}]
    )


async def test_the_largest_message_is_served_first_thing_and_always(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        for _ in range(3):
            await charger.send(data_transfer(LIMIT))
            assert (await charger.receive())[:2] == [3, "d"]
    assert writer.row("SELECT count(*) FROM event WHERE kind = 'DataTransferred'") == (3,)


async def test_the_largest_message_in_many_fragments_is_served(central: Central) -> None:
    text = data_transfer(LIMIT - 2000).encode()
    async with open_raw_charger(central) as peer:
        for first in range(0, len(text), 100):
            part, is_last = text[first : first + 100], first + 100 >= len(text)
            await peer.send_frame(part, CONTINUATION if first else TEXT, is_last=is_last)
        assert (await peer.receive())[:2] == [3, "d"]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_a_larger_message_ends_the_connection(
    central: Central, writer: InlineWriter, opcode: int
) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame(HEARTBEAT)
        await peer.receive()
        await peer.send(frame(10 * LIMIT * b"x", opcode))
        assert (await peer.wait_closed())[0] == 1009
        await peer.read_to_end()
    assert writer.row("SELECT close_code FROM session") == (1009,)


async def test_a_message_that_is_a_little_too_large_ends_it_too(central: Central) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame(data_transfer(LIMIT + 1))
        assert (await peer.wait_closed())[0] == 1009


@pytest.mark.parametrize("size", [0, 100])
async def test_fragments_that_never_become_a_message_end_the_connection(
    central: Central, size: int
) -> None:
    part = frame(size * b"x", CONTINUATION, is_last=False)
    async with open_raw_charger(central) as peer:
        await peer.send_frame("[", TEXT, is_last=False)
        with suppress(trio.BrokenResourceError):  # closed already
            for _ in range(2 * LIMIT // len(part)):
                await peer.send(part)
        assert (await peer.wait_closed())[0] == 1009


@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_pings_that_replace_heartbeats_never_add_up(central: Central, opcode: int) -> None:
    """OCPP-J 1.6 §5.3 allows a charger to send only pings for days."""
    async with open_raw_charger(central) as peer:
        for _ in range(3 * LIMIT // 100):
            await trio.sleep(60)
            await peer.send_frame(100 * b"p", opcode)
        await peer.send_frame(HEARTBEAT)
        while (answer := await peer.receive_frame())[0] != TEXT:
            assert answer == (PONG, 100 * b"p")
        assert answer[1].startswith(b'[3,"h",')


async def test_a_ping_between_two_fragments_costs_the_message_nothing(central: Central) -> None:
    text = data_transfer(LIMIT - 100).encode()
    async with open_raw_charger(central) as peer:
        await peer.send_frame(text[:5000], TEXT, is_last=False)
        for _ in range(3 * LIMIT // 100):
            await peer.send_frame(100 * b"p", PING)
            await peer.receive_frame()
        await peer.send_frame(text[5000:], CONTINUATION)
        assert (await peer.receive())[:2] == [3, "d"]


async def test_no_other_charger_feels_it(central: Central) -> None:
    async with open_charger(central, "/ws/CP-2") as other, open_raw_charger(central) as peer:
        await peer.send(frame(10 * LIMIT * b"x"))
        await peer.wait_closed()
        await other.call("Heartbeat")


@pytest.mark.parametrize("limit", [1024, 4096])
async def test_a_burst_of_small_messages_is_no_large_one(central: Central, limit: int) -> None:
    configure(central, max_message_bytes=limit)
    count = 60
    async with open_raw_charger(central) as peer:
        await peer.send(count * frame('[2,"h","Authorize",{"idTag":"TAG-1"}]'))
        for _ in range(count):
            assert (await peer.receive())[:2] == [3, "h"]


async def test_who_takes_no_answer_is_dropped_and_no_other_waits(
    central: Central, writer: InlineWriter
) -> None:
    async with (
        open_charger(central, "/ws/CP-2") as other,
        open_raw(central, lockstep_stream_pair) as peer,
    ):
        await peer.send(upgrade())
        await peer.read_head()
        await peer.send_frame(HEARTBEAT)
        await trio.sleep(SEND_SECONDS - 1)
        with trio.fail_after(0.001):
            await other.call("Heartbeat")
        await trio.sleep(2)
        assert central.registry.find("CP-1") is None
        await other.call("Heartbeat")
    assert writer.row("SELECT close_code FROM session WHERE cp_id = 'CP-1'") == (1006,)


async def test_what_breaks_the_websocket_protocol_ends_its_connection_only(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central, "/ws/CP-2") as other, open_raw_charger(central) as peer:
        await peer.send_frame(HEARTBEAT)
        await peer.receive()
        await peer.send(b"\xff\xff\xff\xff" + 1000 * b"x")
        assert await peer.wait_closed() == (1002, "Invalid opcode 0xf")
        assert await peer.read_to_end() == b""
        await other.call("Heartbeat")
    assert writer.row("SELECT close_code FROM session WHERE cp_id = 'CP-1'") == (1002,)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x81\x05hello",  # not masked
        frame(b"x", CONTINUATION),  # a continuation without a beginning
        frame(b"", CLOSE, is_last=False),
        frame(b"\x03", CLOSE),  # half a code
        frame(126 * b"p", PING),
    ],
)
async def test_who_breaks_the_websocket_protocol_gets_its_close_frame_once(
    central: Central, garbage: bytes
) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send(garbage)
        assert (await peer.wait_closed())[0] == 1002
        assert await peer.read_to_end() == b""


async def test_a_close_frame_is_answered_once(central: Central) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame((1002).to_bytes(2, "big") + b"your fault", CLOSE)
        assert await peer.wait_closed() == (1002, "your fault")
        assert await peer.read_to_end() == b""


async def test_who_breaks_it_and_does_not_close_holds_nothing_up(central: Central) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send(b"\xff\xff\xff\xff")
        await peer.wait_closed()
        await peer.read_to_end()
        assert trio.current_time() <= GOODBYE_SECONDS
