"""Clocks that are set while a car charges, lose their time, or were never set: found in a simulated
month. Queued messages arrived at once or late, so times of receipt show no better when they were
created."""

from datetime import timedelta

import pytest

from levity_trio.store.writes.transactions import stops
from tests.store.books import Books, Station, meter_value
from tests.store.telling import (
    HOUR,
    assert_doubtful,
    assert_figure,
    assert_time,
    bill_of,
    charge_state,
    close_silent,
    others,
    session,
    settle,
    watts,
)

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

QUARTER = 15
STEP = 2750  # Wh in a quarter of an hour at 11 kW
FROZEN = "1970-01-01T00:00:00Z"


def unset(minutes: float) -> str:
    """Return the time of a clock that was never set, some time after it was switched on."""
    return f"1970-01-01T{int(minutes) // 60:02}:{int(minutes) % 60:02}:00Z"


def tell(station: Station, transaction: int, at: str, wh: int) -> None:
    """Send a reading at 11 kW, a minute after the previous message."""
    station.books.wait(1)
    station.tell(meter_value(at, wh, watts(11_000)), transaction=transaction)


def told_late(station: Station, transaction: int, wh: int, since: float, until: float) -> int:
    """The readings of a car that charged from so many minutes ago to so many, by a clock that is
    right; gives the register then."""
    begun = station.books.now
    while since - QUARTER >= until:
        since, wh = since - QUARTER, wh + STEP
        passed = (station.books.now - begun).total_seconds() / 60
        tell(station, transaction, station.clock(since + passed + 1), wh)
    return wh


@pytest.mark.parametrize("counts_from_0", [False, True])
def test_a_start_that_waited_began_before_the_readings_of_the_clock_that_was_set(
    books: Books, station: Station, counts_from_0: bool
) -> None:
    """All queued messages arrive within minutes; the first readings are older than the receipt of
    the start."""
    session(station, 4_940_000)
    books.wait(3 * HOUR)
    transaction = station.start(4_952_667, at=unset(94))
    wh = told_late(station, transaction, 0 if counts_from_0 else 4_952_667, since=90, until=0)
    station.stop(transaction, 4_952_667 + 6 * STEP)
    assert wh % 4_952_667 == 6 * STEP
    assert_figure(station, transaction, 6 * STEP, flagged=False)


@pytest.mark.parametrize("counts_from_0", [False, True])
def test_a_clock_is_set_after_two_readings_and_all_waited(
    books: Books, station: Station, counts_from_0: bool
) -> None:
    """Its stop is hours older than the receipt of its start, but belongs to it."""
    before = session(station, 1_810_000)
    station.start(before, tag="LOST")
    close_silent(station)
    books.wait(8 * HOUR)
    transaction = station.start(1_820_076, at=unset(55))
    base = 0 if counts_from_0 else 1_820_076
    tell(station, transaction, unset(70), base + STEP)
    tell(station, transaction, unset(85), base + 2 * STEP)
    ended = station.clock(5 * HOUR)
    tell(station, transaction, station.clock(5 * HOUR + 14), base + 2 * STEP + 209)
    station.stop(transaction, 1_820_076 + 2 * STEP + 209, at=ended)
    settle(books)
    assert_figure(station, transaction, 2 * STEP + 209, flagged=False)
    assert books.value("SELECT stopped_by FROM tx WHERE id = ?", transaction) == "charger"
    following = station.start(1_825_785, at=station.clock(4 * HOUR))
    station.stop(following, 1_826_000, at=station.clock(3 * HOUR))
    settle(books)
    assert_figure(station, following, 215, flagged=False)
    assert_figure(station, transaction, 2 * STEP + 209, flagged=False)


def test_a_clock_that_is_set_back_while_readings_wait(books: Books, station: Station) -> None:
    """The step at which it was set took as long as the others, not from one receipt to the
    other."""
    ahead, begun = 5 * HOUR, books.now
    books.wait(25)
    transaction = station.start(2_931_767, at=station.clock(25 - ahead))
    for number, received in enumerate((49, 58, 71, 92, 98, 106, 112, 120), 1):
        books.now = begun + timedelta(minutes=received)
        waited = received - number * QUARTER - (ahead if number == 1 else 0)
        value = meter_value(station.clock(waited), 2_931_767 + number * STEP, watts(11_000))
        station.tell(value, transaction=transaction)
    station.stop(transaction, 2_931_767 + 8 * STEP)
    assert_figure(station, transaction, 8 * STEP, flagged=False)


def test_the_start_of_a_clock_that_was_ahead_waited_too(books: Books, station: Station) -> None:
    """The clock was set long before the start arrived: the first readings are older than its
    receipt."""
    ahead, begun = 5 * HOUR + 45, books.now
    books.wait(72)
    transaction = station.start(10_802_840, at=station.clock(72 - ahead))
    for number, received in enumerate((80, 82, 83, 84, 85, 90, 105, 120), 1):
        books.now = begun + timedelta(minutes=received)
        waited = received - number * QUARTER - (ahead if number == 1 else 0)
        value = meter_value(station.clock(waited), 10_802_840 + number * STEP, watts(11_000))
        station.tell(value, transaction=transaction)
    station.stop(transaction, 10_802_840 + 8 * STEP)
    assert_figure(station, transaction, 8 * STEP, flagged=False)


def test_a_clock_that_was_ahead_at_its_readings_only(books: Books, station: Station) -> None:
    """It is set before the stop, which has the earlier time: a car of 150 kW, that was soon
    full."""
    ahead, start = 6 * HOUR, 8_564_059
    begun = station.clock()
    books.wait(56)
    transaction = station.start(start, at=begun)
    station.status("Charging", at=station.clock(-ahead))
    told = [(37_500, 150_000, 77.5), (53_828, 16_710, 98.9), *[(54_824, 0, 100.0)] * 17]
    for wh, power, percent in told:
        books.wait(QUARTER)
        at = station.clock(56 - ahead)
        station.tell(
            meter_value(at, start + wh, watts(power), charge_state(percent)),
            transaction=transaction,
        )
    books.wait(11)
    station.stop(transaction, start + 54_824, at=station.clock(56))
    assert_figure(station, transaction, 54_824, flagged=False)


def test_readings_ahead_of_their_receipt_count_where_the_clock_is_set_again(
    books: Books, station: Station
) -> None:
    """None of them was the last reading while the car charged, because the clock was not known to
    be ahead."""
    transaction, wh = station.start(7_274_330), 7_274_330
    for ahead in (0, 0, 0, 0, 0, 0, 80, 80, 80, 80, 80, 80, 80):
        books.wait(QUARTER)
        wh += STEP
        station.tell(meter_value(station.clock(-ahead), wh, watts(11_000)), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, 13 * STEP, flagged=False)


def test_a_clock_that_stands_still_tells_nothing_of_how_long_it_took(
    books: Books, station: Station
) -> None:
    """Its readings were queued, and no stop arrives: each of them counts."""
    session(station, 4_300_000)
    books.wait(5 * HOUR)
    transaction = station.start(4_396_289, at=FROZEN)
    for number in range(1, 8):
        books.wait(4)
        tell(station, transaction, FROZEN, 4_396_289 + number * STEP)
    close_silent(station)
    settle(books)
    assert_doubtful(station, transaction, 7 * STEP, 7 * STEP)


@pytest.mark.parametrize("is_ahead_at_the_start", [False, True])
def test_the_stop_of_a_clock_that_was_set_since_is_left_as_it_is(
    books: Books, station: Station, is_ahead_at_the_start: bool
) -> None:
    ahead = -4 * HOUR
    transaction = station.start(5000, at=station.clock(ahead) if is_ahead_at_the_start else None)
    station.status("Charging", at=station.clock(ahead))
    for _ in range(2):
        books.wait(QUARTER - 1)
        tell(station, transaction, station.clock(ahead), 5000)
    for _ in range(20):
        books.wait(QUARTER - 1)
        tell(station, transaction, station.clock(), 5000)
    ended = books.now
    books.wait(20)
    station.stop(transaction, 5000, at=station.clock(20))
    assert_time(books, transaction, "stop_time", ended)


def test_a_start_that_is_told_again_after_silence_is_no_second_one(
    books: Books, station: Station
) -> None:
    """Its response was lost, and its charger was connected for long before it repeated the
    message."""
    transaction = station.start(4_321_769, at=FROZEN)
    close_silent(station)
    books.wait(HOUR)
    assert station.start(4_321_769, at=FROZEN) == transaction
    tell(station, transaction, FROZEN, 4_321_769 + STEP)
    books.wait(QUARTER)
    station.stop(transaction, 4_321_769 + 2 * STEP, at=FROZEN)
    settle(books)
    assert bill_of(station, transaction)[:2] == ("Completed", 2 * STEP)
    assert station.start(4_321_769 + 2 * STEP, at=FROZEN) != transaction


def test_a_start_at_0_after_a_transaction_that_was_closed_is_a_new_one(
    books: Books, station: Station
) -> None:
    """If the clock is never set and each transaction begins at 0, only its readings distinguish
    it."""
    transaction = station.start(0, at=FROZEN)
    books.wait(QUARTER)
    tell(station, transaction, FROZEN, STEP)
    close_silent(station)
    assert station.start(0, at=FROZEN) != transaction


def test_a_clock_that_is_set_back_between_the_start_and_the_first_reading(
    books: Books, station: Station
) -> None:
    """The start was queued and received after the time of the first reading, which did not begin
    it."""
    ahead, begun, wh = 8 * HOUR, books.now, 6_629_437
    books.wait(20)
    transaction = station.start(wh, at=station.clock(20 - ahead))
    for number, received in enumerate((43, 44, 45, 60, 75, 90), 1):
        books.now = begun + timedelta(minutes=received)
        at = station.clock(received - number * QUARTER)
        station.tell(meter_value(at, wh + number * STEP, watts(11_000)), transaction=transaction)
    station.stop(transaction, wh + 6 * STEP)
    assert_figure(station, transaction, 6 * STEP, flagged=False)


def test_a_reading_that_tells_less_than_the_start_counts(books: Books, station: Station) -> None:
    """All messages were queued, so the clock was not known to be ahead; it was set meanwhile."""
    ahead, begun, wh = 96, books.now, 2_825_373
    books.wait(102)
    transaction = station.start(wh, at=station.clock(102 - ahead))
    for number, received in enumerate((103, 104, 105, 106, 107, 108, 109, 120, 135), 1):
        books.now = begun + timedelta(minutes=received)
        at = station.clock(received - number * QUARTER - (ahead if number < 6 else 0))
        station.tell(meter_value(at, wh + number * STEP, watts(11_000)), transaction=transaction)
    station.stop(transaction, wh + 9 * STEP)
    assert_figure(station, transaction, 9 * STEP, flagged=False)


@pytest.mark.parametrize("is_strange", [False, True])
def test_readings_of_a_clock_that_stands_still_arrive_together_after_an_outage(
    books: Books, station: Station, *, is_strange: bool
) -> None:
    """Three were queued: by their receipt the register rose by kilowatt-hours in a second. A
    strange charger sends kWh called Wh, and its stop is lost."""
    begin = wh = 3_690_000
    transaction = station.start(begin, at=FROZEN)
    for power, minutes in [(50_000, 5)] * 6 + [(34_000, 44), (20_000, 1 / 60), (6_060, 1 / 60)]:
        books.wait(minutes)
        wh += power // 12
        told = f"{wh / 1000:.3f}" if is_strange else wh
        station.tell(meter_value(FROZEN, told, watts(power)), transaction=transaction)
    books.wait(1)
    if is_strange:
        close_silent(station)
        station.start(wh, at=FROZEN)
        settle(books)
    else:
        station.stop(transaction, wh, at=FROZEN)
    assert_figure(station, transaction, wh - begin, flagged=is_strange)


@pytest.mark.parametrize("is_set_since", [False, True])
def test_a_skew_from_before_the_last_connection_was_lost_is_over(
    books: Books, station: Station, is_set_since: bool
) -> None:
    """If the clock were still ahead, the start would precede the loss and would have been sent at
    once."""
    ahead, waited = 6 * HOUR, HOUR if is_set_since else 7 * HOUR
    station.status("Available", at=station.clock(-ahead))
    books.wait(HOUR)
    station.lose()
    books.wait(4 * HOUR if is_set_since else 8 * HOUR)
    begun = station.clock(waited if is_set_since else waited - ahead)
    station.connect()
    transaction = station.start(2_136_944, at=begun)
    station.stop(transaction, 2_136_944, at=begun)
    for column in ("start_time", "stop_time"):
        assert_time(books, transaction, column, books.now - timedelta(minutes=waited))


def come_back(books: Books, station: Station, ahead: int) -> None:
    """Tell a status by a clock that is so many minutes ahead, and connect again three hours after
    the connection was lost."""
    station.status("Available", at=station.clock(-ahead))
    books.wait(HOUR)
    station.lose()
    books.wait(3 * HOUR)
    station.connect()


def test_a_stop_of_a_start_that_waited_is_by_the_same_clock(books: Books, station: Station) -> None:
    """The clock was set right while the charger was offline, and the skew that is known is from
    before."""
    come_back(books, station, ahead=100)
    started, stopped = books.now - timedelta(minutes=170), books.now - timedelta(minutes=50)
    transaction = station.start(2_951_249, at=station.clock(170))
    station.stop(transaction, 2_951_249 + 21_209, at=station.clock(50))
    assert_time(books, transaction, "start_time", started)
    assert_time(books, transaction, "stop_time", stopped)


def test_one_queued_message_shows_that_the_clock_was_set_before_the_next_one(
    books: Books, station: Station
) -> None:
    """By the old clock the first transaction would precede the loss, but the second one would
    not."""
    come_back(books, station, ahead=64)
    begun = station.clock(170)
    station.stop(station.start(2_951_249, at=begun), 2_951_249, at=begun)
    started = books.now - timedelta(minutes=60)
    transaction = station.start(2_951_249, at=station.clock(60))
    assert_time(books, transaction, "start_time", started)


def test_a_clock_set_right_behind_the_start_is_not_ahead_at_the_stop(
    books: Books, station: Station
) -> None:
    ahead, waited = 400, 16
    station.status("Preparing", at=station.clock(-ahead))
    books.wait(waited)
    transaction = station.start(4_996_882, at=station.clock(waited - ahead))
    for number in range(1, 6):
        books.wait(QUARTER)
        at = station.clock(waited)
        station.tell(
            meter_value(at, 4_996_882 + number * 1840, watts(7360)), transaction=transaction
        )
    stopped = books.now
    books.wait(2)
    station.stop(transaction, 4_996_882 + 5 * 1840, at=station.clock(2))
    assert_time(books, transaction, "stop_time", stopped)


def test_readings_without_an_id_behind_a_start_of_an_unset_clock_are_its_own(
    books: Books, station: Station
) -> None:
    """By then the clock is set, and their times precede the receipt of the start."""
    power_cut = station.start(4_567_238)
    for number in range(1, 6):
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), 4_567_238 + number * STEP, watts(11_000)), transaction=-1
        )
    station.lose()
    books.wait(4 * HOUR)
    station.connect()
    begun, start = books.now - timedelta(minutes=200), 4_581_538
    station.books.run(stops.close_silent, books.at, 0.0)
    transaction = station.start(start, at=unset(13))
    for number in range(1, 11):
        books.wait(1)
        waited = (books.now - begun).total_seconds() / 60 - number * QUARTER
        at = unset(13 + number * QUARTER) if number <= 3 else station.clock(waited)
        station.tell(meter_value(at, start + number * STEP, watts(11_000)), transaction=-1)
    station.stop(-1, start + 10 * STEP)
    assert_doubtful(station, transaction, 10 * STEP, 10 * STEP)
    settle(books)
    assert bill_of(station, power_cut)[1] == 5 * STEP


def test_queued_readings_of_a_lost_start_rise_in_the_order_of_their_arrival(
    books: Books, station: Station
) -> None:
    """The last one of the unset clock, whose time is that of its receipt, arrives after the time of
    the next one."""
    start, begun = 2_402_793, books.now - timedelta(minutes=68)
    for number in range(1, 9):
        books.wait(2)
        books.now = max(books.now, begun + timedelta(minutes=number * QUARTER))
        waited = (books.now - begun).total_seconds() / 60 - number * QUARTER
        at = unset(100 + number * QUARTER) if number <= 4 else station.clock(waited)
        station.tell(meter_value(at, start + number * STEP, watts(11_000)), transaction=-45)
    station.stop(-45, start + 8 * STEP)
    (found,) = others(books)
    assert found[1:] == (7 * STEP, True)  # from its first reading


def test_a_reading_of_the_time_of_the_stop_is_of_its_transaction(
    books: Books, station: Station
) -> None:
    """Its stop repeats the reading before; the clock was never set, so that both times are those of
    receipt."""
    transaction = station.start(1_354_371, at=unset(91))
    books.wait(QUARTER)
    station.tell(meter_value(unset(106), 1_357_121, watts(11_000)))
    books.wait(9)
    station.stop(transaction, 1_357_121, at=unset(110))
    books.wait(HOUR)
    station.tell(meter_value(unset(110), 1_357_784, watts(0)))
    settle(books)
    assert_doubtful(station, transaction, 3413, 3413)


def test_one_step_beside_the_stop_does_not_tell_how_long_others_took(
    books: Books, station: Station
) -> None:
    """The start was queued for minutes; the last reading arrived seconds after the previous one."""
    session(station, 3_518_000)
    books.wait(2 * HOUR)
    transaction = station.start(3_532_149, at=unset(96))
    books.wait(QUARTER - 6)
    tell(station, transaction, station.clock(1), 3_532_149 + STEP)
    station.tell(
        meter_value(station.clock(0.75), 3_532_149 + STEP + 40, watts(11_000)),
        transaction=transaction,
    )
    station.stop(transaction, 3_532_149 + STEP + 40, at=station.clock(0.75))
    assert_figure(station, transaction, STEP + 40, flagged=False)


def test_readings_of_a_clock_further_ahead_than_the_start_seemed_are_signs(books: Books) -> None:
    """The start had waited: it seemed 35 minutes ahead, the clock is two hours ahead. A boot
    suspended the transaction, and the last reading comes after the system closed it."""
    station = Station(books, "CP-2", behind=-2 * HOUR)
    transaction = station.start(1000, at=station.clock(85))
    for number in (1, 2, 3):
        books.wait(QUARTER)
        tell(station, transaction, station.clock(), 1000 + number * STEP)
    station.boot()
    books.wait(QUARTER)
    tell(station, transaction, station.clock(), 1000 + 4 * STEP)
    assert books.value("SELECT suspended_at FROM tx WHERE id = ?", transaction) is None
    close_silent(station)
    books.wait(QUARTER)
    tell(station, transaction, station.clock(), 1000 + 5 * STEP)
    settle(books)
    assert_figure(station, transaction, 5 * STEP, flagged=True)


def test_a_transaction_that_the_system_closed_lasted_as_long_as_its_readings(books: Books) -> None:
    """They came after the next start, from the clock that was two hours ahead."""
    station = Station(books, "CP-2", behind=-2 * HOUR)
    transaction = station.start(1000, at=station.clock(85))
    close_silent(station)
    books.wait(1)
    station.start(1000 + 5 * STEP, at=unset(10))
    for number in range(1, 6):
        tell(station, transaction, station.clock(85 - number * (QUARTER - 1)), 1000 + number * STEP)
    settle(books)
    assert_figure(station, transaction, 5 * STEP)


def test_a_clock_that_was_set_back_while_messages_waited_shows_no_time_between_them(
    books: Books,
) -> None:
    """38 minutes passed, more than a sampling interval; the times of receipt allow them."""
    station = Station(books, "CP-2", behind=-6 * HOUR)
    transaction, wh = station.start(1000), 1000
    for _ in range(6):
        books.wait(QUARTER - 1)
        wh += STEP
        tell(station, transaction, station.clock(-1), wh)
    books.wait(QUARTER)
    wh += STEP
    waited = meter_value(station.clock(), wh, watts(11_000))
    books.wait(38)
    station.tell(waited, transaction=transaction)
    station.behind = -2 * HOUR
    for passed in (38 * STEP // QUARTER, STEP, STEP, STEP):
        wh += passed
        tell(station, transaction, station.clock(-1), wh)
        books.wait(QUARTER - 1)
    station.stop(transaction, wh)
    assert_figure(station, transaction, wh - 1000, flagged=False)


def test_a_clock_that_is_set_ahead_and_then_back_by_less_than_a_step(
    books: Books, station: Station
) -> None:
    """Its first step after the second setting lasts 9 minutes by that clock, and 15 in truth."""
    transaction, wh = station.start(1_000_000), 1_000_000
    for quarter in range(1, 13):
        books.wait(QUARTER)
        wh += STEP
        station.behind = 0 if quarter < 5 else -5 * HOUR if quarter < 9 else -5 * HOUR + 6
        station.tell(meter_value(station.clock(), wh, watts(11_000)), transaction=transaction)
    station.stop(transaction, wh)
    assert station.bill(transaction)[:2] == (12 * STEP, "register")


def test_an_older_one_of_a_clock_that_was_ahead_takes_nothing_from_the_next(books: Books) -> None:
    """The clock was six hours ahead, and was set before the next one, whose readings and stop have
    no id. By the time of its start the older one would then be the newer."""
    station = Station(books, "CP-2", behind=-6 * HOUR)
    older = station.start(1000)
    tell(station, older, station.clock(), 1000 + STEP)
    station.boot()
    books.wait(5 * HOUR)
    close_silent(station)
    station.behind = 0
    newer, wh = station.start(5000, tag="NEXT"), 5000
    for _ in range(8):
        books.wait(QUARTER - 1)
        wh += STEP
        tell(station, 0, station.clock(), wh)
    books.wait(1)
    station.stop(0, wh)
    settle(books)
    assert_figure(station, newer, 8 * STEP, flagged=True)
    assert bill_of(station, older)[:2] == ("Completed", STEP)


def test_a_clock_that_was_ahead_is_set_while_two_cars_charge(books: Books) -> None:
    """Nothing has an id, and the times after that are before both starts."""
    station = Station(books, "CP-2", behind=-100)
    first = station.start(1000, tag="ONE")
    second = station.start(70_000, 2, "TWO")
    for number in range(1, 7):
        books.wait(QUARTER)
        if number == 4:
            station.behind = 0
        for connector, start in ((1, 1000), (2, 70_000)):
            station.tell(
                meter_value(station.clock(), start + number * STEP, watts(11_000)),
                transaction=0,
                connector=connector,
            )
    books.wait(1)
    station.stop(0, 1000 + 6 * STEP, tag="ONE")
    station.stop(0, 70_000 + 6 * STEP, tag="TWO")
    settle(books)
    assert_figure(station, first, 6 * STEP, flagged=True)
    assert_figure(station, second, 6 * STEP, flagged=True)


def test_a_clock_that_is_set_back_while_the_register_rolls_over(
    books: Books, station: Station
) -> None:
    wh = 2**16 - 3 * STEP - 2500
    transaction = station.start(wh)
    for number in range(1, 9):
        books.wait(QUARTER)
        station.behind = 0 if number < 4 else QUARTER + 1
        value = meter_value(station.clock(), (wh + number * STEP) % 2**16, watts(11_000))
        station.tell(value, transaction=transaction)
    station.stop(transaction, (wh + 8 * STEP) % 2**16)
    assert_figure(station, transaction, 8 * STEP, flagged=True)


@pytest.mark.parametrize("late", [0, 25, 4 * HOUR])
@pytest.mark.parametrize("ahead", [0, 90])
@pytest.mark.parametrize(
    ("below", "share"),
    [(1900, 1.0), (0, 1.35)],
    ids=["a start that is too low", "a register that is too fast"],
)
def test_a_lie_is_in_doubt_as_well_if_half_of_it_waited(
    books: Books, late: int, ahead: int, below: int, share: float
) -> None:
    """The live half shows the clock: right, or ahead of ours. That the rest came late makes no more
    energy possible."""
    station = Station(books, "CP-2", behind=-ahead)
    begun, wh, start, every = books.now, 812_000, 812_000 - below, 5
    transaction = station.start(start)
    for minute in range(every, 2 * HOUR, every):
        wh += round(share * 920)
        value = meter_value(
            station.clock(-minute + (books.now - begun).total_seconds() / 60), wh, watts(11_040)
        )
        arrives = minute if minute < HOUR else max(minute, bool(late) * (2 * HOUR + late))
        books.now = begun + timedelta(minutes=arrives)
        station.tell(value, transaction=transaction)
    books.now = begun + timedelta(minutes=2 * HOUR + late)
    station.stop(transaction, wh, at=station.clock(late))
    settle(books)
    assert_doubtful(station, transaction, 0, wh - start)


@pytest.mark.parametrize("late", [0, 25, 4 * HOUR])
def test_a_stop_is_too_low_as_well_if_the_next_start_waited(
    books: Books, station: Station, late: int
) -> None:
    """No charger delivers 15 kWh in the ten minutes from the one to the other, which both times are
    right about."""
    transaction = station.start(50_000)
    books.wait(3 * HOUR)
    station.stop(transaction, 62_000)
    books.wait(10 + late)
    station.stop(station.start(77_000, at=station.clock(late)), 78_000, at=station.clock())
    settle(books)
    assert bill_of(station, transaction)[2]


def test_readings_that_waited_are_as_late_by_chance_as_a_clock_was_behind(books: Books) -> None:
    """The clock was put right while a car charged. Then the link was down, until half an hour after
    the end."""
    station = Station(books, "CP-2", behind=HOUR + 30)
    wh = session(station, 30_000)
    transaction, begun = station.start(wh), books.now
    for minute in range(5, 3 * HOUR, 5):
        wh += 920
        if minute == 35:
            station.behind = 0
        books.now = begun + timedelta(minutes=minute if minute < HOUR + 30 else 3 * HOUR + 30)
        passed = (books.now - begun).total_seconds() / 60
        station.tell(
            meter_value(station.clock(passed - minute), wh, watts(11_040)), transaction=transaction
        )
    station.stop(transaction, wh, at=station.clock(30))
    settle(books)
    assert_figure(station, transaction, 35 * 920, flagged=False)
