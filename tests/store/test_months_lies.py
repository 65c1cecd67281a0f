"""What a simulated month told, and the judge got wrong: the shortest story of each kind."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import assert_figure, charge_state, watts

QUARTER = 15


def charge_dc(station: Station, transaction: int, start: int, told: list[tuple[int, float, float]]) -> None:
    """Readings each quarter of an hour: Wh since the start, W, per cent."""
    for wh, power, percent in told:
        station.books.wait(QUARTER)
        samples = (start + wh, watts(power), charge_state(percent))
        station.tell(meter_value(station.clock(), *samples), transaction=transaction)


# State of charge


def test_the_first_state_of_charge_is_told_with_the_first_reading(books: Books, station: Station) -> None:
    """29.8 kWh flow before it; from then on the battery takes what 5.6 % need."""
    transaction = station.start(3_907_062)
    charge_dc(station, transaction, 3_907_062, [(29_834, 47_067.1, 94.4), *[(34_111, 0, 100.0)] * 8])
    books.wait(10)
    station.stop(transaction, 3_941_173)
    assert_figure(station, transaction, 34_111, flagged=False)


@pytest.mark.parametrize("more", [6_711, 11_711])
def test_a_full_battery_takes_no_more(books: Books, station: Station, more: int) -> None:
    """One meter for two connectors: its register rises while this car is full, and nothing is told of that but the
    stop."""
    transaction = station.start(6_580_212)
    told = [(20_000, 80_000, 58.4), (38_348, 45_746.3, 89.0), (44_088, 9_391.2, 98.6), *[(44_940, 0, 100.0)] * 8]
    charge_dc(station, transaction, 6_580_212, told)
    books.wait(11)
    station.stop(transaction, 6_580_212 + 44_940 + more)
    assert_figure(station, transaction, 44_940, flagged=True)
