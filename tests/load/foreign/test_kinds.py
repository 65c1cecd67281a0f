"""Each kind of charge point beside three honest ones, at a feeder that is too small for all."""

from __future__ import annotations

import pytest
import trio

from levity_trio.events import LimitIgnored
from tests.charger.parts import InlineWriter
from tests.load.foreign.charge_point import Car, Make
from tests.load.foreign.evening import MINUTE, open_evening
from tests.load.foreign.kinds import HONEST, KINDS, Kind
from tests.sizes import IS_FULL, is_chosen, size
from tests.tools.load.fleets import LEAST_SHARE, LONGEST, REASONED, measured

pytestmark = pytest.mark.night

VIRTUAL_TIME = True
FEEDER_A = 32.0
EACH_RUN = ("begins at 8 A", "level 0 only", "W, lines unknown")
SHORT = [
    name for name, kind in KINDS.items() if is_chosen(name, every=4) and kind.make.most <= FEEDER_A
]
SEEDS = range(1, size(7, 2))
MINUTES = 15
FAIR_WH = 8 * 3 * 230 * (MINUTES - 3) / 60
"""What each of four cars on three lines gets of 32 A, but for a little at the beginning."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", KINDS if IS_FULL else EACH_RUN)
def test_a_kind_leaves_three_honest_ones_their_share_and_gets_its_own(name: str, seed: int) -> None:
    of_kind, _ = measured(name, seed, 25.0)
    assert of_kind.faults() == [], of_kind


def test_few_kinds_may_get_less_than_their_share() -> None:
    assert len(REASONED) <= 8
    assert set(REASONED) <= set(KINDS)


@pytest.mark.parametrize("name", SHORT)
async def test_a_kind_beside_three_honest_ones(writer: InlineWriter, name: str) -> None:
    kind = KINDS[name]
    async with open_evening(writer, [kind, HONEST, HONEST, HONEST], FEEDER_A) as evening:
        await evening.manage()
        began = trio.current_time()
        cars = [evening.arrive(number) for number in range(4)]
        await trio.sleep(MINUTES * MINUTE)
        for factor, longest in LONGEST.items():
            assert evening.longest_above(factor, began) <= longest
        got = [round(car.got_wh) for car in cars]
        assert min(got) > 0, got
        if kind.obeys:
            assert evening.facts(LimitIgnored) == []
            assert min(got[1:]) > LEAST_SHARE * FAIR_WH, got


@pytest.mark.parametrize(
    "tells",
    [("L1 only",), ("register", "L1 only"), ("register", "L1 and zeros")][: size(3, 1)],
)
async def test_three_that_tell_one_line_only_do_not_share_the_others_unseen(
    writer: InlineWriter, tells: tuple[str, ...]
) -> None:
    """Nobody measures the feeder: 16 A of each on lines of which nothing is told are 48 A."""
    kinds = [Kind(Make(tells=tells))] * 3
    async with open_evening(writer, kinds, 25.0, meter=None) as evening:
        await evening.manage()
        for number in range(3):
            evening.arrive(number)
            await trio.sleep(MINUTE)
        await trio.sleep(20 * MINUTE)
        assert evening.longest_above(1.0) <= 10
        assert evening.facts(LimitIgnored) == []


async def test_a_car_that_charges_is_not_paused_when_its_charger_is_limited(
    writer: InlineWriter,
) -> None:
    """Some cars begin again only after they were plugged in anew."""
    async with open_evening(writer, [HONEST] * 2, 40.0) as evening:
        evening.arrive(0)
        await trio.sleep(MINUTE)
        began = trio.current_time()
        await evening.manage()
        await trio.sleep(2 * MINUTE)
        drawn = [second.points[0] for second in evening.seconds if second.at > began]
        assert min(drawn) >= 6


async def test_a_third_car_charges_beside_one_whose_lines_nobody_knows(
    writer: InlineWriter,
) -> None:
    """33 A in all at a limit of 11 A are three lines that obey, or two that do not."""
    async with open_evening(writer, [KINDS["total power only"], HONEST, HONEST], 32.0) as evening:
        await evening.manage()
        evening.arrive(0, Car(most=11.0))
        await trio.sleep(10 * MINUTE)
        evening.arrive(1)
        await trio.sleep(10 * MINUTE)
        car = evening.arrive(2)
        await trio.sleep(10 * MINUTE)
        assert car.got_wh > 0.8 * 6 * 3 * 230 * 10 / 60
        assert evening.longest_above(1.0) <= 5


async def test_one_that_ignores_limits_is_booked_with_what_may_be_on_one_line(
    writer: InlineWriter,
) -> None:
    """It tells 16 A in all, and they are on one line."""
    ignoring = Kind(Make(tells=("register", "power"), obeys_seconds=0.0), lines=1, obeys=False)
    async with open_evening(writer, [ignoring, HONEST, HONEST], 32.0, meter=None) as evening:
        await evening.manage()
        began = trio.current_time()
        for number in range(3):
            evening.arrive(number)
        await trio.sleep(30 * MINUTE)
        for factor, longest in LONGEST.items():
            assert evening.longest_above(factor, began) <= longest


async def test_watts_are_told_for_one_line_so_no_more_flows_while_their_charger_is_away(
    writer: InlineWriter,
) -> None:
    """6 A for three lines would be 4,140 W, and it puts them on one."""
    on_one = Kind(Make(units=("W",), lines_of_watts=1, tells=("register",)), lines=1)
    async with open_evening(writer, [on_one, HONEST, HONEST], 32.0, meter=None) as evening:
        await evening.manage()
        await evening.load.trust("CP-0", "anna")
        for number in (1, 2, 0):
            evening.arrive(number)
            await trio.sleep(MINUTE)
        began = trio.current_time()
        evening.points[0].is_down = True
        await evening.points[0].cut()
        await trio.sleep(15 * MINUTE)
        assert evening.current(0) == 10
        assert evening.longest_above(1.0, began) == 0


@pytest.mark.parametrize(("lines", "amperes"), [(3, 16), (1, 16)])
async def test_watts_of_which_only_the_sum_is_told_are_not_held_at_the_least_current(
    writer: InlineWriter, lines: int, amperes: float
) -> None:
    """From 6 A on, it is booked with its maximum on each line. What it draws then shows on how many
    lines it is."""
    sum_of_watts = Kind(Make(units=("W",), tells=("register", "power")), lines=lines)
    async with open_evening(writer, [sum_of_watts, HONEST], 20.0) as evening:
        await evening.manage()
        began = trio.current_time()
        evening.arrive(0)
        await trio.sleep(12 * MINUTE)
        assert evening.current(0) == amperes
        if lines == 3:  # known by now, so two cars share
            evening.arrive(1)
            await trio.sleep(12 * MINUTE)
            # It was told 1 A less for a moment, which showed its lines.
            assert [evening.current(0), evening.current(1)] == [10, 10]
        assert evening.longest_above(1.0, began) <= 5
