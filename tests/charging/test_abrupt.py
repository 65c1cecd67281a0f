"""Registers that are a few seconds old, and steps next to start or stop that no car makes."""

from collections.abc import Mapping, Sequence
from random import Random

import pytest

from levity_trio.charging import tolerances
from tests.charging.cases import DOUBTFUL, case, certain, found, steady

MINUTES = range(1, 61)
TAPER = {
    minute: 7200.0 if minute <= 30 else 7200 - 200.0 * (minute - 30) for minute in range(10, 61, 10)
}
WAVE = {minute: 3600 + minute % 20 * 360.0 for minute in range(10, 61, 10)}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("watts", [2300, 7200, 22_000])
def test_a_register_read_some_seconds_before_it_is_sent_is_certain(seed: int, watts: int) -> None:
    random = Random(seed)
    readings = [(m, round(1000 + watts * (m * 60 - random.uniform(0, 15)) / 3600)) for m in MINUTES]

    assert found(case(1000, 1000 + watts, readings, watts=steady(watts, *MINUTES))) == certain(
        watts
    )


def test_old_registers_do_not_excuse_all_gaps_of_a_register_that_counts_too_fast() -> None:
    moments = [number / 6 for number in range(1, 361)]
    readings = [(moment, round(1000 + 1.5 * 7200 * moment / 60)) for moment in moments]

    assert found(case(1000, 11_800, readings, watts=steady(7200, *moments)))[2] == DOUBTFUL


def charged(watts: Mapping[float, float]) -> list[tuple[float, int]]:
    """Return the readings of a car that draws each of these powers until its minute."""
    wh, readings = 1003.0, list[tuple[float, int]]()
    for before, minute in zip([0.0, *watts], watts, strict=False):
        wh += watts[minute] * (minute - before) / 60
        readings.append((minute, round(wh)))
    return readings


ENDS = pytest.mark.parametrize("lie", [1000, 2000, 5000])
CURVES = pytest.mark.parametrize("watts", [TAPER, WAVE, steady(7200, *range(10, 61, 10))])
SHOWN = pytest.mark.parametrize("is_power_shown", [True, False])


@ENDS
@SHOWN
@CURVES
def test_a_stop_above_what_flows_since_the_last_reading_is_not_certain(
    watts: dict[float, float], is_power_shown: bool, lie: int
) -> None:
    readings = charged(watts)
    known = case(1003, readings[-1][1] + lie, readings, 61, watts if is_power_shown else {})

    assert found(known)[0] <= readings[-1][1] - 1003 + lie
    assert found(known)[2] == DOUBTFUL


@ENDS
@SHOWN
@CURVES
def test_a_start_below_what_flows_until_the_first_reading_is_not_certain(
    watts: dict[float, float], is_power_shown: bool, lie: int
) -> None:
    readings: Sequence[tuple[float, int]] = [(minute - 9, wh) for minute, wh in charged(watts)]
    shown = {minute - 9: power for minute, power in watts.items()} if is_power_shown else {}
    known = case(readings[0][1] - 120 - lie, readings[-1][1] + 120, readings, 52, shown)

    assert found(known)[2] == DOUBTFUL


def test_a_car_that_hardly_charged_shows_no_power() -> None:
    """It took its energy before the first of rare readings."""
    watts: dict[float, float] = {60: 1391, 120: 0, 180: 0, 240: 0, 300: 0, 360: 0}
    readings = [(60, 6428), *((minute, 6506) for minute in list(watts)[1:])]

    assert found(case(1000, 6506, readings, 365, watts)) == certain(5506)


def test_a_register_that_stood_still_catches_up_at_the_stop() -> None:
    readings = [(minute, 1003 + 120 * min(minute, 30)) for minute in range(5, 61, 5)]
    watts = steady(7200, *range(15, 56, 10)) | {60: 0.0}

    assert 8203 - readings[-1][1] > tolerances.TWICE * 7200 * 120 / 3600 + tolerances.REACH_WH
    assert found(case(1003, 8203, readings, 61)) == certain(7200)
    assert found(case(1003, 8203, readings, 61, watts)) == certain(7200)


def test_a_register_that_stood_still_at_rest_does_not_catch_up() -> None:
    readings = [(minute, 1003 + 120 * min(minute, 30)) for minute in range(5, 61, 5)]
    watts = steady(7200, *range(5, 30, 5)) | steady(0, *range(30, 61, 5))

    assert found(case(1003, 8203, readings, 61, watts))[2] == DOUBTFUL
