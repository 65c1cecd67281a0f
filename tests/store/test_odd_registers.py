"""Registers that count in an odd way, and what the messages tell of them."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_doubtful, assert_figure, charge, session, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


def test_each_phase_is_sent_with_the_register_of_all(books: Books, station: Station) -> None:
    transaction, wh = station.start(1_000_000), 1_000_000
    for _ in range(12):
        books.wait(5)
        wh += 600
        phases = [{"value": str(wh), "phase": phase} for phase in ("L1", "L2", "L3")]
        station.tell(meter_value(station.clock(), *phases), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200, flagged=True)


def test_readings_in_kwh_without_a_unit_at_a_new_charger(station: Station) -> None:
    transaction = station.start(0)
    wh = charge(
        station,
        transaction,
        0,
        85,
        power=10_900,
        told=lambda wh: f"{wh / 1000:.3f}",
        tells_power=False,
    )
    wh = charge(
        station,
        transaction,
        wh,
        5,
        power=9_000,
        told=lambda wh: f"{wh / 1000:.3f}",
        tells_power=False,
    )
    station.stop(transaction, wh)
    assert_figure(station, transaction, wh, flagged=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_car_that_feeds_back(books: Books, station: Station, sign: int) -> None:
    """Its negative power is no import; a meter that is connected the wrong way round tells
    nothing."""
    transaction, wh = station.start(1000), 1000
    for number in range(12):
        books.wait(5)
        is_charging = number % 3 != 1
        wh += 600 if is_charging else 0
        power = watts(sign * 7200 if is_charging else -5000 if sign > 0 else 0)
        station.tell(meter_value(station.clock(), wh, power), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 4800, flagged=False)


def test_a_reset_in_a_session_of_few_readings(books: Books, station: Station) -> None:
    transaction = station.start(526_965)
    for wh in (529_680, 532_415, 2748):
        books.wait(15)
        station.tell(station.register(wh), transaction=transaction)
    books.wait(15)
    station.stop(transaction, 4091)
    assert_figure(station, transaction, 2715 + 2735 + 2748 + 1343, flagged=True)


def test_a_register_that_a_boot_sets_back(books: Books, station: Station) -> None:
    """The register of the stop counts, so what it lost by the boot is no part of the proposal."""
    transaction = station.start(100_000)
    wh = charge(station, transaction, 100_000, tells_power=False)
    books.wait(2)
    station.boot()
    wh = charge(station, transaction, wh - 2900, tells_power=False)
    station.stop(transaction, wh)
    assert_doubtful(station, transaction, 14_400 - 2900, 14_400)


def test_starts_at_0_and_a_figure_that_a_hundredth_of_the_register_would_fit_by_chance(
    books: Books, station: Station
) -> None:
    """Registers count for life. Power confirms what flowed since the previous stop, too."""
    found, register = [], 1_650_000 - 16_500
    for minutes in (90, 66, 66):
        transaction = station.start(0)
        register = charge(
            station, transaction, register, minutes, power=11_000, every=2, told=lambda _: None
        )
        station.stop(transaction, register)
        books.wait(HOUR)
        found.append(transaction)
    settle(books)
    for transaction in found[1:]:
        assert_figure(station, transaction, 12_078, flagged=True)


def test_a_whole_session_that_names_the_previous_transaction(
    books: Books, station: Station
) -> None:
    """Its readings are above the stop that they name, and where the next transaction was."""
    first = station.start(24_363)
    wh = charge(station, first, 24_363, tells_power=False)
    station.stop(first, wh)
    books.wait(HOUR)
    second = station.start(wh)
    until = charge(station, first, wh, 4 * HOUR, tells_power=False)
    station.stop(second, until)
    books.wait(HOUR)
    station.start(until)
    settle(books)
    settle(books)
    assert_figure(station, first, 7200)
    assert_figure(station, second, 28_800)


def test_a_stop_1_wh_below_the_start_is_the_same_register(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    station.stop(transaction, 999)
    assert_figure(station, transaction, 0, flagged=False)


def test_a_register_that_counts_since_the_boot(books: Books, station: Station) -> None:
    found = []
    for boots in (True, True, True, False, True, False):
        begin = 0 if boots else 7200
        transaction = station.start(begin)
        register = charge(station, transaction, begin, tells_power=False)
        station.stop(transaction, register)
        found.append(transaction)
        books.wait(HOUR)
        if begin == 7200 or boots:
            station.boot()
    for transaction in found:
        assert_figure(station, transaction, 7200, flagged=False)


def test_a_register_that_is_renewed_every_five_minutes(books: Books, station: Station) -> None:
    """It is sent each minute, with the power, and stands still at the start, too."""
    transaction = station.start(1000)
    told, wh = 1000, 1000
    for minute in range(1, HOUR + 1):
        books.wait(1)
        power = 22_000 - minute % 2 * 600
        wh += power // 60
        told = told if minute % 5 else wh
        station.tell(meter_value(station.clock(), told, watts(power)), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, wh - 1000, flagged=False)


def test_garbled_stops_do_not_make_a_charger_one_that_counts_each_transaction(
    books: Books, station: Station
) -> None:
    wh = session(station, 8_100_000)
    for _ in range(2):
        transaction = station.start(wh)
        wh = charge(station, transaction, wh)
        station.stop(transaction, wh - 8_000_000)
        books.wait(10)
    session(station, wh)
    transaction = station.start(wh + 7200)
    wh = charge(station, transaction, wh + 7200)
    station.stop(transaction, wh)
    settle(books)
    assert_figure(station, transaction, 7200, flagged=False)
