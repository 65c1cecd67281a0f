"""Starts and stops that the neighbours contradict: read early or late, old, or too far apart for
the time between."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.deciding import open_codes
from tests.store.telling import HOUR, WATTS, assert_figure, kwh, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

BEGIN = 200_456
QUARTER = 15
STEP = WATTS // 4
FROZEN = "2026-02-28T00:19:40Z"


def three(
    station: Station, *, short: int, decimals: int | None = None, at: str | None = None
) -> list[int]:
    """Charge three times for an hour and 13 minutes, half an hour apart, with a reading each
    quarter of an hour; the second stop is too low. Return the transactions."""
    wh, played = BEGIN, []
    for number in range(3):
        transaction = station.start(wh, at=at)
        for _ in range(4):
            station.books.wait(QUARTER)
            wh += STEP
            told = wh if decimals is None else kwh(wh, decimals)
            station.tell(
                meter_value(at or station.clock(), told, watts(WATTS)), transaction=transaction
            )
        station.books.wait(13)
        wh += WATTS * 13 // HOUR
        station.stop(transaction, wh - short if number == 1 else wh, at=at)
        station.books.wait(30)
        played.append(transaction)
    settle(station.books)
    return played


LAST = WATTS * 13 // HOUR
WHOLE = 4 * STEP + LAST


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_a_stop_repeats_the_last_reading_to_its_last_digit(
    books: Books, station: Station, decimals: int
) -> None:
    first, second, third = three(station, short=LAST, decimals=decimals)
    assert_figure(station, first, WHOLE, flagged=False)
    assert_figure(station, second, WHOLE, flagged=True)
    assert open_codes(books, second) == ["stop_garbled"]
    assert_figure(station, third, WHOLE, flagged=False)


def test_a_stop_that_was_read_early(books: Books, station: Station) -> None:
    """Power shows that just so much flowed until the stop as is missing before the next start."""
    first, second, third = three(station, short=LAST - 300)
    assert_figure(station, first, WHOLE, flagged=False)
    assert_figure(station, second, WHOLE, flagged=True)
    assert open_codes(books, second) == ["stop_garbled"]
    assert_figure(station, third, WHOLE, flagged=False)


def test_an_old_stop_of_a_clock_that_stands_still(station: Station) -> None:
    """Its power shows what flowed after it."""
    first, second, third = three(station, short=LAST, at=FROZEN)
    assert_figure(station, first, WHOLE, flagged=False)
    assert_figure(station, second, WHOLE, flagged=True)
    assert_figure(station, third, WHOLE, flagged=False)


@pytest.mark.parametrize("minutes", [0.5, 600])
def test_what_left_between_two_transactions_must_be_possible_in_that_time(
    books: Books, station: Station, minutes: float
) -> None:
    """5,400 Wh in half a minute: the stop or the next start is wrong. In ten hours, another car may
    have charged."""
    wh, played = 100_000, []
    for number in range(3):
        played.append(station.start(wh))
        books.wait(2 * HOUR)
        wh += 2 * WATTS
        station.stop(played[-1], wh - 5400 if number == 1 else wh)
        books.wait(minutes)
    settle(books)
    is_doubted = minutes < HOUR
    assert_figure(station, played[0], 2 * WATTS, flagged=False)
    assert_figure(station, played[1], 2 * WATTS - 5400, flagged=is_doubted)
    assert_figure(station, played[2], 2 * WATTS, flagged=is_doubted)


def test_readings_that_go_on_from_the_start_show_that_the_stop_before_it_is_wrong(
    station: Station,
) -> None:
    """The first step of the third is as long as the others: nothing is missing there."""
    wh, played, minutes = 100_000, [], 5
    for number in range(3):
        transaction = station.start(wh)
        for _ in range(24):
            station.books.wait(minutes)
            wh += WATTS * minutes // HOUR
            station.tell(meter_value(station.clock(), wh), transaction=transaction)
        station.stop(transaction, wh - 5400 if number == 1 else wh)
        station.books.wait(0.5)
        played.append(transaction)
    settle(station.books)
    assert_figure(station, played[0], 2 * WATTS, flagged=False)
    assert station.bill(played[1])[2] == "doubtful"
    assert_figure(station, played[2], 2 * WATTS, flagged=False)


def test_times_in_whole_minutes(station: Station) -> None:
    """Two readings a minute have the same time: the register did not leap."""
    wh, transaction = BEGIN, station.start(BEGIN)
    for _ in range(40):
        station.books.wait(0.5)
        wh += WATTS // 120
        at = station.books.now.strftime("%Y-%m-%dT%H:%M:00Z")
        station.tell(meter_value(at, wh, watts(WATTS)), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, wh - BEGIN, flagged=False)


def test_an_old_stop_of_a_transaction_whose_start_was_lost(books: Books, station: Station) -> None:
    """The first reading counts as its start. What flowed until the next start is no part of the
    proposal."""
    wh, lost = BEGIN, -9
    station.stop(station.start(wh - 600), wh - 600)
    books.wait(HOUR)
    for _ in range(4):
        books.wait(QUARTER)
        wh += STEP
        station.tell(meter_value(station.clock(), wh, watts(WATTS)), transaction=lost)
    books.wait(12)
    station.stop(lost, wh)
    books.wait(HOUR)
    station.start(wh + WATTS * 12 // HOUR)
    settle(books)
    transaction = books.value("SELECT id FROM tx WHERE told_id = ?", lost)
    assert_figure(station, transaction, 3 * STEP, flagged=True)
