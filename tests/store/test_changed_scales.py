"""Registers on another scale than those of the transactions around them, as since an update of the
firmware."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    assert_doubtful,
    assert_figure,
    charge,
    charge_state,
    settle,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


def play(station: Station, begin: int, factor: float) -> tuple[int, int]:
    """Play an hour at 7.2 kW without readings; return the transaction and the true register at its
    end."""
    transaction = station.start(int(begin * factor))
    station.books.wait(HOUR)
    station.stop(transaction, int((begin + 7200) * factor))
    station.books.wait(HOUR)
    return transaction, begin + 7200


@pytest.mark.parametrize("factor", [0.01, 0.1, 10, 100])
@pytest.mark.parametrize("begin", [2_588_316, 2_588_301])
def test_registers_on_another_scale_since_an_update_of_the_firmware_are_not_certain(
    books: Books, station: Station, begin: int, factor: float
) -> None:
    right, wh = play(station, begin, 1)
    station.boot(firmwareVersion="2.0")
    others = []
    for _ in range(3):
        transaction, wh = play(station, wh, factor)
        others.append(transaction)
    settle(books)

    assert_figure(station, right, 7200, flagged=False)
    for other in others:
        assert_figure(station, other, 7200, flagged=True)


@pytest.mark.parametrize("factor", [0.01, 0.1, 10, 100])
def test_registers_on_another_scale_before_an_update_of_the_firmware_are_not_certain(
    books: Books, station: Station, factor: float
) -> None:
    wrong, wh = play(station, 2_588_316, factor)
    right, _ = play(station, wh, 1)
    settle(books)

    assert_figure(station, wrong, 7200, flagged=True)
    assert_figure(station, right, 7200, flagged=False)


@pytest.mark.parametrize("others", [0, 1])
def test_power_that_confirms_the_registers_outweighs_the_scale_of_the_one_before(
    books: Books, station: Station, others: int
) -> None:
    _, wh = play(station, 2_588_310, 1)
    for _ in range(others):
        _, wh = play(station, wh, 10)
    transaction = station.start(10 * wh)
    for minute in range(1, HOUR + 1):
        books.wait(1)
        told = meter_value(
            station.clock(), 10 * (wh + 120 * minute), watts(72_000), charge_state(10 + minute)
        )
        station.tell(told, transaction=transaction)
    station.stop(transaction, 10 * (wh + 7200))

    assert_figure(station, transaction, 72_000, flagged=False)


@pytest.mark.parametrize("begin", [3_000, 12_000, 20_000])
@pytest.mark.parametrize("power", [2_300, 3_700])
def test_start_and_stop_ten_times_too_high_beside_one_reading_with_power_are_not_certain(
    books: Books, station: Station, begin: int, power: int
) -> None:
    """The reading may count from 0 by chance, but not with so little power."""
    transaction = station.start(10 * begin)
    end = charge(station, transaction, begin, 30, power=power, every=30)
    books.wait(30)
    station.stop(transaction, 10 * (end + power // 2))

    assert_doubtful(station, transaction, 0, 10 * power)
