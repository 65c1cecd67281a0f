"""Closing of orphaned transactions: when, up to which register, and without double
billing."""

import pytest

from levity_trio.charging.sent.readings import Moment, understand
from levity_trio.events import EnergyUnbilled, TransactionClosed, TransactionStopped
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.load import load
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions import stops
from levity_trio.store.writes.transactions.starts import start_unreadable
from levity_trio.wire.times import STATUS_AHEAD
from tests.store.books import SERVER, UNSET_CLOCK, Books, Station, meter_value
from tests.store.telling import charge_state, current, watts

HOUR = 60
DAY = 24 * HOUR
MINUTES = 15
CURRENT = {"value": "16", "measurand": "Current.Import", "unit": "A"}


def new_start(
    station: Station, meter: int = 1000, connector: int = 1, tag: str = "TAG", at: str | None = None
) -> int:
    """Send a start, after the plugin's write that precedes it."""
    sent = station.clock() if at is None else at
    station.write(
        stops.close_before_start,
        Opening(connector, tag, meter, understand(sent, station.books.now)),
    )
    return station.start(meter, connector, tag, sent)


def available(station: Station, connector: int = 1, at: str | None = None) -> None:
    """Send Available, after the plugin's write that precedes it."""
    sent = station.clock() if at is None else at
    station.write(
        stops.close_available, connector, understand(sent, station.books.now, STATUS_AHEAD)
    )
    station.status("Available", connector, at=sent)


def look(books: Books, minutes: float = MINUTES) -> None:
    books.run(stops.close_silent, books.at, minutes * 60)


def wait_and_look(books: Books, minutes: int) -> None:
    """As the plugin does, though only once a minute."""
    for _ in range(minutes):
        books.wait(1)
        look(books)


def open_ones(books: Books) -> set[int]:
    return {
        transaction for (transaction,) in books.rows("SELECT id FROM tx WHERE status = 'Active'")
    }


def closed(books: Books) -> list[tuple[int, str, int]]:
    return [
        (fact.transaction, fact.reason, fact.energy_wh)
        for fact in books.recorded(TransactionClosed)
    ]


# A new start


def test_a_new_start_closes_what_is_open_on_its_connector(books: Books, station: Station) -> None:
    older, neighbour = station.start(1000), station.start(7000, connector=2)
    stranger = Station(books, "CP-2").start(3000)
    books.wait(30)
    station.tell(station.register(4000), transaction=older)
    books.wait(30)
    newer = new_start(station, 4500)
    assert open_ones(books) == {newer, neighbour, stranger}
    assert books.row(
        "SELECT status, stopped_by, stop_reason, stop_time, sent_stop_time, meter_stop, "
        "suspended_at "
        "FROM tx WHERE id = ?",
        older,
    ) == ("Completed", "system", "Other", "2026-03-01T13:00:00.000Z", None, 4000, None)
    assert station.bill(older) == (3000, "register", "doubtful")
    assert station.review(older) == "closed by the system: energy after the last reading is unknown"
    assert books.row(
        "SELECT who, reason, timestamp, received_at, session_id FROM tx_event WHERE kind = 'close'"
    ) == (
        *("system", "a session began on its connector at 4500 Wh"),
        *("2026-03-01T13:00:00.000Z", books.at, station.session),
    )
    (fact,) = books.recorded(TransactionClosed)
    assert (fact.transaction, fact.connector, fact.energy_wh, fact.method) == (
        older,
        1,
        3000,
        "register",
    )
    assert (fact.reason, fact.cause) == ("Other", "a session began on its connector at 4500 Wh")
    assert [unbilled.energy_wh for unbilled in books.recorded(EnergyUnbilled)] == [500]
    assert (
        books.value("SELECT last_tx_stop_at FROM cp WHERE id = 'CP-1'")
        == "2026-03-01T13:00:00.000Z"
    )


@pytest.mark.parametrize(
    ("later", "ended"),
    [
        ((), "2026-03-01T12:30:00.000Z"),
        # just before the start that they belong to
        (
            (("Preparing", 1), ("Charging", 0)),
            "2026-03-01T12:30:00.000Z",
        ),
        ((("Charging", HOUR), ("Available", HOUR)), "2026-03-02T13:30:00.000Z"),
        ((("Charging", HOUR), ("Finishing", HOUR)), "2026-03-02T14:30:00.000Z"),
    ],
)
def test_one_whose_connector_was_available_ended_then_and_not_a_day_later(
    books: Books, station: Station, later: tuple[tuple[str, int], ...], ended: str
) -> None:
    """Its own stop was lost, or could not be joined."""
    older = new_start(station)
    books.wait(20)
    station.tell(station.register(4000), transaction=older)
    books.wait(10)
    station.status("Available")
    books.wait(DAY)
    for status, minutes in later:
        station.status(status)
        books.wait(minutes)
    new_start(station, 4000)
    assert books.value("SELECT stop_time FROM tx WHERE id = ?", older) == ended
    assert station.bill(older) == (3000, "register", "certain")


@pytest.mark.parametrize("sent", ["2026-03-01T12:00:00Z", UNSET_CLOCK])
def test_the_same_start_again_closes_nothing(books: Books, station: Station, sent: str) -> None:
    transaction = new_start(station, at=sent)
    for _ in range(3):
        books.wait(HOUR)
        station.connect()
        assert new_start(station, at=sent) == transaction
    assert open_ones(books) == {transaction}
    assert closed(books) == []


def test_the_same_start_again_after_its_close_closes_nothing(
    books: Books, station: Station
) -> None:
    sent = station.clock()
    older = new_start(station, at=sent)
    books.wait(HOUR)
    newer = new_start(station, 4500)
    assert new_start(station, at=sent) == older
    assert open_ones(books) == {newer}
    assert len(closed(books)) == 1


def test_an_old_start_from_the_chargers_memory_closes_nothing_newer(
    books: Books, station: Station
) -> None:
    newer = new_start(station, 5000)
    books.wait(1)
    older = new_start(station, 1000, at=station.clock(minutes_ago=3 * HOUR))
    assert open_ones(books) == {older, newer}
    books.wait(HOUR)
    newest = new_start(station, 9000)
    assert open_ones(books) == {newest}
    # The register of the next one bounds each: there are no readings.
    assert [(number, wh) for number, _, wh in closed(books)] == [(older, 0), (newer, 0)]
    assert [fact.energy_wh for fact in books.recorded(EnergyUnbilled)] == [4000, 4000]


def test_a_clock_that_stands_still_at_a_believable_time(books: Books, station: Station) -> None:
    sent = "2026-01-01T00:00:00Z"
    older = new_start(station, 1000, at=sent)
    newer = new_start(station, 5000, at=sent)
    assert open_ones(books) == {newer}
    assert books.value("SELECT stop_time FROM tx WHERE id = ?", older) == "2026-01-01T00:00:00.000Z"


def test_it_does_not_end_before_it_began(books: Books, station: Station) -> None:
    """The charger's clock is two hours ahead of ours, by which it was suspended."""
    station.behind = -2 * HOUR
    station.start(1000)
    books.wait(HOUR)
    station.lose()
    books.wait(HOUR)
    station.connect()
    new_start(station, 4000)
    (times,) = books.rows(
        "SELECT start_time, stop_time, own_start_time FROM tx WHERE status = 'Completed'"
    )
    assert times == (
        "2026-03-01T12:00:00.250Z",
        "2026-03-01T13:00:00.250Z",
        "2026-03-01T14:00:00.000Z",
    )


# An available connector


def suspended(books: Books, station: Station, connector: int = 1) -> int:
    transaction = station.start(1000, connector)
    books.wait(30)
    station.tell(station.register(4000), transaction=transaction, connector=connector)
    books.wait(30)
    station.lose()
    books.wait(HOUR)
    station.connect()
    return transaction


def test_available_closes_what_is_suspended(books: Books, station: Station) -> None:
    transaction, neighbour = suspended(books, station), station.start(50, connector=2)
    station.boot()  # which suspends the neighbour, too
    available(station)
    assert open_ones(books) == {neighbour}
    assert closed(books) == [(transaction, "Reboot", 3000)]
    assert books.row("SELECT reason FROM tx_event WHERE kind = 'close'") == (
        "its connector is available",
    )
    # It ended when it was last seen.
    assert (
        books.value("SELECT stop_time FROM tx WHERE id = ?", transaction)
        == "2026-03-01T13:00:00.250Z"
    )


def test_available_closes_nothing_that_runs(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    available(station)
    assert open_ones(books) == {transaction}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("2026-03-01T11:59:00Z", "before it began"),
        ("2026-03-01T12:10:00Z", "before its last reading"),
        ("2026-03-01T12:30:00Z", "as old as its last reading"),
        (UNSET_CLOCK, "not to be believed"),
        ("2026-03-01T15:00:00Z", "an hour ahead: not to be believed"),
    ],
)
def test_available_must_be_newer_than_the_last_sign(
    books: Books, station: Station, sent: str, why: str
) -> None:
    transaction = suspended(books, station)
    available(station, at=sent)
    assert open_ones(books) == {transaction}, why


def test_a_status_of_charging_is_a_sign(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    station.status("Charging")
    station.boot()
    available(station, at=station.clock(minutes_ago=10))
    assert open_ones(books) == {transaction}
    books.wait(1)
    available(station)
    assert open_ones(books) == set()


# Silence


def test_silence_closes_what_is_suspended(books: Books, station: Station) -> None:
    transaction, running = suspended(books, station), Station(books, "CP-2").start(50)
    wait_and_look(books, MINUTES - 1)
    assert transaction in open_ones(books)
    wait_and_look(books, 1)
    assert open_ones(books) == {running}
    assert closed(books) == [(transaction, "Reboot", 3000)]
    reason = "no sign of it in 15 minutes of connection"
    assert books.row("SELECT reason FROM tx_event WHERE kind = 'close'") == (reason,)
    wait_and_look(books, 5)
    assert len(closed(books)) == 1


def test_while_load_management_holds_a_car_back_silence_says_nothing(
    books: Books, station: Station
) -> None:
    """Some chargers send readings only while current flows. The car has two minutes to answer."""
    transaction = suspended(books, station)
    books.run(load.begin_span, transaction, "paused", books.at)
    wait_and_look(books, 8 * HOUR)
    books.run(load.end_span, transaction, books.at)
    wait_and_look(books, MINUTES + 1)
    assert open_ones(books) == {transaction}
    wait_and_look(books, 1)
    assert open_ones(books) == set()


def test_what_was_held_back_before_it_was_silent_does_not_matter(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    books.run(load.begin_span, transaction, "waited", books.at)
    books.wait(10)
    books.run(load.end_span, transaction, books.at)
    books.wait(10)
    station.tell(station.register(3000), transaction=transaction)
    station.boot()
    wait_and_look(books, MINUTES)
    assert open_ones(books) == set()


def test_while_the_charger_is_away_the_clock_stands_still(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    for _ in range(3):  # five minutes each time
        wait_and_look(books, 4)
        books.wait(0.9)
        station.lose()
        wait_and_look(books, 8 * HOUR)
        station.connect()
    assert open_ones(books) == {transaction}
    wait_and_look(books, 1)
    assert open_ones(books) == set()


def test_a_week_at_most(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    station.lose()
    # it lasts as long as nobody is told otherwise
    books.run(load.begin_span, transaction, "paused", books.at)
    books.wait(7 * DAY - HOUR - 1)
    look(books)
    assert open_ones(books) == {transaction}
    books.wait(1)
    look(books)
    assert closed(books) == [(transaction, "Reboot", 3000)]
    assert books.row("SELECT reason FROM tx_event WHERE kind = 'close'") == (
        "no sign of it in a week",
    )


@pytest.mark.parametrize("sign", ["reading", "start", "status"])
def test_each_sign_begins_anew(books: Books, station: Station, sign: str) -> None:
    sent = station.clock()
    transaction = suspended(books, station)
    wait_and_look(books, 10)
    if sign == "reading":
        station.tell(station.register(5000), transaction=transaction)
    elif sign == "start":
        new_start(station, at=sent)
    else:
        station.status("SuspendedEV")
    wait_and_look(books, HOUR)  # it runs: silence is nothing
    assert open_ones(books) == {transaction}
    station.boot()
    wait_and_look(books, MINUTES - 1)
    assert open_ones(books) == {transaction}
    wait_and_look(books, 1)
    assert open_ones(books) == set()


def test_a_connection_that_replaces_another_is_not_counted_twice(
    books: Books, station: Station
) -> None:
    transaction = suspended(books, station)
    wait_and_look(books, 10)
    older = station.session
    station.connect()
    newer, station.session = station.session, older
    wait_and_look(books, 4)  # the older one's end is noticed late
    station.lose(is_current=False, reason=sessions.REPLACED)
    station.session = newer
    assert open_ones(books) == {transaction}
    wait_and_look(books, 1)
    assert open_ones(books) == set()


def test_the_time_in_which_we_were_away_does_not_count(books: Books, station: Station) -> None:
    """The server was killed three days ago, so it is unknown when the connection ended and whether
    the car charged."""
    transaction = suspended(books, station)
    wait_and_look(books, 5)
    books.wait(3 * DAY)
    books.server = books.run(sessions.start_run, SERVER, "1.1", books.at, True)
    look(books)
    station.connect()
    wait_and_look(books, MINUTES - 1)
    assert open_ones(books) == {transaction}
    wait_and_look(books, 1)
    assert open_ones(books) == set()


def test_a_connection_whose_times_are_not_trusted_does_not_count(
    books: Books, station: Station
) -> None:
    transaction = suspended(books, station)
    books.connection.execute("DROP TRIGGER session_ends_once")
    books.connection.execute("UPDATE session SET clock_trusted = 0")
    wait_and_look(books, 2 * HOUR)
    assert open_ones(books) == {transaction}


# What is billed: its last register, never another measurand


def test_nothing_told_is_nothing_billed_and_the_rest_is_unbilled(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    books.wait(30)
    station.tell(meter_value(station.clock(), CURRENT, {"value": "99999", "measurand": "Voltage"}))
    books.wait(30)
    newer = new_start(station, 5000)
    assert station.bill(transaction) == (0, "register", "doubtful")
    told = "closed by the system: readings, but none of the register, at most 4000 Wh"
    assert station.review(transaction) == told
    assert books.value("SELECT meter_stop FROM tx WHERE id = ?", transaction) == 1000
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", newer) == 4000


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        pytest.param([], "no readings", id="none"),
        pytest.param([watts(7200)], "readings, but none of the register", id="W"),
        pytest.param([watts(7200, "kW")], "readings, but none of the register", id="kW"),
        pytest.param(current(7200), "readings, but none of the register", id="A and V"),
        pytest.param(
            [charge_state(50)], "readings, but none of the register", id="state of charge"
        ),
    ],
)
def test_the_review_says_what_was_told(
    books: Books, station: Station, samples: list[dict[str, str]], words: str
) -> None:
    transaction = station.start(1000)
    books.wait(30)
    if samples:
        station.tell(meter_value(station.clock(), *samples), transaction=transaction)
    books.wait(30)
    new_start(station, 5000)
    assert station.review(transaction).startswith(f"closed by the system: {words}, at most")


@pytest.mark.parametrize("lifetime", [100_000, 500])
@pytest.mark.parametrize("how", ["new start", "silence"])
def test_readings_that_count_per_session(
    books: Books, station: Station, lifetime: int, how: str
) -> None:
    """Grizzl-E: a missing stop is meterStart + that reading, never the reading itself."""
    transaction = station.start(lifetime)
    for wh in (0, 2000, 4000):
        books.wait(15)
        station.tell(station.register(wh), transaction=transaction)
    station.boot()
    if how == "silence":
        wait_and_look(books, MINUTES)
    else:
        new_start(station, lifetime + 4100)
    assert station.bill(transaction)[0] == 4000
    assert books.value("SELECT meter_stop FROM tx WHERE id = ?", transaction) == lifetime + 4000
    assert "closed by the system: " in station.review(transaction)


def test_a_next_start_at_the_same_register_leaves_no_doubt(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    new_start(station, 4000)
    assert station.bill(transaction) == (3000, "register", "certain")
    assert station.review(transaction) == ""
    assert books.recorded(EnergyUnbilled) == []


def test_equal_zeros_say_nothing(books: Books, station: Station) -> None:
    """Some count each transaction from 0."""
    transaction = station.start(0)
    books.wait(HOUR)
    new_start(station, 0)
    assert station.bill(transaction) == (0, "register", "doubtful")
    charging = open_ones(books).pop()
    books.wait(30)
    station.tell(station.register(3000), transaction=charging)
    books.wait(30)
    new_start(station, 0)
    assert station.bill(charging) == (3000, "register", "doubtful")


@pytest.mark.parametrize(("reading", "wh"), [(4500, 3500), (None, 0)])
def test_what_its_own_readings_reach_is_billed_to_it_and_not_to_the_next_one(
    books: Books, station: Station, reading: int | None, wh: int
) -> None:
    """An overlap is billed once, to the one whose own readings reach into it. It may have
    gone on after its last reading, up to the first one of the next transaction."""
    transaction = suspended(books, station)
    newer = new_start(station, 3500)
    assert station.bill(transaction)[0] == 3000
    books.wait(HOUR)
    if reading is not None:
        station.tell(station.register(reading), transaction=newer)
        books.wait(HOUR)
    station.stop(newer, 8000)
    assert station.bill(newer) == (wh, "register", "doubtful")
    assert "500 Wh also belong to the previous session" in station.review(newer)
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", newer) is None


def test_a_register_that_was_reset_on_the_way(books: Books, station: Station) -> None:
    transaction = station.start(5000)
    for wh in (6000, 7000, 500, 1500):
        books.wait(15)
        station.tell(station.register(wh), transaction=transaction)
    station.boot()
    wait_and_look(books, MINUTES)
    assert station.bill(transaction) == (3500, "segments", "doubtful")
    assert station.review(transaction) == (
        "the register was reset to 0; closed by the system: energy after the last reading is "
        "unknown"
    )


def test_a_spike_is_not_billed(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    for wh in (2000, 900_000, 3000, 4000):
        books.wait(15)
        station.tell(station.register(wh), transaction=transaction)
    station.boot()
    wait_and_look(books, MINUTES)
    assert station.bill(transaction) == (3000, "register", "doubtful")


def test_one_whose_start_could_not_be_read(books: Books, station: Station) -> None:
    message = station.message("StartTransaction", connectorId=1, idTag="TAG", meterStart=None)
    transaction = station.write(start_unreadable, message, "why").transaction
    for wh in (4000, 5000):
        books.wait(10)
        station.tell(station.register(wh), transaction=transaction)
    station.boot()
    wait_and_look(books, MINUTES)
    assert station.bill(transaction) == (1000, "segments", "doubtful")
    assert books.value("SELECT meter_stop FROM tx") == 5000
    assert station.review(transaction).startswith(
        "its start could not be read: why; start register is unknown"
    )
    assert "closed by the system" in station.review(transaction)
    station.stop(transaction, 5500)
    assert station.bill(transaction) == (1500, "segments", "doubtful")
    assert "closed by the system" not in station.review(transaction)


# The charger's own late stop prevails


def test_a_late_stop_takes_the_place_of_the_close(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    available(station)
    books.wait(1)
    station.tell(station.register(6000, minutes_ago=40), transaction=transaction)  # from its memory
    station.stop(transaction, 8000, at=station.clock(minutes_ago=20))
    assert station.bill(transaction) == (7000, "register", "certain")
    assert station.review(transaction) == ""
    assert books.row("SELECT status, stopped_by, stop_reason, meter_stop, stop_time FROM tx") == (
        *("Completed", "charger", "Local", 8000, "2026-03-01T13:41:00.000Z"),
    )
    assert [kind for (kind,) in books.rows("SELECT kind FROM tx_event ORDER BY id")] == [
        *("start", "suspend", "close", "reopen", "stop"),
    ]
    assert closed(books) == [(transaction, "Reboot", 3000)]
    (stopped,) = books.recorded(TransactionStopped)
    assert (stopped.energy_wh, stopped.review) == (7000, None)


def test_what_a_late_stop_bills_is_unbilled_no_more(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    newer = new_start(station, 11_400)
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", newer) == 7400
    station.stop(transaction, 11_000, at=station.clock(minutes_ago=20))
    assert station.bill(transaction) == (10_000, "register", "certain")
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", newer) == 400
    assert [fact.energy_wh for fact in books.recorded(EnergyUnbilled)] == [7400, 400]


@pytest.mark.parametrize(
    ("next_meter", "meter", "review"),
    [
        (5000, 9000, "4000 Wh also belong to the next session"),
        (5000, 5900, "900 Wh also belong to the next session"),
        (5000, 5001, ""),  # meters round
        (0, 9000, ""),  # one that counts each transaction from 0
    ],
)
def test_a_late_stop_that_bills_what_the_next_one_bills_too(
    books: Books, station: Station, next_meter: int, meter: int, review: str
) -> None:
    transaction = suspended(books, station)
    new_start(station, next_meter)
    books.wait(HOUR)
    station.stop(transaction, meter)
    assert station.bill(transaction)[0] == (4000 if review else meter - 1000)
    assert station.review(transaction) == review


def test_an_unbelievable_moment_closes_nothing(books: Books, station: Station) -> None:
    transaction = suspended(books, station)
    station.write(stops.close_available, 1, Moment(books.at, None, False))
    assert open_ones(books) == {transaction}


@pytest.mark.parametrize(
    "at", ["2022-01-01T00:00:00Z", "2026-03-01T12:00:00Z"], ids=["stands still", "same minute"]
)
def test_one_that_began_at_the_same_time_before_is_none_that_follows(
    books: Books, station: Station, at: str
) -> None:
    """The clock stands still, or tells whole minutes, in which a start was cancelled."""
    station.stop(station.start(50_000, at=at), 50_000, at=at)
    running = new_start(station, 50_000, tag="OTHER", at=at)
    wait_and_look(books, 4 * MINUTES)
    assert books.rows("SELECT status, energy_delivered FROM tx WHERE id = ?", running) == [
        ("Active", None)
    ]
