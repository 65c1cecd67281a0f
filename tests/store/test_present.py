"""The present state of the site: energy, power and current of open transactions."""

from __future__ import annotations

import pytest

from levity_trio.store.reads.now.present import present
from levity_trio.store.reads.transactions.transactions import RECENT_READINGS, RunningTransaction
from tests.store.books import Books, Station, meter_value
from tests.store.reading import view
from tests.store.telling import watts


def only(books: Books) -> RunningTransaction:
    found = present(view(books.connection))
    (one,) = found.transactions
    return one


def current(value: str, phase: str = "", measurand: str = "Current.Import") -> dict[str, str]:
    return {"value": value, "measurand": measurand, "unit": "A"} | (
        {"phase": phase} if phase else {}
    )


@pytest.mark.parametrize(
    ("start", "readings", "energy_wh"),
    [
        pytest.param(1000, [], 0, id="nothing was told"),
        pytest.param(1000, [1200, 1500], 500, id="the register"),
        pytest.param(700_000, [100, 2500], 2500, id="readings that count per session"),
        pytest.param(2000, [100, 2500], 2500, id="and grow beyond the register"),
        pytest.param(0, [100, 2500], 2500, id="a register that begins at 0"),
        pytest.param(1000, [1200, 900], 200, id="a register that ran backwards"),
        pytest.param(
            700_000, [690_000, 690_500], 0, id="readings below the start that cannot count from 0"
        ),
    ],
)
def test_energy_so_far(
    books: Books, station: Station, start: int, readings: list[int], energy_wh: int
) -> None:
    transaction = station.start(start)
    for wh in readings:
        books.wait(1)
        station.tell(station.register(wh), transaction=transaction)
    assert only(books).energy_wh == energy_wh


def test_a_start_that_could_not_be_read(books: Books, station: Station) -> None:
    transaction = station.start()
    books.connection.execute(
        "UPDATE tx SET conn_id = NULL, meter_start = NULL WHERE id = ?", (transaction,)
    )
    began = books.value("SELECT start_time FROM tx")
    assert only(books) == RunningTransaction(
        "CP-1", None, transaction, "TAG", began, False, 0, None, None, None
    )


def test_a_start_without_a_register(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.connection.execute("UPDATE tx SET meter_start = NULL WHERE id = ?", (transaction,))
    for wh in (5_000_100, 5_002_500):
        books.wait(1)
        station.tell(station.register(wh), transaction=transaction)
    assert only(books).energy_wh == 2400


@pytest.mark.parametrize(
    ("samples", "energy_wh"), [([], 0), ([{"value": "20", "measurand": "SoC"}], 3000)]
)
def test_readings_of_a_fast_charger_count_from_0(
    books: Books, station: Station, samples: list[dict[str, str]], energy_wh: int
) -> None:
    """As the judge has it: only a DC charger can have delivered so much in its first minute."""
    transaction = station.start(700_000)
    books.wait(1)
    station.tell(meter_value(station.clock(), 3000, *samples), transaction=transaction)
    assert only(books).energy_wh == energy_wh


def test_it_is_suspended(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    station.tell(meter_value(station.clock(), 1200, watts(7400)), transaction=transaction)
    station.boot()
    one = only(books)
    assert one.is_suspended
    assert one.power_w is None  # its present power is unknown


@pytest.mark.parametrize(
    ("samples", "power_w"),
    [
        pytest.param([watts(7400)], 7400, id="reported"),
        pytest.param([watts(7400, "kW")], 7400, id="in kW"),
        pytest.param(
            [watts(2000) | {"phase": phase} for phase in ("L1", "L2", "L3")], 6000, id="by phase"
        ),
        pytest.param(
            [watts(2000) | {"phase": "L1"}, watts(6100)], 6100, id="by phase, and the sum"
        ),
        pytest.param([watts(0)], 0, id="a car that waits"),
        pytest.param([], 6000, id="the pace of the register"),
        pytest.param([{"value": "x", "measurand": "Power.Active.Import"}], 6000, id="no number"),
    ],
)
def test_power(
    books: Books, station: Station, samples: list[dict[str, str]], power_w: float
) -> None:
    transaction = station.start(1000)
    for wh in (1100, 1600):
        books.wait(5)
        station.tell(meter_value(station.clock(), wh, *samples), transaction=transaction)
    assert only(books).power_w == pytest.approx(power_w)


def test_power_that_nobody_can_know(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    assert only(books).power_w is None
    station.tell(meter_value(station.clock(), 1100), transaction=transaction)
    assert only(books).power_w is None


@pytest.mark.parametrize(
    ("samples", "current_a"),
    [
        pytest.param([current("16")], 16.0, id="one value"),
        pytest.param(
            [current("3", "L1"), current("16.5", "L2"), current("4", "L3")],
            16.5,
            id="the largest phase",
        ),
        pytest.param([current("x"), current("nan"), current("inf")], None, id="no numbers"),
        pytest.param([current("32", "", "Current.Offered")], None, id="another measurand"),
    ],
)
def test_what_it_draws(
    books: Books, station: Station, samples: list[dict[str, str]], current_a: float | None
) -> None:
    transaction = station.start()
    books.wait(1)
    station.tell(meter_value(station.clock(), 1000, *samples), transaction=transaction)
    assert only(books).current_a == current_a


def test_the_newest_is_told_and_not_that_of_the_one_before(books: Books, station: Station) -> None:
    first = station.start()
    for amperes in ("6", "32"):
        books.wait(1)
        station.tell(meter_value(station.clock(), 1000, current(amperes, "L1")), transaction=first)
    assert only(books).current_a == 32
    books.wait(1)
    station.tell(
        meter_value(station.clock(), 1000, current("10", "L1"), current("9", "L2")),
        transaction=first,
    )
    assert only(books).current_a == 10
    station.stop(first, 1000)
    station.start()
    assert only(books).current_a is None


def test_one_that_was_told_long_ago_is_not_looked_for(books: Books, station: Station) -> None:
    transaction = station.start()
    station.tell(meter_value(station.clock(), 1000, current("6")), transaction=transaction)
    for _ in range(RECENT_READINGS):
        books.wait(1)
        station.tell(station.register(1000), transaction=transaction)
    assert only(books).current_a is None
