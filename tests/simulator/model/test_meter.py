"""The meter of one connector: closed forms, plug and contactor, and refused commands."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import exp, inf, nan
from random import Random

import pytest

from levity_trio.simulator.physics import AC, DC, Meter, Supply, Vehicle, pack_voltage, shown_wh

HOUR = 3_600.0
ZOE = Vehicle(
    name="Zoe",
    battery_wh=50_000,
    max_ac_w=22_080,
    ac_phases=3,
    max_dc_w=50_000,
    soc=0.2,
    follow_seconds=0,
)
LEAF = Vehicle(
    name="Leaf",
    battery_wh=40_000,
    max_ac_w=6_600,
    ac_phases=1,
    max_dc_w=0,
    soc=0.5,
    follow_seconds=0,
)


def charging(supply: Supply, vehicle: Vehicle, register_wh: float = 0.0, at: float = 0.0) -> Meter:
    meter = Meter(supply, register_wh, at)
    meter.plug(vehicle, at)
    meter.switch(True, at)
    return meter


@pytest.mark.parametrize(
    ("supply", "vehicle", "watts"),
    [
        pytest.param(Supply(AC, 1, 32), ZOE, 7_360, id="one phase of the supply"),
        pytest.param(Supply(AC, 3, 32), ZOE, 22_080, id="three phases"),
        pytest.param(Supply(AC, 3, 16), ZOE, 11_040, id="three phases of 16 A"),
        pytest.param(Supply(AC, 3, 32), LEAF, 6_600, id="one phase of the vehicle"),
        pytest.param(Supply(AC, 3, 10), LEAF, 2_300, id="one phase of the vehicle, 10 A"),
    ],
)
def test_ac_is_constant_until_full(supply: Supply, vehicle: Vehicle, watts: float) -> None:
    meter = charging(supply, vehicle, register_wh=123_456.0)
    room_wh = vehicle.battery_wh * (1 - vehicle.soc)
    assert meter.power_w == watts
    for hours in (0.5, 1.0, 1.7, 8.0, 30.0):
        meter.advance(hours * HOUR)
        assert meter.register_wh == pytest.approx(123_456 + min(room_wh, watts * hours), abs=1e-6)
    assert meter.full_at() == pytest.approx(HOUR * room_wh / watts)
    assert (meter.soc, meter.power_w) == (1.0, 0.0)


def test_dc_is_constant_and_then_exponential() -> None:
    """25 kW into 50 kWh meets the taper of a 50 kW battery at half power: 0.8 + 0.2 * 0.5 /
    0.95."""
    meter = charging(Supply(DC, max_power_w=25_000), ZOE)
    constant_s = (0.8 + 0.2 * 0.5 / 0.95 - 0.2) * 50_000 / 25_000 * HOUR
    meter.advance(constant_s)
    assert meter.register_wh == pytest.approx(25_000 * constant_s / HOUR)
    time_constant = 50_000 / (4.75 * 50_000) * HOUR
    for seconds in (1.0, 60.0, 600.0):
        meter.advance(constant_s + seconds)
        tapered_wh = 25_000 * time_constant / HOUR * (1 - exp(-seconds / time_constant))
        assert meter.register_wh == pytest.approx(25_000 * constant_s / HOUR + tapered_wh)
        assert meter.power_w == pytest.approx(25_000 * exp(-seconds / time_constant))
    meter.advance(10 * HOUR)
    assert meter.register_wh == pytest.approx(40_000)


@pytest.mark.parametrize(
    "supply", [Supply(AC), Supply(AC, 3, 16), Supply(DC), Supply(DC, max_power_w=200_000)]
)
@pytest.mark.parametrize("soc", [0.0, 0.123456789, 0.8, 0.97, 0.999999999999, 1.0])
@pytest.mark.parametrize("at", [0.0, 1_234_567.89])
def test_at_the_foretold_moment_the_vehicle_is_full(supply: Supply, soc: float, at: float) -> None:
    meter = charging(supply, Vehicle(name="any", soc=soc), register_wh=9_876_543.2, at=at)
    full_at = meter.full_at()
    assert full_at is not None
    meter.advance(full_at)
    assert (meter.soc, meter.power_w) == (1.0, 0.0)
    assert meter.register_wh == pytest.approx(9_876_543.2 + 60_000 * (1 - soc), abs=1e-6)
    meter.switch(False, full_at + 1)
    meter.switch(True, full_at + 2)
    assert (meter.soc, meter.power_w) == (1.0, 0.0)
    told = meter.full_at()
    assert told is not None
    assert told <= full_at + 2


def test_full_is_full_whatever_the_last_digits_are() -> None:
    random = Random(1)
    for _ in range(500):
        vehicle = Vehicle(
            name="any", battery_wh=random.uniform(1_000, 120_000), soc=random.random()
        )
        began_at = random.uniform(0, 1e6)
        supply = Supply(DC, max_power_w=random.uniform(1_000, 300_000))
        meter = charging(supply, vehicle, register_wh=random.uniform(0, 100), at=began_at)
        full_at = meter.full_at() or 0
        meter.advance(full_at)
        assert meter.soc == 1
        register_wh = meter.register_wh
        meter.advance(full_at + HOUR)
        assert meter.register_wh == register_wh
        meter.switch(False, full_at + HOUR)
        assert meter.soc == 1
        meter.switch(True, full_at + HOUR)
        assert (meter.soc, meter.power_w, meter.register_wh) == (1, 0, register_wh)


def test_not_full_a_moment_before() -> None:
    meter = charging(Supply(AC), LEAF)
    full_at = meter.full_at()
    assert full_at is not None
    meter.advance(full_at - 0.001)
    assert meter.power_w == 6_600
    assert meter.soc is not None
    assert meter.soc < 1


def test_nothing_flows_without_vehicle_or_contactor() -> None:
    meter = Meter(Supply(AC), register_wh=10)
    meter.switch(True, 0)
    meter.advance(100)
    assert (meter.is_on, meter.is_plugged, meter.soc, meter.full_at()) == (True, False, None, None)
    meter.switch(False, 100)
    meter.plug(LEAF, 100)
    meter.advance(200)
    assert (meter.is_on, meter.is_plugged, meter.soc, meter.full_at()) == (False, True, 0.5, None)
    assert (meter.register_wh, meter.power_w) == (10, 0)


def test_a_vehicle_without_the_inlet_never_fills() -> None:
    meter = charging(Supply(DC), LEAF)
    meter.advance(HOUR)
    assert (meter.register_wh, meter.power_w, meter.full_at()) == (0, 0, None)


def test_unplugging_opens_the_contactor_and_keeps_the_register() -> None:
    meter = charging(Supply(AC), LEAF)
    meter.unplug(HOUR)
    assert (meter.is_on, meter.is_plugged, meter.soc) == (False, False, None)
    meter.plug(ZOE, 2 * HOUR)
    meter.advance(3 * HOUR)
    assert meter.register_wh == pytest.approx(6_600)
    meter.switch(True, 3 * HOUR)
    meter.advance(4 * HOUR)
    assert meter.register_wh == pytest.approx(6_600 + 7_360)


def test_limits_of_current() -> None:
    meter = charging(Supply(AC, 3, 32), ZOE)
    meter.limit(10, HOUR)
    meter.limit(100, 2 * HOUR)  # more than the supply has
    assert meter.power_w == 22_080
    meter.limit(6, 2.1 * HOUR)
    assert meter.power_w == 4_140
    meter.limit(5.9, 2.2 * HOUR)
    assert (meter.power_w, meter.full_at()) == (0, None)
    meter.limit(None, 3 * HOUR)
    assert meter.power_w == 22_080
    expected_wh = 22_080 + 6_900 + 0.1 * 22_080 + 0.1 * 4_140
    assert meter.register_wh == pytest.approx(expected_wh)


def test_limits_of_power() -> None:
    meter = charging(Supply(DC, max_power_w=150_000), ZOE)
    assert meter.power_w == 50_000
    meter.limit_power(20_000, 360)
    meter.limit_power(0, 720)
    meter.limit_power(None, HOUR)
    assert meter.power_w == 50_000
    assert meter.register_wh == pytest.approx(5_000 + 2_000)


def test_ac_tapers_where_the_vehicle_does() -> None:
    """The last fifth of 50 kWh begins at full power; at 90 % a vehicle takes 1 - 4.75 * 0.1 of
    that."""
    meter = charging(Supply(AC, 3, 32), replace(ZOE, ac_tapers=True, soc=0.8))
    assert meter.power_w == 22_080
    meter.limit(6, 0.0)
    assert meter.power_w == 4_140
    meter.limit(None, 5_000 / 4_140 * HOUR)
    assert meter.power_w == pytest.approx(22_080 * 0.525)
    meter.advance(20 * HOUR)
    assert (meter.soc, meter.power_w) == (1.0, 0.0)


def test_a_vehicle_that_is_paused_too_often_asks_for_no_more() -> None:
    meter = charging(Supply(AC, 3, 32), replace(ZOE, most_pauses=2))
    meter.limit(0, 60)
    meter.limit(3, 120)  # the same pause
    meter.limit(16, 180)
    assert (meter.power_w, meter.has_given_up) == (11_040, False)
    meter.limit(0, 240)
    meter.limit(16, 300)
    assert (meter.power_w, meter.full_at(), meter.has_given_up) == (0, None, True)
    meter.unplug(360)
    meter.plug(replace(ZOE, most_pauses=2), 420)
    meter.switch(True, 420)
    assert (meter.power_w, meter.has_given_up) == (11_040, False)


def test_a_vehicle_follows_a_changed_limit_a_little_later() -> None:
    meter = charging(Supply(AC, 3, 32), replace(ZOE, follow_seconds=2))
    meter.limit(10, HOUR)
    assert (meter.power_w, meter.snapshot().offered_a, meter.turns_at()) == (22_080, 10, HOUR + 2)
    meter.limit(8, HOUR + 1)  # it does not wait longer because the limit moves again
    assert (meter.turns_at(), meter.is_following) == (HOUR + 2, True)
    meter.advance(2 * HOUR)
    assert (meter.power_w, meter.is_following, meter.turns_at()) == (5_520, False, meter.full_at())
    assert meter.register_wh == pytest.approx(
        22_080 + 2 / HOUR * 22_080 + (HOUR - 2) / HOUR * 5_520
    )


def test_a_pause_is_followed_too_and_an_open_contactor_waits_for_no_vehicle() -> None:
    meter = charging(Supply(AC, 3, 32), replace(ZOE, follow_seconds=2, most_pauses=1))
    meter.limit(0, 60)
    assert (meter.power_w, meter.has_given_up) == (22_080, False)
    meter.advance(62)
    assert (meter.power_w, meter.has_given_up) == (0, True)
    meter = charging(Supply(DC), replace(ZOE, follow_seconds=60))
    meter.limit_power(1_000, 10)
    meter.switch(False, 11)
    assert (meter.power_w, meter.is_following) == (0, False)
    meter.switch(True, 12)
    assert meter.power_w == 1_000


def test_a_vehicle_needs_a_least_current() -> None:
    meter = charging(Supply(AC, 3, 32), replace(ZOE, least_ac_a=10))
    meter.limit(9.9, 0)
    assert (meter.power_w, meter.is_offered_too_little) == (0, True)
    meter.limit(10, 0)
    assert (meter.power_w, meter.is_offered_too_little) == (6_900, False)
    meter = charging(Supply(DC), replace(ZOE, least_ac_a=10))
    meter.limit_power(1_000, 0)
    assert (meter.power_w, meter.is_offered_too_little) == (1_000, False)


def test_a_limit_set_before_the_plug_holds() -> None:
    meter = Meter(Supply(AC))
    meter.limit(8, 0)
    meter.plug(ZOE, 1)
    meter.switch(True, 2)
    assert meter.power_w == 1_840


def test_snapshot_of_a_vehicle_on_one_of_three_phases() -> None:
    meter = charging(Supply(AC, 3, 32), LEAF, register_wh=100)
    meter.limit(16, 0)
    meter.advance(HOUR)
    shown = meter.snapshot()
    assert (shown.power_type, shown.register_wh, shown.power_w) == (AC, 3_780, 3_680)
    assert shown.soc == pytest.approx(0.592)
    assert shown.voltages == (230, 230, 230)
    assert shown.currents == (16, 0, 0)
    assert (shown.offered_a, shown.offered_w) == (16, 11_040)


def test_snapshot_of_dc() -> None:
    meter = charging(Supply(DC, max_power_w=25_000), ZOE)
    shown = meter.snapshot()
    assert shown.voltages == (pack_voltage(0.2),)
    assert shown.currents == pytest.approx((25_000 / pack_voltage(0.2),))
    assert (shown.soc, shown.offered_w) == (0.2, 25_000)
    assert shown.offered_a == shown.currents[0]


@pytest.mark.parametrize("supply", [Supply(AC, 3), Supply(DC)])
def test_nothing_is_offered_through_an_open_contactor(supply: Supply) -> None:
    shown = Meter(supply).snapshot()
    assert (shown.offered_a, shown.offered_w, shown.power_w, sum(shown.currents)) == (0, 0, 0, 0)


@pytest.mark.parametrize("at", [9.999, -1.0, nan, inf])
def test_time_never_runs_backwards(at: float) -> None:
    meter = charging(Supply(AC), ZOE)
    meter.advance(10)
    before = repr(meter)
    refusals: list[Callable[[], None]] = [
        partial(meter.advance, at),
        partial(meter.unplug, at),
        partial(meter.switch, False, at),
        partial(meter.limit, 7, at),
    ]
    for refused in refusals:
        with pytest.raises(ValueError, match="cannot go from 10 s"):
            refused()
    assert (repr(meter), meter.is_plugged, meter.is_on, meter.power_w) == (
        before,
        True,
        True,
        7_360,
    )


def test_what_cannot_be_is_refused() -> None:
    ac, dc = charging(Supply(AC), ZOE), Meter(Supply(DC))
    with pytest.raises(ValueError, match="Zoe is already plugged in"):
        ac.plug(LEAF, 1)
    with pytest.raises(ValueError, match="no vehicle is plugged in"):
        dc.unplug(1)
    with pytest.raises(ValueError, match="a limit for DC cannot be set on a connector for AC"):
        ac.limit_power(1_000, 1)
    with pytest.raises(ValueError, match="a limit for AC cannot be set on a connector for DC"):
        dc.limit(16, 1)
    for amps in (-1.0, nan):
        with pytest.raises(ValueError, match="a limit must be 0 or more"):
            ac.limit(amps, 1)


@pytest.mark.parametrize(
    ("register_wh", "shown"),
    [
        (0.0, 0),
        (0.999, 0),
        (1.0, 1),
        (0.9999999999, 1),
        (7_359.9999999, 7_360),
        (7_359.99, 7_359),
        (1e9 - 1e-7, 10**9),
    ],
)
def test_whole_watt_hours_are_shown(register_wh: float, shown: int) -> None:
    assert shown_wh(register_wh) == shown


def test_a_meter_tells_its_state() -> None:
    meter = charging(Supply(AC), LEAF)
    meter.advance(HOUR)
    assert repr(meter) == "<Meter 6600.0 Wh, 6600 W into Leaf at 3600.000 s>"
    assert repr(Meter(Supply(AC))) == "<Meter 0.0 Wh, 0 W into nothing at 0.000 s>"


def test_a_meter_is_small() -> None:
    assert not hasattr(Meter(Supply(AC)), "__dict__")
    assert sys.getsizeof(Meter(Supply(AC))) <= 160
