"""The server's start and shutdown, as chargers see them: waiting for the clock, and a close frame
to each."""

from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from levity_trio.charger.central import ENDS_AT_ONCE, Central
from levity_trio.charger.stream import LAST_SEND_SECONDS
from levity_trio.events import ChargerDisconnected
from levity_trio.wire.times import stamp
from tests.charger.parts import START, InlineWriter, configure
from tests.charger.peers import (
    PING,
    RawPeer,
    open_charger,
    open_raw,
    open_raw_charger,
    session_of,
    upgrade,
)

AT_ONCE = 0.001


async def test_the_end_tells_every_session_1001(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central, "/ws/CP-1") as one, open_charger(central, "/ws/CP-2") as other:
        await one.call("Heartbeat")
        for code, reason in ((1012, "the first reason counts"), (1008, "the second does not")):
            session_of(central, "CP-2").end(code, reason)
        central.registry.end_all()
        with trio.fail_after(AT_ONCE):
            assert await one.wait_closed() == (1001, "the server is stopping")
            assert await other.wait_closed() == (1012, "the first reason counts")
    assert writer.rows("SELECT close_code FROM session") == [(1001,)]
    assert writer.row("SELECT is_connected FROM cp") == (0,)
    assert len(central.registry) == 0


async def test_the_end_does_not_wait_long_for_a_peer_that_says_nothing(central: Central) -> None:
    async with open_raw_charger(central) as peer:
        central.registry.end_all()
        assert (await peer.wait_closed())[0] == 1001
        assert await peer.read_to_end() == b""
        assert trio.current_time() < 2


@pytest.mark.parametrize("stuck_seconds", [0.01, 2.0, 4.5])
async def test_the_end_does_not_wait_long_for_a_peer_that_does_not_read(
    central: Central, stuck_seconds: float
) -> None:
    """A frame that is half sent is shielded, from the end as well."""
    async with open_raw(central, trio.testing.lockstep_stream_pair) as peer:
        await ask_without_reading(peer)
        await trio.sleep(stuck_seconds)
        central.registry.end_all()
        await trio.sleep(LAST_SEND_SECONDS + AT_ONCE)
        assert len(central.registry) == 0


async def test_a_peer_that_reads_slowly_has_its_whole_frame_and_its_goodbye(
    central: Central,
) -> None:
    async with open_raw(central, trio.testing.lockstep_stream_pair) as peer:
        await ask_without_reading(peer)
        central.registry.end_all()
        await trio.sleep(LAST_SEND_SECONDS - AT_ONCE)
        assert (await peer.receive())[:2] == [3, "1"]
        assert (await peer.wait_closed())[0] == 1001


async def ask_without_reading(peer: RawPeer) -> None:
    await peer.send(upgrade())
    await peer.read_head()
    await peer.send_frame('[2,"1","Heartbeat",{}]')
    await trio.testing.wait_all_tasks_blocked()


async def test_a_peer_that_pings_on_after_our_goodbye_is_no_failure(
    central: Central, writer: InlineWriter
) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame('[2,"1","Heartbeat",{}]')
        await peer.receive()
        central.registry.end_all()
        assert (await peer.wait_closed())[0] == 1001
        await peer.send_frame(b"", PING)
        await peer.read_to_end()
    assert writer.row("SELECT close_code FROM session") == (1001,)


async def test_after_an_outage_who_comes_back_does_not_wait_for_the_ends_of_all(
    central: Central, writer: InlineWriter
) -> None:
    ended = "SELECT count(*) FROM session WHERE ended_at IS NOT NULL"
    async with AsyncExitStack() as chargers:
        for number in range(ENDS_AT_ONCE + 5):
            charger = await chargers.enter_async_context(open_charger(central, f"/ws/CP-{number}"))
            await charger.call("Heartbeat")
        writer.answer_seconds = 5
        central.registry.end_all()
        await trio.sleep(4)
        assert writer.row(ended) == (ENDS_AT_ONCE,)
        await trio.sleep(5)
        assert writer.row(ended) == (ENDS_AT_ONCE + 5,)
        writer.answer_seconds = 0


async def test_the_end_during_a_write_loses_nothing(central: Central, writer: InlineWriter) -> None:
    start = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": stamp(START)}
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.answer_seconds = 5
        await charger.send_call("StartTransaction", start)
        await trio.testing.wait_all_tasks_blocked()
        central.registry.end_all()
        assert (await charger.wait_closed_silently())[0] == 1001
        writer.answer_seconds = 0
    assert writer.row("SELECT suspended_at IS NOT NULL FROM tx") == (1,)


async def test_one_that_ends_while_its_row_is_stored_ends_that_row(
    central: Central, writer: InlineWriter
) -> None:
    writer.answer_seconds = 5  # the row is committed, but its id is not returned yet
    async with open_charger(central) as charger:
        await charger.send_call("Heartbeat", {})
        await trio.testing.wait_all_tasks_blocked()
        central.registry.end_all()
        assert (await charger.wait_closed_silently())[0] == 1001
    assert writer.row("SELECT close_code, ended_at IS NULL FROM session") == (1001, 0)
    assert writer.row("SELECT is_connected FROM cp") == (0,)
    assert [fact.session for fact in writer.recorded(ChargerDisconnected)] == [1]


async def test_one_that_is_replaced_while_its_row_is_stored_ends_that_row_only(
    central: Central, writer: InlineWriter
) -> None:
    writer.answer_seconds = 5
    async with open_charger(central) as old:
        await old.send_call("Heartbeat", {})
        await trio.testing.wait_all_tasks_blocked()
        async with open_charger(central) as new:
            await new.call("Heartbeat")
            await trio.sleep(10)  # the old one is over
            assert writer.rows("SELECT close_code FROM session ORDER BY id") == [(1000,), (None,)]
            assert writer.row("SELECT is_connected, session_id FROM cp") == (1, 2)


@pytest.mark.parametrize("begun", [b"", b"GET /ws/CP-1 HTTP/1.1\r\nHost: test\r\n"])
async def test_the_end_ends_half_open_handshakes(central: Central, begun: bytes) -> None:
    async with open_raw(central) as peer:
        await peer.send(begun)
        await trio.testing.wait_all_tasks_blocked()
        central.registry.end_all()
        with trio.fail_after(AT_ONCE):
            assert await peer.read_to_end() == b""
    assert len(central.registry) == 0


async def test_the_end_ends_handshakes_that_wait_for_the_clock(central: Central) -> None:
    central.ready = trio.Event()
    async with open_raw(central) as peer:
        await peer.send(upgrade())
        await trio.testing.wait_all_tasks_blocked()
        central.registry.end_all()
        with trio.fail_after(AT_ONCE):
            assert await peer.read_to_end() == b""


async def test_who_comes_after_the_end_is_not_let_in(central: Central) -> None:
    central.registry.end_all()
    async with open_raw(central) as peer:
        await peer.send(upgrade())
        with trio.fail_after(AT_ONCE):
            assert await peer.read_to_end() == b""
    assert central.registry.find("CP-1") is None


async def test_handshakes_wait_for_the_clock(central: Central) -> None:
    central.ready = trio.Event()
    async with open_raw(central) as peer, trio.open_nursery() as nursery:
        await peer.send(upgrade())
        with trio.move_on_after(100) as waiting:
            await peer.read_head()
        assert waiting.cancelled_caught
        nursery.start_soon(peer.read_head)
        central.ready.set()
        with trio.fail_after(AT_ONCE):
            await trio.testing.wait_all_tasks_blocked()


async def test_the_wait_for_the_clock_is_no_silence(central: Central) -> None:
    configure(central, heartbeat_interval_seconds=30)
    central.ready = trio.Event()
    async with open_raw(central) as peer:
        await peer.send(upgrade())
        await trio.sleep(120)
        central.ready.set()
        await peer.read_head()
        await trio.sleep(89)
        await peer.send_frame('[2,"1","Heartbeat",{}]')
        assert (await peer.receive())[:2] == [3, "1"]
