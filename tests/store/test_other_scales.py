"""Registers on another scale than the rest: readings beside start and stop, or a session between
its neighbours."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    assert_doubtful,
    assert_figure,
    charge,
    charge_state,
    session,
    settle,
    start_with,
    stop_with,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


@pytest.mark.parametrize("tells_power", [True, False])
@pytest.mark.parametrize("factor", [10, 100])
def test_readings_too_high_by_a_factor(station: Station, factor: int, tells_power: bool) -> None:
    transaction = station.start(2_595_516)
    until = charge(
        station, transaction, 2_595_516, told=lambda wh: wh * factor, tells_power=tells_power
    )
    station.stop(transaction, until)

    assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize("tells_power", [True, False])
@pytest.mark.parametrize("of_readings", [10, 1])
def test_a_session_too_high_by_a_factor_between_two_that_are_right(
    books: Books, station: Station, tells_power: bool, of_readings: int
) -> None:
    """Its readings may be on the scale of the neighbours."""
    begin = session(station, 2_588_316)
    transaction = station.start(10 * begin)
    end = charge(
        station, transaction, begin, told=lambda wh: wh * of_readings, tells_power=tells_power
    )
    station.stop(transaction, 10 * end)
    books.wait(10)
    session(station, end)
    settle(books)

    assert_figure(station, transaction, 7200, flagged=True)


def test_a_session_above_both_neighbours_is_in_doubt(books: Books, station: Station) -> None:
    begin = session(station, 2_588_316)
    transaction = station.start(9_000_000)
    books.wait(HOUR)
    station.stop(transaction, 9_020_000)
    books.wait(10)
    session(station, begin + 7200)
    settle(books)

    assert_figure(station, transaction, 20_000, flagged=True)


def test_a_counter_of_its_own_that_rose_as_much_is_right(books: Books, station: Station) -> None:
    begin = session(station, 2_588_316)
    transaction = station.start(9_000_000)
    books.wait(HOUR)
    station.stop(transaction, 9_007_200)
    books.wait(10)
    session(station, begin + 7200)
    settle(books)

    assert_figure(station, transaction, 7200, flagged=False)


def test_a_queued_session_whose_clock_was_set_back_between_two_others_keeps_its_figure(
    books: Books, station: Station
) -> None:
    """It came after both neighbours, so the next one does not show that the register was never so
    high."""
    begin = session(station, 2_588_316)
    books.wait(5 * HOUR)
    session(station, begin)
    late = station.start(begin + 7200, at=station.clock(4 * HOUR))
    station.stop(late, begin + 16_200, at=station.clock(3 * HOUR))
    settle(books)

    assert station.bill(late)[0] == 9000


def test_the_last_reading_before_a_lost_stop_is_too_low(books: Books, station: Station) -> None:
    """The power before and after it shows which of the last two is wrong."""
    transaction = station.start(9_148_473)
    for wh in (9_153_973, 9_159_473, 9_156_909):
        books.wait(HOUR // 2)
        station.tell(meter_value(station.clock(), wh, watts(11_000)), transaction=transaction)
    station.boot()
    books.wait(HOUR)
    station.start(9_170_378)
    station.orphan(station.start(9_170_378, connector=2), 9_170_378, 2)
    settle(books)

    assert_figure(station, transaction, 11_000, flagged=True)


def test_two_powers_at_the_end_do_not_show_how_a_battery_charged_before(
    books: Books, station: Station
) -> None:
    """Its power falls as it fills, and the first reading came only now."""
    begin = session(station, 1_108_981)
    transaction = station.start(begin)
    books.wait(15)
    station.tell(
        meter_value(station.clock(), begin + 19_599, watts(61_510), charge_state(84.9)),
        transaction=transaction,
    )
    books.wait(0.4)
    end = {"value": str(begin + 19_968), "context": "Transaction.End"}
    told = meter_value(station.clock(), end, watts(59_174), charge_state(85.5))
    station.stop(transaction, begin + 19_599, data=[told])
    books.wait(10)
    session(station, begin + 19_968)
    settle(books)

    assert_figure(station, transaction, 19_968, flagged=True)


def test_start_and_stop_in_kwh_between_neighbours_in_wh(books: Books, station: Station) -> None:
    """So the readings, which are in Wh as those of the neighbours, are right."""
    begin = session(station, 2_588_316)
    transaction = station.start(begin // 1000)
    end = charge(station, transaction, begin, tells_power=False)
    station.stop(transaction, end // 1000)
    books.wait(10)
    session(station, end)
    settle(books)

    assert_doubtful(station, transaction, 6000, 8000)


@pytest.mark.parametrize("tells_power", [True, False])
def test_readings_whose_unit_changes_in_between(station: Station, tells_power: bool) -> None:
    """In Wh at first, then in kWh without a unit. Without power, the part before that is
    proposed."""
    transaction = station.start(2_595_516)
    until = charge(station, transaction, 2_595_516, 10, tells_power=tells_power)
    until = charge(
        station, transaction, until, 50, told=lambda wh: f"{wh / 1000:.3f}", tells_power=tells_power
    )
    station.stop(transaction, until)

    assert_doubtful(station, transaction, 7200 if tells_power else 1200, 7200)


def test_a_tenth_between_two_that_are_right(books: Books, station: Station) -> None:
    """Start and stop are a tenth, without readings: `outside_its_neighbours` holds it, and lists
    what they leave."""
    begin = session(station, 2_588_310)
    transaction = station.start(begin // 10)
    books.wait(HOUR)
    station.stop(transaction, (begin + 7200) // 10)
    books.wait(10)
    session(station, begin + 7200)
    settle(books)

    assert_figure(station, transaction, 720, flagged=True)


def test_start_and_stop_in_kwh_keep_their_decimals(books: Books, station: Station) -> None:
    begin = session(station, 2_588_316)
    transaction = start_with(station, begin / 1000)
    for _ in range(12):
        books.wait(5)
        station.tell(meter_value(station.clock(), watts(7200)), transaction=transaction)
    stop_with(station, transaction, (begin + 7200) / 1000)
    books.wait(10)
    session(station, begin + 7200)
    settle(books)

    assert_figure(station, transaction, 7200, flagged=True)


def test_start_and_stop_in_kwh_with_decimals_beside_readings_in_wh_at_a_new_meter(
    station: Station,
) -> None:
    """As thousandths of a Wh, the readings would show a car that charges with 7 W."""
    begin = 37
    for _ in range(3):
        transaction = start_with(station, f"{begin / 1000:.3f}")
        begin = charge(
            station, transaction, begin, every=1, told=lambda wh: {"value": str(wh), "unit": "Wh"}
        )
        stop_with(station, transaction, f"{begin / 1000:.3f}")
        station.books.wait(10)

        assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize("tells_power", [True, False])
def test_a_stop_in_kwh_near_a_rollover(books: Books, station: Station, tells_power: bool) -> None:
    """The next start refutes that the register rolled over. It is innocent."""
    transaction = station.start(58_000)
    register = charge(station, transaction, 58_000, tells_power=tells_power)
    books.wait(1)
    station.stop(transaction, register // 1000)
    books.wait(2)
    following = station.start(register + 100)
    books.wait(10)
    station.stop(following, register + 1100)
    settle(books)

    assert_doubtful(station, transaction, 7200, 7300)
    assert_figure(station, following, 1000, flagged=False)


@pytest.mark.parametrize("modulus", [2**16, 10**6, 2**31])
@pytest.mark.parametrize("tells_power", [True, False])
def test_all_readings_come_after_the_register_rolled_over(
    books: Books, station: Station, modulus: int, tells_power: bool
) -> None:
    """Whether the register began again or counts each transaction: the energy is what it counted
    since."""
    transaction = station.start(modulus - 500)
    charge(
        station, transaction, modulus - 500, told=lambda wh: wh % modulus, tells_power=tells_power
    )
    station.stop(transaction, 6700)
    books.wait(10)
    session(station, 6700)
    settle(books)

    assert_figure(station, transaction, 6700, flagged=True)


def test_registers_printed_with_six_digits(station: Station) -> None:
    """2.59552e+06: the last digit is 10 Wh, so the last reading may be above the stop."""
    transaction = station.start(2_588_316)
    until = charge(station, transaction, 2_588_316, told=lambda wh: f"{wh:.5e}")
    station.stop(transaction, until)

    assert_figure(station, transaction, 7200, flagged=False)


@pytest.mark.parametrize(("step", "begin"), [(10, 900_160), (10, 52_000)])
def test_readings_are_finer_than_start_and_stop_in_whole_steps(
    books: Books, station: Station, step: int, begin: int
) -> None:
    """No car charges at a tenth of what the readings show."""
    wh = begin
    for number in range(3):
        transaction = station.start(wh // step if number else wh)
        wh = charge(station, transaction, wh, tells_power=False)
        station.stop(transaction, wh // step if number else wh)
        books.wait(10)
        settle(books)
        assert_figure(station, transaction, 7200, flagged=number > 0)
