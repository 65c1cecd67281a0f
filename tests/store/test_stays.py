"""How long a car stayed after charging, from the database: what begins, ends and interrupts a fee
for blocking."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from levity_trio.billing.pricing import Stay, counted
from levity_trio.billing.tariff import Blocking
from levity_trio.store.billing.evidence import Needs
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.load import load
from tests.billing.cases import BERLIN
from tests.store.billed import evidence_of
from tests.store.books import NOON, SERVER, Books, Station, meter_value
from tests.store.deciding import Operator
from tests.store.telling import HOUR, charge, close_silent, kwh, watts
from tests.store.test_outcomes import ask, profile, set_profile

MINUTE = timedelta(minutes=1)
STAY = Needs(course=False, stay=True)
UNTIL_STOP = Blocking(price=Decimal("0.10"))
UNTIL_AVAILABLE = Blocking(price=Decimal("0.10"), is_until_available=True)
WITH_GRACE = Blocking(price=Decimal("0.10"), grace_minutes=30, is_until_available=True)


def stay_of(books: Books, transaction: int) -> Stay | None:
    return evidence_of(books, transaction, STAY).stay


def minutes(books: Books, transaction: int, terms: Blocking = UNTIL_AVAILABLE) -> int:
    """The begun minutes that count."""
    stay = stay_of(books, transaction)
    assert stay is not None
    return counted(stay, terms, BERLIN).minutes


def idle(station: Station, transaction: int, wh: int, minutes: int, every: int = 10) -> None:
    """The car takes nothing."""
    for _ in range(minutes // every):
        station.books.wait(every)
        station.tell(meter_value(station.clock(), wh, watts(0)), transaction=transaction)


def full(station: Station) -> tuple[int, int]:
    """Charge for an hour, until the car is full; return the transaction and the register."""
    transaction = station.start(1000)
    station.status("Charging")
    wh = charge(station, transaction, 1000)
    return transaction, wh


def leave(station: Station, transaction: int, wh: int, finishing: float = 0) -> None:
    """Stop, and unplug some minutes later."""
    station.stop(transaction, wh)
    station.status("Finishing")
    station.books.wait(finishing)
    station.status("Available")


# From the last evidence of energy


def test_a_fee_begins_when_the_register_stands_still(books: Books, station: Station) -> None:
    """From 13:00, when the last rise was read, to the stop at 15:00, and to Available at 15:30."""
    transaction, wh = full(station)
    idle(station, transaction, wh, 2 * HOUR)
    leave(station, transaction, wh, finishing=30)
    assert minutes(books, transaction, UNTIL_STOP) == 120
    assert minutes(books, transaction) == 150


def test_suspended_by_the_car_it_begins_with_that_status(books: Books, station: Station) -> None:
    """The status lasts until the stop; its beginning is the evidence."""
    transaction, wh = full(station)
    books.wait(10)
    station.status("SuspendedEV")
    idle(station, transaction, wh, 2 * HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 120


def test_power_without_a_rise_is_energy(books: Books, station: Station) -> None:
    """A register that stands still proves nothing while power is reported."""
    transaction, wh = full(station)
    idle(station, transaction, wh, 30)
    station.tell(meter_value(station.clock(), watts(150)), transaction=transaction)
    station.tell(meter_value(station.clock(-1), watts(60)), transaction=transaction)
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 60


def test_power_in_kilowatts_that_is_called_watts(books: Books, station: Station) -> None:
    """No car charges with 7.2 W."""
    transaction = station.start(1003)
    wh = charge(station, transaction, 1003, tells_power=False)
    station.tell(meter_value(station.clock(), watts(7.2)), transaction=transaction)
    books.wait(30)
    station.tell(meter_value(station.clock(), wh, watts(2.3)), transaction=transaction)
    idle(station, transaction, wh, HOUR)
    station.stop(transaction, wh)
    assert minutes(books, transaction, UNTIL_STOP) == 60


def test_energy_may_flow_until_the_reading_that_shows_it(books: Books, station: Station) -> None:
    """No reading after 13:00, and the stop is 500 Wh higher."""
    transaction, wh = full(station)
    books.wait(120)
    leave(station, transaction, wh + 500, finishing=30)
    assert minutes(books, transaction, UNTIL_STOP) == 0


def test_a_register_that_a_person_read_shows_energy_until_the_stop(
    books: Books, station: Station
) -> None:
    """Its charger forgot the register at the stop, two hours after the last reading."""
    transaction, _ = full(station)
    books.wait(120)
    leave(station, transaction, 0, finishing=30)
    Operator(books).correct(transaction, meter_stop=20_000)
    assert minutes(books, transaction, UNTIL_STOP) == 0
    assert minutes(books, transaction) == 30
    assert minutes(books, transaction) == 30


@pytest.mark.parametrize(("shows", "expected"), [("nothing", 0), ("power", 120), ("status", 120)])
def test_a_coarse_register_alone_does_not_show_the_end(
    books: Books, station: Station, shows: str, expected: int
) -> None:
    """Whole kWh: a car could take half of one until the stop."""
    transaction = station.start(1000)
    wh = charge(
        station,
        transaction,
        1000,
        every=10,
        told=lambda wh: kwh(wh, 0),
        tells_power=shows == "power",
    )
    if shows == "status":
        station.status("SuspendedEV")
    for _ in range(12):
        books.wait(10)
        samples = [kwh(wh, 0), *([watts(0)] if shows == "power" else [])]
        station.tell(meter_value(station.clock(), *samples), transaction=transaction)
    station.stop(transaction, wh)
    assert minutes(books, transaction, UNTIL_STOP) == expected


def test_a_register_alone_shows_the_end(books: Books, station: Station) -> None:
    """Without power and without a status."""
    transaction = station.start(1003)
    wh = charge(station, transaction, 1003, tells_power=False)
    for _ in range(12):
        books.wait(10)
        station.tell(station.register(wh), transaction=transaction)
    station.stop(transaction, wh)
    assert minutes(books, transaction, UNTIL_STOP) == 120


def test_without_energy_there_is_no_stay_after_it(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(600)
    station.stop(transaction, 1000)
    assert stay_of(books, transaction) is None


# Until the stop, or Available


def test_available_that_was_never_seen_ends_with_the_stop(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    station.stop(transaction, wh)
    station.status("Finishing")
    books.wait(600)
    assert minutes(books, transaction) == 0


def test_available_after_the_next_car_says_nothing(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    station.stop(transaction, wh)
    station.status("Finishing")
    books.wait(60)
    following, wh = full(station)
    leave(station, following, wh)
    assert minutes(books, transaction) == 0


def test_available_of_another_connector_says_nothing(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    station.stop(transaction, wh)
    station.status("Available", connector=2)
    books.wait(30)
    station.status("Available")
    assert minutes(books, transaction) == 30


def test_available_just_before_the_stop(books: Books, station: Station) -> None:
    """Some chargers send the two in this order."""
    transaction, wh = full(station)
    station.status("Available")
    books.wait(0.1)
    station.stop(transaction, wh)
    station.status("Finishing")
    books.wait(60)
    station.status("Available")
    assert minutes(books, transaction) <= 1


def test_a_stop_by_unplugging_shows_that_the_place_is_free(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    station.stop(transaction, wh, reason="EVDisconnected")
    station.status("Finishing")
    books.wait(60)
    station.status("Available")
    assert minutes(books, transaction) == 0


def test_an_end_that_the_system_found_is_none(books: Books, station: Station) -> None:
    full(station)
    books.wait(60)
    close_silent(station)
    (transaction,) = books.row("SELECT id FROM tx WHERE cp_id = 'CP-1'")
    assert stay_of(books, transaction) is None


# What does not count


@pytest.mark.parametrize("status", ["SuspendedEVSE", "Faulted", "Unavailable"])
@pytest.mark.parametrize("connector", [0, 1])
def test_the_chargers_own_doing_does_not_count(
    books: Books, station: Station, status: str, connector: int
) -> None:
    """Forty minutes of two hours."""
    transaction, wh = full(station)
    idle(station, transaction, wh, 30)
    station.status(status, connector)
    idle(station, transaction, wh, 40)
    station.status("Finishing" if connector else "Available", connector)
    idle(station, transaction, wh, 50)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 80


@pytest.mark.parametrize(("limit", "expected"), [(0, 80), (5, 80), (6, 120)])
def test_our_own_limit_does_not_count(
    books: Books, station: Station, limit: float, expected: int
) -> None:
    """Forty minutes of two hours, in which no car could charge with less than 6 A."""
    transaction, wh = full(station)
    idle(station, transaction, wh, 30)
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    set_profile(station, 1, profile(1) | {"chargingSchedule": schedule})
    idle(station, transaction, wh, 40)
    ask(station, "ClearChargingProfile", {"id": 1})
    idle(station, transaction, wh, 50)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == pytest.approx(expected, abs=1)


def test_a_schedule_of_ours_counts_by_its_periods(books: Books, station: Station) -> None:
    """Nothing from 75 to 105 minutes after each start of a transaction; the car was full after
    60."""
    periods = [
        {"startPeriod": 60 * at, "limit": limit} for at, limit in ((0, 4140), (75, 0), (105, 4140))
    ]
    relative = profile(1, "TxDefaultProfile") | {"chargingProfileKind": "Relative"}
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    set_profile(station, 0, relative | {"chargingSchedule": schedule})
    transaction, wh = full(station)
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == pytest.approx(30, abs=1)


def test_a_car_that_is_locked_in_does_not_count(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    station.stop(transaction, wh)
    station.status("Finishing")
    books.wait(20)
    station.status("Finishing", error="ConnectorLockFailure")
    books.wait(40)
    station.status("Available")
    assert minutes(books, transaction) == 20


def test_a_lost_connection_does_not_count(books: Books, station: Station) -> None:
    """An hour of three, in which its readings waited."""
    transaction, wh = full(station)
    idle(station, transaction, wh, HOUR)
    station.lose()
    books.wait(60)
    station.connect()
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 120


def test_available_seen_late_after_a_lost_connection(books: Books, station: Station) -> None:
    """Away for two hours between a quarter and half an hour of connection."""
    transaction, wh = full(station)
    station.stop(transaction, wh)
    station.status("Finishing")
    books.wait(15)
    station.lose()
    books.wait(120)
    station.connect()
    books.wait(30)
    station.status("Available")
    assert minutes(books, transaction) == 45


def test_available_of_an_earlier_time_says_nothing(books: Books, station: Station) -> None:
    """It waited at the charger since before the session."""
    earlier = station.clock(5)
    transaction, wh = full(station)
    station.stop(transaction, wh)
    station.status("Available", at=earlier)
    station.status("Finishing")
    books.wait(30)
    station.status("Available")
    assert minutes(books, transaction) == 30


def test_a_server_that_was_stopped_does_not_count(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    idle(station, transaction, wh, HOUR)
    station.lose(reason=chargers.STOPPING)
    books.run(sessions.end_run, books.server, books.at)
    books.wait(30)
    books.server = books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    books.wait(1)
    station.connect()
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 120


def test_after_a_crash_only_what_was_heard_counts(books: Books, station: Station) -> None:
    """The last message came at 14:00, the server was started again at 14:45: when it died is
    unknown."""
    transaction, wh = full(station)
    idle(station, transaction, wh, HOUR)
    books.wait(45)
    books.server = books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    station.connect()
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 120


def test_while_our_clock_is_not_trusted_nothing_counts(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    books.connection.execute("UPDATE session SET clock_trusted = 0")
    idle(station, transaction, wh, HOUR)
    station.connect()
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 60


# What load management takes


def hold(books: Books, transaction: int, why: str = "paused") -> None:
    books.run(load.begin_span, transaction, why, books.at)


def release(books: Books, transaction: int) -> None:
    books.run(load.end_span, transaction, books.at)


@pytest.mark.parametrize(("terms", "expected"), [(UNTIL_AVAILABLE, 78), (WITH_GRACE, 18)])
@pytest.mark.parametrize("why", ["waited", "paused", "below"])
def test_a_car_that_is_held_back_is_not_counted(
    books: Books, station: Station, why: str, terms: Blocking, expected: int
) -> None:
    """Of two hours, not 40 minutes and the two in which the car may answer; then the grace begins
    anew."""
    transaction, wh = full(station)
    idle(station, transaction, wh, 30)
    hold(books, transaction, why)
    idle(station, transaction, wh, 40)
    release(books, transaction)
    idle(station, transaction, wh, 50)
    leave(station, transaction, wh)
    assert minutes(books, transaction, terms) == expected


def test_the_grace_does_not_run_out_while_a_car_is_held_back(
    books: Books, station: Station
) -> None:
    """Until 13:40: its two minutes, and half an hour. It stays until 14:40."""
    transaction, wh = full(station)
    hold(books, transaction)
    idle(station, transaction, wh, 40)
    release(books, transaction)
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction, WITH_GRACE) == 28


@pytest.mark.parametrize(("after", "expected"), [(1, 59), (5, 60)])
def test_a_car_may_say_within_two_minutes_that_it_wants_nothing(
    books: Books, station: Station, after: int, expected: int
) -> None:
    """Its answer within that time does not count as the end of its charging, a later one does."""
    transaction, wh = full(station)
    hold(books, transaction)
    station.status("SuspendedEVSE")
    idle(station, transaction, wh, 40)
    release(books, transaction)
    books.wait(after)
    station.status("SuspendedEV")
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == expected
    assert minutes(books, transaction, WITH_GRACE) == expected - 30


def test_a_car_that_waited_before_it_charged_is_full_like_any_other(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    hold(books, transaction, "waited")
    station.status("SuspendedEVSE")
    idle(station, transaction, 1000, HOUR)
    release(books, transaction)
    station.status("Charging")
    wh = charge(station, transaction, 1000)
    idle(station, transaction, wh, 2 * HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 120
    assert minutes(books, transaction, WITH_GRACE) == 90


def test_a_car_that_is_only_held_back_pays_nothing(books: Books, station: Station) -> None:
    """It charges a little between pauses, and waits again until the stop."""
    transaction, wh = station.start(1000), 1000
    for _ in range(4):
        hold(books, transaction)
        idle(station, transaction, wh, HOUR)
        release(books, transaction)
        wh = charge(station, transaction, wh, minutes=10)
    hold(books, transaction)
    station.status("SuspendedEV")
    idle(station, transaction, wh, 3 * HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 0


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_car_that_is_held_back_to_the_stop_has_the_grace_to_leave(
    books: Books, station: Station, *, is_ended: bool
) -> None:
    """It was full for an hour before, of which half was free. After the stop it stays for 40
    minutes, of which ten count; when the span is ended, some time later, does not matter."""
    transaction, wh = full(station)
    idle(station, transaction, wh, HOUR)
    hold(books, transaction)
    idle(station, transaction, wh, HOUR)
    station.stop(transaction, wh)
    station.status("Finishing")
    books.wait(20)
    if is_ended:
        release(books, transaction)
    books.wait(20)
    station.status("Available")
    assert minutes(books, transaction, WITH_GRACE) == pytest.approx(30 + 10, abs=1)


def test_what_was_held_back_is_of_one_transaction(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    hold(books, station.start(7000, connector=2))
    idle(station, transaction, wh, 2 * HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 120


def test_a_clock_behind_shifts_what_was_held_back(books: Books) -> None:
    """Half an hour behind: by its clock the car may have been held back half an hour before we say
    so."""
    station = Station(books, behind=30)
    transaction, wh = full(station)
    idle(station, transaction, wh, HOUR)
    hold(books, transaction)
    idle(station, transaction, wh, HOUR)
    station.lose()
    stopped = station.clock()
    books.wait(60)
    station.connect()
    station.stop(transaction, wh, at=stopped)
    stay = stay_of(books, transaction)
    assert stay is not None
    ((since, until),) = stay.held
    begun = books.value("SELECT since FROM load_span")
    late = datetime.fromisoformat(books.at) - stay.stopped_at
    assert late > HOUR * MINUTE
    assert (since, until) == (datetime.fromisoformat(begun) - late, stay.stopped_at)


# Clocks


def test_a_clock_ahead(books: Books) -> None:
    station = Station(books, behind=-180)
    transaction, wh = full(station)
    idle(station, transaction, wh, 2 * HOUR)
    leave(station, transaction, wh, finishing=30)
    assert minutes(books, transaction) == pytest.approx(150, abs=1)


def test_a_clock_behind_shifts_what_is_ours(books: Books) -> None:
    """Half an hour behind. The connection was lost by our clock just before the stop, by its own
    before 15:00."""
    station = Station(books, behind=30)
    transaction, wh = full(station)
    idle(station, transaction, wh, 2 * HOUR)
    station.lose()
    books.wait(20)
    station.connect()
    leave(station, transaction, wh)
    assert minutes(books, transaction) <= 120


def test_a_clock_behind_and_statuses_without_a_time(books: Books) -> None:
    """Twenty minutes behind: between its stop and its Available are ten minutes, not thirty."""
    station = Station(books, behind=20)
    transaction, wh = full(station)
    station.stop(transaction, wh)
    station.status("Finishing", at=None)
    books.wait(10)
    station.status("Available", at=None)
    assert minutes(books, transaction) == 10


def test_a_clock_behind_tells_of_statuses_that_waited(books: Books) -> None:
    """Twenty minutes behind. The cable was out ten minutes after the stop, and that was told an
    hour later: it is known by the corrected time of the status, not by its receipt."""
    station = Station(books, behind=20)
    transaction, wh = full(station)
    station.stop(transaction, wh)
    books.wait(10)
    left_at = station.clock()
    books.wait(60)
    station.status("Available", at=left_at)
    assert minutes(books, transaction) == 10


def test_after_a_clock_was_set_the_stay_is_by_the_right_one(books: Books) -> None:
    """It was an hour behind at the start, and right at the stop: an hour after the car was full.
    The cable was out ten minutes later, which was told an hour late."""
    station = Station(books, behind=60)
    transaction, wh = full(station)
    station.behind = 0
    idle(station, transaction, wh, HOUR, every=5)
    station.stop(transaction, wh)
    books.wait(10)
    left_at = station.clock()
    books.wait(60)
    station.status("Available", at=left_at)
    behind = "SELECT start_behind_seconds, stop_behind_seconds FROM tx"
    assert books.row(behind) == (3600, 0)
    assert minutes(books, transaction) == 70


def test_a_clock_that_stands_still_shows_no_stay(books: Books, station: Station) -> None:
    transaction, wh = full(station)
    first = books.value("SELECT sent_start_time FROM tx WHERE id = ?", transaction)
    books.wait(120)
    station.stop(transaction, wh, at=first)
    station.status("Finishing")
    books.wait(60)
    station.status("Available")
    assert stay_of(books, transaction) is None


def test_a_stop_whose_time_is_that_of_its_receipt(books: Books, station: Station) -> None:
    """Its clock was lost while it was away. When the car left is unknown; from the receipt on, it
    is known."""
    transaction, wh = full(station)
    station.lose()
    books.wait(120)
    station.connect()
    station.stop(transaction, wh, at="1970-01-01T00:02:00Z")
    station.status("Finishing")
    books.wait(30)
    station.status("Available")
    assert minutes(books, transaction, UNTIL_STOP) == 0
    assert minutes(books, transaction) <= 30


def test_a_stop_that_waited(books: Books, station: Station) -> None:
    """It was stopped while away: the time is its own, and all of it was without a connection."""
    transaction, wh = full(station)
    station.lose()
    books.wait(30)
    stopped = station.clock()
    books.wait(60)
    station.connect()
    station.stop(transaction, wh, at=stopped)
    station.status("Available")
    # the fraction of a second before the connection was lost
    assert minutes(books, transaction) <= 1


def test_nothing_before_the_stay_counts(books: Books, station: Station) -> None:
    """The last evidence is never after the stop, and all times are ours."""
    transaction, wh = full(station)
    leave(station, transaction, wh)
    stay = stay_of(books, transaction)
    assert stay is not None
    assert abs(stay.last_energy_at - NOON - 60 * MINUTE) < MINUTE
    assert stay.last_energy_at <= stay.stopped_at


@pytest.mark.parametrize(("terms", "expected"), [(UNTIL_AVAILABLE, 120), (WITH_GRACE, 90)])
@pytest.mark.parametrize("status", ["SuspendedEV", "SuspendedEVSE"])
def test_a_car_that_waits_for_a_lower_price_stays_by_the_wish_of_its_driver(
    books: Books, station: Station, status: str, terms: Blocking, expected: int
) -> None:
    transaction, wh = full(station)
    hold(books, transaction, "price")
    station.status(status)
    idle(station, transaction, wh, 2 * HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction, terms) == expected


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("SuspendedEVSE", "NoError", 80),
        ("SuspendedEVSE", "ConnectorLockFailure", 20),
        ("Faulted", "NoError", 20),
    ],
)
def test_what_else_keeps_a_car_while_it_waits_for_a_lower_price_is_not_counted(
    books: Books, station: Station, status: str, error: str, expected: int
) -> None:
    """Of 20 min, 60 min in which it waits, and 40 in which the charger gives it nothing."""
    transaction, wh = full(station)
    idle(station, transaction, wh, 20)
    hold(books, transaction, "price")
    station.status(status, error=error)
    idle(station, transaction, wh, HOUR)
    release(books, transaction)
    idle(station, transaction, wh, 40)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == expected


def test_one_that_waits_for_current_after_it_waited_for_a_price_is_held_back(
    books: Books, station: Station
) -> None:
    """Of its hour of waiting, only the first half is the driver's; it may then answer, and has the
    grace."""
    transaction, wh = full(station)
    hold(books, transaction, "price")
    idle(station, transaction, wh, 30)
    hold(books, transaction, "paused")
    idle(station, transaction, wh, 30)
    release(books, transaction)
    idle(station, transaction, wh, HOUR)
    leave(station, transaction, wh)
    assert minutes(books, transaction) == 30 + HOUR - 2
