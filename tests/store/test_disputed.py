"""Neighbours in doubt: the judge gave them other registers than their charger sent, or asks by
which factor they are wrong. What was sent still counts against the transactions next to them."""

from __future__ import annotations

import pytest

from tests.store.books import Books, Station
from tests.store.deciding import open_codes
from tests.store.telling import HOUR, assert_doubtful, assert_figure, charge, session, settle

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

BEGIN = 100_000
WH = 7200


def bare(station: Station, start: int, stop: int) -> int:
    """Tell an hour by start and stop alone."""
    transaction = station.start(start)
    station.books.wait(HOUR)
    station.stop(transaction, stop)
    station.books.wait(10)
    return transaction


@pytest.mark.parametrize("late", [1, 2, 3])
def test_starts_that_repeat_the_start_before(books: Books, station: Station, late: int) -> None:
    """Each of them tells the register at which the transaction before it began."""
    truth = [BEGIN + number * WH for number in range(late + 4)]
    bare(station, truth[0], truth[1])
    wrong = [bare(station, truth[number - 1], truth[number + 1]) for number in range(1, late + 1)]
    honest = [
        bare(station, truth[number], truth[number + 1]) for number in range(late + 1, late + 3)
    ]
    settle(books)
    for transaction in wrong:
        assert_figure(station, transaction, WH, flagged=True)
    for transaction in honest:
        assert_figure(station, transaction, WH, flagged=False)


def test_a_stop_that_was_replaced_still_counts_against_the_next_start(
    books: Books, station: Station
) -> None:
    """Nothing shows whether the stop is too high, or the next start too low: neither is billed what
    both claim."""
    first = bare(station, BEGIN, BEGIN + WH)
    second = bare(station, BEGIN + WH - 500, BEGIN + 2 * WH)
    settle(books)
    assert_doubtful(station, first, WH - 500, WH)
    assert_doubtful(station, second, WH, WH)


def test_readings_show_whose_energy_it_was(books: Books, station: Station) -> None:
    first = bare(station, BEGIN, BEGIN + WH + 500)
    second = station.start(BEGIN + WH)
    wh = charge(station, second, BEGIN + WH, every=1, tells_power=False)
    station.stop(second, wh)
    settle(books)
    assert_doubtful(station, first, WH, WH)
    assert_figure(station, second, WH, flagged=True)


def test_registers_in_tens_are_in_doubt_without_readings_too(
    books: Books, station: Station
) -> None:
    """Start and stop are in tens of Wh, which only the readings of the first transaction show."""
    first = station.start(BEGIN // 10)
    charge(station, first, BEGIN, tells_power=False)
    station.stop(first, (BEGIN + WH) // 10)
    books.wait(10)
    later = [
        bare(station, (BEGIN + number * WH) // 10, (BEGIN + (number + 1) * WH) // 10)
        for number in range(1, 4)
    ]
    settle(books)
    for transaction in (first, *later):
        assert open_codes(books, transaction), station.bill(transaction)


def test_a_factor_that_power_showed_once_is_asked_of_those_without_power(
    books: Books, station: Station
) -> None:
    def lacking(wh: int, *, tells_power: bool) -> int:
        transaction = station.start(wh // 10)
        charge(station, transaction, wh, told=lambda told: told // 10, tells_power=tells_power)
        station.stop(transaction, (wh + WH) // 10)
        books.wait(10)
        return transaction

    first = lacking(BEGIN, tells_power=True)
    second = lacking(BEGIN + WH, tells_power=False)
    settle(books)
    assert_figure(station, first, WH, flagged=True)
    assert_figure(station, second, WH, flagged=True)


def test_a_habit_holds_the_factor(books: Books, station: Station) -> None:
    """Ten by power each time; then another scale, which no habit makes certain."""
    wh, transaction = BEGIN, 0
    for _ in range(7):
        transaction = station.start(wh // 10)
        charge(station, transaction, wh, told=lambda told: told // 10)
        wh += WH
        station.stop(transaction, wh // 10)
        books.wait(10)
    assert_figure(station, transaction, WH, flagged=False)
    for factor in (1, 1, 100, 100):
        transaction = bare(station, wh // factor, (wh + WH) // factor)
        wh += WH
        assert open_codes(books, transaction), (factor, station.bill(transaction))


@pytest.mark.parametrize("stop", [0, 1])
def test_no_habit_makes_a_figure_certain_that_ends_at_a_reading(
    books: Books, station: Station, stop: int
) -> None:
    """Readings count from 0; of the last stop nothing is known, and 5 minutes flowed after the last
    reading."""
    begin, transaction = BEGIN, 0
    for _ in range(6):
        transaction = station.start(begin)
        charge(station, transaction, 0)
        station.stop(transaction, WH)
        books.wait(10)
        begin += WH
    assert_figure(station, transaction, WH, flagged=False)
    transaction = station.start(begin)
    charge(station, transaction, 0)
    books.wait(4)
    station.stop(transaction, stop)
    assert_doubtful(station, transaction, WH, WH)


def test_a_start_too_high_does_not_turn_readings_into_counts(
    books: Books, station: Station
) -> None:
    wh = session(station, 0, minutes=75, every=15)
    transaction = station.start(wh + 2000)
    end = charge(station, transaction, wh, minutes=15, every=15, tells_power=False)
    station.stop(transaction, end)
    station.start(end)
    settle(books)
    assert_doubtful(station, transaction, 0, end - wh)


def test_a_start_that_goes_on_after_one_reset_is_honest(books: Books, station: Station) -> None:
    bare(station, BEGIN, BEGIN + WH)
    bare(station, 0, WH)
    transaction = bare(station, WH, 2 * WH)
    bare(station, 2 * WH, 3 * WH)
    settle(books)
    assert_figure(station, transaction, WH, flagged=False)


def test_a_stop_that_is_no_register_is_no_reset(books: Books, station: Station) -> None:
    bare(station, BEGIN, BEGIN + WH)
    wh = BEGIN + WH
    for _ in range(2):
        bare(station, wh, 0)
        wh += WH
        honest = bare(station, wh, wh + WH)
        wh += WH
        settle(books)
        assert_figure(station, honest, WH, flagged=False)


def test_no_habit_hides_that_power_contradicts_the_figure(books: Books, station: Station) -> None:
    """Readings in whole kWh but sent as Wh are a habit; then a stop repeats the start, though the
    car charged."""
    wh, transaction = 22_097, 0
    for _ in range(7):
        transaction = station.start(wh)
        wh = charge(station, transaction, wh, told=lambda told: told // 1000)
        station.stop(transaction, wh)
        books.wait(10)
    assert_figure(station, transaction, WH, flagged=False)
    transaction = station.start(wh)
    charge(station, transaction, wh, minutes=20, every=1, told=lambda told: told // 1000)
    station.stop(transaction, wh)
    assert open_codes(books, transaction), station.bill(transaction)
