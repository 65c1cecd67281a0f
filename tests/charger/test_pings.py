"""A charger that closes its connection after our pings gets no more of them; others continue to get
pings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import memory_stream_pair

from levity_trio.charger.central import Central
from levity_trio.charger.liveness import CLOSING_SECONDS
from levity_trio.events import PingsSwitchedOff
from levity_trio.store.writes.chargers.sessions import CLOSINGS
from tests.charger.parts import InlineWriter, configure, make_central
from tests.charger.peers import CLOSE, PING, PONG, TEXT, RawPeer, open_raw, upgrade

INTERVAL = 20.0
HOUR = 3600
STATE = "SELECT firmware, answered_at IS NOT NULL, closings, off_at IS NOT NULL FROM ping"


@pytest.fixture(autouse=True)
def pings(central: Central) -> None:
    configure(central, websocket_ping_seconds=INTERVAL, heartbeat_interval_seconds=HOUR)


@asynccontextmanager
async def booted(central: Central, firmware: str | None = "1.0") -> AsyncIterator[RawPeer]:
    async with open_raw(central) as peer:
        await peer.send(upgrade())
        await peer.read_head()
        told = f'"firmwareVersion":"{firmware}",' if firmware else ""
        await peer.send_frame(
            f'[2,"b","BootNotification",{{{told}"chargePointVendor":"V","chargePointModel":"M"}}]'
        )
        assert (await peer.receive())[:2] == [3, "b"]
        yield peer


async def pinged(peer: RawPeer, seconds: float = 10 * INTERVAL) -> bytes | None:
    """Return the payload of the next ping, None if there is none; skip responses to CALLs."""
    with trio.move_on_after(seconds):
        while True:
            opcode, payload = await peer.receive_frame()
            if opcode == PING:
                return payload
            assert opcode == TEXT
    return None


async def close_at_ping(
    central: Central, times: int = 1, firmware: str | None = "1.0", after: float = 0
) -> None:
    """Sessions that end this many seconds after their first ping."""
    for _ in range(times):
        async with booted(central, firmware) as peer:
            assert await pinged(peer) is not None
            await trio.sleep(after)


async def is_pinged(central: Central, firmware: str | None = "1.0") -> bool:
    """Whether a session gets a ping, which it tolerates."""
    async with booted(central, firmware) as peer:
        was_pinged = await pinged(peer, HOUR) is not None
        await trio.sleep(CLOSING_SECONDS + 1)
        return was_pinged


async def answer_a_ping(central: Central, firmware: str = "1.0") -> None:
    async with booted(central, firmware) as peer:
        payload = await pinged(peer)
        assert payload is not None
        await peer.send_frame(payload, PONG)
        await trio.sleep(1)


async def test_three_closed_connections_running_switch_them_off(
    central: Central, writer: InlineWriter
) -> None:
    await close_at_ping(central, CLOSINGS - 1)
    assert writer.recorded(PingsSwitchedOff) == []
    await close_at_ping(central)
    (told,) = writer.recorded(PingsSwitchedOff)
    assert (told.charger, told.firmware_version) == ("CP-1", "1.0")
    assert writer.row(STATE) == ("1.0", 0, CLOSINGS, 1)
    assert not await is_pinged(central)
    assert len(writer.recorded(PingsSwitchedOff)) == 1


async def test_a_close_frame_counts_as_the_end_of_the_stream_does(
    central: Central, writer: InlineWriter
) -> None:
    for code in (b"", (1002).to_bytes(2, "big"), (1000).to_bytes(2, "big")):
        async with booted(central) as peer:
            assert await pinged(peer) is not None
            await peer.send_frame(code, CLOSE)
            await peer.read_to_end()
    assert writer.row(STATE) == ("1.0", 0, CLOSINGS, 1)


async def test_one_that_never_told_its_firmware(central: Central, writer: InlineWriter) -> None:
    await close_at_ping(central, CLOSINGS, firmware=None)
    assert writer.row(STATE) == ("", 0, CLOSINGS, 1)
    assert not await is_pinged(central, firmware=None)


async def test_it_is_known_after_a_restart_and_before_its_first_message(
    central: Central, writer: InlineWriter
) -> None:
    await close_at_ping(central, CLOSINGS)
    again = make_central(writer)
    configure(again, websocket_ping_seconds=INTERVAL, heartbeat_interval_seconds=HOUR)
    async with open_raw(again) as silent:
        await silent.send(upgrade())
        await silent.read_head()
        assert await pinged(silent) is None


async def test_a_known_charger_that_says_nothing_after_it_came_back_counts_too(
    central: Central, writer: InlineWriter
) -> None:
    async with booted(central):
        pass
    for _ in range(CLOSINGS):
        async with open_raw(central) as silent:
            await silent.send(upgrade())
            await silent.read_head()
            assert await pinged(silent) is not None
    assert writer.row(STATE) == ("1.0", 0, CLOSINGS, 1)


async def test_who_never_spoke_leaves_no_row(central: Central, writer: InlineWriter) -> None:
    for _ in range(2 * CLOSINGS):
        async with open_raw(central) as silent:
            await silent.send(upgrade())
            await silent.read_head()
            assert await pinged(silent) is not None
    assert writer.rows(STATE) == []


async def test_other_chargers_are_pinged_on(central: Central) -> None:
    await close_at_ping(central, CLOSINGS)
    async with open_raw(central) as other:
        await other.send(upgrade("/ws/CP-2"))
        await other.read_head()
        assert await pinged(other) is not None


# A new firmware starts again


async def test_a_new_firmware_is_pinged_again(central: Central, writer: InlineWriter) -> None:
    await close_at_ping(central, CLOSINGS)
    assert await is_pinged(central, "2.0")
    # it tolerated the ping without a pong: nothing to note
    assert writer.row(STATE) == (
        "1.0",
        0,
        CLOSINGS,
        1,
    )
    await close_at_ping(central, CLOSINGS - 1, "2.0")
    assert writer.row(STATE) == ("2.0", 0, CLOSINGS - 1, 0)
    await close_at_ping(central, 1, "2.0")
    assert not await is_pinged(central, "2.0")


async def test_what_was_counted_under_the_old_firmware_does_not_count(
    central: Central, writer: InlineWriter
) -> None:
    await close_at_ping(central, CLOSINGS - 1)
    await close_at_ping(central, 1, "2.0")
    assert writer.row(STATE) == ("2.0", 0, 1, 0)


# What does not switch them off


async def test_one_that_ever_answered_is_pinged_for_ever(
    central: Central, writer: InlineWriter
) -> None:
    await answer_a_ping(central)
    await close_at_ping(central, 2 * CLOSINGS)
    assert writer.row(STATE) == ("1.0", 1, 0, 0)
    assert await is_pinged(central)


async def test_an_answer_in_between_counts(central: Central, writer: InlineWriter) -> None:
    await close_at_ping(central, CLOSINGS - 1)
    await answer_a_ping(central)
    await close_at_ping(central, CLOSINGS)
    assert writer.row(STATE) == ("1.0", 1, 0, 0)


async def test_a_session_that_bore_it_breaks_the_row(
    central: Central, writer: InlineWriter
) -> None:
    await close_at_ping(central, CLOSINGS - 1)
    assert await is_pinged(central)
    await close_at_ping(central, CLOSINGS - 1)
    assert writer.row(STATE) == ("1.0", 0, CLOSINGS - 1, 0)


async def test_one_that_closes_later_does_so_for_another_reason(
    central: Central, writer: InlineWriter
) -> None:
    await close_at_ping(central, 2 * CLOSINGS, after=CLOSING_SECONDS + 1)
    assert writer.rows(STATE) == []


async def test_one_that_leaves_before_any_ping_says_nothing_of_them(
    central: Central, writer: InlineWriter
) -> None:
    await close_at_ping(central, CLOSINGS - 1)
    async with booted(central):
        pass
    await close_at_ping(central)
    assert writer.row(STATE) == ("1.0", 0, CLOSINGS, 1)


async def test_a_connection_that_broke_says_nothing_of_them(
    central: Central, writer: InlineWriter
) -> None:
    for _ in range(2 * CLOSINGS):
        ours, theirs = memory_stream_pair()
        async with booted_on(central, (ours, theirs)) as peer:
            assert await pinged(peer) is not None
            await ours.receive_stream.aclose()  # as if it was reset
            await peer.read_to_end()
    assert writer.rows(STATE) == []


@asynccontextmanager
async def booted_on(
    central: Central, pair: tuple[trio.abc.Stream, trio.abc.Stream]
) -> AsyncIterator[RawPeer]:
    async with open_raw(central, lambda: pair) as peer:
        await peer.send(upgrade())
        await peer.read_head()
        await peer.send_frame('[2,"h","Heartbeat",{}]')
        await peer.receive()
        yield peer


async def test_what_we_end_ourselves_says_nothing_of_them(
    central: Central, writer: InlineWriter
) -> None:
    for _ in range(2 * CLOSINGS):
        async with booted(central) as peer:
            assert await pinged(peer) is not None
            async with open_raw(central) as newer:
                await newer.send(upgrade())
                await newer.read_head()
                assert (await peer.wait_closed())[0] == 1000
                await peer.send_frame(b"", CLOSE)
                await peer.read_to_end()
    assert writer.rows(STATE) == []


async def test_while_nothing_can_be_stored_it_is_not_pinged(
    central: Central, writer: InlineWriter
) -> None:
    async with booted(central) as peer:
        writer.is_unavailable = True
        assert await pinged(peer) is None
        writer.is_unavailable = False
