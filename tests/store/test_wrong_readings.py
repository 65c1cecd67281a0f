"""Readings, states of charge or times that contradict a right start and stop; and starts that
contradict the rest."""

from random import Random

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    QUARTER,
    assert_doubtful,
    assert_figure,
    bill_of,
    charge,
    charge_state,
    close_silent,
    session,
    settle,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores
BEGIN = 2_588_316


def random_readings(station: Station, transaction: int, *, tells_power: bool) -> None:
    chance = Random(5)
    for _ in range(12):
        station.books.wait(5)
        samples = [watts(7200)] if tells_power else []
        station.tell(
            meter_value(station.clock(), chance.randrange(10**7), *samples), transaction=transaction
        )


def test_readings_of_no_register_beside_start_stop_and_power(station: Station) -> None:
    transaction = station.start(BEGIN)
    random_readings(station, transaction, tells_power=True)
    station.stop(transaction, BEGIN + 7200)

    assert_figure(station, transaction, 7200, flagged=True)


def test_readings_of_no_register_between_two_neighbours(books: Books, station: Station) -> None:
    begin = session(station, BEGIN)
    transaction = station.start(begin)
    random_readings(station, transaction, tells_power=False)
    station.stop(transaction, begin + 7200)
    books.wait(10)
    session(station, begin + 7200)
    settle(books)

    assert_figure(station, transaction, 7200, flagged=True)


def test_a_state_of_charge_that_falls_again_and_again_is_no_evidence(station: Station) -> None:
    transaction = station.start(BEGIN)
    for number, percent in enumerate((90, 10, 0, 100, 55, 90, 10, 0), 1):
        station.books.wait(5)
        told = meter_value(station.clock(), BEGIN + number * 600, charge_state(percent))
        station.tell(told, transaction=transaction)
    station.stop(transaction, BEGIN + 4800)

    assert bill_of(station, transaction)[1] == 4800


@pytest.mark.parametrize("every", [5, 10, 15])
@pytest.mark.parametrize("tells_power", [True, False])
def test_readings_one_interval_old(station: Station, every: int, tells_power: bool) -> None:
    """The first one repeats the start, so what is missing at the last one is no leap."""
    transaction = station.start(BEGIN)
    before = BEGIN - 120 * every
    until = charge(station, transaction, before, power=7200, every=every, tells_power=tells_power)
    station.books.wait(0.3)
    station.stop(transaction, until + 120 * every)

    assert_figure(station, transaction, 7200)


def test_a_stop_far_above_some_steady_readings(station: Station) -> None:
    """Four readings are enough to show how this car charged: 5 kWh within 18 s are too much."""
    transaction = station.start(BEGIN)
    until = charge(station, transaction, BEGIN, every=QUARTER, tells_power=False)
    station.books.wait(0.3)
    station.stop(transaction, until + 5000)

    assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize("tells_power", [True, False])
def test_each_start_is_below_the_previous_stop(
    books: Books, station: Station, tells_power: bool
) -> None:
    """The readings of the previous transaction show that the register was higher."""
    begin, found = session(station, BEGIN), list[int]()
    for _ in range(3):
        transaction = station.start(begin - 5000)
        begin = charge(station, transaction, begin, every=QUARTER, tells_power=tells_power)
        station.stop(transaction, begin)
        books.wait(10)
        found.append(transaction)
    settle(books)

    for transaction in found:
        assert_figure(station, transaction, 7200, flagged=True)


def test_all_starts_are_0_and_all_stops_for_life(books: Books, station: Station) -> None:
    """Without readings: each but the first counts from the previous stop."""
    found = list[int]()
    for number in range(4):
        transaction = station.start(0)
        for _ in range(12):
            books.wait(5)
            station.tell(meter_value(station.clock(), watts(7200)), transaction=transaction)
        station.stop(transaction, BEGIN + number * 7200)
        books.wait(10)
        found.append(transaction)
    settle(books)

    assert_doubtful(station, found[0], 0, 0)
    for transaction in found[1:]:
        assert_figure(station, transaction, 7200, flagged=True)


def test_a_stop_stored_before_the_power_failed(books: Books, station: Station) -> None:
    """The next transaction goes on from the last reading, so that is right and the stop is old."""
    transaction = station.start(BEGIN)
    until = charge(station, transaction, BEGIN, 30, every=QUARTER, tells_power=False)
    books.wait(HOUR)
    station.boot()
    station.stop(transaction, until - 400, reason="PowerLoss")
    books.wait(10)
    session(station, until)
    settle(books)

    assert_figure(station, transaction, 3600, flagged=True)


@pytest.mark.parametrize("named", [-1, None])
def test_readings_of_two_transactions_that_overtook_their_starts(
    books: Books, station: Station, named: int | None
) -> None:
    """The stop of the first is below the readings of the second, which it does not concern."""
    begun, queued = books.now, list[tuple[str, int]]()
    for number in range(2):
        for minutes in (15, 30, 45, 60):
            books.wait(QUARTER)
            wh = BEGIN + 7200 * number + 120 * minutes
            queued.append((station.clock(), wh))
        books.wait(QUARTER)
    books.wait(HOUR)
    for at, wh in queued:
        station.tell(meter_value(at, wh), transaction=named)
    minutes_ago, found = (books.now - begun).total_seconds() / 60, list[int]()
    for number in range(2):
        ago = minutes_ago - (HOUR + QUARTER) * number
        found.append(station.start(BEGIN + 7200 * number, at=station.clock(ago)))
        station.stop(-1, BEGIN + 7200 * (number + 1), at=station.clock(ago - HOUR))
    settle(books)

    for transaction in found:
        assert_figure(station, transaction, 7200)


def test_a_start_two_hours_ahead_stays_between_its_neighbours(
    books: Books, station: Station
) -> None:
    """Only its time is local: the next transaction begins where this one ended, not where the
    previous one did."""
    begin = session(station, BEGIN)
    transaction = station.start(begin, at=station.clock(-2 * HOUR))
    until = charge(station, transaction, begin, 30)
    station.stop(transaction, until)
    books.wait(10)
    following = station.start(until)
    end = charge(station, following, until)
    station.stop(following, end)
    settle(books)

    assert_figure(station, transaction, 3600)
    assert_figure(station, following, 7200, flagged=False)


@pytest.mark.parametrize("wrong", [0, -3000, 90_000])
def test_a_start_below_the_last_reading_of_one_whose_stop_was_lost(
    books: Books, station: Station, wrong: int
) -> None:
    """That reading may be wrong: 550 Wh are in doubt, and a wrong stop is replaced as if it had not
    been sent."""
    lost = station.start(BEGIN)
    begin = charge(station, lost, BEGIN)
    station.tell(meter_value(station.clock(), begin + 550), transaction=lost)
    close_silent(station)
    station.connect()
    transaction = station.start(begin)
    station.stop(transaction, charge(station, transaction, begin) + wrong)
    settle(books)

    assert_figure(station, transaction, 6600, flagged=True)
