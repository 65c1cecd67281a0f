"""The memory budget: strangers wait for each other, known chargers do not wait for strangers, all
is given back."""

from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from levity_trio.charger import session
from levity_trio.charger.budget import (
    LONG_BYTES,
    MESSAGE_BYTES,
    RESERVE_BYTES,
    REST_TIMES,
    WAIT_SECONDS,
    WEIGHT,
    Budget,
    KnownFirstLock,
)
from levity_trio.charger.central import Central
from levity_trio.wire.frames import Frame, parse_frame
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import CONTINUATION, TEXT, RawPeer, frame, open_charger, open_raw_charger

LARGE = 8_000
SMALL = b'[2,"1","Heartbeat",{}]'
START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": "2026-03-01T12:00:00Z"}
NO_MEMORY = (1013, "the memory budget for messages is exhausted")


def heartbeat(size: int) -> bytes:
    """A whole message of `size` bytes in one frame."""
    begin, end = b'[2,"h","Heartbeat",{"ballast":"', b'"}]'
    return frame(begin + b"x" * (size - len(begin) - len(end)) + end)


def limit(central: Central) -> None:
    """Limit the budget to one large message and some small ones."""
    central.budget = Budget(central.has_charged, WEIGHT * (LARGE + MESSAGE_BYTES + 1000))


async def is_answered(peer: RawPeer, seconds: float = 1) -> bool:
    with trio.move_on_after(seconds):
        await peer.receive()
        return True
    return False


async def let_charge(central: Central, name: str = "KNOWN") -> None:
    async with open_charger(central, f"/ws/{name}") as charger:
        await charger.call("StartTransaction", START)


async def test_all_is_given_back_whatever_a_message_becomes(central: Central) -> None:
    async with open_raw_charger(central) as peer:
        for text in [
            SMALL,
            b'[3,"1",{}]',
            b"AT+CSQ",
            b'[2,"1"',
            b'[2,"1",7,{}]',
            b'[2,"1","Teapot",{}]',
            b"",
            b"[" * 500,
        ]:
            await peer.send_frame(text)
        await peer.send(
            frame('[2,"f","Heart', TEXT, is_last=False) + frame('beat",{}]', CONTINUATION)
        )
        while (await peer.receive())[1] != "f":
            pass
        assert central.budget.taken == 0
        await peer.send(heartbeat(5000)[:-1])
        await trio.sleep(1)
        assert central.budget.taken == WEIGHT * (5000 + MESSAGE_BYTES)
    assert central.budget.taken == 0


async def test_a_message_is_paid_for_until_it_is_committed(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.answer_seconds = 5
        await charger.send_call("StartTransaction", START)
        await trio.sleep(4)
        assert central.budget.reserved > 0
        await charger.receive()
    assert (central.budget.reserved, central.budget.taken) == (0, 0)


async def test_who_cannot_pay_waits_until_another_has_done(central: Central) -> None:
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await second.send(heartbeat(LARGE))
        assert not await is_answered(second)
        await first.send(heartbeat(LARGE)[-1:])
        assert await is_answered(first)
        assert await is_answered(second)


async def test_a_message_that_is_paid_for_does_not_wait_for_the_next(central: Central) -> None:
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await second.send(frame(SMALL) + heartbeat(LARGE) + frame(SMALL))
        assert await is_answered(second)
        assert not await is_answered(second)
        await first.send(heartbeat(LARGE)[-1:])
        assert await is_answered(second)
        assert await is_answered(second)


async def test_a_message_in_pieces_is_paid_for_as_the_largest_before_it_begins(
    central: Central,
) -> None:
    configure(central, max_message_bytes=LARGE)
    async with open_raw_charger(central) as peer:
        await peer.send_frame("x", TEXT, is_last=False)
        await trio.sleep(1)
        assert central.budget.taken == WEIGHT * (LARGE + MESSAGE_BYTES)
        await peer.send_frame("x" * 1000, CONTINUATION, is_last=False)
        await trio.sleep(1)
        assert central.budget.taken == WEIGHT * (LARGE + MESSAGE_BYTES)


async def test_who_takes_no_answers_holds_up_nobody(central: Central, writer: InlineWriter) -> None:
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
    ):
        await first.send_frame(SMALL)
        assert await is_answered(first)
        writer.answer_seconds = 5
        call = frame(b'[2,"1","DataTransfer",{"vendorId":"V","data":"%s"}]' % (b"x" * 800))
        await first.send(20 * call)
        await trio.sleep(4)
        assert central.budget.taken == WEIGHT * (len(call) - 8 + MESSAGE_BYTES)
        writer.answer_seconds = 0
        await second.send_frame(SMALL)
        assert await is_answered(second, 0.1)
        for _ in range(20):
            await first.receive()


async def test_one_message_alone_always_fits(central: Central) -> None:
    limit(central)
    async with open_raw_charger(central) as peer:
        await peer.send(heartbeat(5 * LARGE))
        assert await is_answered(peer)


async def test_who_waits_in_vain_is_told_to_come_again(central: Central) -> None:
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await second.send(heartbeat(LARGE))
        with trio.fail_after(WAIT_SECONDS + 1):
            assert await second.wait_closed() == NO_MEMORY


async def test_a_known_charger_has_a_reserve_of_an_ordinary_message(central: Central) -> None:
    await let_charge(central)
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/KNOWN") as known,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        for size in (100, 1000, RESERVE_BYTES // WEIGHT - MESSAGE_BYTES):
            await known.send(heartbeat(size))
            assert await is_answered(known, 0.1)
        await first.send(heartbeat(LARGE)[-1:])
        assert await is_answered(first)


async def test_what_fits_beside_it_waits_for_no_stranger(central: Central) -> None:
    await let_charge(central)
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
        open_raw_charger(central, "/ws/KNOWN") as known,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await second.send(heartbeat(LARGE))
        await trio.sleep(1)
        await known.send(heartbeat(RESERVE_BYTES // WEIGHT + 400))
        assert await is_answered(known, 0.1)
        await first.send(heartbeat(LARGE)[-1:])
        assert await is_answered(first)


async def test_a_stranger_that_does_not_finish_makes_way_for_a_known_charger(
    central: Central,
) -> None:
    await let_charge(central)
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/KNOWN") as known,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await known.send(heartbeat(LARGE))
        assert await first.wait_closed() == NO_MEMORY
        assert await is_answered(known)


async def test_a_known_charger_goes_before_strangers_that_wait(central: Central) -> None:
    await let_charge(central)
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
        open_raw_charger(central, "/ws/KNOWN") as known,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await second.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await known.send(heartbeat(LARGE)[:-1])
        await trio.sleep(10)
        assert not await is_answered(second)
        await known.send(heartbeat(LARGE)[-1:])
        assert await is_answered(known)
        await second.send(heartbeat(LARGE)[-1:])
        assert await is_answered(second)


async def test_who_begins_to_charge_has_a_reserve_from_then_on(central: Central) -> None:
    async with open_charger(central) as charger:
        await charger.call("StartTransaction", START)
        limit(central)
        async with open_raw_charger(central, "/ws/A") as first:
            await first.send(heartbeat(LARGE)[:-1])
            await trio.sleep(1)
            await charger.call("Heartbeat")


async def test_a_strangers_heartbeat_waits_for_no_large_message(central: Central) -> None:
    """Those of a dozen strangers would otherwise keep it waiting for as long as they take."""
    limit(central)
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
        open_raw_charger(central, "/ws/C") as third,
    ):
        await first.send(heartbeat(LARGE)[:-1])
        await trio.sleep(1)
        await second.send(heartbeat(LARGE))
        await trio.sleep(1)
        for size in (100, 500, 1000):
            await third.send(heartbeat(size))
            assert await is_answered(third, 0.1)
        assert central.budget.reserved == 0
        await third.send(heartbeat(1000)[:-1])  # what it holds of the reserve is given back
        await trio.sleep(1)
        assert central.budget.reserved == WEIGHT * (1000 + MESSAGE_BYTES)
        await first.send(heartbeat(LARGE)[-1:])
        assert await is_answered(first)
        assert await is_answered(second)
    assert (central.budget.reserved, central.budget.taken) == (0, 0)


async def test_the_reserve_of_strangers_is_bounded(central: Central) -> None:
    limit(central)
    async with AsyncExitStack() as stack:
        peers = [
            await stack.enter_async_context(open_raw_charger(central, f"/ws/{number}"))
            for number in range(4)
        ]
        for peer in peers:
            await peer.send(heartbeat(600)[:-1])
            await trio.sleep(1)
        assert central.budget.reserved == WEIGHT * (600 + MESSAGE_BYTES)
        assert central.budget.taken == 3 * WEIGHT * (600 + MESSAGE_BYTES)
        for peer in peers:
            await peer.send(heartbeat(600)[-1:])
            assert await is_answered(peer)
    assert (central.budget.reserved, central.budget.taken) == (0, 0)


READING_SECONDS = 0.2


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each long text take long to read, for which nobody else is served."""

    def read_slowly(text: str, *, strict: bool) -> Frame:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(READING_SECONDS if len(text) > LONG_BYTES else 0)
        return parse_frame(text, strict=strict)

    monkeypatch.setattr(session, "parse_frame", read_slowly)


@pytest.mark.usefixtures("slow")
async def test_who_took_long_to_read_leaves_the_loop_to_others(central: Central) -> None:
    async with (
        open_raw_charger(central, "/ws/A") as first,
        open_raw_charger(central, "/ws/B") as second,
    ):
        began = trio.current_time()
        await first.send(heartbeat(2 * LONG_BYTES))
        await second.send_frame(SMALL)
        assert await is_answered(second)
        assert trio.current_time() - began <= READING_SECONDS + 0.001
        assert await is_answered(first)
        assert trio.current_time() - began == pytest.approx((1 + REST_TIMES) * READING_SECONDS)


@pytest.mark.usefixtures("slow")
async def test_long_texts_are_read_one_at_a_time_and_those_of_known_chargers_first(
    central: Central,
) -> None:
    await let_charge(central)
    async with AsyncExitStack() as stack:
        strangers = [
            await stack.enter_async_context(open_raw_charger(central, f"/ws/{name}"))
            for name in "ABC"
        ]
        known = await stack.enter_async_context(open_raw_charger(central, "/ws/KNOWN"))
        beside = await stack.enter_async_context(open_raw_charger(central, "/ws/BESIDE"))
        for peer in (*strangers, known):
            await peer.send_frame(SMALL)
            assert await is_answered(peer)
        began = trio.current_time()
        for peer in (*strangers, known):
            await peer.send(heartbeat(2 * LONG_BYTES))
        while trio.current_time() - began < 2:
            await beside.send_frame(SMALL)
            asked = trio.current_time()
            assert await is_answered(beside)
            assert trio.current_time() - asked <= READING_SECONDS + 0.01
            await trio.sleep(0.1)
        one = (1 + REST_TIMES) * READING_SECONDS
        await known.receive()
        # one of them is being read at each of its two turns
        assert trio.current_time() - began <= 3 * one + READING_SECONDS + 0.001
        for peer in strangers:
            await peer.receive()
        assert trio.current_time() - began >= 4 * one


@pytest.mark.usefixtures("autojump_clock")
async def test_a_place_goes_to_known_chargers_first_and_is_not_lost() -> None:
    place, came = KnownFirstLock({"K1", "K2"}), list[str]()

    async def take(charger: str, seconds: float) -> None:
        with trio.move_on_after(seconds):
            async with place.held(charger):
                came.append(charger)
                await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        for charger, seconds in (
            ("S1", 99),
            ("S2", 99),
            ("K1", 99),
            ("GONE", 5),
            ("K2", 99),
            ("S3", 99),
        ):
            nursery.start_soon(take, charger, seconds)
            await trio.testing.wait_all_tasks_blocked()
    assert came == ["S1", "K1", "K2", "S2", "S3"]
    assert place.is_free
    async with trio.open_nursery() as nursery:
        await place.acquire("S1")
        nursery.start_soon(take, "S2", 99)
        await trio.testing.wait_all_tasks_blocked()
        place.release()
        nursery.cancel_scope.cancel()  # it has got the place, but does not run yet
    assert place.is_free
