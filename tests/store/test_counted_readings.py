"""Lost starts of a charger whose readings count from 0 in each transaction, while start and stop
are for life."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_figure, others, settle

BEGIN, WH = 900_160, 6_000
NO_ID = pytest.mark.parametrize("name", [None, -1, 0])


def before(station: Station, connector: int = 1, end: int = BEGIN) -> int:
    """Play an honest session of 7 kWh."""
    transaction = station.start(end - 7_000, connector=connector)
    for number in range(1, 7):
        station.books.wait(10)
        station.tell(
            station.register(7_000 * number // 6), transaction=transaction, connector=connector
        )
    station.stop(transaction, end)
    station.books.wait(30)
    return transaction


def readings(
    station: Station, name: int | None, *registers: int, connector: int = 1
) -> list[tuple[str, int]]:
    told = []
    for register in registers:
        station.books.wait(10)
        told.append((station.clock(), register))
        station.tell(meter_value(*told[-1]), transaction=name, connector=connector)
    return told


def without_start(station: Station, name: int | None, connector: int = 1, times: int = 1) -> None:
    told = readings(station, name, *range(1_000, WH + 1, 1_000), connector=connector)
    stopped = station.clock()
    for _ in range(times):
        station.stop(-1 if name is None else name, BEGIN + WH, at=stopped, tag="LOST")
        station.books.wait(30)
        for reading in told if times > 1 else ():
            station.tell(meter_value(*reading), transaction=name, connector=connector)


@NO_ID
@pytest.mark.parametrize("times", [1, 2])
def test_readings_of_as_much_as_flowed_since_the_previous_stop(
    books: Books, station: Station, name: int | None, times: int
) -> None:
    one = before(station)
    without_start(station, name, times=times)
    last = station.start(BEGIN + WH)
    books.wait(30)
    station.stop(last, BEGIN + WH + 3_000)
    settle(books)
    assert [lost[1:] for lost in others(books, one, last)] == [(WH - 1_000, True)]
    assert_figure(station, one, 7_000, flagged=False)
    assert_figure(station, last, 3_000, flagged=False)
    assert books.count("set_aside") == 0


@NO_ID
def test_the_connector_whose_previous_stop_fits(
    books: Books, station: Station, name: int | None
) -> None:
    known = before(station), before(station, 2, 200_000)
    readings(station, name, 500, 400, 300, connector=2)
    without_start(station, name)
    (lost,) = others(books, *known)
    assert books.value("SELECT conn_id FROM tx WHERE id = ?", lost[0]) == 1
    assert lost[1:] == (WH - 1_000, True)


@NO_ID
@pytest.mark.parametrize(
    ("registers", "stop"),
    [
        pytest.param((7_000, 7_000, 7_000), BEGIN + 7_100, id="of the session before, at rest"),
        pytest.param((2_000, 4_000, 6_000), BEGIN + 5_000, id="more than flowed"),
        pytest.param((100, 200, 300), BEGIN + 100_000, id="far less than flowed"),
    ],
)
def test_readings_that_do_not_fit_show_no_energy(
    books: Books, station: Station, name: int | None, registers: tuple[int, ...], stop: int
) -> None:
    one = before(station)
    readings(station, name, *registers)
    station.stop(-1 if name is None else name, stop, tag="LOST")
    assert others(books, one) == []
    assert books.count("set_aside") == 1


@NO_ID
def test_an_open_transaction_comes_first(station: Station, name: int | None) -> None:
    before(station)
    transaction = station.start(BEGIN, tag="LOST")
    without_start(station, name)
    assert_figure(station, transaction, WH, flagged=True)
    assert station.review(transaction).startswith("the stop names no session")


def test_without_a_previous_stop_nothing_is_known(books: Books, station: Station) -> None:
    books.wait(HOUR)
    without_start(station, -1)
    assert others(books) == []
    assert books.count("set_aside") == 1
