"""Wrong registers of a simulated month, and the power that contradicts them: a short story of each
kind."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    QUARTER,
    assert_doubtful,
    assert_figure,
    bill_of,
    by_phase,
    charge,
    charge_dc,
    close_silent,
    kwh,
    session,
    settle,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


def told_at_11_kw(
    station: Station, transaction: int, start: int, told: list[int], every: int = HOUR
) -> None:
    """Readings at each interval: Wh since the start, with 11 kW."""
    for wh in told:
        station.books.wait(every)
        station.tell(
            meter_value(station.clock(), start + wh, watts(11_000)), transaction=transaction
        )


def followed(station: Station, begin: int) -> int:
    """The system closes what is open, and an honest transaction begins at this register; return the
    latter."""
    close_silent(station)
    station.books.wait(10)
    transaction = station.start(begin)
    station.stop(transaction, charge(station, transaction, begin))
    settle(station.books)
    return transaction


# Strays


def test_two_of_four_readings_that_run_back(books: Books, station: Station) -> None:
    transaction = station.start(3_527_301)
    told_at_11_kw(station, transaction, 3_527_301, [11_000, 952, 33_000, 567])
    books.wait(44)
    station.stop(transaction, 3_527_301 + 52_076)
    assert_figure(station, transaction, 52_076, flagged=True)


def test_the_power_tells_which_of_two_readings_is_wrong(books: Books, station: Station) -> None:
    """25,357 Wh would lead to the stop as well as 33,000 do, but not at 11 kW."""
    transaction = station.start(5_350_305)
    told_at_11_kw(station, transaction, 5_350_305, [5500, 11_000, 16_500, 22_000, 9328, 33_000], 30)
    for wh in (25_357, 34_080, 34_080, 34_080):
        books.wait(30)
        station.tell(
            meter_value(station.clock(), 5_350_305 + wh, watts(0)), transaction=transaction
        )
    books.wait(12)
    station.stop(transaction, 5_350_305 + 34_080)
    assert_figure(station, transaction, 34_080, flagged=True)


def test_a_stray_is_left_out_though_something_rose_at_0_watts(
    books: Books, station: Station
) -> None:
    transaction = station.start(395_118)
    told_at_11_kw(
        station,
        transaction,
        395_118,
        [2750, 5500, 38_276, 11_000, 13_750, 16_500, 19_250, 22_000],
        QUARTER,
    )
    for wh in (24_035, 24_035, 24_035, 25_370):
        books.wait(QUARTER)
        station.tell(meter_value(station.clock(), 395_118 + wh, watts(0)), transaction=transaction)
    books.wait(10)
    station.stop(transaction, 395_118 + 25_370)
    assert_figure(station, transaction, 25_370, flagged=True)


def test_a_last_reading_that_leaps_takes_nothing_from_the_next_transaction(
    station: Station,
) -> None:
    """No stop came; the next start shows that the register never was there."""
    first = station.start(2_000_000)
    told_at_11_kw(station, first, 2_000_000, [11_000, 22_000, 33_000, 88_000])
    second = followed(station, 2_000_000 + 45_000)
    assert_figure(station, first, 33_000, flagged=True)
    assert_figure(station, second, 7_200, flagged=False)


def test_a_last_reading_that_is_too_low_does_not_end_its_transaction(station: Station) -> None:
    """No stop came; the next start shows that the register was higher. Another reading was wrong as
    well."""
    first = station.start(2_184_483)
    told_at_11_kw(
        station, first, 2_184_483, [5500, 333, 16_500, 22_000, 27_500, 33_000, 38_500], 30
    )
    station.books.wait(30)
    station.tell(meter_value(station.clock(), 2_184_483 + 20_003, watts(0)), transaction=first)
    second = followed(station, 2_184_483 + 40_920)
    assert_figure(station, first, 38_500, flagged=True)
    assert_figure(station, second, 7_200, flagged=False)


def test_a_register_that_was_set_back_while_another_car_came(
    books: Books, station: Station
) -> None:
    """The charger restarted, and the second car's battery is emptier: no state of charge
    contradicts its energy."""
    transaction = station.start(3331)
    charge_dc(
        station,
        transaction,
        3331,
        [(12_500, 50_000, 67.4), (24_996, 48_606.5, 88.3), (31_096, 9_978.4, 98.4)],
    )
    charge_dc(station, transaction, 3331, [(32_040, 0, 100.0)] * 2)
    books.wait(35)
    charge_dc(station, transaction, 3331, [(44_540, 50_000, 74.3)])
    charge_dc(
        station,
        transaction,
        0,
        [(12_500, 50_000, 90.6), (19_697, 8_107.9, 99.9), *[(19_763, 0, 100.0)] * 6],
    )
    books.wait(7)
    station.stop(transaction, 19_763)
    assert_figure(station, transaction, 64_303, flagged=True)


# Registers that are set back


@pytest.mark.parametrize(
    ("start", "told", "stop", "wh"),
    [
        pytest.param(712, [13_212, 25_712, 7129, 8360], 8360, 33_360, id="far down"),
        pytest.param(0, [12_500, 12_464, 18_160, 19_000], 19_000, 31_500, id="a little down"),
        pytest.param(
            0, [12_500, 25_000, 12_500, 24_456, 26_975], 26_975, 51_975, id="to what it told before"
        ),
        pytest.param(
            23_151,
            [35_651, 48_151, 59_152, 1498],
            1498,
            37_499,
            id="near where registers roll over",
        ),
        pytest.param(
            14_500, [27_000, 39_500, 52_000, 64_500, 5363], 5363, 56_399, id="nearer, perhaps over"
        ),
        pytest.param(38_089, [50_589, 60_329, 62_689, 62_689, 0, 0], 0, 24_600, id="for good"),
    ],
)
def test_power_tells_a_register_that_was_set_back_from_a_stray(
    books: Books, station: Station, start: int, told: list[int], stop: int, wh: int
) -> None:
    transaction = station.start(start)
    drawn = [after - before for before, after in zip([start, *told], told, strict=False)]
    full = sum(step == 0 or step == -62_689 for step in drawn)
    for number, register in enumerate(told):
        books.wait(QUARTER)
        rest = len(told) - full - number
        power = 0 if rest <= 1 else 9000 if rest == 2 else 50_000
        station.tell(meter_value(station.clock(), register, watts(power)), transaction=transaction)
    books.wait(10)
    station.stop(transaction, stop)
    assert_figure(station, transaction, wh, flagged=True)


def test_a_register_that_stands_still_under_power_and_never_catches_up_is_doubtful(
    books: Books, station: Station
) -> None:
    """It was set back to 0 when the true register equalled the value that it sent next."""
    transaction = station.start(0)
    for register, power in (
        (12_500, 50_000),
        (12_500, 50_000),
        (23_133, 19_065),
        (24_383, 0),
        (24_383, 0),
    ):
        books.wait(QUARTER)
        station.tell(meter_value(station.clock(), register, watts(power)), transaction=transaction)
    station.stop(transaction, 24_383)
    assert_doubtful(station, transaction, 24_383, 36_883)


# Another car on the same meter


def test_a_register_that_rises_at_twice_a_steady_power_is_not_certain(
    books: Books, station: Station
) -> None:
    transaction = station.start(6_156_886)
    told_at_11_kw(
        station, transaction, 6_156_886, [2750, 5500, 8250, 13_750, 19_250, 24_750, 27_500], QUARTER
    )
    for _ in range(4):
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), 6_156_886 + 28_000, watts(0)), transaction=transaction
        )
    station.stop(transaction, 6_156_886 + 28_000)
    assert_doubtful(station, transaction, 0, 28_000)


def test_a_register_that_rises_faster_than_direct_current_tells_is_not_certain(
    station: Station,
) -> None:
    transaction = station.start(4_494_506)
    told = [
        (20_000, 80_000, 57.1),
        (63_240, 48_660, 88.2),
        (81_308, 9989, 98.4),
        *[(82_757, 0, 100.0)] * 4,
    ]
    charge_dc(station, transaction, 4_494_506, told)
    station.stop(transaction, 4_494_506 + 82_757)
    assert bill_of(station, transaction)[2]


def test_a_rise_while_a_charger_that_tells_its_power_tells_none_is_not_certain(
    books: Books, station: Station
) -> None:
    wh = 8_000_000
    for _ in range(6):
        wh = session(station, wh)
    transaction = station.start(wh)
    for number in range(1, 5):
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), wh + number * 1800, watts(0)), transaction=transaction
        )
    station.stop(transaction, wh + 7200)
    assert bill_of(station, transaction)[2]


# Units, batteries, habits


def test_one_earlier_transaction_shows_that_a_charger_reports_its_power(
    books: Books, station: Station
) -> None:
    """A meter that two connectors share counts another car."""
    wh = session(station, 4_876_371)
    transaction = station.start(wh)
    for number in range(1, 5):
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), wh + number * 2750, watts(0)), transaction=transaction
        )
    station.stop(transaction, wh + 11_000)
    assert_figure(station, transaction, 11_000, flagged=True)


def test_a_start_too_low_by_less_than_a_sampling_interval_allows(station: Station) -> None:
    """1275 Wh; all readings report 11 kW."""
    transaction = station.start(7_832_355)
    told_at_11_kw(
        station, transaction, 7_833_630, [number * 2750 for number in range(1, 9)], QUARTER
    )
    station.stop(transaction, 7_833_630 + 22_000)
    assert_figure(station, transaction, 23_275, flagged=True)


def test_a_stop_far_above_a_power_that_never_changed(books: Books, station: Station) -> None:
    """39 kWh in 14 minutes at 50 kW, with two readings only: what these show is billed."""
    transaction = station.start(9_148_340)
    charge_dc(station, transaction, 9_148_340, [(12_500, 50_000, 52.1), (25_000, 50_000, 68.4)])
    books.wait(14)
    station.stop(transaction, 9_148_340 + 64_173)
    assert_figure(station, transaction, 25_000, flagged=True)


def test_a_full_battery_is_topped_up_at_0_watts(books: Books, station: Station) -> None:
    transaction = station.start(6_297_915)
    told = [
        (12_500, 50_000, 37.0),
        (25_000, 50_000, 53.3),
        (37_500, 50_000, 69.5),
        (42_000, 0, 99.8),
        (42_153, 0, 100.0),
    ]
    charge_dc(station, transaction, 6_297_915, told)
    books.wait(5)
    station.stop(transaction, 6_297_915 + 42_153)
    assert_figure(station, transaction, 42_153, flagged=False)


def test_a_rollover_that_a_later_reading_cannot_reach_is_in_doubt(
    books: Books, station: Station
) -> None:
    transaction = station.start(64_227)
    told = [(34_125, 86_450, 88.9), (42_544, 8552, 99.9), (42_658, 0, 100.0), (42_658, 0, 100.0)]
    charge_dc(station, transaction, 0, told)
    books.wait(5)
    station.stop(transaction, 42_658)
    assert_figure(station, transaction, 43_967, flagged=True)


def test_no_habit_makes_a_figure_without_its_first_interval_certain(
    books: Books, station: Station
) -> None:
    wh = 8_000_000
    for number in range(8):
        transaction = station.start(wh - 18_306 - number * 7)
        told_at_11_kw(station, transaction, wh, [count * 2750 for count in range(1, 9)], QUARTER)
        wh += 22_000
        station.stop(transaction, wh)
        assert_figure(station, transaction, 22_000 - 2750, flagged=True)
        books.wait(HOUR)
        wh += 30_000  # so that no start is below the previous stop


def test_readings_in_kwh_without_a_stop_go_on_from_the_start(station: Station) -> None:
    """5517.723 kWh and more, labelled Wh: not 5.5 kWh in a quarter of an hour."""
    transaction = station.start(5_517_723)
    charge(
        station,
        transaction,
        5_517_723,
        30,
        11_000,
        QUARTER,
        told=lambda wh: kwh(wh) | {"unit": "Wh"},
    )
    close_silent(station)
    assert_figure(station, transaction, 5500, flagged=True)


def test_a_register_that_catches_up_at_the_stop_fills_the_battery(
    books: Books, station: Station
) -> None:
    transaction = station.start(9_005_812)
    told = [
        (12_500, 50_000, 30.0),
        (12_500, 50_000, 55.0),
        (12_500, 12_792, 73.0),
        (12_500, 0, 100.0),
    ]
    charge_dc(station, transaction, 9_005_812, told)
    books.wait(1)
    station.stop(transaction, 9_005_812 + 34_727)
    assert_figure(station, transaction, 34_727, flagged=False)


def test_a_habit_is_no_ground_for_the_transaction_that_showed_it_last(
    books: Books, station: Station
) -> None:
    """Ten times too much, five times; a late reading judges the fifth again."""
    wh, last = 100_000, 0
    for _ in range(5):
        last = station.start(wh * 10)
        wh = charge(station, last, wh, HOUR, told=lambda now: now * 10)
        station.stop(last, wh * 10)
        books.wait(10)
    late = meter_value(station.clock(12), wh * 10 - 2400, watts(7200))
    station.tell(late, transaction=last)
    settle(books)
    assert_figure(station, last, 7200, flagged=True)


def test_a_register_that_leaps_while_the_battery_is_full_is_not_certain(station: Station) -> None:
    """No power, 100 % from the first reading on, and 20.9 kWh in a quarter of an hour."""
    transaction = station.start(3_541_009)
    charge_dc(
        station,
        transaction,
        3_541_009,
        [(0, 0, 100.0), (0, 0, 100.0), (0, 0, 100.0), (20_889, 0, 100.0)],
    )
    station.stop(transaction, 3_541_009 + 20_889)
    assert bill_of(station, transaction)[2]


def test_one_reading_with_a_fraction_that_goes_on_from_the_start_in_kwh(station: Station) -> None:
    transaction = station.start(592_034)
    station.books.wait(QUARTER)
    told = {"value": "592.784", "unit": "Wh"}
    station.tell(meter_value(station.clock(), told, watts(3000)), transaction=transaction)
    close_silent(station)
    assert_figure(station, transaction, 750, flagged=True)


# Old stops, and stops that leap


def test_a_pause_between_two_reports_of_power_leaves_the_register_at_the_end(
    books: Books, station: Station
) -> None:
    """Power alone would tell 2,600 Wh more; the stop repeats the last reading, two minutes old."""
    transaction = station.start(5_580_369)
    told_at_11_kw(station, transaction, 5_580_369, [2750, 2900, 5650, 8400], QUARTER)
    books.wait(2)
    stopped = station.clock()
    station.stop(transaction, 5_588_769)
    books.wait(HOUR)
    end = {"value": "5589166", "context": "Transaction.End"}
    station.tell(meter_value(stopped, end, watts(11_000)), transaction=transaction)
    books.wait(HOUR)
    station.start(5_589_166)
    settle(books)
    assert_figure(station, transaction, 8797, flagged=True)


def test_a_register_that_leaps_at_the_stop_of_a_car_that_drew_nothing(
    books: Books, station: Station
) -> None:
    """The next start agrees with the stop, as both show the same counter. Its leaps were shown by
    power before."""
    register = 9_000_000
    leaping = station.start(register)
    told_at_11_kw(station, leaping, register, [2750, 5500, 43_250, 46_000, 48_750, 51_500], QUARTER)
    station.stop(leaping, register + 51_500)
    assert books.value("SELECT kind FROM habit") == "register_leapt"
    books.wait(HOUR)
    transaction = station.start(register + 51_500)
    for _ in range(3):
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), register + 51_500, watts(0)), transaction=transaction
        )
    books.wait(10)
    station.stop(transaction, register + 88_928)
    books.wait(HOUR)
    station.start(register + 88_928)
    settle(books)
    assert_figure(station, transaction, 0, flagged=True)


@pytest.mark.parametrize("start", [1000, 5000, 100_000])
@pytest.mark.parametrize("minutes", [HOUR, 3 * HOUR])
def test_readings_of_one_phase_may_be_a_third_of_the_register(
    station: Station, start: int, minutes: int
) -> None:
    """Start, stop and power are those of all three."""
    transaction = station.start(start)
    end = charge(station, transaction, start, minutes, told=lambda wh: by_phase(wh // 3, "L1"))
    station.stop(transaction, end)
    assert_figure(station, transaction, end - start, flagged=True)


def test_a_leap_at_rest_beside_a_state_of_charge_that_never_changes(station: Station) -> None:
    """At 0 W all the time, though its charger reports power."""
    wh = 5_851_695
    for _ in range(3):
        wh = session(station, wh)
    transaction = station.start(wh)
    charge_dc(station, transaction, wh, [(0, 0, 50.0)] * 2 + [(36_724, 0, 50.0)] * 8)
    station.stop(transaction, wh + 36_724)
    assert_figure(station, transaction, 36_724, flagged=True)
