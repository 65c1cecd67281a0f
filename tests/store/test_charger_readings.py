"""Lost starts: readings that were sent for connector 0, with the transactionId of the stop (rules.md, Energy)."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_figure, assert_open, others, settle

FIRST, SECOND = 56_000, 9_000
IDS = pytest.mark.parametrize("name", [4711, -72, -1, 0])


def before(station: Station, connector: int = 1, end: int = FIRST) -> int:
    """Play an honest session of 6 kWh."""
    transaction = station.start(end - 6_000, connector=connector)
    station.books.wait(HOUR)
    station.stop(transaction, end)
    station.books.wait(30)
    return transaction


def without_start(station: Station, begin: int, name: int, main: int | None = None) -> list[tuple[str, int]]:
    """Send the readings and the stop of a session of 6 kWh; `main` is the register of the charger's main meter."""
    told = []
    for number in range(1, 7):
        station.books.wait(10)
        told.append((station.clock(), begin + 1_000 * number))
        station.tell(meter_value(*told[-1]), transaction=name, connector=0)
        if main is not None:
            station.tell(station.register(main + 1_500 * number), connector=0)
    station.stop(name, begin + 6_000, tag="LOST")
    station.books.wait(30)
    return told


@IDS
@pytest.mark.parametrize("main", [None, 7_000_000, FIRST])
def test_they_belong_to_the_connector_that_was_idle(
    books: Books, station: Station, name: int, main: int | None
) -> None:
    one = before(station)
    without_start(station, FIRST, name, main)
    last = station.start(FIRST + 6_000)
    books.wait(30)
    station.stop(last, FIRST + 9_000)
    settle(books)
    (lost,) = others(books, one, last)
    assert lost[1:] == (5_000, True)
    assert books.row("SELECT conn_id, id_tag FROM tx WHERE id = ?", lost[0]) == (1, "LOST")
    assert_figure(station, one, 6_000, flagged=False)
    assert_figure(station, last, 3_000, flagged=False)
    assert books.count("set_aside") == 0
    assert books.value("SELECT count(*) FROM meter_val WHERE tx_id IS NULL") == (0 if main is None else 6)


@IDS
def test_their_repetition_changes_nothing(books: Books, station: Station, name: int) -> None:
    one = before(station)
    told = without_start(station, FIRST, name)
    stopped = books.value("SELECT sent_stop_time FROM tx WHERE id <> ?", one)
    known = books.count("meter_val")
    for reading in told:
        station.tell(meter_value(*reading), transaction=name, connector=0)
    station.stop(name, FIRST + 6_000, tag="LOST", at=stopped)
    settle(books)
    assert [lost[1:] for lost in others(books, one)] == [(5_000, True)]
    assert (books.count("tx"), books.count("meter_val")) == (2, known)


@pytest.mark.parametrize("begin", [FIRST, SECOND])
@IDS
def test_of_two_connectors_the_one_whose_register_goes_on(
    books: Books, station: Station, begin: int, name: int
) -> None:
    known = before(station), before(station, 2, SECOND)
    without_start(station, begin, name)
    (lost,) = others(books, *known)
    assert books.value("SELECT conn_id FROM tx WHERE id = ?", lost[0]) == (1 if begin == FIRST else 2)
    assert lost[1:] == (5_000, True)


@pytest.mark.parametrize("other", [FIRST, FIRST - 2_000, FIRST + 500])
@IDS
def test_of_two_connectors_with_like_registers_none(books: Books, station: Station, other: int, name: int) -> None:
    known = before(station), before(station, 2, other)
    without_start(station, FIRST, name)
    following = station.start(FIRST + 6_000), station.start(other, connector=2)
    books.wait(30)
    station.stop(following[0], FIRST + 9_000)
    station.stop(following[1], other + 3_000)
    settle(books)
    (lost,) = others(books, *known, *following)
    assert lost[1:] == (5_000, True)
    assert books.value("SELECT conn_id FROM tx WHERE id = ?", lost[0]) is None
    for transaction, wh in zip((*known, *following), (6_000, 6_000, 3_000, 3_000), strict=True):
        assert_figure(station, transaction, wh, flagged=False)


@IDS
def test_of_two_connectors_the_one_that_is_idle(books: Books, station: Station, name: int) -> None:
    one = before(station, 2, SECOND)
    running = station.start(FIRST - 40_000)
    books.wait(5)
    station.tell(station.register(FIRST), transaction=running)
    station.status("Available", connector=1)
    without_start(station, SECOND, name)
    (lost,) = others(books, one, running)
    assert books.value("SELECT conn_id FROM tx WHERE id = ?", lost[0]) == 2
    assert_open(station, running)


def test_readings_that_come_after_the_stop(books: Books, station: Station) -> None:
    one = before(station)
    stopped = station.clock(-70)
    books.wait(70)
    station.stop(4711, FIRST + 6_000, at=stopped, tag="LOST")
    assert books.count("tx") == 1
    for number in range(1, 7):
        station.tell(station.register(FIRST + 1_000 * number, 60 - 10 * number), transaction=4711, connector=0)
    settle(books)
    assert [lost[1:] for lost in others(books, one)] == [(5_000, True)]


def test_without_any_connector_they_are_of_an_unknown_one(books: Books, station: Station) -> None:
    without_start(station, FIRST, 4711)
    assert [one[1:] for one in others(books)] == [(5_000, True)]


def test_the_main_meter_is_no_transaction(books: Books, station: Station) -> None:
    """It names none, though its register leads to the stop."""
    one = before(station)
    for number in range(1, 7):
        books.wait(10)
        station.tell(station.register(FIRST + 1_000 * number), connector=0)
    station.stop(4711, FIRST + 6_000)
    assert others(books, one) == []
    assert books.count("set_aside") == 1
