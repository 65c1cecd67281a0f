"""A meter under any order of commands: the register never falls, and reading it changes nothing."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.simulator.physics import AC, DC, Meter, Supply, Vehicle

SUPPLIES = st.sampled_from(
    [Supply(AC), Supply(AC, 3, 16), Supply(DC), Supply(DC, max_power_w=250_000)]
)
VEHICLES = st.builds(
    Vehicle,
    name=st.just("any"),
    battery_wh=st.floats(1_000, 120_000),
    max_ac_w=st.sampled_from([0.0, 3_700.0, 22_080.0]),
    ac_phases=st.integers(1, 3),
    max_dc_w=st.sampled_from([0.0, 50_000.0, 270_000.0]),
    soc=st.floats(0, 1),
    follow_seconds=st.sampled_from([0.0, 2.0, 60.0]),
    least_ac_a=st.sampled_from([6.0, 10.0]),
)
Step = tuple[str, float, object]
SECONDS = st.floats(0, 7_200)
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.just("plug"), SECONDS, VEHICLES)
    | st.tuples(st.just("unplug"), SECONDS, st.none())
    | st.tuples(st.just("switch"), SECONDS, st.booleans())
    | st.tuples(st.just("limit"), SECONDS, st.none() | st.floats(0, 40))
    | st.tuples(st.just("advance"), SECONDS, st.none()),
    max_size=25,
)
REGISTERS = st.floats(0, 1e7)


def take(meter: Meter, step: Step, at: float) -> None:
    """Apply one command; if it is impossible now, only time passes."""
    command, _, value = step
    match command, value:
        case "plug", Vehicle() if not meter.is_plugged:
            meter.plug(value, at)
        case "unplug", _ if meter.is_plugged:
            meter.unplug(at)
        case "switch", bool():
            meter.switch(value, at)
        case "limit", float() | None if meter.supply.power_type == AC:
            meter.limit(value, at)
        case "limit", float() | None:
            meter.limit_power(None if value is None else value * 2_500, at)
        case _:
            meter.advance(at)


def check(meter: Meter) -> None:
    """Check the invariants."""
    assert meter.soc is None or 0 <= meter.soc <= 1
    assert meter.power_w >= 0
    assert meter.is_plugged == (meter.soc is not None)
    shown = meter.snapshot()
    measured_w = sum(
        volts * amps for volts, amps in zip(shown.voltages, shown.currents, strict=True)
    )
    assert measured_w == pytest.approx(shown.power_w, abs=1e-6)
    assert meter.is_following or shown.power_w <= shown.offered_w + 1e-6
    if meter.soc == 1 or not (meter.is_on and meter.is_plugged):
        assert meter.power_w == 0


@given(SUPPLIES, REGISTERS, STEPS)
def test_the_register_never_falls(
    supply: Supply, register_wh: float, steps: Sequence[Step]
) -> None:
    meter, at, registers = Meter(supply, register_wh), 0.0, [register_wh]
    for step in steps:
        for share in (0.0, 1e-9, 0.5, 1.0):
            meter.advance(at + share * step[1])
            registers.append(meter.register_wh)
        at += step[1]
        take(meter, step, at)
        registers.append(meter.register_wh)
        check(meter)
    assert all(before <= after for before, after in pairwise(registers))


@given(SUPPLIES, REGISTERS, STEPS)
def test_what_was_delivered_is_in_the_battery(
    supply: Supply, register_wh: float, steps: Sequence[Step]
) -> None:
    meter, at = Meter(supply, register_wh), 0.0
    vehicle, before_wh = None, register_wh
    for step in steps:
        at += step[1]
        take(meter, step, at)
        if meter.is_plugged and vehicle is None and isinstance(step[2], Vehicle):
            vehicle, before_wh = step[2], meter.register_wh
        if vehicle is None:
            assert meter.register_wh == before_wh
        elif meter.soc is None:  # the vehicle has just left
            vehicle, before_wh = None, meter.register_wh
        else:
            stored_wh = (meter.soc - vehicle.soc) * vehicle.battery_wh
            assert stored_wh == pytest.approx(meter.register_wh - before_wh, abs=1e-6)


@given(SUPPLIES, REGISTERS, STEPS, st.lists(st.floats(0, 1), min_size=1, max_size=30).map(sorted))
def test_looking_often_changes_nothing(
    supply: Supply, register_wh: float, steps: Sequence[Step], looks: Sequence[float]
) -> None:
    seldom, often, at = Meter(supply, register_wh), Meter(supply, register_wh), 0.0
    for step in steps:
        for share in looks:
            often.advance(at + share * step[1])
        at += step[1]
        for meter in (seldom, often):
            take(meter, step, at)
    assert often.register_wh == pytest.approx(seldom.register_wh, rel=0, abs=1e-6)
    assert often.soc == pytest.approx(seldom.soc)


@pytest.mark.parametrize("supply", [Supply(AC, 3), Supply(DC, max_power_w=80_000)])
def test_a_day_in_seconds_is_a_day_at_once(supply: Supply) -> None:
    vehicle = Vehicle(name="any", battery_wh=77_000, max_ac_w=11_040, ac_phases=3, soc=0.11)
    meters = [Meter(supply, 8_765_432.1) for _ in range(2)]
    for meter in meters:
        meter.plug(vehicle, 0)
        meter.switch(True, 0)
    for second in range(86_400):
        meters[0].advance(second)
    for meter in meters:
        meter.advance(86_400)
    assert meters[0].register_wh == pytest.approx(meters[1].register_wh, rel=0, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_an_evening_of_limits_agrees_with_fine_integration(seed: int) -> None:
    """A load manager changes the limit every few minutes; the expected energy comes from the
    differential equation."""
    random = Random(seed)
    vehicle = Vehicle(name="any", battery_wh=50_000, max_dc_w=90_000, soc=0.3, follow_seconds=0)
    meter = Meter(Supply(DC, max_power_w=60_000))
    meter.plug(vehicle, 0)
    meter.switch(True, 0)
    stored_wh, at, step_s = 15_000.0, 0.0, 0.25
    for _ in range(30):
        limit_w = random.choice([0.0, 3_000.0, 20_000.0, 45_000.0, 60_000.0, 99_000.0])
        meter.limit_power(limit_w, at)
        minutes = random.randrange(1, 6)
        for _ in range(int(minutes * 60 / step_s)):
            middle_wh = stored_wh + _power(stored_wh, limit_w) * step_s / 7_200
            stored_wh = min(50_000.0, stored_wh + _power(middle_wh, limit_w) * step_s / 3_600)
        at += minutes * 60
        meter.advance(at)
        assert meter.register_wh == pytest.approx(stored_wh - 15_000, abs=0.01)


def _power(stored_wh: float, limit_w: float) -> float:
    soc = stored_wh / 50_000
    taken = 90_000 * (1.0 if soc <= 0.8 else 0.05 + 0.95 * (1 - soc) / 0.2)
    return min(60_000, limit_w, taken)
