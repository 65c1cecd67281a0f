"""Two clients with one identity: each is served for a while, instead of replacing each other every
second."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.charger.central import HOLD_SECONDS, Central
from levity_trio.events import ChargerConnected, IdentityShared
from levity_trio.wire.errors import CallTimedOut, ChargerGone
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter
from tests.charger.peers import Charger, StreamPair, at, connected, open_charger, open_raw, upgrade

AT_ONCE = 0.001
HERE, THERE, ELSEWHERE = at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
HOUR = 3600
WAITS = "two clients use one identity; the newer request waits"


@asynccontextmanager
async def spoken(
    central: Central, pair: StreamPair = HERE, serial: str | None = None
) -> AsyncIterator[Charger]:
    async with open_charger(central, pair=pair) as charger:
        told = {} if serial is None else {"chargePointSerialNumber": serial}
        await charger.call("BootNotification", BOOT | told)
        yield charger


async def let_in_after(central: Central, pair: StreamPair = HERE) -> float:
    """Return the seconds that a handshake takes."""
    began = trio.current_time()
    async with open_charger(central, pair=pair):
        return trio.current_time() - began


async def live(central: Central, pair: StreamPair, *, until: float) -> None:
    """A client that reconnects a second after it was closed and sends a heartbeat every five
    seconds."""
    while trio.current_time() < until:
        async with spoken(central, pair) as charger, trio.open_nursery() as tasks:
            tasks.start_soon(beat, charger)
            await charger.wait_closed()
            tasks.cancel_scope.cancel()
        await trio.sleep(1)


async def beat(charger: Charger) -> None:
    while True:
        await trio.sleep(5)
        await charger.send_call("Heartbeat", {})


async def test_two_that_come_back_at_once_take_turns_of_a_minute(
    central: Central, writer: InlineWriter
) -> None:
    async with trio.open_nursery() as clients:
        for pair in (HERE, THERE):
            clients.start_soon(partial(live, central, pair, until=HOUR))
            await trio.sleep(10)
        await trio.sleep(HOUR)
        connected = len(writer.recorded(ChargerConnected))
        clients.cancel_scope.cancel()
    assert 50 < connected <= HOUR / HOLD_SECONDS + 2
    assert writer.recorded(IdentityShared)


async def test_the_one_in_place_is_served_meanwhile(
    central: Central, log_lines: list[EventDict]
) -> None:
    async with spoken(central), spoken(central, THERE) as there, open_raw(central, HERE) as waiting:
        await waiting.send(upgrade())
        for _ in range(int(HOLD_SECONDS) - 1):
            await trio.sleep(1)
            with trio.fail_after(AT_ONCE):
                await there.call("Heartbeat")
        await waiting.read_head()
        assert await there.wait_closed() == (1000, "replaced by a newer connection")
    (line,) = [line for line in log_lines if line["event"] == WAITS]
    assert (line["log_level"], line["cp"], line["remote_address"]) == (
        "warning",
        "CP-1",
        "10.0.0.1",
    )


async def test_its_end_lets_the_other_in_at_once(central: Central) -> None:
    async with spoken(central), open_raw(central, HERE) as waiting:
        async with spoken(central, THERE):
            await waiting.send(upgrade())
            await trio.sleep(5)
        with trio.fail_after(AT_ONCE):
            await waiting.read_head()


async def test_another_serial_number_behind_one_address_is_another_client(central: Central) -> None:
    async with spoken(central, HERE, "A"), spoken(central, HERE, "B"):
        assert await let_in_after(central) == HOLD_SECONDS


@pytest.mark.parametrize("serial", ["A", None])
async def test_a_charger_that_comes_back_is_let_in(central: Central, serial: str | None) -> None:
    async with spoken(central, HERE, "A"), spoken(central, HERE, serial):
        assert await let_in_after(central) == 0


async def test_one_from_a_new_address_is_let_in_and_does_not_wait_for_its_own_dead_connection(
    central: Central,
) -> None:
    async with spoken(central, HERE):
        await trio.sleep(11)
        async with spoken(central, THERE):
            assert await let_in_after(central, ELSEWHERE) == 0


async def test_from_a_new_address_at_once_it_waits_no_longer_than_the_rest_of_the_minute(
    central: Central,
) -> None:
    async with spoken(central, HERE), spoken(central, THERE):
        await trio.sleep(50)
        assert await let_in_after(central, ELSEWHERE) == HOLD_SECONDS - 50


async def test_one_that_has_not_spoken_holds_nobody_up(central: Central) -> None:
    async with spoken(central, HERE), open_charger(central, pair=THERE):
        assert await let_in_after(central) == 0


async def ask(central: Central) -> None:
    """Send a CALL to the charger, which gets no response."""
    with suppress(ChargerGone, CallTimedOut):
        await connected(central).call(call.ClearCache(), timeout_seconds=1)


@pytest.mark.parametrize("answers", [False, True])
async def test_our_own_call_does_not_speak_for_the_charger(central: Central, answers: bool) -> None:
    """A silent connection that only sends pings gets a row by our first CALL, but holds nobody
    up."""
    async with open_charger(central, pair=HERE) as charger, trio.open_nursery() as tasks:
        tasks.start_soon(ask, central)
        _, message_id, *_ = await charger.receive()
        if answers:
            await charger.send(json.dumps([3, message_id, {"status": "Accepted"}]))
        await charger.websocket.ping()
        async with open_charger(central, pair=THERE) as there:
            await there.call("Heartbeat")
            assert await let_in_after(central) == (HOLD_SECONDS if answers else 0)


async def test_one_handshake_waits_for_each_identity_the_newest(central: Central) -> None:
    """A client that stops waiting and reconnects must not exhaust the limit on handshakes."""
    async with spoken(central), spoken(central, THERE), open_raw(central, HERE) as first:
        await first.send(upgrade())
        await trio.sleep(5)
        async with open_raw(central, HERE) as second:
            await second.send(upgrade())
            with trio.fail_after(AT_ONCE):
                assert (await first.read_to_end()).startswith(b"HTTP/1.1 503 ")
            assert len(central.registry) == 2
            assert (await second.read_head()).startswith("HTTP/1.1 101 ")
            assert trio.current_time() == HOLD_SECONDS


async def test_the_end_of_the_server_ends_the_wait(central: Central) -> None:
    async with spoken(central), spoken(central, THERE), open_raw(central, HERE) as waiting:
        await waiting.send(upgrade())
        await trio.sleep(5)
        central.registry.end_all()
        with trio.fail_after(AT_ONCE):
            assert await waiting.read_to_end() == b""


async def test_others_do_not_wait(central: Central) -> None:
    async with (
        spoken(central),
        spoken(central, THERE),
        open_charger(central, "/ws/CP-2", pair=HERE) as other,
    ):
        with trio.fail_after(AT_ONCE):
            await other.call("Heartbeat")
