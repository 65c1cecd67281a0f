"""What one message may cost: bytes that never become one end the connection with 1009, honest ones never do."""

import json
from contextlib import suppress

import pytest
import trio
from trio.testing import lockstep_stream_pair

from levity_trio.charger.central import Central
from levity_trio.charger.stream import SEND_SECONDS
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import (
    BINARY,
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
    """A DataTransfer of just so many bytes."""
    empty = json.dumps([2, "d", "DataTransfer", {"vendorId": "V", "data": ""}])
    return json.dumps([2, "d", "DataTransfer", {"vendorId": "V", "data": (size - len(empty)) * "x"}])


async def test_the_largest_message_is_served_first_thing_and_always(central: Central, writer: InlineWriter) -> None:
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
async def test_a_larger_message_ends_the_connection(central: Central, writer: InlineWriter, opcode: int) -> None:
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


@pytest.mark.parametrize(
    "part",
    [
        frame(b"", CONTINUATION, is_last=False),
        frame(b"", PING),
        frame(125 * b"p", PING),
        frame(b"", PONG),
    ],
    ids=["continuation", "ping", "full ping", "pong"],
)
async def test_frames_that_never_become_a_message_end_the_connection(central: Central, part: bytes) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame("[", TEXT, is_last=False)
        with suppress(trio.BrokenResourceError):  # closed already
            for _ in range(2 * LIMIT // len(part)):
                await peer.send(part)
        assert (await peer.wait_closed())[0] == 1009


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


async def test_who_takes_no_answer_is_dropped_and_no_other_waits(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central, "/ws/CP-2") as other, open_raw(central, lockstep_stream_pair) as peer:
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
        await peer.send(b"\xff\xff\xff\xff")
        assert await peer.read_to_end() == b""
        await other.call("Heartbeat")
    assert writer.row("SELECT close_code FROM session WHERE cp_id = 'CP-1'") == (1002,)


async def test_text_that_is_no_utf8_ends_its_connection_only(central: Central) -> None:
    async with open_charger(central, "/ws/CP-2") as other, open_raw_charger(central) as peer:
        await peer.send_frame(b'[2,"\xff","Heartbeat",{}]')
        assert await peer.read_to_end() == b""
        await other.call("Heartbeat")
