"""The end of a simulation and its clocks, in virtual time."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.config import EnvironmentProblem
from levity_trio.simulator import run
from levity_trio.simulator.fleet import Fleet
from levity_trio.simulator.link import Pace
from levity_trio.simulator.run import SETTLING_SECONDS, Order
from levity_trio.simulator.scenario import Plan, load, plan
from levity_trio.simulator.scenario import fleet as plates
from tests.charger.parts import InlineWriter, configure
from tests.simulator.link.living import CAR, SERVER, TAG, make_charger
from tests.simulator.link.test_fleet import fleet_of

PLANNED = 100.0


def order(speed: float = 1.0) -> Order:
    return Order(
        server=SERVER,
        plan=Plan(PLANNED, ()),
        configuration={},
        first_hour=0,
        speed=speed,
        seed=1,
        database=None,
        control=None,
    )


async def until_end(fleet: Fleet, speed: float = 1.0) -> float:
    """Return the real seconds until the simulation would end."""
    await run._wait_for_end(order(speed), fleet)
    return trio.current_time()


@pytest.mark.parametrize("speed", [1.0, 50.0])
async def test_it_ends_with_its_plan(speed: float) -> None:
    async with fleet_of(None) as fleet:
        fleet.pace = Pace(speed)
        assert await until_end(fleet, speed) == pytest.approx(PLANNED / speed)


async def test_a_scenario_of_minutes_at_the_speed_of_the_wall_clock(
    central: Central, writer: InlineWriter
) -> None:
    minutes = load("minutes")
    whole = plan(minutes, plates(minutes, minutes.chargers, seed=1), seed=1)
    by_the_wall = replace(order(), plan=whole, configuration=minutes.configuration)
    async with fleet_of(central) as fleet:
        run._arrive(by_the_wall, fleet)
        await run._wait_for_end(by_the_wall, fleet)
        entries = [entry for charger in fleet.chargers.values() for entry in charger.ledger]
    billed = writer.rows(
        "SELECT cp_id, energy_delivered FROM tx WHERE status = 'Completed' AND review IS NULL"
    )
    assert sorted(billed) == sorted((entry.charger, entry.energy_wh) for entry in entries)
    assert len(entries) == whole.visits > 5
    assert max(entry.ended - entry.began for entry in entries if entry.ended is not None) <= 5 * 60


async def test_it_waits_for_what_is_still_to_be_said(
    central: Central, writer: InlineWriter
) -> None:
    async with fleet_of(central) as fleet:
        charger = make_charger()
        fleet.add(charger)
        await trio.sleep(PLANNED - 10)
        writer.answer_seconds = 25
        charger.plug(1, CAR, fleet.pace.now)
        charger.start(1, TAG, fleet.pace.now)
        await trio.sleep(1)
        charger.stop(1, fleet.pace.now)
        # A status, then start and stop, and the status between them.
        assert await until_end(fleet) == pytest.approx(PLANNED - 10 + 5 * 25, abs=27)
        assert charger.outbox.head is None
        assert writer.rows("SELECT status FROM tx") == [("Completed",)]


async def test_it_does_not_wait_for_ever() -> None:
    async with fleet_of(None) as fleet:
        charger = make_charger()
        fleet.add(charger)
        charger.plug(1, CAR, 0.0)
        charger.start(1, TAG, 0.0)
        assert await until_end(fleet) == pytest.approx(PLANNED + SETTLING_SECONDS)


@pytest.mark.parametrize(
    ("speed", "said"),
    [(60.0, r"at 1 x.*at 60 x.*--clock-speed 60.*--speed what it has"), (1.0, None)],
)
async def test_clocks_are_compared(central: Central, speed: float, said: str | None) -> None:
    """The server runs in real time; a faster simulation would get wrong times."""
    configure(central, heartbeat_interval_seconds=30)
    async with fleet_of(central) as fleet:
        fleet.pace = Pace(speed)
        fleet.add(make_charger())
        with trio.move_on_after(600) as patience:
            if said is None:
                await run._compare_clocks(fleet)
            else:
                with pytest.raises(EnvironmentProblem, match=said):
                    await run._compare_clocks(fleet)
        assert patience.cancelled_caught is (said is None)


async def test_the_second_signal_is_not_waited_for() -> None:
    """The first signal ends the run in order and restores the default handlers."""

    send, signals = trio.open_memory_channel[int](1)
    send.send_nowait(signal.SIGINT)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with trio.CancelScope() as scope:
            await run._end_on_signal(signals, scope)
        assert scope.cancel_called
        assert {signal.getsignal(number) for number in before} == {signal.SIG_DFL}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
