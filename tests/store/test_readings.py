"""Readings in the database: each once, with its transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from levity_trio.charging.sent import readings
from levity_trio.events import EnergyJumped, TransactionResumed
from levity_trio.store.writes.transactions.readings import MessageReadings, store
from tests.store.books import UNSET_CLOCK, Books, Station, meter_value

VOLTAGE = {"value": "230", "measurand": "Voltage", "unit": "V"}
CURRENT = {"value": "16", "measurand": "Current.Import", "unit": "A"}


def linked(books: Books) -> list[tuple[int | None, int]]:
    """Return transaction and Wh of each reading, in order of receipt."""
    return books.rows("SELECT tx_id, wh FROM meter_val ORDER BY id")


@contextmanager
def counted_statements(books: Books) -> Iterator[list[str]]:
    said: list[str] = []
    books.connection.set_trace_callback(said.append)
    yield said
    books.connection.set_trace_callback(None)


def test_a_reading_is_kept_as_it_was_sent(books: Books, station: Station) -> None:
    transaction = station.start()
    books.wait(1)
    sample = {
        "value": "1.2345",
        "unit": "kWh",
        "context": "Sample.Clock",
        "location": "Outlet",
        "format": "Raw",
    }
    station.tell(
        meter_value("2026-03-01T13:00:30.5+01:00", sample, VOLTAGE | {"phase": "L1-N"}),
        transaction=transaction,
    )
    common = (
        transaction,
        "CP-1",
        1,
        station.session,
        books.at,
        "2026-03-01T12:00:30.500Z",
        "2026-03-01T13:00:30.5+01:00",
    )
    assert books.rows(
        "SELECT tx_id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, "
        "measurand, value, unit, context, location, phase, format, source, wh "
        "FROM meter_val ORDER BY id"
    ) == [
        (
            *common,
            "Energy.Active.Import.Register",
            "1.2345",
            "kWh",
            "Sample.Clock",
            "Outlet",
            "",
            "Raw",
            "MeterValues",
            1235,
        ),
        (
            *common,
            "Voltage",
            "230",
            "V",
            "Sample.Periodic",
            "Outlet",
            "L1-N",
            "Raw",
            "MeterValues",
            None,
        ),
    ]


@pytest.mark.sqlite
def test_the_usual_batch_takes_two_statements_and_the_look_of_the_book(
    books: Books, station: Station
) -> None:
    transaction = station.start()
    books.wait(1)
    found = readings.read([meter_value(station.clock(), 1100, VOLTAGE, CURRENT)], books.now)
    with counted_statements(books) as said:
        station.write(store, MessageReadings(1, "MeterValues", found), transaction)
    assert [statement.split()[0] for statement in said] == [
        "BEGIN",
        "UPDATE",
        "INSERT",
        "SELECT",  # what is to be booked, and whose statements stand otherwise
        "COMMIT",
    ]
    assert linked(books) == [(transaction, 1100), (transaction, None), (transaction, None)]


def test_many_samples_of_one_moment(books: Books, station: Station) -> None:
    transaction = station.start()
    station.tell(meter_value(station.clock(), *range(1000, 1070)), transaction=transaction)
    station.tell(meter_value(station.clock(), *range(1000, 1071)), transaction=transaction)
    assert books.count("meter_val") == 71


# Repeats


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param("2026-03-01T12:00:00Z", id="usual"),
        pytest.param("2026-03-01T12:00:40Z", id="ahead, but not at the second time"),
        pytest.param("2026-03-01T14:00:00+00:00", id="two hours ahead"),
        pytest.param(UNSET_CLOCK, id="no clock"),
        pytest.param("2026-03-05T12:00:00Z", id="days ahead"),
        pytest.param("nonsense", id="unreadable"),
    ],
)
@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize("minutes", [0, 1, 600])
def test_a_repeated_batch_adds_no_row(
    books: Books, station: Station, sent: str, claimed: bool, minutes: float
) -> None:
    transaction = station.start()
    books.wait(0.5)
    batch = [meter_value(sent, 1100, VOLTAGE), meter_value(sent, 1200, VOLTAGE)]
    for _ in range(3):
        station.tell(*batch, transaction=transaction if claimed else None)
        books.wait(minutes)
        station.connect()
    assert [wh for _, wh in linked(books) if wh] == [1100, 1200]
    assert books.count("meter_val") == 4
    station.stop(transaction, 1300)
    assert station.bill(transaction) == (300, "register", "certain")


@pytest.mark.parametrize("days_ahead", [0, 7, 30, -365 * 50])
def test_a_batch_that_is_repeated_after_the_next_one_adds_no_row(
    books: Books, days_ahead: int
) -> None:
    """The clock runs, but is wrong: the time as sent is older than that of the newest reading."""
    station = Station(books, "CP-2", behind=-60 * 24 * days_ahead)
    station.connect()
    transaction, sent = station.start(1000), list[Any]()
    for wh in (1100, 1200, 1300):
        books.wait(1)
        sent.append(meter_value(station.clock(), wh, VOLTAGE))
        station.tell(sent[-1], transaction=transaction)
    books.wait(5)
    station.tell(sent[0], transaction=transaction)
    station.stop(transaction, 1300)
    assert books.count("meter_val") == 6
    assert station.bill(transaction) == (300, "register", "certain")


def test_a_repeat_on_connector_0_or_without_a_transaction_adds_no_row(
    books: Books, station: Station
) -> None:
    for connector in (0, 1):
        for _ in range(2):
            station.tell(meter_value(UNSET_CLOCK, 7), connector=connector)
            books.wait(1)
    assert linked(books) == [(None, 7), (None, 7)]


def test_repeated_transaction_data_adds_no_row(books: Books, station: Station) -> None:
    transaction = station.start()
    for sent in (UNSET_CLOCK, "2026-03-01T11:59:00Z"):
        for _ in range(2):
            station.stop(transaction, 1300, at=UNSET_CLOCK, data=[meter_value(sent, 1100, VOLTAGE)])
            books.wait(1)
    assert books.count("meter_val") == 4


def test_without_a_clock_readings_that_differ_are_all_kept(books: Books, station: Station) -> None:
    transaction = station.start(0, at=UNSET_CLOCK)
    for wh in range(0, 1000, 100):
        books.wait(1)
        station.tell(meter_value(UNSET_CLOCK, wh), transaction=transaction)
    assert [wh for _, wh in linked(books)] == list(range(0, 1000, 100))


def test_the_same_reading_in_both_messages_is_kept_twice_and_billed_once(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    data = []
    for wh in (2000, 3000, 4000):
        books.wait(10)
        data.append(station.register(wh))
        station.tell(data[-1], transaction=transaction)
    station.stop(transaction, 4500, data=data)
    assert books.rows("SELECT source, count(*) FROM meter_val GROUP BY source ORDER BY source") == [
        ("MeterValues", 3),
        ("transactionData", 3),
    ]
    assert station.bill(transaction) == (3500, "register", "certain")


# Which transaction they belong to


@pytest.mark.parametrize("claimed", [None, 0, -1, 17, 2**31, 2**53, -(2**53)])
def test_without_a_usable_id_connector_and_time_decide(
    books: Books, station: Station, claimed: int | None
) -> None:
    station.stop(station.start(100), 900)
    books.wait(10)
    first, second = station.start(1000), station.start(5, connector=2)
    books.wait(10)
    station.tell(station.register(1100), transaction=claimed)
    station.tell(station.register(6), transaction=claimed, connector=2)
    station.tell(station.register(7777), transaction=claimed, connector=0)
    station.tell(station.register(1), transaction=claimed, connector=3)
    assert linked(books) == [(first, 1100), (second, 6), (None, 7777), (None, 1)]


def test_the_id_of_a_stranger_or_of_another_connector_is_no_id(
    books: Books, station: Station
) -> None:
    stranger = Station(books, "CP-2")
    theirs, ours, second = stranger.start(9), station.start(1000), station.start(5, connector=2)
    books.wait(10)
    station.tell(station.register(1100), transaction=theirs)
    station.tell(station.register(1200), transaction=second)
    assert linked(books) == [(ours, 1100), (ours, 1200)]
    stranger.stop(theirs, 9)
    assert stranger.bill(theirs) == (0, "register", "certain")


def test_connector_0_is_the_meter_of_the_whole_charger(books: Books, station: Station) -> None:
    odd = station.start(1000, connector=0)
    books.wait(1)
    station.tell(station.register(1100), connector=0)
    station.tell(station.register(1200), connector=0, transaction=odd)
    assert linked(books) == [(None, 1100), (odd, 1200)]


def test_between_two_transactions_readings_belong_to_none(books: Books, station: Station) -> None:
    zombie = station.start(100)  # its stop was lost
    books.wait(10)
    station.stop(station.start(100), 900)
    books.wait(10)
    station.tell(station.register(900))
    assert linked(books) == [(None, 900)]
    assert books.value("SELECT status FROM tx WHERE id = ?", zombie) == "Active"


def test_a_stale_id_gives_way_to_the_transaction_of_that_time(
    books: Books, station: Station
) -> None:
    stale = station.start(100)
    station.stop(stale, 900)
    books.wait(10)
    running = station.start(900)
    books.wait(10)
    station.tell(station.register(950), transaction=stale)
    station.stop(running, 1000)
    books.wait(10)
    station.tell(station.register(1000), transaction=running)  # a reading just after the stop
    assert linked(books) == [(running, 950), (running, 1000)]


def test_old_readings_arrive_after_newer_ones(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    books.wait(60)
    station.tell(station.register(6000), transaction=transaction)
    old = [
        station.register(wh, minutes_ago)
        for wh, minutes_ago in ((5000, 12), (2000, 48), (4000, 24), (3000, 36))
    ]
    station.tell(*old, transaction=transaction)
    books.wait(1)
    station.tell(station.register(6100), transaction=transaction)
    station.stop(transaction, 6200)
    assert station.bill(transaction) == (5200, "register", "certain")
    assert books.recorded(EnergyJumped) == []


def test_two_connectors_interleaved(books: Books, station: Station) -> None:
    first, second = station.start(1000), station.start(500_000, connector=2)
    for step in range(1, 6):
        books.wait(10)
        station.tell(station.register(1000 + 100 * step), transaction=first)
        station.tell(station.register(500_000 + 1000 * step), connector=2)
    station.stop(second, 505_000)
    station.stop(first, 1500)
    assert station.bill(first) == (500, "register", "certain")
    assert station.bill(second) == (5000, "register", "certain")


def test_a_late_reading_belongs_to_what_ran_then(books: Books, station: Station) -> None:
    then = station.start(100)
    books.wait(20)
    station.stop(then, 900)
    books.wait(10)
    station.start(900)
    station.tell(station.register(500, minutes_ago=20))
    assert linked(books) == [(then, 500)]


# Effects


def suspended(books: Books, station: Station) -> int:
    transaction = station.start(1000)
    books.wait(10)
    station.tell(station.register(1500), transaction=transaction)
    station.lose()
    books.wait(10)
    station.connect()
    assert books.value("SELECT suspended_at FROM tx") is not None
    return transaction


@pytest.mark.parametrize(
    ("wh", "is_named", "resumes"),
    [(1500, True, True), (1500, False, False), (1600, False, True), (None, False, False)],
)
def test_a_suspended_transaction_is_resumed_by_its_readings(
    books: Books, station: Station, wh: int | None, is_named: bool, resumes: bool
) -> None:
    """Clock-aligned readings arrive while no car charges, too: without a transactionId, only energy
    is a sign."""
    transaction = suspended(books, station)
    station.tell(
        meter_value(station.clock(), wh or VOLTAGE), transaction=transaction if is_named else None
    )
    assert (books.value("SELECT suspended_at FROM tx") is None) is resumes
    assert len(books.recorded(TransactionResumed)) == resumes
    assert books.rows("SELECT kind, who, reason FROM tx_event WHERE kind = 'resume'") == (
        [("resume", "charger", "MeterValues")] if resumes else []
    )
    assert linked(books)[-1][0] == transaction


def test_a_jump_is_told_once(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    for wh in (1100, 12_000, 12_100):
        books.wait(1)
        for _ in range(2):
            station.tell(station.register(wh), transaction=transaction)
    (fact,) = books.recorded(EnergyJumped)
    assert (fact.transaction, fact.connector, fact.from_wh, fact.to_wh) == (
        transaction,
        1,
        1100,
        12_000,
    )


def test_the_first_reading_of_a_session_is_no_jump(books: Books, station: Station) -> None:
    transaction = station.start(500_000)
    station.tell(station.register(0), transaction=transaction)
    assert books.recorded(EnergyJumped) == []


def test_readings_told_before_their_late_start_are_its_own(books: Books, station: Station) -> None:
    """An offline charger sends its queue in its own order."""
    station.tell(station.register(900, minutes_ago=200), transaction=-1)
    for number in range(1, 6):
        station.tell(
            station.register(1000 + 1000 * number, minutes_ago=100 - 10 * number), transaction=-1
        )
    transaction = station.start(1000, at=station.clock(minutes_ago=95))
    assert linked(books) == [
        (None, 900),
        *((transaction, 1000 + 1000 * number) for number in range(1, 6)),
    ]
    assert books.row("SELECT last_reading_at, last_register_wh FROM tx") == (
        "2026-03-01T11:10:00.000Z",
        6000,
    )
    older = station.start(500, at=station.clock(minutes_ago=300))
    assert linked(books)[0] == (older, 900)


def test_power_and_register_of_one_moment_in_two_messages(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    for wh in (2000, 30_000):
        books.wait(15)
        station.tell(meter_value(station.clock(), CURRENT), transaction=transaction)
        station.tell(station.register(wh), transaction=transaction)
        station.tell(station.register(wh), transaction=transaction)  # again: no second jump
    assert books.value("SELECT last_register_wh FROM tx") == 30_000
    assert [(fact.from_wh, fact.to_wh) for fact in books.recorded(EnergyJumped)] == [(2000, 30_000)]
