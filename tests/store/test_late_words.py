"""Which session a late word belongs to: readings of an end that come after the next start, and
those that were taken between two sessions."""

import pytest

from tests.store.books import Books, Station, meter_value

END = "Transaction.End"


def charge(
    station: Station, begin: int, *, has_readings: bool = True, late: tuple[int, int] | None = None
) -> int:
    """Charge 10 kWh in an hour. The late word, if any, comes a minute after the start, and 90 s
    after the stop before: the end of a transaction, with its register."""
    books = station.books
    transaction = station.start(begin)
    books.wait(1)
    if late is not None:
        ended, wh = late
        sample = {"value": str(wh), "context": END}
        station.tell(meter_value(station.clock(), sample), transaction=ended)
    for step in range(1, 6):
        books.wait(10)
        if has_readings:
            station.tell(station.register(begin + 1_700 * step), transaction=transaction)
    books.wait(9)
    station.stop(transaction, begin + 10_000)
    books.wait(0.5)
    return transaction


def of(books: Books, wh: int) -> list[int | None]:
    """Return to which transactions the readings of a register belong."""
    rows = books.rows("SELECT tx_id FROM meter_val WHERE wh = ? ORDER BY id", wh)
    return [number for (number,) in rows]


def assert_certain(station: Station, *transactions: int) -> None:
    station.books.wait(2)
    station.books.settle()
    for transaction in transactions:
        assert station.bill(transaction) == (10_000, "register", "certain")
        assert station.review(transaction) == ""


@pytest.mark.parametrize("has_readings", [True, False])
@pytest.mark.parametrize("register", [11_000, 10_990])
def test_the_end_of_a_session_that_comes_after_the_next_start(
    station: Station, register: int, *, has_readings: bool
) -> None:
    first = charge(station, 1_000, has_readings=has_readings)
    second = charge(station, 11_000, has_readings=has_readings, late=(first, register))
    assert of(station.books, register)[-1] == first
    assert_certain(station, first, second)


def test_the_end_of_a_session_whose_register_begins_anew(station: Station) -> None:
    """The next one counts from 0: its end would be far above what can have flowed."""
    first = charge(station, 1_000)
    station.boot()
    second = charge(station, 0, late=(first, 11_000))
    assert of(station.books, 11_000)[-1] == first
    assert_certain(station, first, second)


def test_an_end_above_its_stop_does_not_fit_it(station: Station) -> None:
    first = charge(station, 1_000)
    second = charge(station, 11_000, late=(first, 11_050))
    assert of(station.books, 11_050) == [second]


def test_readings_that_name_a_closed_session_for_ever_stay_with_the_one_that_runs(
    station: Station,
) -> None:
    """Some chargers do, with another context."""
    first = charge(station, 1_000)
    second = station.start(11_000)
    station.books.wait(1)
    station.tell(station.register(11_000), transaction=first)
    assert of(station.books, 11_000)[-1] == second


@pytest.mark.parametrize("has_readings", [True, False])
@pytest.mark.parametrize("register", [11_000, 11_040, 16_000, 500])
@pytest.mark.parametrize("is_after_start", [True, False])
def test_a_reading_from_between_two_sessions_is_of_neither(
    station: Station, register: int, *, has_readings: bool, is_after_start: bool
) -> None:
    books = station.books
    first = charge(station, 1_000, has_readings=has_readings)
    books.wait(10)
    between = station.register(register)
    books.wait(10)
    if not is_after_start:
        station.tell(between)
    second = station.start(11_000)
    books.wait(1)
    if is_after_start:
        station.tell(between)
    books.wait(59)
    station.stop(second, 21_000)
    assert of(books, register)[-1] is None
    assert_certain(station, first, second)
