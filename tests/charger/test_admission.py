"""Known chargers are always admitted; limits for strangers; the checks that are repeated after a
wait."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from levity_trio.charger.central import Central
from levity_trio.charger.connection import HANDSHAKES, LEAST_STRANGERS, STRANGERS_SHARE
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import Charger, RawPeer, at, open_charger, open_raw, upgrade

START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": "2026-03-01T12:00:00Z"}
UNREADABLE = {"connectorId": 1, "idTag": "TAG-1"}
LOOPBACK = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]


async def charged(central: Central, *names: str) -> None:
    """Give each of these chargers a transaction."""
    for name in names:
        async with open_charger(central, f"/ws/{name}") as charger:
            await charger.call("StartTransaction", START)


@asynccontextmanager
async def strangers(
    central: Central, count: int, address: str = "memory"
) -> AsyncIterator[list[Charger]]:
    """Connect `count` chargers; each sends its first message a second after the one before."""
    async with AsyncExitStack() as stack:
        opened = []
        for number in range(count):
            charger = open_charger(central, f"/ws/STRANGER-{address}-{number}", pair=at(address))
            opened.append(await stack.enter_async_context(charger))
            await opened[-1].call("Heartbeat")
            await trio.sleep(1)
        yield opened


async def answer_to(central: Central, name: str, address: str = "memory") -> str:
    """Return the HTTP status of the response to a request."""
    async with open_raw(central, at(address)) as peer:
        await peer.send(upgrade(f"/ws/{name}"))
        return (await peer.read_head()).split(" ")[1]


async def silent(peer: RawPeer, seconds: float) -> bool:
    """Whether nothing was received."""
    with trio.move_on_after(seconds) as patience:
        await peer.read_head()
    return patience.cancelled_caught


# The limit on connections


async def test_a_known_charger_gets_in_and_the_stranger_leaves_that_was_silent_longest(
    central: Central, writer: InlineWriter
) -> None:
    await charged(central, "CP-1")
    configure(central, max_connections=3)
    async with strangers(central, 3) as others, open_charger(central) as known:
        await known.call("Heartbeat")
        code, reason = await others[0].wait_closed()
        assert (code, reason) == (
            1013,
            "the server is full; the connection was given to a known charger",
        )
        for other in others[1:]:
            await other.call("Heartbeat")
        assert await answer_to(central, "STRANGER") == "503"
    assert writer.rows("SELECT cp_id FROM session WHERE close_code = 1013") == [
        ("STRANGER-memory-0",)
    ]


async def test_several_known_ones_at_once_get_in(central: Central) -> None:
    names = ["A", "B", "C"]
    await charged(central, *names)
    configure(central, max_connections=3)
    async with strangers(central, 3) as others, trio.open_nursery() as arriving:
        answers: list[str] = []

        async def arrive(name: str) -> None:
            answers.append(await answer_to(central, name))

        for name in names:
            arriving.start_soon(arrive, name)
        for other in others:
            assert (await other.wait_closed())[0] == 1013
    assert answers == ["101"] * 3


async def test_where_all_places_are_of_known_ones_nobody_leaves(central: Central) -> None:
    await charged(central, "A", "B", "C")
    configure(central, max_connections=2)
    async with open_charger(central, "/ws/A") as one, open_charger(central, "/ws/B") as other:
        assert await answer_to(central, "C") == "503"
        await one.call("Heartbeat")
        await other.call("Heartbeat")


async def test_a_charger_takes_the_place_of_its_own_connection(central: Central) -> None:
    configure(central, max_connections=2)
    async with strangers(central, 2) as others:
        assert await answer_to(central, "STRANGER-memory-1") == "101"
        await others[0].call("Heartbeat")


@pytest.mark.parametrize("start", [START, UNREADABLE])
async def test_a_charger_is_known_from_its_first_start(
    central: Central, start: dict[str, object]
) -> None:
    configure(central, max_connections=2)
    async with open_charger(central) as charger:
        await charger.call("StartTransaction", start)
    async with strangers(central, 2):
        assert await answer_to(central, "CP-1") == "101"


async def test_a_tag_that_was_shown_makes_nobody_known(central: Central) -> None:
    configure(central, max_connections=2)
    async with open_charger(central) as charger:
        await charger.call("Authorize", {"idTag": "TAG-1"})
    async with strangers(central, 2):
        assert await answer_to(central, "CP-1") == "503"


# Strangers of one address


async def test_strangers_of_one_address_are_bounded(central: Central) -> None:
    await charged(central, "CP-1")
    configure(central, max_connections=200)
    most = 200 // STRANGERS_SHARE
    async with strangers(central, most, "10.0.0.1"):
        assert await answer_to(central, "ONE-MORE", "10.0.0.1") == "503"
        assert await answer_to(central, "CP-1", "10.0.0.1") == "101"
        assert await answer_to(central, "ONE-MORE", "10.0.0.2") == "101"
    assert await answer_to(central, "ONE-MORE", "10.0.0.1") == "101"


async def test_a_small_site_behind_one_address_fits(central: Central) -> None:
    configure(central, max_connections=LEAST_STRANGERS + 1)
    async with strangers(central, LEAST_STRANGERS, "10.0.0.1"):
        assert await answer_to(central, "ONE-MORE", "10.0.0.1") == "503"


@pytest.mark.parametrize("address", LOOPBACK)
async def test_this_machine_itself_is_not_counted(central: Central, address: str) -> None:
    configure(central, max_connections=200)
    async with strangers(central, 200 // STRANGERS_SHARE + 1, address):
        assert await answer_to(central, "ONE-MORE", address) == "101"


# Handshakes


async def test_the_oldest_handshake_makes_way_for_the_newest(central: Central) -> None:
    configure(central, max_connections=1)
    async with AsyncExitStack() as stack:
        silent_ones = []
        for _ in range(HANDSHAKES + 1):
            silent_ones.append(await stack.enter_async_context(open_raw(central)))
            await wait_all_tasks_blocked()
        assert await answer_to(central, "CP-1", "10.0.0.1") == "101"
        assert await silent_ones[0].read_to_end() == b""
        assert (await silent_ones[1].read_to_end()).startswith(b"HTTP/1.1 408 ")


async def test_a_known_one_that_waits_for_the_clock_makes_way_for_nobody(central: Central) -> None:
    await charged(central, "CP-1")
    configure(central, max_connections=1)
    central.ready = trio.Event()
    async with open_raw(central) as known, AsyncExitStack() as stack:
        await known.send(upgrade("/ws/CP-1"))
        await wait_all_tasks_blocked()
        for number in range(2 * HANDSHAKES):
            peer = await stack.enter_async_context(open_raw(central, at(f"10.0.0.{number}")))
            await peer.send(upgrade(f"/ws/STRANGER-{number}"))
            await wait_all_tasks_blocked()
        central.ready.set()
        assert (await known.read_head()).startswith("HTTP/1.1 101 ")


# Checks repeated after a wait


async def test_places_are_counted_again_after_the_wait_for_the_clock(central: Central) -> None:
    configure(central, max_connections=2)
    central.ready = trio.Event()
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(open_raw(central)) for _ in range(10)]
        for number, peer in enumerate(peers):
            await peer.send(upgrade(f"/ws/STRANGER-{number}"))
        await trio.sleep(60)
        central.ready.set()
        answers = sorted([(await peer.read_head()).split(" ")[1] for peer in peers])
    assert answers == ["101"] * 2 + ["503"] * 8


async def test_room_for_new_chargers_that_was_taken_meanwhile_counts(central: Central) -> None:
    configure(central, max_chargers=1)
    central.ready = trio.Event()
    async with open_raw(central) as full:
        await full.send(upgrade())
        assert await silent(full, 60)
        central.known.add("ANOTHER")
        central.has_charged.add("ANOTHER")
        central.ready.set()
        assert (await full.read_head()).startswith("HTTP/1.1 404 ")


async def test_a_writer_that_began_to_fail_meanwhile_counts(
    central: Central, writer: InlineWriter
) -> None:
    central.ready = trio.Event()
    async with open_raw(central) as peer:
        await peer.send(upgrade())
        assert await silent(peer, 60)
        writer.is_failing = True
        central.ready.set()
        assert (await peer.read_head()).startswith("HTTP/1.1 503 ")


async def test_a_writer_that_is_behind_refuses_newcomers(
    central: Central, writer: InlineWriter
) -> None:
    writer.is_behind = True
    assert await answer_to(central, "CP-1") == "503"
    writer.is_behind = False
    assert await answer_to(central, "CP-1") == "101"


async def test_a_writer_that_fails_refuses_at_once(central: Central, writer: InlineWriter) -> None:
    writer.is_failing = True
    central.ready = trio.Event()
    assert await answer_to(central, "CP-1") == "503"
