"""Lies related to those of issue 8: rollover, registers that stand still or have another scope."""

from collections.abc import Callable

import pytest

from tests.store.books import UNSET_CLOCK, Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    WATTS,
    assert_doubtful,
    assert_figure,
    assert_open,
    charge,
    charge_state,
    close_silent,
    current,
    kwh,
    others,
    session,
    settle,
    stop_with,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

MODULI = [2**16, 2**31, 2**32, 1_000_000]
BEGIN, END = "Transaction.Begin", "Transaction.End"


def energy(wh: int, context: str) -> dict[str, str]:
    return {"value": str(wh), "context": context}


def interval(wh: int) -> dict[str, str]:
    return {"value": str(wh), "measurand": "Energy.Active.Import.Interval", "unit": "Wh"}


# Rollover


@pytest.mark.parametrize("modulus", MODULI)
@pytest.mark.parametrize("every", [1, 5])
def test_a_register_that_rolls_over(station: Station, modulus: int, every: int) -> None:
    """A reset at the same moment would lose at most the step across it; the lowest of both is
    right, too."""
    begin = modulus - 3300
    transaction = station.start(begin)
    register = charge(station, transaction, begin, every=every, told=lambda wh: wh % modulus)
    station.stop(transaction, register % modulus)
    assert_doubtful(station, transaction, 7200 - 120 * every, 7200)


@pytest.mark.parametrize("modulus", MODULI)
def test_a_rollover_without_readings(books: Books, station: Station, modulus: int) -> None:
    transaction = station.start(modulus - 3300)
    books.wait(HOUR)
    station.stop(transaction, 3900)
    assert_doubtful(station, transaction, 0, 7200)


@pytest.mark.parametrize("modulus", MODULI)
def test_a_rollover_between_two_sessions_is_none_of_theirs(
    books: Books, station: Station, modulus: int
) -> None:
    """It wrapped while no car charged: 100 Wh of its own consumption."""
    first = station.start(modulus - 7250)
    register = charge(station, first, modulus - 7250)
    station.stop(first, register)
    books.wait(10)
    second = station.start(50)
    station.stop(second, charge(station, second, 50))
    settle(books)
    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 7200)


# Registers that stand still


@pytest.mark.parametrize("tells_power", [True, False])
def test_a_register_that_stands_still_and_catches_up_is_honest(
    station: Station, tells_power: bool
) -> None:
    """Its meter was not read for half an hour; the last readings and the stop are true."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 30, tells_power=tells_power)
    wh = charge(station, transaction, wh, 30, told=lambda _: 4600, tells_power=tells_power)
    wh = charge(station, transaction, wh, 30, tells_power=tells_power)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 10_800, flagged=False if tells_power else None)


def test_a_register_that_catches_up_at_the_stop_only(station: Station) -> None:
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 30)
    wh = charge(station, transaction, wh, 30, told=lambda _: 4600)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200, flagged=False)


def test_a_register_that_stands_still_to_the_end(station: Station) -> None:
    """Half of the energy was never counted, as the power of each minute shows."""
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, 30, every=1)
    charge(station, transaction, wh, 30, every=1, told=lambda _: 4600)
    station.stop(transaction, 4600)
    assert_doubtful(station, transaction, 3600, 7200)


def test_a_car_that_takes_nothing_is_honest(station: Station) -> None:
    transaction = station.start(1000)
    charge(station, transaction, 1000, 3 * HOUR, power=0)
    station.stop(transaction, 1000)
    assert_figure(station, transaction, 0, flagged=False)


def test_a_battery_that_fills_while_the_register_stands(books: Books, station: Station) -> None:
    """30 to 80 percent of any car are kilowatt-hours."""
    transaction = station.start(1000)
    for percent in range(30, 81, 5):
        books.wait(5)
        station.tell(
            meter_value(station.clock(), 1000, charge_state(percent)), transaction=transaction
        )
    station.stop(transaction, 1000)
    assert_doubtful(station, transaction, 0, 150_000)


def test_a_battery_that_gains_one_percent_by_60_kwh(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    for percent, register in ((50, 1000), (50, 20_000), (50, 41_000), (51, 61_000)):
        books.wait(20)
        station.tell(
            meter_value(station.clock(), register, charge_state(percent)), transaction=transaction
        )
    station.stop(transaction, 61_000)
    assert_doubtful(station, transaction, 0, 60_000)


# Other registers


def test_only_intervals_beside_an_honest_start_and_stop(station: Station) -> None:
    transaction = station.start(1000)
    register = charge(station, transaction, 1000, told=lambda _: interval(600))
    station.stop(transaction, register)
    assert_figure(station, transaction, 7200, flagged=False)


def test_only_intervals_and_no_stop(station: Station) -> None:
    """No register shows the delivered energy, so the figure is 0."""
    transaction = station.start(1000)
    charge(station, transaction, 1000, told=lambda _: interval(600), tells_power=False)
    close_silent(station)
    assert_doubtful(station, transaction, 0, 0)


@pytest.mark.parametrize(
    ("start", "stop", "begin", "end"),
    [
        (0, 8200, 1000, 8200),
        (1000, 8200, 900, 8200),
        (1000, 8200, 1000, 9400),
        (1000, 1000, 1000, 8200),
        (1000, 9200, 1000, 8200),  # End is stop - start by chance
    ],
)
def test_begin_and_end_against_start_and_stop(
    books: Books, station: Station, start: int, stop: int, begin: int, end: int
) -> None:
    transaction, began = station.start(start), station.clock()
    books.wait(90)
    data = [
        meter_value(began, energy(begin, BEGIN)),
        meter_value(station.clock(), energy(end, END)),
    ]
    station.stop(transaction, stop, data=data)
    assert_doubtful(station, transaction, 7200, 8400)


@pytest.mark.parametrize("unit", ["Wh", "kWh"])
def test_begin_and_end_that_agree(books: Books, station: Station, unit: str) -> None:
    transaction, began = station.start(1000), station.clock()
    books.wait(HOUR)
    told = [
        {"context": context} | (kwh(wh) if unit == "kWh" else {"value": str(wh)})
        for context, wh in ((BEGIN, 1000), (END, 8200))
    ]
    data = [meter_value(began, told[0]), meter_value(station.clock(), told[1])]
    station.stop(transaction, 8200, data=data)
    assert_figure(station, transaction, 7200, flagged=False)


def test_the_begin_beside_each_reading_is_no_fall(books: Books, station: Station) -> None:
    """Growatt: each sample has the present register first and that of Transaction.Begin last."""
    transaction, wh = station.start(1000), 1000
    for _ in range(12):
        books.wait(5)
        wh += 600
        reading = meter_value(station.clock(), wh, watts(7200), energy(1000, BEGIN))
        station.tell(reading, transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200, flagged=False)


def test_the_inlet_beside_the_outlet_moves_nothing(books: Books, station: Station) -> None:
    transaction, wh = station.start(1000), 1000
    for _ in range(12):
        books.wait(5)
        wh += 600
        inlet = {"value": str(1000 + (wh - 1000) * 108 // 100), "location": "Inlet"}
        station.tell(meter_value(station.clock(), inlet, wh, watts(7200)), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 7200, flagged=False)


# Registers of another scope


def test_a_stop_per_session_after_a_start_for_life(station: Station) -> None:
    transaction = station.start(100_000)
    charge(station, transaction, 0)
    station.stop(transaction, 7200)
    assert_figure(station, transaction, 7200, flagged=True)


def test_two_connectors_that_share_a_meter(books: Books, station: Station) -> None:
    """Each counts what both take; the power of each minute is of its own connector."""
    first, shared = station.start(1000, connector=1), 1000
    shared = charge(station, first, shared, 30, every=1, connector=1)
    second = station.start(shared, connector=2)
    for _ in range(30):
        books.wait(1)
        shared += 240
        for connector, transaction in ((1, first), (2, second)):
            reading = meter_value(station.clock(), shared, watts(7200))
            station.tell(reading, transaction=transaction, connector=connector)
    station.stop(first, shared)
    station.stop(second, shared)
    assert_doubtful(station, first, 3600, 10_800)
    assert_doubtful(station, second, 0, 7200)


def test_a_register_that_is_reset_by_a_boot(books: Books, station: Station) -> None:
    transaction = station.start(5000)
    charge(station, transaction, 5000, 30)
    books.wait(1)
    station.lose()
    books.wait(5)
    station.connect()
    station.boot()
    station.tell(meter_value(station.clock(), 0, watts(7200)), transaction=transaction)
    register = charge(station, transaction, 0, 30)
    station.stop(transaction, register)
    assert_figure(station, transaction, 7200, flagged=True)


def test_a_reset_after_which_the_register_overtakes_its_start(station: Station) -> None:
    """Stop minus start is 3500, and looks honest."""
    transaction = station.start(100)
    charge(station, transaction, 100, HOUR)
    station.books.wait(1)
    station.tell(meter_value(station.clock(), 0, watts(0)), transaction=transaction)
    register = charge(station, transaction, 0, 30)
    station.stop(transaction, register)
    assert_figure(station, transaction, 10_800, flagged=True)


def test_a_meter_that_was_swapped_between_two_sessions(station: Station) -> None:
    station.boot(meter_serial_number="OLD")
    session(station, 500_000)
    station.boot(meter_serial_number="NEW")
    transaction = station.start(0, tag="BOB")
    station.stop(transaction, charge(station, transaction, 0))
    assert_figure(station, transaction, 7200, flagged=False)


def test_a_swapped_meter_that_stands_between_the_registers_of_the_old_one(
    books: Books, station: Station
) -> None:
    """A refurbished one. The serial of the boot tells that its start is no overlap; no energy may
    be taken away."""
    station.boot(meter_serial_number="OLD")
    first = station.start(500_000)
    station.stop(first, charge(station, first, 500_000, 2 * HOUR))
    books.wait(10)
    station.boot(meter_serial_number="NEW")
    second = station.start(505_000)
    station.stop(second, charge(station, second, 505_000))
    settle(books)
    assert_figure(station, first, 14_400)
    assert_figure(station, second, 7200)


def test_a_meter_that_was_swapped_before_the_stop_of_a_clock_that_stands_still_arrived(
    station: Station,
) -> None:
    """The next start shows that the new meter had not reached that stop."""
    station.boot(meter_serial_number="OLD")
    transaction = station.start(500_000, at=UNSET_CLOCK)
    for wh in (501_800, 503_600):
        station.books.wait(15)
        station.tell(meter_value(UNSET_CLOCK, wh, watts(WATTS)), transaction=transaction)
    station.books.wait(60)
    station.boot(meter_serial_number="NEW")
    station.stop(transaction, 504_000, at=UNSET_CLOCK, reason="PowerLoss")
    assert_figure(station, transaction, 3600, flagged=True)
    station.books.wait(10)
    station.start(0, tag="BOB")
    settle(station.books)
    assert_figure(station, transaction, 4000, flagged=True)


def test_readings_that_arrive_after_a_swap_are_of_the_old_meter_if_the_new_one_had_not_reached_them(
    station: Station,
) -> None:
    """They waited in the queue of a charger whose clock stands still."""
    station.boot(meter_serial_number="OLD")
    transaction = station.start(500_000, at=UNSET_CLOCK)
    station.books.wait(60)
    station.boot(meter_serial_number="NEW")
    for wh in (501_800, 503_600):
        station.books.wait(2)
        station.tell(meter_value(UNSET_CLOCK, wh, watts(WATTS)), transaction=transaction)
    station.stop(transaction, 504_000, at=UNSET_CLOCK)
    station.books.wait(10)
    station.start(0, tag="BOB")
    settle(station.books)
    assert_figure(station, transaction, 4000, flagged=True)


def test_a_start_goes_on_from_the_stop_of_a_register_that_rolled_over(
    books: Books, station: Station
) -> None:
    """Before the first reading: it seems to count each transaction, until the next one begins where
    it ended."""
    sessions = []
    for start, told in ((35_085, (4918, 13_256, 13_362)), (13_362, (49_516, 58_951, 59_177))):
        sessions.append(station.start(start))
        for wh, power in zip(told, (90_000, 9000, 0), strict=True):
            books.wait(15)
            station.tell(meter_value(station.clock(), wh, watts(power)), transaction=sessions[-1])
        station.stop(sessions[-1], told[-1])
        books.wait(60)
    settle(books)
    assert_figure(station, sessions[0], 13_362, flagged=True)
    assert_figure(station, sessions[1], 45_815, flagged=False)


# Stops with other values than registers


@pytest.mark.parametrize("garbage", [0, 2**31 - 1, 2**32 - 1, 10**9, 999_999])
def test_a_stop_that_is_no_register(station: Station, garbage: int) -> None:
    transaction = station.start(1000)
    charge(station, transaction, 1000, every=1)
    station.stop(transaction, garbage)
    assert_figure(station, transaction, 7200, flagged=True)


def test_a_stop_in_kwh_after_a_start_in_wh(station: Station) -> None:
    transaction = station.start(1_000_000)
    charge(station, transaction, 1_000_000)
    station.stop(transaction, 1007)
    assert_doubtful(station, transaction, 7000, 7200)


def test_a_stop_of_the_inlet(books: Books, station: Station) -> None:
    """8 % of losses on top, at once: 5 kWh within the minute after the last reading."""
    transaction = station.start(1000)
    register = charge(station, transaction, 1000, 9 * HOUR, every=1)
    books.wait(1)
    station.stop(transaction, register + 5184)
    assert_doubtful(station, transaction, 64_800, 64_920)


# Orders and clocks


def test_the_next_start_comes_before_the_stop(books: Books, station: Station) -> None:
    first = station.start(1000, tag="ALICE")
    register = charge(station, first, 1000)
    stopped = station.clock()
    books.wait(5)
    second = station.start(register, tag="BOB")
    books.wait(1)
    station.stop(first, register, at=stopped)
    station.stop(second, charge(station, second, register))
    settle(books)
    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 7200, flagged=False)


def test_a_whole_session_arrives_before_the_stop_of_the_one_before(
    books: Books, station: Station
) -> None:
    first, began = station.start(1000, tag="ALICE"), station.clock()
    books.wait(2 * HOUR)
    assert began
    second = station.start(8200, tag="BOB", at=station.clock(HOUR))
    station.stop(second, 15_400, at=station.clock())
    station.stop(first, 8200, at=station.clock(HOUR))
    settle(books)
    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 7200, flagged=False)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_of_local_time_when_summer_begins_or_ends(
    books: Books, station: Station, hours: int
) -> None:
    transaction = station.start(1000)
    register = charge(station, transaction, 1000)
    station.behind -= hours * HOUR
    station.stop(transaction, charge(station, transaction, register))
    settle(books)
    assert_figure(station, transaction, 14_400, flagged=False)


def test_a_clock_that_is_set_on_the_way(books: Books, station: Station) -> None:
    """Start and first readings are of 1970; then a Heartbeat response sets the clock."""
    station.behind = 56 * 365 * 24 * HOUR
    transaction = station.start(1000)
    register = charge(station, transaction, 1000, 30)
    station.behind = 0
    station.stop(transaction, charge(station, transaction, register, 30))
    settle(books)
    assert_figure(station, transaction, 7200, flagged=False)


Sample = Callable[[int], list[dict[str, str]]]


@pytest.mark.parametrize(
    "sample", [lambda w: [watts(w, "kW")], current, lambda w: [watts(w, "kW")] + current(w)]
)
def test_a_leap_against_each_way_to_tell_power(
    books: Books, station: Station, sample: Sample
) -> None:
    transaction, register = station.start(1000), 1000
    for minute in range(HOUR):
        books.wait(1)
        register += 120 + (9500 if minute == 30 else 0)
        station.tell(meter_value(station.clock(), register, *sample(7200)), transaction=transaction)
    station.stop(transaction, register)
    assert_doubtful(station, transaction, 6960, 7200)


def test_a_stop_far_above_what_three_phases_of_current_allow(
    books: Books, station: Station
) -> None:
    transaction, register = station.start(1000), 1000
    phases = [
        sample
        for phase in ("L1", "L2", "L3")
        for sample in (
            {"value": "16.0", "measurand": "Current.Import", "unit": "A", "phase": phase},
            {"value": "230.0", "measurand": "Voltage", "unit": "V", "phase": f"{phase}-N"},
        )
    ]
    for _ in range(HOUR):
        books.wait(1)
        register += 184
        station.tell(meter_value(station.clock(), register, *phases), transaction=transaction)
    station.stop(transaction, register + 20_000)
    assert_doubtful(station, transaction, register - 1000, register - 1000)


def test_three_phases_of_current_that_agree_are_honest(books: Books, station: Station) -> None:
    transaction, register = station.start(1000), 1000
    phases = [
        {"value": "16.0", "measurand": "Current.Import", "unit": "A", "phase": phase}
        for phase in ("L1", "L2", "L3")
    ]
    for _ in range(HOUR):
        books.wait(1)
        register += 184
        station.tell(meter_value(station.clock(), register, *phases), transaction=transaction)
    station.stop(transaction, register)
    assert_figure(station, transaction, 11_040, flagged=False)


def test_a_second_charger_with_the_same_story_is_not_mixed_in(
    books: Books, station: Station
) -> None:
    """Both stop without an id, at the same register and time."""
    twin = Station(books, "CP-2")
    pair = [(charger, charger.start(1000)) for charger in (station, twin)]
    books.wait(HOUR)
    twin.stop(-1, 8200)
    assert_open(station, pair[0][1])
    station.stop(-1, 8200)
    for charger, transaction in pair:
        assert_figure(charger, transaction, 7200, flagged=True)
    assert others(books, pair[0][1]) == []


def test_a_stop_with_a_decimal_after_a_whole_start(station: Station) -> None:
    """In Wh, both, as the readings show: it is not kWh, and not a thousand times as much."""
    transaction = station.start(1000)
    charge(station, transaction, 1000)
    stop_with(station, transaction, 8200.4)
    assert_figure(station, transaction, 7200)
