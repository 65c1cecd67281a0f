"""The machine's clock: chargers wait for it at the start, and an implausible time is never sent to
them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.charger.clock_trust import VOUCH, watch_clock
from levity_trio.clock import SteadyClock
from levity_trio.config import ServerConfig
from levity_trio.events import ClockLeapt
from levity_trio.store.reads.site.database import Newest
from levity_trio.wire.times import stamp
from tests.charger.parts import START, InlineWriter, configure, wall_clock
from tests.charger.peers import Charger, open_charger

TRUSTED = "SELECT clock_trusted FROM session ORDER BY id"
DAY = timedelta(days=1)
YEARS = 3650 * DAY


class Machine:
    """A machine whose clock can be set, and the server that uses it."""

    def __init__(self, central: Central) -> None:
        self.off = timedelta()
        self.is_synchronised = False
        self.steady = self.clock()
        self.central = central
        central.clock = self.steady
        central.ready = trio.Event()

    def clock(self) -> SteadyClock:
        """A clock that begins now. The system may say that it is synchronised."""
        says = partial(
            SteadyClock,
            elapsed=trio.current_time,
            vouched=lambda _since, _until: self.is_synchronised,
        )
        return says(lambda: wall_clock() + self.off)

    @asynccontextmanager
    async def watched(self, newest: timedelta | None = None) -> AsyncIterator[None]:
        """Begin with a newest row that is this far ahead of the machine's clock."""
        row = None if newest is None else Newest(stamp(START + newest), "event 7")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_clock, self.central, self.steady, row)
            yield
            nursery.cancel_scope.cancel()

    async def leap(self, by: timedelta) -> None:
        """Let the server notice it."""
        self.off += by
        await trio.sleep(2)


@pytest.fixture
async def machine(central: Central) -> Machine:
    return Machine(central)


async def told_time(charger: Charger) -> timedelta:
    """The difference between the time sent to a charger and the true time."""
    told = (await charger.call("Heartbeat"))["currentTime"]
    off = datetime.fromisoformat(told) - wall_clock()
    return timedelta(seconds=round(off.total_seconds() + 0.49))


# At the start


async def test_a_clock_that_is_set_in_time_is_trusted(
    machine: Machine, writer: InlineWriter
) -> None:
    async with (
        machine.watched(newest=timedelta(seconds=30)),
        open_charger(machine.central) as charger,
    ):
        assert 30 <= trio.current_time() <= 31
        await charger.call("Heartbeat")
    assert writer.rows(TRUSTED) == [(1,)]


@pytest.mark.logs_errors
async def test_a_clock_that_is_never_set_is_waited_for_and_marked(
    machine: Machine, writer: InlineWriter, log_lines: list[dict[str, object]]
) -> None:
    configure(machine.central, clock_wait_seconds=ServerConfig().clock_wait_seconds)
    async with machine.watched(newest=YEARS), open_charger(machine.central) as charger:
        assert trio.current_time() == 120
        await charger.call("Heartbeat")
    assert writer.rows(TRUSTED) == [(0,)]
    waiting = next(line for line in log_lines if "wait" in str(line["event"]))
    assert (waiting["newest_row"], waiting["newest_at"]) == ("event 7", stamp(START + YEARS))
    assert waiting["advice"] == VOUCH


@pytest.mark.logs_errors
async def test_a_clock_that_is_set_late_is_trusted_from_then_on(
    machine: Machine, writer: InlineWriter
) -> None:
    configure(machine.central, clock_wait_seconds=120)
    async with machine.watched(newest=timedelta(minutes=10)):
        async with open_charger(machine.central) as charger:
            await charger.call("Heartbeat")
            await trio.sleep(600)
        async with open_charger(machine.central) as charger:
            await charger.call("Heartbeat")
    assert writer.rows(TRUSTED) == [(0,), (1,)]


@pytest.mark.logs_errors
async def test_a_clock_that_was_not_set_may_leap_anywhere(
    machine: Machine, writer: InlineWriter
) -> None:
    machine.off = -YEARS
    machine.steady = machine.central.clock = machine.clock()
    async with machine.watched(newest=timedelta()), open_charger(machine.central) as charger:
        assert await told_time(charger) == -YEARS
        await machine.leap(YEARS)
        assert await told_time(charger) == timedelta()
        assert machine.central.clock_trusted
    assert [(fact.seconds, fact.believed) for fact in writer.recorded(ClockLeapt)] == [
        (YEARS.total_seconds(), True)
    ]


# While it runs


@pytest.mark.logs_errors
@pytest.mark.parametrize("by", [YEARS, 32 * DAY, -timedelta(minutes=5), -YEARS])
async def test_a_leap_to_a_wrong_time_is_told_and_not_passed_on(
    machine: Machine, writer: InlineWriter, by: timedelta
) -> None:
    async with machine.watched(), open_charger(machine.central) as charger:
        await charger.call("Heartbeat")
        await machine.leap(by)
        assert await told_time(charger) == timedelta()
        assert not machine.central.clock_trusted
        async with open_charger(machine.central, "/ws/CP-2") as other:
            await other.call("Heartbeat")
        await machine.leap(-by)
        assert await told_time(charger) == timedelta()
        assert machine.central.clock_trusted
        async with open_charger(machine.central, "/ws/CP-3") as another:
            await another.call("Heartbeat")
    assert [(fact.seconds, fact.believed) for fact in writer.recorded(ClockLeapt)] == [
        (by.total_seconds(), False)
    ]
    assert writer.rows(TRUSTED) == [(0,), (0,), (1,)]
    assert writer.row("SELECT max(at) <= ? FROM log", stamp(wall_clock())) == (1,)


@pytest.mark.logs_errors
@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(minutes=2), 3 * DAY, YEARS])
async def test_a_clock_that_was_ahead_is_followed_back_once_it_is_synchronised(
    machine: Machine, writer: InlineWriter, ahead: timedelta, log_lines: list[dict[str, object]]
) -> None:
    machine.off = ahead
    machine.steady = machine.central.clock = machine.clock()
    async with machine.watched(), open_charger(machine.central) as charger:
        assert await told_time(charger) == ahead
        await machine.leap(-ahead)
        # it may be a mistake: nobody says that it is synchronised
        assert await told_time(charger) == ahead
        assert not machine.central.clock_trusted
        machine.is_synchronised = True
        await trio.sleep(2)
        assert await told_time(charger) == timedelta()
        assert machine.central.clock_trusted
    leaps = [(fact.seconds, fact.believed) for fact in writer.recorded(ClockLeapt)]
    assert leaps == [(-ahead.total_seconds(), False), (-ahead.total_seconds(), True)]
    assert any("was ahead and is set back" in str(line["event"]) for line in log_lines)
    assert writer.rows(TRUSTED) == [(0,)]


@pytest.mark.logs_errors
@pytest.mark.parametrize("by", [YEARS, 32 * DAY])
async def test_a_clock_is_not_followed_far_ahead_whatever_it_says(
    machine: Machine, by: timedelta
) -> None:
    machine.is_synchronised = True
    async with machine.watched(), open_charger(machine.central) as charger:
        await machine.leap(by)
        assert await told_time(charger) == timedelta()


async def test_rows_dated_ahead_do_not_matter_to_a_clock_that_is_synchronised(
    machine: Machine, writer: InlineWriter, log_lines: list[dict[str, object]]
) -> None:
    machine.is_synchronised = True
    async with machine.watched(newest=timedelta(hours=2)), open_charger(machine.central) as charger:
        assert trio.current_time() == 0
        await charger.call("Heartbeat")
    assert writer.rows(TRUSTED) == [(1,)]
    (line,) = [line for line in log_lines if "passed over" in str(line["event"])]
    assert line["newest_row"] == "event 7"


@pytest.mark.logs_errors
async def test_rows_dated_ahead_do_not_matter_any_more_once_it_is_synchronised(
    machine: Machine,
) -> None:
    configure(machine.central, clock_wait_seconds=10)
    async with machine.watched(newest=YEARS), open_charger(machine.central, "/ws/CP-1") as charger:
        await charger.call("Heartbeat")
        assert not machine.central.clock_trusted
        machine.is_synchronised = True
        await trio.sleep(2)
        assert machine.central.clock_trusted


@pytest.mark.parametrize("by", [timedelta(minutes=1), 30 * DAY, -timedelta(seconds=30)])
async def test_a_leap_to_a_believable_time_is_told_and_followed(
    machine: Machine, writer: InlineWriter, by: timedelta
) -> None:
    async with machine.watched(), open_charger(machine.central) as charger:
        await charger.call("Heartbeat")
        await machine.leap(by)
        assert await told_time(charger) == by
        assert machine.central.clock_trusted
    assert [(fact.seconds, fact.believed) for fact in writer.recorded(ClockLeapt)] == [
        (by.total_seconds(), True)
    ]
    assert writer.rows(TRUSTED) == [(0,)]


async def test_what_keeps_a_clock_right_is_no_leap(machine: Machine, writer: InlineWriter) -> None:
    async with machine.watched(), open_charger(machine.central) as charger:
        await charger.call("Heartbeat")
        for _ in range(20):
            await machine.leap(timedelta(seconds=5))
        assert await told_time(charger) == timedelta(seconds=100)
    assert writer.recorded(ClockLeapt) == []
    assert writer.rows(TRUSTED) == [(1,)]


@pytest.mark.logs_errors
async def test_a_clock_that_was_set_back_is_followed_when_it_has_caught_up(
    machine: Machine, writer: InlineWriter
) -> None:
    """From then on it is not behind rows stored with a trusted clock."""
    async with machine.watched():
        await trio.sleep(10)
        await machine.leap(-timedelta(hours=2))
        await trio.sleep(7000)
        assert not machine.central.clock_trusted
        await trio.sleep(200)
        assert machine.central.clock_trusted
        async with open_charger(machine.central) as charger:
            assert await told_time(charger) == -timedelta(hours=2)
    assert [fact.believed for fact in writer.recorded(ClockLeapt)] == [False, True]


@pytest.mark.logs_errors
async def test_a_leap_is_told_when_the_database_takes_it(
    machine: Machine, writer: InlineWriter
) -> None:
    async with machine.watched():
        writer.is_unavailable = True
        await machine.leap(YEARS)
        await trio.sleep(100)
        assert writer.recorded(ClockLeapt) == []
        writer.is_unavailable = False
        await trio.sleep(20)
    assert len(writer.recorded(ClockLeapt)) == 1
