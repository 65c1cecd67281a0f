"""A car that gives energy back (V2G): its session waits for the owner, and the proposal is what it drew less that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.deciding import Operator, open_codes
from tests.store.telling import assert_figure, settle

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

Sample = dict[str, str]
Given = Callable[[int, int], list[Sample]]
"""The samples of export, of what was given back so far and since the last ones, in Wh."""

EXPORT = {"measurand": "Energy.Active.Export.Register"}
BEFORE = 700_000
DRAWN, GIVEN = 12_000, 3600


def register(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": str(BEFORE + given)}]


def in_kwh(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": f"{(BEFORE + given) / 1000:.3f}", "unit": "kWh"}]


def by_phase(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": str(BEFORE + given // 3), "phase": phase} for phase in ("L1", "L2", "L3")]


def of_body(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": str(BEFORE + given), "location": "Body"}]


def from_zero(given: int, _: int) -> list[Sample]:
    return [EXPORT | {"value": str(given)}]


def intervals(_: int, given: int) -> list[Sample]:
    return [{"measurand": "Energy.Active.Export.Interval", "value": str(given)}]


def played(station: Station, given: Given, steps: tuple[int, ...] = (0, 0, 1800, 1800, 0), data: bool = False) -> int:
    """Draw, then draw and give back, with readings each quarter of an hour, in MeterValues or at the stop."""
    transaction, back, values = station.start(5_000_000), 0, []
    for number, step in enumerate(steps, 1):
        station.books.wait(15)
        back += step
        value = meter_value(station.clock(), 5_000_000 + DRAWN * number // len(steps), *given(back, step))
        values.append(value)
        if not data:
            station.tell(value, transaction=transaction)
    station.stop(transaction, 5_000_000 + DRAWN, data=values if data else ())
    settle(station.books)
    return transaction


@pytest.mark.parametrize("given", [register, in_kwh, by_phase, of_body, from_zero, intervals])
@pytest.mark.parametrize("data", [False, True], ids=["MeterValues", "transactionData"])
def test_it_waits_for_the_owner(books: Books, station: Station, given: Given, data: bool) -> None:
    transaction = played(station, given, data=data)
    assert_figure(station, transaction, DRAWN - GIVEN, flagged=True)
    assert open_codes(books, transaction) == ["exported"]
    figures = books.value("SELECT figures FROM review WHERE tx_id = ?", transaction)
    assert figures == f'{{"as reported":{DRAWN},"without what the car gave back":{DRAWN - GIVEN}}}'


def test_only_the_owner_decides(books: Books, station: Station) -> None:
    """However often the charger does so."""
    transactions = []
    for _ in range(7):
        transactions.append(played(station, register))
        books.wait(60)
    assert all(open_codes(books, number) == ["exported"] for number in transactions)
    Operator(books).confirm(transactions[0])
    assert_figure(station, transactions[0], DRAWN - GIVEN, flagged=False)
    Operator(books).correct(transactions[1], figure_wh=DRAWN)
    assert_figure(station, transactions[1], DRAWN, flagged=False)


def test_no_more_is_given_back_than_nothing(station: Station) -> None:
    assert_figure(station, played(station, register, (0, 9000, 9000)), 0, flagged=True)


def test_what_is_told_after_the_stop_counts(books: Books, station: Station) -> None:
    transaction = station.start(5_000_000)
    books.wait(15)
    station.tell(meter_value(station.clock(), 5_006_000, *register(0, 0)), transaction=transaction)
    books.wait(15)
    last = station.clock()
    station.stop(transaction, 5_000_000 + DRAWN)
    assert_figure(station, transaction, DRAWN, flagged=False)
    books.wait(5)
    station.tell(meter_value(last, 5_000_000 + DRAWN, *register(GIVEN, 0)), transaction=transaction)
    settle(books)
    assert_figure(station, transaction, DRAWN - GIVEN, flagged=True)


@pytest.mark.parametrize("given", [register, in_kwh, by_phase, from_zero, intervals])
def test_a_charger_that_could_but_did_not_is_honest(station: Station, given: Given) -> None:
    """Also if the register takes a step of its last digit."""
    assert_figure(station, played(station, given, (0, 0, 0, 0)), DRAWN, flagged=False)
    assert_figure(station, played(station, given, (0, 0, 1, 0)), DRAWN, flagged=False)
