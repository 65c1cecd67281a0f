"""Jumps: recorded if no charger can have delivered the step, but not if power and time show that it
can."""

from __future__ import annotations

import pytest
from ocpp.v16.enums import Measurand

from levity_trio.charging.sent.power import JUMP_WH
from levity_trio.events import EnergyJumped
from tests.store.books import Books, Station, meter_value
from tests.store.telling import charge, charge_state, current, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

Sample = int | str | dict[str, str]


@pytest.fixture
def station(books: Books) -> Station:
    station = Station(books, "CP-1")
    station.connect()
    return station


def step(
    station: Station, wh: int, minutes: float, *more: Sample, before: int = 1100
) -> list[tuple[int, int]]:
    """Two readings so many minutes apart, each with more beside the register; gives the jumps that
    are told."""
    transaction = station.start(1000)
    station.books.wait(1)
    station.tell(meter_value(station.clock(), before, *more), transaction=transaction)
    station.books.wait(minutes)
    station.tell(meter_value(station.clock(), before + wh, *more), transaction=transaction)
    return [(fact.from_wh, fact.to_wh) for fact in station.books.recorded(EnergyJumped)]


@pytest.mark.parametrize(
    ("wh", "minutes", "more"),
    [
        pytest.param(12_500, 5, [watts(150_000)], id="a fast charger that reports its power"),
        pytest.param(
            12_500, 5, [charge_state(40)], id="one that reports the charge of the battery"
        ),
        pytest.param(14_800, 120, [watts(7400)], id="an outage of two hours"),
        pytest.param(14_800, 120, [], id="the same without power"),
        pytest.param(11_000, 30, [], id="22 kW"),
        pytest.param(14_800, 120, current(7400), id="current and voltage"),
        pytest.param(JUMP_WH, 1, [watts(7400)], id="Levity's own limit"),
    ],
)
def test_what_power_and_time_explain_is_no_jump(
    station: Station, wh: int, minutes: float, more: list[Sample]
) -> None:
    assert step(station, wh, minutes, *more) == []


@pytest.mark.parametrize(
    ("wh", "minutes", "more"),
    [
        pytest.param(14_800, 5, [watts(7400)], id="more than its power comes to"),
        pytest.param(14_800, 5, current(7400), id="more than current and voltage come to"),
        pytest.param(12_500, 5, [], id="more than AC delivers"),
        pytest.param(60_000, 5, [charge_state(40)], id="more than DC delivers"),
        pytest.param(JUMP_WH + 1, 0.1, [], id="just above Levity's limit"),
        pytest.param(-1, 5, [watts(7400)], id="back"),
    ],
)
def test_what_nothing_explains_is_a_jump(
    station: Station, wh: int, minutes: float, more: list[Sample]
) -> None:
    assert step(station, wh, minutes, *more) == [(1100, 1100 + wh)]


def test_power_that_was_told_in_messages_of_its_own_counts(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    charge(station, transaction, 1000, minutes=10, power=90_000, told=lambda _: None)
    for register in (16_000, 31_000):
        books.wait(10)
        station.tell(meter_value(station.clock(), watts(90_000)), transaction=transaction)
        station.tell(meter_value(station.clock(), register), transaction=transaction)
    assert books.recorded(EnergyJumped) == []


def test_readings_of_another_transaction_explain_nothing(books: Books, station: Station) -> None:
    earlier = station.start(1000)
    station.tell(meter_value(station.clock(), 1000, watts(150_000)), transaction=earlier)
    station.stop(earlier, 1000)
    books.wait(1)
    assert step(station, 12_500, 5) == [(1100, 13_600)]


@pytest.mark.parametrize("measurand", [*Measurand, "X-Humidity"])
def test_a_jump_is_found_whatever_is_reported_beside_it(station: Station, measurand: str) -> None:
    assert step(station, 60_000, 5, {"value": "1", "measurand": measurand})[-1:] == [(1100, 61_100)]
