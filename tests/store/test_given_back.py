"""A car that gives energy back (V2G), in a register of its own: what it drew is certain, and is its
figure."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.store.books import Station, meter_value
from tests.store.telling import assert_figure, charge_state, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

Sample = dict[str, str]
Given = Callable[[int, int], list[Sample]]
"""The samples of export, of what was given back so far and since the last ones, in Wh."""

EXPORT = {"measurand": "Energy.Active.Export.Register"}
BEFORE = 700_000
DRAWN = 12_000


def register(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": str(BEFORE + given)}]


def in_kwh(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": f"{(BEFORE + given) / 1000:.3f}", "unit": "kWh"}]


def by_phase(given: int, _: int) -> list[Sample]:
    return [
        EXPORT | {"value": str(BEFORE + given // 3), "phase": phase} for phase in ("L1", "L2", "L3")
    ]


def of_body(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": str(BEFORE + given), "location": "Body"}]


def from_zero(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": str(given)}]


def intervals(_: int, given: int) -> list[Sample]:
    return [{"measurand": "Energy.Active.Export.Interval", "value": str(given)}]


def played(
    station: Station,
    given: Given,
    steps: tuple[int, ...] = (0, 0, 1800, 1800, 0),
    data: bool = False,
) -> int:
    """Draw, then draw and give back, with readings each quarter of an hour, in MeterValues or at
    the stop."""
    transaction, back, values = station.start(5_000_000), 0, []
    for number, step in enumerate(steps, 1):
        station.books.wait(15)
        back += step
        value = meter_value(
            station.clock(), 5_000_000 + DRAWN * number // len(steps), *given(back, step)
        )
        values.append(value)
        if not data:
            station.tell(value, transaction=transaction)
    station.stop(transaction, 5_000_000 + DRAWN, data=values if data else ())
    settle(station.books)
    return transaction


@pytest.mark.parametrize("given", [register, in_kwh, by_phase, of_body, from_zero, intervals])
@pytest.mark.parametrize("data", [False, True], ids=["MeterValues", "transactionData"])
@pytest.mark.parametrize("steps", [(0, 0, 1800, 1800, 0), (0, 9000, 9000), (0, 0, 1, 0)])
def test_a_register_of_export_contradicts_no_register_of_import(
    station: Station, given: Given, data: bool, steps: tuple[int, ...]
) -> None:
    assert_figure(station, played(station, given, steps, data), DRAWN, flagged=False)


@pytest.mark.parametrize("tells_power", [False, True])
def test_a_car_that_draws_gives_back_and_draws_again(station: Station, tells_power: bool) -> None:
    """Its state of charge falls in between, and its power is negative."""
    transaction, drawn, back, percent = station.start(5_000_000), 0, 0, 40.0
    for power in [7400] * 8 + [-5600] * 5 + [7400] * 6:
        station.books.wait(15)
        drawn, back = drawn + max(0, power) // 4, back + max(0, -power) // 4
        percent += power / 4 / 600
        told = [watts(power), charge_state(percent)] if tells_power else []
        value = meter_value(station.clock(), 5_000_000 + drawn, *register(back, 0), *told)
        station.tell(value, transaction=transaction)
    station.stop(transaction, 5_000_000 + drawn)
    settle(station.books)
    assert_figure(station, transaction, 14 * 1850, flagged=False)
