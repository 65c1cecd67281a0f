"""Errors of the judge that a simulated month showed: the shortest story of each kind."""

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions.stops import close_before_start
from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    QUARTER,
    assert_doubtful,
    assert_figure,
    bill_of,
    charge,
    charge_dc,
    close_silent,
    others,
    settle,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

# State of charge


def test_the_first_state_of_charge_is_told_with_the_first_reading(
    books: Books, station: Station
) -> None:
    """29.8 kWh flow before it; from then on the battery takes what 5.6 % need."""
    transaction = station.start(3_907_062)
    charge_dc(
        station, transaction, 3_907_062, [(29_834, 47_067.1, 94.4), *[(34_111, 0, 100.0)] * 8]
    )
    books.wait(10)
    station.stop(transaction, 3_941_173)
    assert_figure(station, transaction, 34_111, flagged=False)


@pytest.mark.parametrize("more", [6_711, 11_711])
def test_a_full_battery_takes_no_more(books: Books, station: Station, more: int) -> None:
    """One meter for two connectors: its register rises while this car is full, and nothing is told
    of that but the stop."""
    transaction = station.start(6_580_212)
    told = [
        (20_000, 80_000, 58.4),
        (38_348, 45_746.3, 89.0),
        (44_088, 9_391.2, 98.6),
        *[(44_940, 0, 100.0)] * 8,
    ]
    charge_dc(station, transaction, 6_580_212, told)
    books.wait(11)
    station.stop(transaction, 6_580_212 + 44_940 + more)
    assert_figure(station, transaction, 44_940, flagged=True)


def test_a_battery_that_stays_full_took_nothing_of_what_the_register_rose_by(
    books: Books, station: Station
) -> None:
    """The other connector's car, over the same meter: 10, 18 and 5.6 kWh at 100 % and 0 W."""
    transaction = station.start(1000)
    full = [(45_420, 0, 100.0)] * 8
    others_draw = [(wh, 0, 100.0) for wh in (55_464, 73_654, 79_231, 79_231, 79_231)]
    told = [
        (20_000, 80_000, 57.6),
        (38_549, 47_518.1, 88.5),
        (44_511, 9_755.0, 98.5),
        *full,
        *others_draw,
    ]
    charge_dc(station, transaction, 1000, told)
    books.wait(13)
    station.stop(transaction, 1000 + 79_231)
    assert_doubtful(station, transaction, 45_420, 45_420)


@pytest.mark.parametrize("to_the_stop", [False, True])
def test_a_register_that_stands_still_while_the_battery_fills_catches_up(
    books: Books, station: Station, to_the_stop: bool
) -> None:
    transaction = station.start(7_892_832)
    told = [
        (12_500, 50_000, 41.9),
        (25_000, 50_000, 62.8),
        (37_500, 50_000, 83.6),
        (37_500, 14_226.3, 97.3),
    ]
    told += [(37_500, 0, 100.0)] * 4 + [(37_500 if to_the_stop else 47_340, 0, 100.0)] * 4
    charge_dc(station, transaction, 7_892_832, told)
    books.wait(10)
    station.stop(transaction, 7_892_832 + 47_340)
    assert_figure(station, transaction, 47_340, flagged=False)


def test_a_clock_that_is_set_back_and_a_queue(books: Books, station: Station) -> None:
    """Neither its times nor those of receipt show the total duration, but each step of them
    does."""
    transaction = station.start(670_234)
    books.wait(9 * QUARTER)
    wh = 670_234
    for minutes_ago in range(8 * QUARTER, 0, -QUARTER):
        wh += 2750
        value = meter_value(station.clock(minutes_ago), wh, watts(11_000))
        station.tell(value, transaction=transaction)
    for _ in range(4):
        books.wait(QUARTER)
        wh += 2750
        station.tell(
            meter_value(station.clock(-4 * HOUR), wh, watts(11_000)), transaction=transaction
        )
    for _ in range(4):
        books.wait(QUARTER)
        station.tell(meter_value(station.clock(), wh, watts(0)), transaction=transaction)
    books.wait(5)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 33_000)


def test_readings_of_a_clock_that_is_ahead_are_readings_though_the_start_was_slow(
    books: Books, station: Station
) -> None:
    """Its start was delayed by minutes, and so seems less far ahead than its readings."""
    transaction = station.start(6_151_394, at=station.clock(-2 * HOUR + 2.5))
    wh = 6_151_394
    for _ in range(7):
        books.wait(QUARTER)
        wh += 2750
        station.tell(
            meter_value(station.clock(-2 * HOUR), wh, watts(11_000)), transaction=transaction
        )
    close_silent(station)
    settle(books)
    assert_doubtful(station, transaction, 19_250, 19_250)


def test_readings_in_kwh_called_wh_end_where_the_next_begins(
    books: Books, station: Station
) -> None:
    """They lose their decimals: 5,428.782 is sent, and the next starts at 5,428,782."""
    first = station.start(5_395_364)
    wh = charge(
        station,
        first,
        5_395_364,
        minutes=180,
        power=11_136,
        every=15,
        told=lambda wh: f"{wh / 1000:.3f}",
    )
    station.write(
        close_before_start, Opening(1, "NEXT", wh, understand(station.clock(), books.now))
    )
    second = station.start(wh)
    settle(books)
    assert_doubtful(station, first, wh - 5_395_364, wh - 5_395_364)
    end = charge(
        station, second, wh, minutes=60, power=11_136, every=15, told=lambda wh: f"{wh / 1000:.3f}"
    )
    station.stop(second, end)
    settle(books)
    assert_figure(station, second, end - wh, flagged=True)


# Overlaps


def test_what_the_next_start_looks_back_on_is_billed_to_whom_it_was_told_for(
    books: Books, station: Station
) -> None:
    """The next start has a register from the middle of this transaction, whose readings reach to
    its end."""
    first = station.start(6_924_954)
    wh = charge(station, first, 6_924_954, minutes=225, power=7360, every=15)
    books.wait(9)
    station.stop(first, wh + 1_104)
    books.wait(5 * HOUR)
    second = station.start(6_933_234)
    settle(books)
    wh = charge(station, second, wh + 1_104, minutes=60, power=7360, every=15)
    station.stop(second, wh)
    settle(books)
    assert_figure(station, first, 28_704)
    assert bill_of(station, second)[1] <= 7_360


def test_an_overlap_is_whole_for_the_only_one_whose_readings_reach_into_it(
    books: Books, station: Station
) -> None:
    """Also what lies between its last reading and its stop."""
    first = station.start(1000)
    wh = charge(station, first, 1000, minutes=225, every=15)
    books.wait(10)
    station.stop(first, wh + 1200)
    books.wait(5 * HOUR)
    second = station.start(10_000)
    books.wait(120)
    station.stop(second, wh + 1200 + 9000)
    settle(books)
    assert_figure(station, first, 28_200, flagged=True)
    assert_figure(station, second, 9000, flagged=True)


# Which transaction a stop refers to


def test_a_clock_that_was_ahead_at_the_start_and_is_set_at_the_stop(
    books: Books, station: Station
) -> None:
    """Its own id counts, although its start has the later time; the previous transaction has
    ended."""
    before = station.start(2_384_207)
    charge(station, before, 2_384_207, minutes=60)
    close_silent(station)
    books.wait(60)
    ahead = station.start(2_391_407, at=station.clock(-6 * HOUR), tag="OTHER")
    books.wait(15)
    station.tell(station.register(2_393_207, minutes_ago=-6 * HOUR), transaction=ahead)
    wh = charge(station, ahead, 2_393_207, minutes=180, every=15)
    station.lose()
    books.wait(5)
    station.connect()
    station.stop(ahead, wh)
    settle(books)
    assert_figure(station, before, 7_200)
    assert bill_of(station, ahead)[1] == wh - 2_391_407
    assert books.value("SELECT stopped_by FROM tx WHERE id = ?", ahead) == "charger"


def test_a_lone_stop_is_not_that_of_one_whose_connector_was_available(
    books: Books, station: Station
) -> None:
    """Available, and then charging by another car whose start was lost."""
    closed = station.start(6_447_636)
    station.status("Charging")
    wh = charge(station, closed, 6_447_636, power=11_000, every=15)
    close_silent(station)
    books.wait(180)
    station.status("Available")
    books.wait(10)
    station.status("Charging")
    wh = charge(station, -30, wh, minutes=120, power=11_000, every=15)
    books.wait(5)
    station.stop(-30, wh)
    settle(books)
    assert_doubtful(station, closed, 11_000, 11_000)
    ((_, billed, is_flagged),) = others(books, closed)
    assert (billed, is_flagged) == (19_250, True)  # from its first reading on


def test_readings_without_a_name_after_available_are_not_those_of_the_one_that_never_stopped(
    books: Books, station: Station
) -> None:
    """Its stop was lost, and so was the start of the next one."""
    first = station.start(724_276)
    station.status("Charging")
    wh = charge(station, first, 724_276, minutes=120, power=11_000, every=15)
    books.wait(60)
    station.status("Available")
    books.wait(11 * HOUR)
    station.status("Charging")
    end = charge(station, -30, wh, minutes=240, power=11_000, every=15)
    books.wait(5)
    station.status("Finishing")
    station.stop(-30, end)
    station.write(
        close_before_start, Opening(1, "NEXT", end, understand(station.clock(), books.now))
    )
    station.start(end, tag="NEXT")
    settle(books)
    assert_doubtful(station, first, 22_000, 22_000)
    alone = [(wh, is_flagged) for _, wh, is_flagged in others(books, first) if is_flagged]
    assert alone == [(41_250, True)]  # from its first reading on


def test_a_lone_stop_after_a_night_with_a_full_battery(books: Books, station: Station) -> None:
    wh = charge(station, -30, 6_459_968, minutes=120, power=11_000, every=15)
    wh = charge(station, -30, wh, minutes=6 * HOUR, power=0, every=15)
    station.stop(-30, wh)
    settle(books)
    ((_, billed, is_flagged),) = others(books)
    assert (billed, is_flagged) == (19_250, True)


def test_two_connectors_with_one_meter_keep_their_stops(books: Books, station: Station) -> None:
    """The register rises by what the other one draws, out of reach for the power of this one."""
    here, there = (
        station.start(7_570_121, connector=2),
        station.start(7_570_121, connector=1, tag="OTHER"),
    )
    wh = 7_570_121
    for mine, others_power in ((80_000, 0), (0, 120_000), (0, 120_000), (0, 120_000)):
        books.wait(QUARTER)
        wh += (mine + others_power) // 4
        station.tell(meter_value(station.clock(), wh, watts(mine)), transaction=here, connector=2)
        station.tell(meter_value(station.clock(), wh, watts(others_power)), transaction=there)
    books.wait(4)
    station.stop(here, wh + 8_000)
    station.stop(there, wh + 8_000)
    stopped = books.rows("SELECT id, meter_stop, stopped_by FROM tx ORDER BY id")
    assert stopped == [(here, wh + 8_000, "charger"), (there, wh + 8_000, "charger")]


# One stop, sent more than once


def test_a_stop_without_its_id_and_then_with_it_leaves_no_doubt(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000)
    at = station.clock()
    station.stop(-1, wh, at=at)
    assert "the stop names no session" in station.review(transaction)
    station.stop(transaction, wh, at=at)
    assert_figure(station, transaction, 7200, flagged=False)
    assert books.value("SELECT stopped_by FROM tx WHERE id = ?", transaction) == "charger"


def test_a_second_stop_without_an_id_opens_nothing(books: Books, station: Station) -> None:
    """Its transactionData would show the energy a second time."""
    transaction = station.start(1000)
    data = [station.register(1000)]
    wh = charge(station, transaction, 1000)
    station.stop(-1, wh, data=data)
    station.stop(-1, wh + 100, data=data)
    assert others(books, transaction) == []
    assert_figure(station, transaction, 7200, flagged=True)
    assert "a second stop came with other values" in station.review(transaction)
    station.stop(-1, wh, data=data)
    assert books.count("tx") == 1


def test_a_register_that_rises_at_0_w_is_not_certain(books: Books, station: Station) -> None:
    """An AC charger with one meter for two connectors: 11 kW for four hours, then 0 W while the
    other car charges."""
    transaction = station.start(5_678_723)
    wh = charge(station, transaction, 5_678_723, minutes=255, power=11_000, every=15)
    for rise in (1276, 0, 1797, 2750, 2750, 2750, 2750, 2750, 2750):
        books.wait(QUARTER)
        wh += rise
        station.tell(meter_value(station.clock(), wh, watts(0)), transaction=transaction)
    books.wait(14)
    station.stop(transaction, wh + 2_600)
    assert bill_of(station, transaction)[2]
