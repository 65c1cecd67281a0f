"""Many chargers in one nursery: they come and go at any moment, and leave no tasks behind."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import lockstep_stream_pair, memory_stream_pair

from levity_trio.charger.central import Central
from levity_trio.outgoing.websocket import SEND_SECONDS, ServerAddress
from levity_trio.records import record
from levity_trio.simulator.charger.station import disconnect
from levity_trio.simulator.fleet import Fleet, open_fleet
from levity_trio.simulator.link import Pace
from tests.charger.parts import InlineWriter
from tests.charger.peers import StreamPair
from tests.simulator.link.living import CAR, SERVER, TAG, Serve, Wire, make_charger, nobody_spins
from tests.simulator.link.scripts import ignore, mute

MANY = 50


@record(kw_only=False)
class MemoryAddress(ServerAddress):
    wire: Wire

    async def dial(
        self,
        seconds: float = 0.0,
        trust: ssl.SSLContext | None = None,
        check_peer: Callable[[str], None] = lambda _: None,
    ) -> trio.abc.Stream:
        return await self.wire.dial()


@asynccontextmanager
async def fleet_of(
    serve: Central | Serve | None, pair: StreamPair = memory_stream_pair
) -> AsyncIterator[Fleet]:
    """Open an empty fleet; on exit its servers end too."""
    async with trio.open_nursery() as servers:
        wire = Wire(None if isinstance(serve, Central) else serve, servers, pair)
        if isinstance(serve, Central):
            wire.to(serve)
        server = MemoryAddress(SERVER.host, SERVER.port, SERVER.path, is_tls=False, wire=wire)
        with nobody_spins():
            async with open_fleet(Pace(), server) as fleet:
                yield fleet
        servers.cancel_scope.cancel()


def living(fleet: Fleet) -> int:
    return len(fleet._tasks.child_tasks)


async def test_many_connect_and_lose_their_power_in_the_end(
    central: Central, writer: InlineWriter
) -> None:
    async with fleet_of(central) as fleet:
        chargers = [make_charger(name=f"CP-{number}") for number in range(MANY)]
        for charger in chargers:
            fleet.add(charger)
        await trio.sleep(10)
        assert all(charger.may_send for charger in chargers)
        assert (
            list(fleet.chargers) == list(fleet.links) == [charger.spec.id for charger in chargers]
        )
        chargers[0].plug(1, CAR, fleet.pace.now)
        chargers[0].start(1, TAG, fleet.pace.now)
        await trio.sleep(100)
    assert not any(charger.is_on or charger.is_linked for charger in chargers)
    (entry,) = chargers[0].ledger
    assert entry.is_ended  # its stop is queued
    assert [message.action for message in chargers[0].memory.messages] == ["StopTransaction"]
    assert writer.rows("SELECT status FROM tx") == [("Active",)]


async def test_an_id_is_there_once() -> None:
    async with fleet_of(None) as fleet:
        fleet.add(make_charger())
        with pytest.raises(ValueError, match="CP-1: there is a charger with this id already"):
            fleet.add(make_charger())
        with pytest.raises(KeyError):
            fleet.remove("CP-2")


async def test_one_without_power_waits(central: Central) -> None:
    async with fleet_of(central) as fleet:
        charger = make_charger()
        fleet.add(charger, is_on=False)
        await trio.sleep(1000)
        assert not len(central.registry)
        charger.power_on(fleet.pace.now)
        await trio.sleep(10)
        assert charger.may_send


async def slow(stream: trio.abc.Stream) -> None:
    """The peer reads nothing."""
    async with stream:
        await trio.sleep_forever()


@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0, 40.0, 100.0])
@pytest.mark.parametrize(
    "serve", [None, ignore, mute, slow], ids=["nobody", "handshake", "answer", "bytes"]
)
@pytest.mark.parametrize(
    "pair", [memory_stream_pair, lockstep_stream_pair], ids=["free", "blocked"]
)
async def test_a_charger_is_removed_whatever_it_is_at(
    seconds: float, serve: Serve | None, pair: StreamPair
) -> None:
    async with fleet_of(serve, pair) as fleet:
        charger = make_charger("no-pings")
        fleet.add(charger)
        await trio.sleep(seconds)
        assert fleet.remove("CP-1") is charger
        assert not charger.is_on
        assert "CP-1" not in fleet.links
        fleet.add(make_charger())  # another one, at once
        fleet.remove("CP-1")
        with trio.fail_after(SEND_SECONDS + 0.1):
            while living(fleet):  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.1)
        assert not charger.is_linked


@pytest.mark.parametrize("doing", ["ask", "freeze", "half-close", "close", "away", "offline"])
async def test_a_connected_charger_is_removed_whatever_it_is_at(
    central: Central, writer: InlineWriter, doing: str
) -> None:
    async with fleet_of(central) as fleet:
        charger = make_charger("no-pings")
        fleet.add(charger)
        await trio.sleep(10)
        at = fleet.pace.now
        if doing == "ask":
            writer.answer_seconds = 20
            charger.plug(1, CAR, at)
            charger.present_tag(1, TAG, at)
        elif doing == "close":
            disconnect(charger, "close", at)
        elif doing == "offline":
            charger.go_offline(at)
        else:
            charger.act_on_connection("drop" if doing == "away" else doing, 1000)
        await trio.sleep(0.5)
        fleet.remove("CP-1")
        assert not charger.agenda.is_held
        await trio.testing.wait_all_tasks_blocked()
        assert not living(fleet)
        writer.answer_seconds = 0
        await trio.sleep(60)
        assert not len(central.registry)


async def test_a_mistake_of_ours_ends_the_simulation() -> None:
    charger = make_charger()

    def fail(at: float) -> None:
        raise RuntimeError(f"broken at {at}")

    charger.agenda.plan(5.0, fail, is_own=False)
    with pytest.RaisesGroup(RuntimeError, flatten_subgroups=True):
        async with fleet_of(None) as fleet:
            fleet.add(charger)
            await trio.sleep(10)
