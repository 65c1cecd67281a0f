"""Two connections of one identity: the newest wins, and the older one's cleanup does not affect
it."""

import trio

from levity_trio.charger.central import Central
from levity_trio.events import ChargerDisconnected, IdentityShared, TransactionSuspended
from levity_trio.wire.errors import ChargerGone
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter
from tests.charger.peers import connected, open_charger, open_raw_charger

AT_ONCE = 0.001
START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": "2026-03-01T12:00:00Z"}
STATE = "SELECT is_connected, session_id, (SELECT suspended_at FROM tx) FROM cp"


async def test_the_newest_connection_wins(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as old:
        await old.call("StartTransaction", START)
        async with open_charger(central) as new:
            await new.call("Heartbeat")
            assert await old.wait_closed() == (1000, "replaced by a newer connection")
            await trio.sleep(10)  # the old one's cleanup is over
            assert len(central.registry) == 1
            assert writer.row(STATE) == (1, 2, None)
            assert (await new.call("Heartbeat"))["currentTime"]
            (ended,) = writer.recorded(ChargerDisconnected)
            assert (ended.session, ended.replaced, ended.during_transaction) == (1, True, False)
    assert writer.row("SELECT is_connected FROM cp") == (0,)
    (suspended,) = writer.recorded(TransactionSuspended)
    assert suspended.reason == "connection lost"


async def test_a_silent_newer_connection_wins_too(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as old:
        await old.call("StartTransaction", START)
        async with open_charger(central):
            assert (await old.wait_closed())[0] == 1000
            await trio.sleep(10)
            # The handshake of a known charger counts: it is connected, although it says nothing.
            assert writer.row(STATE) == (1, 2, None)
    is_connected, session, suspended_at = writer.row(STATE)
    assert (is_connected, session) == (0, 2)
    assert suspended_at is not None
    assert writer.row("SELECT count(*) FROM session") == (2,)


async def test_an_old_connection_that_does_not_answer_its_close_holds_nothing_up(
    central: Central, writer: InlineWriter
) -> None:
    async with open_raw_charger(central) as old:
        await old.send_frame('[2,"1","Heartbeat",{}]')
        await old.receive()
        async with open_charger(central) as new:
            with trio.fail_after(AT_ONCE):
                await new.call("Heartbeat")
            assert (await old.wait_closed())[0] == 1000
            assert await old.read_to_end() == b""  # closed by us, with no echo of the close frame
            await trio.sleep(1)
            assert writer.row("SELECT is_connected, session_id FROM cp") == (1, 2)


async def test_the_old_ones_cleanup_while_the_store_is_slow(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as old:
        await old.call("StartTransaction", START)
        writer.answer_seconds = 3
        async with open_charger(central) as new:
            await new.call("Heartbeat")
            await trio.sleep(10)
            assert writer.row(STATE) == (1, 2, None)
        writer.answer_seconds = 0


async def test_a_call_in_flight_on_the_old_connection_fails(central: Central) -> None:
    async with open_charger(central) as old:
        await old.call("Heartbeat")
        calls = connected(central)
        failed = trio.Event()

        async def clear_cache() -> None:
            try:
                await calls.call(call.ClearCache())
            except ChargerGone:
                failed.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(clear_cache)
            await old.receive()
            async with open_charger(central):
                with trio.fail_after(AT_ONCE):
                    await failed.wait()


async def test_one_identity_in_two_chargers_is_told(central: Central, writer: InlineWriter) -> None:
    async def connect_again_and_again(times: int) -> None:
        if times:
            async with open_charger(central) as charger:
                await trio.sleep(2)  # the one before is over
                await charger.call("Heartbeat")
                await connect_again_and_again(times - 1)

    await connect_again_and_again(4)
    assert [shared.evidence for shared in writer.recorded(IdentityShared)] == [
        "3 connections replaced in 10 minutes"
    ]
    assert writer.row("SELECT is_connected FROM cp") == (0,)


async def test_other_chargers_are_not_touched(central: Central) -> None:
    async with (
        open_charger(central, "/ws/CP-2") as other,
        open_charger(central),
        open_charger(central),
    ):
        await trio.sleep(10)
        await other.call("Heartbeat")
        assert len(central.registry) == 2
