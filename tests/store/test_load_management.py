"""Honest cars whose power changes in steps, as the house's load or the sun allows: sparse reports
show little of it."""

from random import Random

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import QUARTER, assert_figure, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

AMPERES = (0, 6, 8, 10, 13, 16, 20, 25, 32)


@pytest.mark.parametrize("seed", range(12))
def test_steps_between_two_reports_two_minutes_apart(
    books: Books, station: Station, seed: int
) -> None:
    """Every five minutes, on average."""
    random, begin = Random(seed), 260_514
    transaction, wh, power = station.start(begin), float(begin), 0
    for minute in range(1, 181):
        books.wait(1)
        if random.random() < 0.2:
            power = 230 * random.choice(AMPERES)
        wh += power / 60
        if minute % 2 == 0:
            station.tell(
                meter_value(station.clock(), int(wh), watts(power)), transaction=transaction
            )
    station.stop(transaction, int(wh))

    assert_figure(station, transaction, int(wh) - begin, flagged=False)


def test_more_power_between_two_reports_than_ever_reported(books: Books, station: Station) -> None:
    """3.8 kW for a quarter of an hour, between 1.9 and 2.3 kW."""
    told = (
        (345, 1387),
        (705, 1876),
        (1659, 2342),
        (2234, 2343),
        (2809, 2331),
        (3453, 1397),
        (3837, 1804),
        (4297, 1855),
    )
    transaction = station.start(715_133)
    for wh, power in told:
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), 715_133 + wh, watts(power)), transaction=transaction
        )
    station.stop(transaction, 715_133 + 4297)

    assert_figure(station, transaction, 4297, flagged=False)
