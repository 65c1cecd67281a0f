"""Bytes that the WebSocket library would lose or reject: other encodings, and bytes that arrive
early."""

import json

import pytest
import trio
from trio.testing import lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked

from levity_trio.charger.budget import Budget, MemoryAccount
from levity_trio.charger.central import Central
from levity_trio.charger.stream import SEND_SECONDS, ChargerStream
from levity_trio.events import Event, MessageHandled
from levity_trio.plugins.base import Plugin
from levity_trio.wire.framing import text_frame
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import (
    BINARY,
    CONTINUATION,
    TEXT,
    RawPeer,
    frame,
    open_raw,
    open_raw_charger,
    upgrade,
)

HEARTBEAT = frame('[2,"h","Heartbeat",{}]')
LATIN_1 = '[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"Köln"}]'.encode(
    "latin-1"
)
REPAIRS = "SELECT kind, count, sample FROM repair"
NOT_UTF8 = "frame: not UTF-8"


class Watching(Plugin):
    """Keeps the repairs of each message."""

    name = "watching"

    def __init__(self, seen: list[tuple[str, ...]]) -> None:
        self._seen = seen

    def observe(self, event: Event) -> None:
        if isinstance(event, MessageHandled):
            self._seen.append(event.repairs)


# Another encoding than UTF-8


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_a_boot_in_latin_1_is_read_and_counted(
    central: Central, writer: InlineWriter, opcode: int
) -> None:
    async with open_raw_charger(central) as peer:
        for _ in range(2):
            await peer.send_frame(LATIN_1, opcode)
            answer = await peer.receive()
            assert (answer[:2], answer[2]["status"]) == ([3, "b"], "Accepted")
    assert writer.row("SELECT model FROM cp") == ("K\ufffdln",)
    ((kind, count, sample),) = writer.rows(REPAIRS)
    assert (kind, count) == (NOT_UTF8, 2)
    assert "K\ufffdln" in sample


async def test_one_in_fragments_too(central: Central, writer: InlineWriter) -> None:
    async with open_raw_charger(central) as peer:
        at = LATIN_1.index("ö".encode("latin-1"))
        await peer.send_frame(LATIN_1[:at], TEXT, is_last=False)
        await peer.send_frame(LATIN_1[at : at + 1], CONTINUATION, is_last=False)
        await peer.send_frame(LATIN_1[at + 1 :], CONTINUATION)
        assert (await peer.receive())[:2] == [3, "b"]
    assert writer.row("SELECT model FROM cp") == ("K\ufffdln",)


async def test_utf8_is_no_repair_wherever_it_is_cut(central: Central, writer: InlineWriter) -> None:
    text = LATIN_1.decode("latin-1").encode()
    async with open_raw_charger(central) as peer:
        await peer.send_frame(text[:-6], TEXT, is_last=False)
        for byte in text[-6:-1]:
            await peer.send_frame(bytes([byte]), CONTINUATION, is_last=False)
        await peer.send_frame(text[-1:], CONTINUATION)
        assert (await peer.receive())[:2] == [3, "b"]
    assert writer.row("SELECT model FROM cp") == ("Köln",)
    assert writer.rows(REPAIRS) == []


async def test_a_stop_that_cannot_be_read_besides_is_counted_too(
    central: Central, writer: InlineWriter
) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame(b'[2,"s","StopTransaction",{"idTag":"K\xf6ln","transactionId":"x"}]')
        assert await peer.receive() == [3, "s", {}]
    assert writer.rows("SELECT action FROM set_aside") == [("StopTransaction",)]
    unread = {"transactionId: not an integer", "meterStop: missing", "timestamp: missing"}
    assert {kind for kind, _, _ in writer.rows(REPAIRS)} == {
        NOT_UTF8,
        *(f"StopTransaction.{kind}" for kind in unread),
    }


async def test_plugins_see_it_among_the_repairs(central: Central) -> None:
    seen: list[tuple[str, ...]] = []
    central.hooks.join(Watching(seen))
    async with open_raw_charger(central) as peer:
        await peer.send_frame(LATIN_1)
        await peer.receive()
    assert seen == [(NOT_UTF8,)]


async def test_strict_fails_the_connection(central: Central, writer: InlineWriter) -> None:
    configure(central, strict=True)
    async with open_raw_charger(central) as peer:
        await peer.send(HEARTBEAT)
        await peer.receive()
        await peer.send_frame(LATIN_1)
        assert (await peer.wait_closed())[0] == 1007
        assert await peer.read_to_end() == b""
    assert writer.row("SELECT close_code FROM session") == (1007,)
    assert writer.row("SELECT model FROM cp") == (None,)


async def test_strict_takes_text_as_it_should_be(central: Central, writer: InlineWriter) -> None:
    configure(central, strict=True)
    async with open_raw_charger(central) as peer:
        await peer.send_frame(LATIN_1.decode("latin-1"))
        assert (await peer.receive())[:2] == [3, "b"]
    assert writer.row("SELECT model FROM cp") == ("Köln",)


# Frames sent before the response to the handshake


async def answered(peer: RawPeer) -> None:
    assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
    assert (await peer.receive())[:2] == [3, "h"]


@pytest.mark.parametrize("cut", range(len(HEARTBEAT) + 1))
async def test_a_frame_with_the_request_head_is_kept(central: Central, cut: int) -> None:
    async with open_raw(central) as peer:
        await peer.send(upgrade() + HEARTBEAT[:cut])
        await peer.send(HEARTBEAT[cut:])
        await answered(peer)


async def test_several_frames_with_the_head_are_answered_in_their_order(central: Central) -> None:
    calls = [json.dumps([2, str(number), "Authorize", {"idTag": "T"}]) for number in range(50)]
    async with open_raw(central) as peer:
        await peer.send(upgrade() + b"".join(map(frame, calls)))
        await peer.read_head()
        assert [(await peer.receive())[1] for _ in calls] == [str(number) for number in range(50)]


async def test_the_library_reads_nothing_between_a_request_and_its_own_answer() -> None:
    """The library drops bytes that it reads so early, as a request body; whether it read them
    depended on timing."""
    ours, theirs = memory_stream_pair()
    stream = ChargerStream(ours, "memory", MemoryAccount(Budget(())), 1000, text_as_binary=False)
    async with stream, theirs:
        await theirs.send_all(upgrade())
        stream.begin_handshake(await stream.read_head())
        assert await stream.receive_some() == upgrade()
        await theirs.send_all(HEARTBEAT)
        with trio.move_on_after(60) as patience:
            await stream.receive_some()
        assert patience.cancelled_caught
        stream.end_handshake(lambda: b"")
        assert await stream.receive_some() == HEARTBEAT


@pytest.mark.parametrize("turns", range(12))
async def test_a_frame_just_after_the_request_head_is_kept(central: Central, turns: int) -> None:
    """In any state of the library."""
    async with open_raw(central) as peer:
        await peer.send(upgrade())
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        await peer.send(HEARTBEAT)
        await answered(peer)


async def test_a_frame_that_came_while_the_clock_was_waited_for_is_kept(central: Central) -> None:
    central.ready = trio.Event()
    async with open_raw(central) as peer:
        await peer.send(upgrade())
        await trio.sleep(60)
        await peer.send(HEARTBEAT)
        await trio.sleep(60)
        central.ready.set()
        await answered(peer)


async def test_a_message_that_arrives_whole_overtakes_none_that_is_still_read(
    central: Central,
) -> None:
    long = json.dumps([2, "1", "DataTransfer", {"vendorId": "V", "data": "x" * 20_000}])
    async with open_raw_charger(central) as peer:
        async with central.budget._reading.held(None):
            for message in (long, '[2,"2","Heartbeat",{}]'):
                await peer.send_frame(message)
                await wait_all_tasks_blocked()
        assert [(await peer.receive())[1] for _ in range(2)] == ["1", "2"]


# Frames that we send


async def test_the_frame_of_another_task_waits_for_the_rest_of_one() -> None:
    """The library sends pongs beside our answers."""
    ours, theirs = lockstep_stream_pair()
    stream = ChargerStream(ours, "memory", MemoryAccount(Budget(())), 1000, text_as_binary=False)
    stream.end_handshake(lambda: b"")
    received = b""
    async with stream, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_text, "a" * 200)
        await wait_all_tasks_blocked()
        nursery.start_soon(stream.send_all, b"a pong")
        nursery.start_soon(stream.send_text, "another")
        while len(received) < 204 + 6 + 9:
            received += await theirs.receive_some(10)
    assert received.startswith(text_frame("a" * 200))
    assert received[204:] in (b"a pong" + text_frame("another"), text_frame("another") + b"a pong")


async def test_nothing_follows_half_a_frame() -> None:
    ours, theirs = lockstep_stream_pair()
    stream = ChargerStream(ours, "memory", MemoryAccount(Budget(())), 1000, text_as_binary=False)
    stream.end_handshake(lambda: b"")
    sent: list[bool] = []

    async def send(text: str) -> None:
        sent.append(await stream.send_text(text))

    async with stream, theirs:
        with trio.fail_after(2 * SEND_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, "half")
                await wait_all_tasks_blocked()
                assert await theirs.receive_some(3)
                nursery.start_soon(send, "never")
        assert sent == [False, False]
        assert (await theirs.receive_some(), await theirs.receive_some()) == (b"alf", b"")
