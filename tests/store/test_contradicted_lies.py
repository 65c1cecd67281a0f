"""Lies that another message contradicts: of another transaction, or of power, intervals and states of charge."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_doubtful, assert_figure, charge, charge_state, session, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


# Two transactions of one connector at once


@pytest.mark.parametrize("first", ["the older", "the newer"])
@pytest.mark.parametrize("tag", ["ALICE", "BOB"])
def test_a_start_that_was_repeated_with_another_time_is_billed_once(
    books: Books, station: Station, first: str, tag: str
) -> None:
    older = station.start(1000, tag="ALICE")
    books.wait(3)
    station.boot()
    newer = station.start(1000, tag=tag)
    register = charge(station, newer, 1000)
    for transaction in (older, newer) if first == "the older" else (newer, older):
        station.stop(transaction, register)
        books.wait(1)

    books.settle()
    assert_figure(station, older, 0, flagged=True)
    assert_figure(station, newer, 7200)


def test_two_at_once_without_readings_are_billed_to_neither(books: Books, station: Station) -> None:
    older = station.start(1000)
    books.wait(5)
    newer = station.start(1000, tag="BOB")
    books.wait(20)
    station.stop(newer, 3400)
    books.wait(20)
    station.stop(older, 3400)

    assert_figure(station, older, 0, flagged=True)
    assert_figure(station, newer, 0, flagged=True)


def test_a_register_that_was_set_back_between_two_transactions_is_no_overlap(books: Books, station: Station) -> None:
    session(station, 1000)
    books.wait(HOUR)
    again = station.start(1000)
    register = charge(station, again, 1000)
    station.stop(again, register)

    assert_figure(station, again, 7200, flagged=False)


# Power and energy per interval


@pytest.mark.parametrize("meter_stop", [1360, 4600])
def test_a_stop_below_the_power_is_not_certain_without_readings(
    books: Books, station: Station, meter_stop: int
) -> None:
    transaction = station.start(1000)
    for _ in range(HOUR):
        books.wait(1)
        station.tell(meter_value(station.clock(), watts(7200)), transaction=transaction)
    station.stop(transaction, meter_stop)

    assert_doubtful(station, transaction, 0, 7200)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.5])
def test_power_told_a_second_before_the_register_contradicts_it(books: Books, station: Station, share: float) -> None:
    transaction, register = station.start(1000), 1000.0
    for minute in range(1, HOUR + 1):
        books.wait(1)
        power = 3600 + minute % 3 * 3600
        register += power / HOUR
        told = 1000 + round(share * (register - 1000))
        early = meter_value(station.clock(1 / 60), watts(power))
        station.tell(early, meter_value(station.clock(), told), transaction=transaction)
    station.stop(transaction, 1000 + round(share * (register - 1000)))

    assert_doubtful(station, transaction, 0, 11_000)


def test_power_told_a_second_before_the_register_confirms_it(books: Books, station: Station) -> None:
    transaction, register = station.start(1000), 1000
    for minute in range(1, HOUR + 1):
        books.wait(1)
        power = 3600 + minute % 3 * 3600
        register += power // HOUR
        early = meter_value(station.clock(1 / 60), watts(power))
        station.tell(early, meter_value(station.clock(), register), transaction=transaction)
    station.stop(transaction, register)

    assert_figure(station, transaction, register - 1000, flagged=False)


@pytest.mark.parametrize("unit", ["Wh", "kWh"])
def test_a_stop_below_the_sum_of_its_intervals_is_not_certain(books: Books, station: Station, unit: str) -> None:
    transaction = station.start(1000)
    for _ in range(HOUR):
        books.wait(1)
        value = {"value": "120" if unit == "Wh" else "0.12", "unit": unit, "measurand": "Energy.Active.Import.Interval"}
        station.tell(meter_value(station.clock(), value), transaction=transaction)
    station.stop(transaction, 1720)

    assert_figure(station, transaction, 720, flagged=True)


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_a_state_of_charge_that_never_changes_contradicts_nothing(books: Books, station: Station, percent: int) -> None:
    transaction = station.start(1000)
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        value = meter_value(station.clock(), 1000 + 120 * minute, charge_state(percent))
        station.tell(value, transaction=transaction)
    station.stop(transaction, 8200)

    assert_figure(station, transaction, 7200, flagged=False)


# Another unit, another range


def test_start_and_stop_in_kwh_since_an_update_of_the_firmware_are_not_certain(books: Books, station: Station) -> None:
    wh = station.start(12_345_000)
    books.wait(HOUR)
    station.stop(wh, 12_352_200)
    books.wait(HOUR)
    in_kwh = [(station.start(12_352), 12_357), (0, 12_366)]
    for number, (transaction, stop) in enumerate(in_kwh):
        books.wait(HOUR)
        station.stop(transaction or in_kwh[-1][0], stop)
        if number == 0:
            in_kwh[-1] = (station.start(12_357), 12_366)

    assert_figure(station, wh, 7200, flagged=False)
    assert_figure(station, in_kwh[0][0], 5000, flagged=True)
    assert_figure(station, in_kwh[1][0], 9000, flagged=True)


def test_start_and_stop_in_kwh_before_an_update_of_the_firmware_are_not_certain(books: Books, station: Station) -> None:
    in_kwh = station.start(12_345)
    books.wait(HOUR)
    station.stop(in_kwh, 12_352)
    books.wait(HOUR)
    station.start(12_352_200)

    assert_figure(station, in_kwh, 7000, flagged=True)


@pytest.mark.parametrize("modulus", [10**7, 10**8])
def test_a_register_of_seven_or_eight_digits_rolls_over(books: Books, station: Station, modulus: int) -> None:
    transaction = station.start(modulus - 4000)
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        register = (modulus - 4000 + 120 * minute) % modulus
        station.tell(meter_value(station.clock(), register, watts(7200)), transaction=transaction)
    station.stop(transaction, 3200)

    assert_figure(station, transaction, 7200, flagged=True)


# A clock


@pytest.mark.parametrize(("every", "behind"), [(1, 0.5), (1, 0.75), (1, 1), (5, 2), (5, 5)])
def test_a_clock_that_was_corrected_during_a_transaction_takes_no_energy(
    books: Books, station: Station, every: int, behind: float
) -> None:
    """Its power is told with each reading, so that one step seems too fast."""
    station.behind = -behind
    transaction, register = station.start(1003), 1003
    for number in range(HOUR // every):
        books.wait(every)
        station.behind = 0 if number > HOUR // every // 2 else -behind
        register += 120 * every
        station.tell(meter_value(station.clock(), register, watts(7200)), transaction=transaction)
    station.stop(transaction, register)

    assert_figure(station, transaction, 7200)


# Later facts


@pytest.mark.parametrize("meter_stop", [0, 5, 9_007_200])
def test_the_next_start_gives_the_figure_of_a_garbled_stop(books: Books, station: Station, meter_stop: int) -> None:
    transaction = station.start(1_000_000)
    books.wait(HOUR)
    station.stop(transaction, meter_stop)
    books.wait(20)
    station.start(1_007_200)

    assert_figure(station, transaction, 7200, flagged=True)
