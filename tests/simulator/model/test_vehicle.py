"""A vehicle and its battery: what it refuses, its voltage, its taper, and its energy over time."""

from itertools import pairwise
from math import exp, isclose, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.simulator.physics import (
    Charge,
    Vehicle,
    charge_evenly,
    charge_tapering,
    pack_voltage,
    taper,
)

CAPACITY_WH = 60_000.0
MAX_W = 100_000.0
SOCS = [number / 100 for number in range(101)]

stored = st.floats(0, CAPACITY_WH - 1)
watts = st.floats(1, 2 * MAX_W)
shares = st.floats(0, 1)


def linear_taper(soc: float) -> float:
    """The line through two points: full power at 80 %, 5 % of it at 100 %."""
    return 1.0 if soc <= 0.8 else 0.05 + 0.95 * (1.0 - soc) / 0.2


def integrated(stored_wh: float, offered_w: float, seconds: float, step: float) -> float:
    """Return the Wh delivered, by the classical Runge-Kutta method on soc' = power / capacity,
    without a closed form.

    A step may reach beyond 100 %, where the line continues; the energy above is cut off.
    """

    def power(wh: float) -> float:
        return min(offered_w, MAX_W * linear_taper(wh / CAPACITY_WH)) / 3600

    wh, steps = stored_wh, max(1, round(seconds / step))
    step = seconds / steps
    for _ in range(steps):
        first = power(wh)
        second = power(wh + step / 2 * first)
        third = power(wh + step / 2 * second)
        fourth = power(wh + step * third)
        wh = min(CAPACITY_WH, wh + step / 6 * (first + 2 * second + 2 * third + fourth))
    return wh - stored_wh


def delivered(charge: Charge, seconds: float) -> float:
    return charge.delivered_wh(min(seconds, charge.full_s))


def test_voltage_is_a_sigmoid_of_108_cells() -> None:
    assert pack_voltage(0) == pytest.approx(108 * 3.2)
    assert pack_voltage(0.5) == pytest.approx(108 * 3.7)
    assert pack_voltage(1) == pytest.approx(108 * 4.2)
    # The logistic function of 6 (soc - 0.5), stretched so that it ends at 0 and 1.
    low, high = 1 / (1 + exp(3)), 1 / (1 + exp(-3))
    for soc in SOCS:
        share = (1 / (1 + exp(-6 * (soc - 0.5))) - low) / (high - low)
        assert pack_voltage(soc) == pytest.approx(108 * (3.2 + share))
        assert pack_voltage(soc) + pack_voltage(1 - soc) == pytest.approx(2 * 108 * 3.7)
    steps = [after - before for before, after in pairwise(map(pack_voltage, SOCS))]
    assert min(steps) > 0
    assert steps.index(max(steps)) in (49, 50)


def test_taper_is_a_line_from_80_percent_on() -> None:
    for soc in SOCS:
        assert taper(soc) == pytest.approx(linear_taper(soc))
    assert taper(0.8) == 1.0
    assert all(taper(soc) > 0 for soc in SOCS)


def test_even_charge() -> None:
    charge = charge_evenly(7_360.0, 3_680.0)
    assert charge.full_s == 7_200
    assert charge.delivered_wh(1_800) == 1_840
    assert charge.delivered_wh(7_200) == 7_360
    assert charge.power_w(7_199) == 3_680


def test_taper_of_a_charge_at_full_power() -> None:
    """Above 80 % power is P exp(-t/T) with T = capacity / (P * 4.75), and 5 % of P at the end."""
    charge = charge_tapering(CAPACITY_WH, 0.8 * CAPACITY_WH, MAX_W, MAX_W)
    time_constant = 3600 * CAPACITY_WH / (4.75 * MAX_W)
    assert charge.constant_s == 0
    assert charge.full_s == pytest.approx(time_constant * log(20))
    for seconds in (0.0, 1.0, 60.0, 600.0, 1_300.0):
        assert charge.power_w(seconds) == pytest.approx(MAX_W * exp(-seconds / time_constant))
        expected_wh = MAX_W * time_constant * (1 - exp(-seconds / time_constant)) / 3600
        assert charge.delivered_wh(seconds) == pytest.approx(expected_wh, abs=1e-9)


@pytest.mark.parametrize(
    ("offered_w", "meets_at"),
    [
        pytest.param(200_000.0, 0.8, id="more than the battery takes"),
        pytest.param(100_000.0, 0.8, id="just what it takes"),
        pytest.param(52_500.0, 0.9, id="half way down the line"),
        pytest.param(5_000.0, 1.0, id="less than it ever tapers to"),
        pytest.param(1_000.0, 1.0, id="much less"),
    ],
)
def test_power_is_constant_until_the_curve_meets_it(offered_w: float, meets_at: float) -> None:
    charge = charge_tapering(CAPACITY_WH, 0.5 * CAPACITY_WH, offered_w, MAX_W)
    flows_w = min(offered_w, MAX_W)
    assert charge.constant_w == flows_w
    assert charge.constant_s == pytest.approx((meets_at - 0.5) * CAPACITY_WH * 3600 / flows_w)
    assert charge.power_w(charge.constant_s) == pytest.approx(flows_w)


@pytest.mark.parametrize("offered_w", [150_000.0, 52_500.0, 20_000.0, 4_000.0])
@pytest.mark.parametrize("soc", [0.0, 0.79, 0.8, 0.83, 0.95, 0.999])
def test_energy_agrees_with_fine_integration(offered_w: float, soc: float) -> None:
    charge = charge_tapering(CAPACITY_WH, soc * CAPACITY_WH, offered_w, MAX_W)
    for share in (0.1, 0.5, 0.9, 1.0, 1.1):
        seconds = share * charge.full_s
        step = max(0.1, seconds / 4_000)
        # A step across the bend of the curve has an error of second order.
        expected_wh = integrated(soc * CAPACITY_WH, offered_w, seconds, step)
        assert delivered(charge, seconds) == pytest.approx(expected_wh, abs=0.02)


@given(stored, watts)
def test_a_full_battery_has_taken_all_its_room(stored_wh: float, offered_w: float) -> None:
    charge = charge_tapering(CAPACITY_WH, stored_wh, offered_w, MAX_W)
    assert charge.delivered_wh(charge.full_s) == pytest.approx(CAPACITY_WH - stored_wh, abs=1e-6)


@given(stored, watts, shares)
def test_power_follows_the_state_of_charge(
    stored_wh: float, offered_w: float, share: float
) -> None:
    """The exponential in time and the line in the state of charge are the same curve."""
    charge = charge_tapering(CAPACITY_WH, stored_wh, offered_w, MAX_W)
    soc = (stored_wh + charge.delivered_wh(share * charge.full_s)) / CAPACITY_WH
    expected_w = min(offered_w, MAX_W * linear_taper(soc))
    assert isclose(charge.power_w(share * charge.full_s), expected_w, rel_tol=1e-6, abs_tol=1e-3)


@given(stored, watts, shares)
def test_charging_in_two_parts_is_charging_at_once(
    stored_wh: float, offered_w: float, share: float
) -> None:
    whole = charge_tapering(CAPACITY_WH, stored_wh, offered_w, MAX_W)
    first_s = share * whole.full_s
    after_wh = min(CAPACITY_WH, stored_wh + whole.delivered_wh(first_s))
    second = charge_tapering(CAPACITY_WH, after_wh, offered_w, MAX_W)
    assert first_s + second.full_s == pytest.approx(whole.full_s, abs=1e-3)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="as it comes"),
        pytest.param({"soc": 0.0}, id="empty"),
        pytest.param({"soc": 1.0}, id="full"),
        pytest.param({"max_dc_w": 0.0, "ac_phases": 2}, id="no inlet for DC"),
    ],
)
def test_a_vehicle(given: dict[str, Any]) -> None:
    vehicle = Vehicle(name="Zoe", **given)
    assert {name: getattr(vehicle, name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"name": " "}, "name: give at least one visible character"),
        ({"battery_wh": 0.0}, "battery_wh: give 100 to 10000000 Wh"),
        ({"battery_wh": float("nan")}, "battery_wh: give 100 to 10000000 Wh"),
        ({"battery_wh": float("inf")}, "battery_wh: give 100 to 10000000 Wh"),
        ({"max_ac_w": -1.0}, "max_ac_w: give 0 (no such inlet) or 100 to 10000000 W"),
        ({"max_dc_w": 1e-300}, "max_dc_w: give 0 (no such inlet) or 100 to 10000000 W"),
        ({"ac_phases": 0}, "ac_phases: give 1, 2 or 3"),
        ({"ac_phases": 4}, "ac_phases: give 1, 2 or 3"),
        ({"follow_seconds": -1.0}, "follow_seconds: give 0 to 60 s"),
        ({"least_ac_a": 5.9}, "least_ac_a: give 6 to 32 A"),
        ({"soc": 30.0}, "soc: give the state of charge on arrival, 0 to 1"),
        ({"soc": -0.1}, "soc: give the state of charge on arrival, 0 to 1"),
    ],
)
def test_a_line_says_what_to_give(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match="give") as refused:
        Vehicle(**({"name": "Zoe"} | given))
    assert str(refused.value) == line
