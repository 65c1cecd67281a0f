"""Lies that another message contradicts: of another transaction, or of power, intervals and states
of charge."""

from random import Random

import pytest

from tests.store.books import UNSET_CLOCK, Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    QUARTER,
    assert_doubtful,
    assert_figure,
    bill_of,
    charge,
    charge_dc,
    charge_state,
    close_silent,
    session,
    settle,
    watts,
)

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


def test_a_register_that_was_set_back_between_two_transactions_is_no_overlap(
    books: Books, station: Station
) -> None:
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
def test_power_told_a_second_before_the_register_contradicts_it(
    books: Books, station: Station, share: float
) -> None:
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


def test_power_told_a_second_before_the_register_confirms_it(
    books: Books, station: Station
) -> None:
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
def test_a_stop_below_the_sum_of_its_intervals_is_not_certain(
    books: Books, station: Station, unit: str
) -> None:
    transaction = station.start(1000)
    for _ in range(HOUR):
        books.wait(1)
        value = {
            "value": "120" if unit == "Wh" else "0.12",
            "unit": unit,
            "measurand": "Energy.Active.Import.Interval",
        }
        station.tell(meter_value(station.clock(), value), transaction=transaction)
    station.stop(transaction, 1720)

    assert_figure(station, transaction, 720, flagged=True)


@pytest.mark.parametrize("context", ["Sample.Clock", "Sample.Periodic"])
def test_intervals_that_overlap_or_count_from_the_start_contradict_nothing(
    books: Books, station: Station, context: str
) -> None:
    """Clock-aligned ones beside those of each minute, or each with all energy since the start."""
    transaction = station.start(1000)
    for minute in range(1, HOUR + 1):
        books.wait(1)
        is_aligned = context == "Sample.Clock"
        station.tell(
            meter_value(station.clock(), interval(120 if is_aligned else 120 * minute)),
            transaction=transaction,
        )
        if is_aligned and minute % 15 == 0:
            station.tell(
                meter_value(station.clock(0.1), interval(1800, context)), transaction=transaction
            )
    station.stop(transaction, 8200)

    assert_figure(station, transaction, 7200, flagged=False)


def interval(wh: int, context: str = "Sample.Periodic") -> dict[str, str]:
    return {"value": str(wh), "measurand": "Energy.Active.Import.Interval", "context": context}


@pytest.mark.parametrize(
    "locations", [("Outlet", "Inlet"), ("Outlet", "Body"), ("Inlet", "Body"), ("Inlet", "Outlet")]
)
def test_the_power_nearest_to_the_outlet_counts(
    books: Books, station: Station, locations: tuple[str, str]
) -> None:
    """There it is twice what the register shows; elsewhere it agrees with that."""
    told = watts(7200) | {"location": min(locations, key=["Outlet", "Inlet", "Body"].index)}
    elsewhere = watts(3600) | {"location": max(locations, key=["Outlet", "Inlet", "Body"].index)}
    transaction = station.start(1000)
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        samples = (told, elsewhere) if locations[0] == told["location"] else (elsewhere, told)
        station.tell(
            meter_value(station.clock(), 1000 + 60 * minute, *samples), transaction=transaction
        )
    station.stop(transaction, 4600)

    assert_figure(station, transaction, 3600, flagged=True)


def test_two_powers_before_a_car_is_full_contradict_nothing(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    register = charge(station, transaction, 1000, 10, every=5)
    books.wait(10 * HOUR)
    station.stop(transaction, register)

    assert_figure(station, transaction, 1200, flagged=False)


@pytest.mark.parametrize("amperes", [10.4, 16])
def test_a_voltage_between_two_phases_without_their_names_is_no_battery(
    books: Books, station: Station, amperes: float
) -> None:
    transaction, register, wh_per_minute = station.start(1000), 1000, amperes * 400 * 3**0.5 / HOUR
    current = {"value": str(amperes), "measurand": "Current.Import", "unit": "A"}
    voltage = {"value": "400", "measurand": "Voltage", "unit": "V"}
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        register = 1000 + round(wh_per_minute * minute)
        station.tell(
            meter_value(station.clock(), register, current, voltage), transaction=transaction
        )
    station.stop(transaction, register)

    assert_figure(station, transaction, register - 1000, flagged=False)


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_a_state_of_charge_that_never_changes_contradicts_nothing(
    books: Books, station: Station, percent: int
) -> None:
    transaction = station.start(1000)
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        value = meter_value(station.clock(), 1000 + 120 * minute, charge_state(percent))
        station.tell(value, transaction=transaction)
    station.stop(transaction, 8200)

    assert_figure(station, transaction, 7200, flagged=False)


@pytest.mark.parametrize(
    ("reports", "every", "leap"), [(80, 5, 20_000), (3, 5, 3000), (10, 15, 8000), (60, 1, 8000)]
)
def test_a_leap_at_the_stop_after_a_car_was_full_is_not_certain(
    books: Books, station: Station, reports: int, every: int, leap: int
) -> None:
    transaction = station.start(200_000)
    register = charge(station, transaction, 200_000)
    for _ in range(reports):
        books.wait(every)
        station.tell(meter_value(station.clock(), register, watts(0)), transaction=transaction)
    books.wait(1)
    station.stop(transaction, register + leap)

    assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize(("factor", "is_flagged"), [(0.3, True), (1, False), (2, True), (4, True)])
def test_many_reports_of_a_power_that_varies_show_about_how_much_flowed(
    books: Books, station: Station, factor: float, is_flagged: bool
) -> None:
    """One in 15 minutes; the power changes every five."""
    transaction, random, wh = station.start(200_000), Random(3), 0.0
    for _ in range(50):
        powers = random.choices([1400, 2300, 3700, 7400, 11_000], k=3)
        books.wait(15)
        wh += sum(powers) / 12
        station.tell(
            meter_value(station.clock(), 200_000 + round(factor * wh), watts(powers[-1])),
            transaction=transaction,
        )
    station.stop(transaction, 200_000 + round(factor * wh))

    assert_figure(station, transaction, round(factor * wh), flagged=is_flagged)


# Another unit, another range


def test_start_and_stop_in_kwh_since_an_update_of_the_firmware_are_not_certain(
    books: Books, station: Station
) -> None:
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


def test_start_and_stop_in_kwh_before_an_update_of_the_firmware_are_not_certain(
    books: Books, station: Station
) -> None:
    in_kwh = station.start(12_345)
    books.wait(HOUR)
    station.stop(in_kwh, 12_352)
    books.wait(HOUR)
    station.start(12_352_200)

    assert_figure(station, in_kwh, 7000, flagged=True)


@pytest.mark.parametrize("modulus", [10**7, 10**8])
def test_a_register_of_seven_or_eight_digits_rolls_over(
    books: Books, station: Station, modulus: int
) -> None:
    transaction = station.start(modulus - 4000)
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        register = (modulus - 4000 + 120 * minute) % modulus
        station.tell(meter_value(station.clock(), register, watts(7200)), transaction=transaction)
    station.stop(transaction, 3200)

    assert_figure(station, transaction, 7200, flagged=True)


def test_readings_of_another_counter_take_and_add_nothing(books: Books, station: Station) -> None:
    """Those of the inlet, which nobody is billed for; the outlet is read at start and stop only."""
    transaction = station.start(1000)
    for minute in range(5, HOUR + 1, 5):
        books.wait(5)
        inlet = {"value": str(500_000 + 119 * minute), "location": "Inlet"}
        station.tell(meter_value(station.clock(), inlet), transaction=transaction)
    station.stop(transaction, 8200)

    assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize("tells_power", [True, False])
@pytest.mark.parametrize("at", ["begin", "end"])
def test_the_register_may_be_read_some_seconds_before_or_after_start_and_stop(
    station: Station, at: str, tells_power: bool
) -> None:
    transaction = station.start(1000)
    begin = {"value": "1004", "context": "Transaction.Begin"}
    station.tell(
        meter_value(station.clock(), *([begin] if at == "begin" else [])), transaction=transaction
    )
    register = charge(station, transaction, 1000, tells_power=tells_power)
    end = {"value": str(register - 4), "context": "Transaction.End"}
    station.stop(
        transaction, register, data=[meter_value(station.clock(), end)] if at == "end" else []
    )

    assert_figure(station, transaction, 7200, flagged=False)


@pytest.mark.parametrize("has_readings", [True, False])
def test_a_start_above_all_else_is_that_of_the_previous_stop(
    books: Books, station: Station, has_readings: bool
) -> None:
    register = session(station, 1000)
    transaction = station.start(9_000_000)
    if has_readings:
        charge(station, transaction, register)
    else:
        books.wait(HOUR)
    station.stop(transaction, register + 7200)

    assert_figure(station, transaction, 7200, flagged=True)


# A clock


@pytest.mark.parametrize(("every", "behind"), [(1, 0.5), (1, 0.75), (1, 1), (5, 2), (5, 5)])
def test_a_clock_that_was_corrected_during_a_transaction_takes_one_step_at_most(
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

    if bill_of(station, transaction)[1] != 7200:  # the step counts as a leap
        assert_doubtful(station, transaction, 7200 - 120 * every, 7200)


def test_a_queue_of_a_clock_that_stands_still_is_no_fast_charging(
    books: Books, station: Station
) -> None:
    """What was read in two hours arrives in two minutes: a hundredth of the energy would fit the
    power."""
    session(station, 9_000_000)
    books.wait(3 * HOUR)
    transaction = station.start(9_007_200, at=UNSET_CLOCK)
    for number in range(1, 9):
        books.wait(0.25)
        reading = meter_value(UNSET_CLOCK, 9_007_200 + number * 2750, watts(11_000))
        station.tell(reading, transaction=transaction)
    station.stop(transaction, 9_029_200, at=UNSET_CLOCK)

    assert_figure(station, transaction, 22_000, flagged=True)


def test_a_meter_that_was_swapped_after_a_start_by_an_unset_clock(
    books: Books, station: Station
) -> None:
    """Its clock is two hours ahead once it is set, so that the boot of the new meter seems to
    precede the readings."""
    station.boot(meter_serial_number="M-1")
    books.wait(QUARTER)
    transaction = station.start(4_139_187, at="1970-01-01T02:04:23Z")
    station.behind = -2 * HOUR
    for number in range(1, 5):
        books.wait(QUARTER)
        reading = meter_value(station.clock(), 4_139_187 + number * 2750, watts(11_000))
        station.tell(reading, transaction=transaction)
    books.wait(5)
    stopped = station.clock()
    books.wait(QUARTER)
    station.boot(meter_serial_number="M-2")
    station.stop(transaction, 4_151_098, at=stopped, reason="PowerLoss")
    books.wait(HOUR)
    station.start(481_939)
    settle(books)

    assert_figure(station, transaction, 11_911)


# Later facts


@pytest.mark.parametrize("has_readings", [True, False])
def test_a_register_that_stood_at_the_start_before_and_after_did_not_rise(
    books: Books, station: Station, has_readings: bool
) -> None:
    """Its stop is wrong, unless its own readings reach it: then the next start is."""
    register = session(station, 50_000)
    transaction = station.start(register)
    if has_readings:
        charge(station, transaction, register)
    else:
        books.wait(HOUR)
    station.stop(transaction, register + 7200)
    books.wait(10)
    following = station.start(register)
    station.stop(following, charge(station, following, register, 30))
    settle(books)

    assert_figure(
        station, transaction, 7200 if has_readings else 0, flagged=not has_readings or None
    )
    assert_figure(station, following, 3600, flagged=None)


def test_steady_power_shows_that_a_start_was_read_late(station: Station) -> None:
    register = session(station, 200_000)
    transaction = station.start(register + 6000)
    register = charge(station, transaction, register, 9 * HOUR, 11_000, every=HOUR)
    station.stop(transaction, register)

    assert_figure(station, transaction, 99_000, flagged=True)


@pytest.mark.parametrize("wrong", ["start", "stop"])
def test_begin_or_end_that_a_neighbour_confirms_is_right(
    books: Books, station: Station, wrong: str
) -> None:
    register = session(station, 200_000)
    begin = meter_value(station.clock(), {"value": str(register), "context": "Transaction.Begin"})
    transaction = station.start(register + (989 if wrong == "start" else 0))
    until = charge(station, transaction, register, every=15)
    end = meter_value(station.clock(), {"value": str(until), "context": "Transaction.End"})
    station.stop(transaction, until - (900 if wrong == "stop" else 0), data=[begin, end])
    books.wait(5)
    session(station, until)
    settle(books)

    assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize(("power", "wrong"), [(7200, 10), (72_000, 1)])
def test_of_power_and_register_the_lower_one_counts_above_what_ac_delivers(
    station: Station, power: int, wrong: int
) -> None:
    """Nothing shows which of them is wrong; a register that is a tenth of the energy gives the
    higher figure."""
    transaction, register = station.start(1000), 1000
    for _ in range(12):
        station.books.wait(5)
        register += 600
        station.tell(
            meter_value(station.clock(), register, watts(power * wrong)), transaction=transaction
        )
    station.stop(transaction, register)

    assert_figure(station, transaction, 7200, flagged=True)
    assert '"the register is wrong by a factor of 0.1":72000' in str(
        station.books.value("SELECT figures FROM review")
    )


@pytest.mark.parametrize("meter_stop", [-5, 0])
def test_the_last_source_counts_where_a_stop_has_no_register(
    books: Books, station: Station, meter_stop: int
) -> None:
    transaction = station.start(1000)
    charge(station, transaction, 1000, 45, every=15, tells_power=False)
    books.wait(15)
    end = {"value": "8200", "context": "Transaction.End"}
    station.stop(transaction, meter_stop, data=[meter_value(station.clock(), end)])
    books.wait(5)
    session(station, 8200)
    settle(books)

    assert_figure(station, transaction, 7200, flagged=True)


@pytest.mark.parametrize("meter_stop", [0, 5, 9_007_200])
def test_the_next_start_gives_the_figure_of_a_garbled_stop(
    books: Books, station: Station, meter_stop: int
) -> None:
    transaction = station.start(1_000_000)
    books.wait(HOUR)
    station.stop(transaction, meter_stop)
    books.wait(20)
    station.start(1_007_200)

    assert_figure(station, transaction, 7200, flagged=True)


def test_a_last_reading_above_the_whole_next_transaction_is_wrong(
    books: Books, station: Station
) -> None:
    """One reading leaps, then the charger reboots; the register goes on below it."""
    begin = 4_776_906
    first = station.start(begin)
    charge_dc(station, first, begin, [(12_500, 50_000, 42.6), (53_153, 50_000, 63.5)])
    close_silent(station)
    books.wait(60)
    second = station.start(begin + 28_208)
    charge_dc(
        station,
        second,
        begin + 28_208,
        [(12_433, 50_000, 30), (17_925, 20_000, 40), (18_712, 0, 41)],
    )
    books.wait(15)
    station.stop(second, begin + 28_208 + 18_712)
    settle(books)
    books.wait(5)
    settle(books)
    assert_doubtful(station, first, 12_500, 28_208)
    assert_figure(station, second, 18_712)


def test_a_leap_just_before_the_stop_is_not_hidden_by_leaving_its_reading_out(
    books: Books, station: Station
) -> None:
    begin = 4_322_604
    transaction = station.start(begin)
    told = [
        (12_500, 50_000, 42.2),
        (25_000, 50_000, 63.1),
        (37_500, 50_000, 83.9),
        (69_441, 13_906, 97.4),
    ]
    charge_dc(station, transaction, begin, told)
    books.wait(1)
    station.stop(transaction, begin + 69_654)
    assert_doubtful(station, transaction, 37_713, 45_809)
