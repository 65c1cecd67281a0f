"""Lost starts: readings that were sent for connector 0, with the transactionId of the stop. No
report tells of both."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.deciding import Operator
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


def without_start(
    station: Station, begin: int, name: int, main: int | None = None
) -> list[tuple[str, int]]:
    """Send the readings and the stop of a session of 6 kWh; `main` is the register of the charger's
    main meter."""
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
def test_their_stop_waits_for_a_person(
    books: Books, station: Station, name: int, main: int | None
) -> None:
    """What flowed is told as unbilled energy. An operator makes a transaction of the stop."""
    one = before(station)
    began = station.clock()
    without_start(station, FIRST, name, main)
    last = station.start(FIRST + 6_000)
    books.wait(30)
    station.stop(last, FIRST + 9_000)
    settle(books)
    assert others(books, one, last) == []
    assert books.rows("SELECT looked_at FROM set_aside") == [(None,)]
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", last) == 6_000
    message = books.value("SELECT id FROM set_aside")
    made = Operator(books).make(
        message, connector=1, start_time=f"{began[:-1]}.000Z", meter_start=FIRST
    )
    settle(books)
    assert_figure(station, made.id, 6_000)
    assert_figure(station, one, 6_000, flagged=False)
    assert_figure(station, last, 3_000, flagged=False)


@IDS
def test_it_is_none_of_another_connector(books: Books, station: Station, name: int) -> None:
    one = before(station, 2, SECOND)
    running = station.start(FIRST - 40_000)
    books.wait(5)
    station.tell(station.register(FIRST), transaction=running)
    station.status("Available", connector=1)
    without_start(station, SECOND, name)
    assert others(books, one, running) == []
    assert_open(station, running)


def test_the_main_meter_is_no_transaction(books: Books, station: Station) -> None:
    """It names none, though its register leads to the stop."""
    one = before(station)
    for number in range(1, 7):
        books.wait(10)
        station.tell(station.register(FIRST + 1_000 * number), connector=0)
    station.stop(4711, FIRST + 6_000)
    assert others(books, one) == []
    assert books.count("set_aside") == 1
