"""Starts that repeat an old register, at a charger whose readings count from 0 in each
transaction."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, WATTS, assert_figure, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

BEFORE = 700


def play(station: Station, begin: int, wh: int, end: int, every: int, *, tells_power: bool) -> int:
    """Play an hour whose readings count from 0, and a quarter in which nothing flows."""
    transaction = station.start(begin)
    for minute in range(every, HOUR + 1, every):
        station.books.wait(every)
        samples = [watts(wh)] if tells_power else []
        station.tell(
            meter_value(station.clock(), wh * minute // HOUR, *samples), transaction=transaction
        )
    for _ in range(3):
        station.books.wait(5)
        samples = [watts(0)] if tells_power else []
        station.tell(meter_value(station.clock(), wh, *samples), transaction=transaction)
    station.books.wait(2)
    station.stop(transaction, end)
    station.books.wait(HOUR)
    return transaction


@pytest.mark.parametrize("tells_power", [True, False])
@pytest.mark.parametrize("every", [5, 15])
@pytest.mark.parametrize("below", [0, 300, 2000])
def test_a_start_not_above_the_one_before_takes_nothing_from_that(
    books: Books, station: Station, below: int, every: int, tells_power: bool
) -> None:
    wh = 30_000
    for _ in range(3):
        play(station, wh, WATTS, wh + WATTS, every, tells_power=tells_power)
        wh += WATTS
    before = play(station, wh, BEFORE, wh + BEFORE, every, tells_power=tells_power)
    end = wh + BEFORE + WATTS
    stale = play(station, wh - below, WATTS, end, every, tells_power=tells_power)
    station.start(end)
    settle(books)

    assert_figure(station, before, BEFORE, flagged=False)
    assert_figure(station, stale, WATTS, flagged=True)


@pytest.mark.parametrize("above", [300, 700])
def test_a_start_above_the_end_of_the_one_before_takes_nothing_from_the_next(
    books: Books, station: Station, above: int
) -> None:
    """Readings, power and both neighbours agree without it."""
    play(station, 12_954, WATTS, 20_154, 5, tells_power=True)
    end = 20_154 + BEFORE
    wrong = play(station, 20_154 + above - 10, BEFORE, end, 1, tells_power=True)
    honest = play(station, end, WATTS, end + WATTS, 1, tells_power=True)
    settle(books)

    assert_figure(station, wrong, BEFORE, flagged=True)
    assert_figure(station, honest, WATTS, flagged=False)
