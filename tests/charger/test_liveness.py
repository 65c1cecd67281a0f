"""Silence for three heartbeat intervals ends a connection; any byte counts (OCPP-J 1.6 §5.3)."""

import json
from contextlib import suppress

import pytest
import trio
from trio.testing import memory_stream_pair

from levity_trio.charger import liveness
from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.charger.stream import ConnectionClosed
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter, configure, make_central
from tests.charger.peers import (
    CLOSE,
    PING,
    PONG,
    Charger,
    RawPeer,
    connected,
    open_charger,
    open_raw_charger,
)

MINUTE = 60
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


async def closed_after(charger: Charger) -> float:
    """Wait until the server closes for silence; return after how many seconds."""
    began = trio.current_time()
    code, reason = await charger.wait_closed()
    assert code == 1008
    assert reason is not None
    assert reason.startswith("silent for ")
    return trio.current_time() - began


async def test_three_silent_intervals_end_the_connection(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        assert await closed_after(charger) == 3 * MINUTE
    assert writer.row("SELECT close_code, close_reason FROM session") == (1008, "silent for 180 s")


async def test_who_never_speaks_is_closed_too(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        assert await closed_after(charger) == 3 * MINUTE
    assert writer.rows("SELECT id FROM session") == []
    assert len(central.registry) == 0
    assert central.registry.find("CP-1") is None


async def test_the_last_byte_counts_not_the_first(central: Central) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        await trio.sleep(100)
        await charger.call("Heartbeat")
        assert await closed_after(charger) == 3 * MINUTE


async def test_a_pong_to_our_ping_is_life(central: Central) -> None:
    configure(central, websocket_ping_seconds=20.0)
    async with open_charger(central) as charger:
        await trio.sleep(60 * MINUTE)
        await charger.call("Heartbeat")


async def test_who_answers_pings_is_known_by_the_first_pong(central: Central) -> None:
    configure(central, websocket_ping_seconds=20.0)
    async with open_charger(central), open_raw_charger(central, "/ws/DEAF"):
        assert answering(central) == {"CP-1": False, "DEAF": False}
        await trio.sleep(21)
        assert answering(central) == {"CP-1": True, "DEAF": False}


@pytest.mark.parametrize("talks_on", [True, False])
async def test_one_that_answers_no_more_is_gone_unless_it_talks_on(
    central: Central, talks_on: bool
) -> None:
    configure(central, websocket_ping_seconds=20.0)
    async with open_raw_charger(central) as peer:
        opcode, payload = await peer.receive_frame()
        assert opcode == PING
        await peer.send_frame(payload, PONG)
        await trio.sleep(45)
        if talks_on:
            await peer.send_frame('[2,"1","Heartbeat",{}]')
            await trio.sleep(1)
        assert answering(central) == {"CP-1": not talks_on}


async def test_one_that_answers_no_ping_and_talks_on_gets_no_more(central: Central) -> None:
    """The library keeps every unanswered ping in memory, and a connection lasts for months."""
    configure(central, websocket_ping_seconds=20.0)
    async with open_raw_charger(central) as peer:
        for _ in range(20):
            await peer.send_frame('[2,"1","Heartbeat",{}]')
            await trio.sleep(MINUTE)
        frames = [await peer.receive_frame() for _ in range(21)]
    assert [opcode for opcode, _ in frames].count(PING) == 1
    assert answering(central) == {}


def answering(central: Central) -> dict[str, bool]:
    return {link.charger: link.answers_pings for link in Chargers(central).links()}


async def test_a_ping_that_nobody_answers_is_the_last(central: Central) -> None:
    configure(central, websocket_ping_seconds=20.0)
    async with open_raw_charger(central) as peer:
        frames = []
        with trio.move_on_after(100):
            while True:
                frames.append(await peer.receive_frame())
    assert [opcode for opcode, _ in frames] == [PING]


@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_control_frames_of_the_peer_are_life(central: Central, opcode: int) -> None:
    async with open_raw_charger(central) as peer:
        for _ in range(5):
            await trio.sleep(2 * MINUTE)
            await peer.send_frame(b"", opcode)
        await peer.send_frame('[2,"1","Heartbeat",{}]')
        while (answer := await peer.receive_frame())[0] != 1:
            pass
    assert answer[1].startswith(b'[3,"1",')


async def test_a_single_byte_is_life(central: Central) -> None:
    async with open_raw_charger(central) as peer:
        for byte in b"\x81\x96\0\0\0":  # a text frame of 22 bytes begins
            await trio.sleep(2 * MINUTE)
            await peer.send(bytes([byte]))
        await peer.send(b"\0" + b'[2,"1","Heartbeat",{}]')
        assert (await peer.receive())[:2] == [3, "1"]


async def tell_in_an_earlier_connection(central: Central, seconds: int) -> None:
    """A boot that was sent this interval; later boots are sent a minute."""
    configure(central, heartbeat_interval_seconds=seconds)
    async with open_charger(central) as charger:
        await charger.call("BootNotification", BOOT)
    configure(central, heartbeat_interval_seconds=MINUTE)


async def test_a_boot_tells_the_interval_that_counts(central: Central) -> None:
    configure(central, heartbeat_interval_seconds=100)
    async with open_charger(central) as charger:
        assert (await charger.call("BootNotification", BOOT))["interval"] == 100
        assert await closed_after(charger) == 300


async def test_the_interval_last_told_holds_after_a_reconnect_without_boot(
    central: Central,
) -> None:
    await tell_in_an_earlier_connection(central, 600)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        assert await closed_after(charger) == 1800


async def test_a_boot_shortens_an_interval_that_was_longer(central: Central) -> None:
    await tell_in_an_earlier_connection(central, 600)
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        await trio.sleep(200)  # the watchdog has seen the longer interval by now
        await charger.call("BootNotification", BOOT)
        assert await closed_after(charger) == 180


async def test_an_interval_that_the_charger_reported_holds_after_a_reconnect(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
    writer.rows("UPDATE cp SET heartbeat_interval = 3600")
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        assert await closed_after(charger) == 3 * 3600


async def test_an_interval_that_the_charger_reports_holds_at_once(central: Central) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as asking:
        await charger.call("Heartbeat")
        asking.start_soon(connected(central).call, call.GetConfiguration(key=["HeartbeatInterval"]))
        asked = await charger.receive()
        reported = {"key": "HeartbeatInterval", "readonly": False, "value": "3600"}
        await charger.send(json.dumps([3, asked[1], {"configurationKey": [reported]}]))
        await trio.sleep(3 * 3600 - 10)
        await charger.call("Heartbeat")


# An interval of the charger's own

KEPT = "SELECT kept_interval FROM cp"


async def beat(central: Central, seconds: float, *, boots: bool = True, times: int = 3) -> int:
    """Send heartbeats at an interval, and return whenever the server closes; return how often it
    did that before a connection lasted for some of them."""
    for closings in range(10):
        async with open_charger(central) as charger:
            with suppress(ConnectionClosed):
                if boots:
                    await charger.call("BootNotification", BOOT)
                for _ in range(times):
                    await trio.sleep(seconds)
                    await charger.call("Heartbeat")
                return closings
    raise AssertionError("it is closed for ever")


@pytest.mark.parametrize(
    ("seconds", "closings"),
    [(50, 0), (61, 0), (70, 0), (170, 0), (200, 1), (300, 1), (900, 2), (3600, 3), (6000, 4)],
)
@pytest.mark.parametrize("boots", [True, False])
async def test_an_interval_of_its_own_is_learned(
    central: Central, writer: InlineWriter, seconds: int, closings: int, boots: bool
) -> None:
    async with open_charger(central) as charger:
        await charger.call("BootNotification", BOOT)
    assert await beat(central, seconds, boots=boots) == closings
    kept = seconds if seconds > 61 else None
    assert writer.row(KEPT) == (kept,)
    again = make_central(writer)  # a restart
    again.known.add("CP-1")
    assert await beat(again, seconds, boots=boots) == 0
    async with open_charger(again) as charger:  # which says nothing at first
        assert await closed_after(charger) == 3 * max(kept or 0, MINUTE)


async def test_one_that_keeps_to_what_it_is_told_again_is_awaited_no_longer(
    central: Central, writer: InlineWriter
) -> None:
    await beat(central, 300)
    async with open_charger(central) as charger:
        for _ in range(4):
            await charger.call("Heartbeat")
            await trio.sleep(MINUTE)
        assert writer.row(KEPT) == (None,)
        assert await closed_after(charger) == 2 * MINUTE
    assert writer.row(KEPT) == (180,)  # it lives, but sends nothing any more


@pytest.mark.parametrize(
    "gaps", [(100, 150, 100, 150), (0, 0, 0), (0.5, 0.5, 0.5), (100, 20, 100, 20)]
)
async def test_heartbeats_without_a_steady_interval_teach_nothing(
    central: Central, writer: InlineWriter, gaps: tuple[float, ...]
) -> None:
    async with open_charger(central) as charger:
        for gap in (*gaps, 0):
            await charger.call("Heartbeat")
            await trio.sleep(gap)
    assert writer.row(KEPT) == (None,)


async def test_what_comes_between_heartbeats_is_no_interval(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        for _ in range(4):
            await charger.call("Heartbeat")
            await trio.sleep(50)
            await charger.call("Authorize", {"idTag": "TAG"})
            await trio.sleep(50)
    assert writer.row(KEPT) == (None,)


async def silent(peer: RawPeer, *, answers: bool) -> float:
    """A heartbeat, then nothing; return after how many seconds the server closes."""
    await peer.send_frame('[2,"1","Heartbeat",{}]')
    began = trio.current_time()
    while (await peer.receive_frame())[0] != CLOSE:
        pass
    seconds = trio.current_time() - began
    if not answers:
        await peer.read_to_end()
    return seconds


@pytest.mark.parametrize("answers", [True, False])
async def test_a_dead_connection_teaches_nothing(
    central: Central, writer: InlineWriter, answers: bool
) -> None:
    """One that lives ends its stream when it is closed, if it does not even send a close frame."""
    for expected in (180, 540, 1620) if answers else (180, 180, 180):
        async with open_raw_charger(central) as peer:
            assert await silent(peer, answers=answers) == expected
    assert writer.row(KEPT) == (1620 if answers else None,)


async def test_a_reset_teaches_nothing(central: Central, writer: InlineWriter) -> None:
    """A router may send it for a charger that is gone."""
    ours, theirs = memory_stream_pair()
    async with open_raw_charger(central, pair=lambda: (ours, theirs)) as peer:
        await peer.send_frame('[2,"1","Heartbeat",{}]')
        while (await peer.receive_frame())[0] != CLOSE:
            pass
        await ours.receive_stream.aclose()
        await peer.read_to_end()
    assert writer.row(KEPT) == (None,)


async def test_a_connection_is_closed_at_last_whatever_was_learned(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "LONGEST_KEPT_SECONDS", 600)
    for answers, expected in (
        (True, 180),
        (True, 540),
        (True, 1620),
        (True, 1800),
        (True, 1800),
        (False, 1800),
    ):
        async with open_raw_charger(central) as peer:
            assert await silent(peer, answers=answers) == expected
    assert writer.row(KEPT) == (600,)


async def test_one_that_answered_pings_is_gone_when_it_is_silent(
    central: Central, writer: InlineWriter
) -> None:
    configure(central, websocket_ping_seconds=20.0)
    async with open_raw_charger(central) as peer:
        opcode, payload = await peer.receive_frame()
        assert opcode == PING
        await peer.send_frame(payload, PONG)
        assert await silent(peer, answers=True) == 180
    assert writer.row(KEPT) == (None,)
