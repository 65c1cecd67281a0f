"""Power on another scale than the register, which is right: of one phase, in tenths, or ten times
too high."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    WATTS,
    assert_doubtful,
    assert_figure,
    charge_state,
    session,
    settle,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores
BEGIN = 2_588_316


def session_by(station: Station, wh: int, factor: float, every: int = 5) -> int:
    """Play a session of 7,200 Wh whose power is sent multiplied by a factor; return its id."""
    transaction = station.start(wh)
    for minutes in range(every, HOUR + 1, every):
        station.books.wait(every)
        told = meter_value(
            station.clock(), wh + WATTS * minutes // HOUR, watts(round(WATTS * factor))
        )
        station.tell(told, transaction=transaction)
    station.stop(transaction, wh + WATTS)
    station.books.wait(10)
    return transaction


@pytest.mark.parametrize("every", [1, 5, 15])
@pytest.mark.parametrize("factor", [1 / 3, 0.5, 0.1, 10])
def test_the_register_is_right_between_two_that_power_confirmed(
    books: Books, station: Station, factor: float, every: int
) -> None:
    begin = session(station, session(station, BEGIN))
    transaction = session_by(station, begin, factor, every)
    session(station, begin + WATTS)
    settle(books)

    assert_figure(station, transaction, WATTS, flagged=True)


@pytest.mark.parametrize("factor", [1 / 3, 0.5, 0.1])
def test_it_becomes_a_habit(station: Station, factor: float) -> None:
    """No car charges with 720 W for an hour, so a register ten times too high is no explanation."""
    sessions = [session_by(station, BEGIN + number * WATTS, factor) for number in range(7)]

    for transaction in sessions[:3]:
        assert_figure(station, transaction, WATTS, flagged=True)
    assert_figure(station, sessions[-1], WATTS, flagged=False)


@pytest.mark.parametrize("every", [1, 5, 15])
@pytest.mark.parametrize("power", [3680, WATTS, 11_040])
def test_a_register_that_counts_ten_times_too_fast_in_one_session(
    station: Station, power: int, every: int
) -> None:
    """It goes on from the previous session, and the next one goes on from it: power alone shows
    what flowed."""
    begin = session(station, session(station, BEGIN))
    transaction = station.start(begin)
    for minutes in range(every, HOUR + 1, every):
        station.books.wait(every)
        told = meter_value(station.clock(), begin + 10 * power * minutes // HOUR, watts(power))
        station.tell(told, transaction=transaction)
    station.stop(transaction, begin + 10 * power)
    station.books.wait(10)
    session(station, begin + 10 * power)
    settle(station.books)

    assert_figure(station, transaction, power, flagged=True)


def test_a_register_that_counts_a_tenth_in_one_session(station: Station) -> None:
    """The reported figure is proposed: it lies on one line with the sessions before and after."""
    begin = session(station, session(station, BEGIN))
    transaction = station.start(begin)
    for minutes in range(5, HOUR + 1, 5):
        station.books.wait(5)
        told = meter_value(station.clock(), begin + WATTS * minutes // HOUR // 10, watts(WATTS))
        station.tell(told, transaction=transaction)
    station.stop(transaction, begin + WATTS // 10)
    station.books.wait(10)
    session(station, begin + WATTS // 10)
    settle(station.books)

    assert_figure(station, transaction, WATTS // 10, flagged=True)


def test_registers_on_another_scale_go_on_from_each_other(station: Station) -> None:
    """All are ten times too high, which power shows: that they continue one another does not make
    them right."""
    begin = BEGIN
    for _ in range(3):
        transaction = station.start(10 * begin)
        for minutes in range(5, HOUR + 1, 5):
            station.books.wait(5)
            told = meter_value(
                station.clock(), 10 * (begin + WATTS * minutes // HOUR), watts(WATTS)
            )
            station.tell(told, transaction=transaction)
        begin += WATTS
        station.stop(transaction, 10 * begin)
        station.books.wait(10)
        assert_figure(station, transaction, WATTS, flagged=True)


@pytest.mark.parametrize("every", [1, 5, 15])
@pytest.mark.parametrize(("battery", "power"), [(350_000, 150_000), (600_000, 300_000)])
def test_a_lorry_has_a_larger_battery_than_any_car(
    station: Station, battery: int, power: int, every: int
) -> None:
    """From 15 to 85 %: power and register agree, but no battery takes so much."""
    transaction, wh = station.start(BEGIN), BEGIN
    while (wh - BEGIN) < 0.7 * battery:
        station.books.wait(every)
        wh += power * every // HOUR
        percent = 15 + 100 * (wh - BEGIN) // battery
        station.tell(
            meter_value(station.clock(), wh, watts(power), charge_state(percent)),
            transaction=transaction,
        )
    station.stop(transaction, wh)
    settle(station.books)
    assert_doubtful(station, transaction, 24_500, wh - BEGIN)


def test_power_that_was_ten_times_too_high_still_is_where_a_charger_might_deliver_it(
    station: Station,
) -> None:
    """110 kW, and then 37 kW, by a current in tenths of an ampere: no register that is a tenth
    explains the first."""
    begin = BEGIN
    for power in (11_040, 3660):
        transaction = station.start(begin)
        for _ in range(6):
            station.books.wait(10)
            begin += power // 6
            station.tell(
                meter_value(station.clock(), begin, watts(10 * power)), transaction=transaction
            )
        station.stop(transaction, begin)
        station.books.wait(10)

        assert_figure(station, transaction, power, flagged=True)

    (kind,) = station.books.row("SELECT kind FROM habit")
    assert kind == "power_too_high"


def test_a_current_without_a_phase_is_already_counted_on_three(
    books: Books, station: Station
) -> None:
    """The register is ten times too high: 32 A at 230 V on one to three phases are no more than 22
    kW."""
    wh, sent = 100_000, {"value": "32.0", "measurand": "Current.Import", "unit": "A"}
    transaction = station.start(10 * wh)
    for _ in range(12):
        books.wait(5)
        wh += 610
        volts = {"value": "230", "measurand": "Voltage", "unit": "V"}
        station.tell(meter_value(station.clock(), 10 * wh, sent, volts), transaction=transaction)
    station.stop(transaction, 10 * wh)
    assert_figure(station, transaction, 7320, flagged=True)


def test_a_voltage_of_a_phase_shows_an_ac_charger(books: Books, station: Station) -> None:
    """73 kW at one pace are possible, but not at AC: rather the register is ten times too high."""
    wh = 100_000
    transaction = station.start(wh)
    for _ in range(12):
        books.wait(5)
        wh += 6100
        volts = {"value": "230", "measurand": "Voltage", "unit": "V"}
        station.tell(meter_value(station.clock(), wh, volts), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7320, flagged=True)


def test_a_battery_shows_that_the_register_is_ten_times_too_high(
    books: Books, station: Station
) -> None:
    """72 kWh would be 8 % of it; at 720 W no car charges for an hour."""
    wh = 100_000
    transaction = station.start(10 * wh)
    for number in range(12):
        books.wait(5)
        wh += 600
        station.tell(
            meter_value(station.clock(), 10 * wh, charge_state(40 + number * 0.7)),
            transaction=transaction,
        )
    station.stop(transaction, 10 * wh)
    assert_figure(station, transaction, 7200, flagged=True)
