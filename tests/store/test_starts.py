"""StartTransaction: one transaction, however often the message is sent."""

import pytest

from levity_trio.access.tags import Verdict
from levity_trio.events import EnergyUnbilled, MessageSetAside, TransactionStarted
from levity_trio.store.engine.schema import FIRST_TRANSACTION_ID
from levity_trio.store.writes.transactions.starts import start_unreadable
from tests.store.books import UNSET_CLOCK, Books, Station

HOUR = 60
DAY = 24 * HOUR


def test_a_start_opens_a_transaction(books: Books, station: Station) -> None:
    transaction = station.start(1000, at="2026-03-01T12:30:00+02:00")
    assert books.row(
        "SELECT id, cp_id, conn_id, id_tag, verdict, status, start_time, sent_start_time, "
        "meter_start, start_skew_seconds "
        "FROM tx"
    ) == (
        *(transaction, "CP-1", 1, "TAG", "Accepted", "Active"),
        *("2026-03-01T10:30:00.000Z", "2026-03-01T12:30:00+02:00", 1000, -5400),
    )
    assert books.row(
        "SELECT kind, who, received_at, timestamp, sent_timestamp, message_id, count FROM tx_event"
    ) == (
        *("start", "charger", "2026-03-01T12:00:00.250Z", "2026-03-01T10:30:00.000Z"),
        *("2026-03-01T12:30:00+02:00", '"1"', 1),
    )
    assert [fact.transaction for fact in books.recorded(TransactionStarted)] == [transaction]


def test_ids_are_high_and_never_given_out_again(books: Books, station: Station) -> None:
    first = station.start(at="2026-03-01T11:00:00Z")
    books.connection.execute("DELETE FROM booked")
    for table in ("tx_event", "tx"):
        books.connection.execute(f"DROP TRIGGER {table}_is_kept")
        books.connection.execute(f"DELETE FROM {table}")
    assert station.start(at="2026-03-01T11:30:00Z") > first > FIRST_TRANSACTION_ID


@pytest.mark.parametrize("minutes", [0, HOUR, 400 * DAY])
def test_a_believable_start_is_repeated_for_ever(
    books: Books, station: Station, minutes: int
) -> None:
    sent = station.clock(HOUR)
    transaction = station.start(1000, at=sent)
    station.stop(transaction, 5000)
    books.wait(minutes)
    station.connect()
    assert station.start(1000, at=sent) == transaction
    assert books.count("tx") == 1
    assert books.value("SELECT count FROM tx_event WHERE kind = 'start'") == 2
    assert len(books.recorded(TransactionStarted)) == 1
    assert station.bill(transaction) == (4000, "register", "certain")


@pytest.mark.parametrize(
    ("connector", "tag", "meter", "minutes"),
    [(2, "TAG", 1000, 0), (1, "GAT", 1000, 0), (1, "TAG", 1001, 0), (1, "TAG", 1000, 1)],
)
def test_another_start_is_another_transaction(
    station: Station, connector: int, tag: str, meter: int, minutes: int
) -> None:
    first = station.start(1000, connector=1, tag="TAG")
    assert station.start(meter, connector, tag, at=station.clock(minutes)) != first


def test_the_same_start_of_another_charger_is_its_own(books: Books, station: Station) -> None:
    assert Station(books, "CP-2").start() != station.start()


def test_a_repeat_keeps_the_first_verdict(books: Books, station: Station) -> None:
    sent = station.clock()
    station.start(1000, at=sent)
    books.connection.execute("UPDATE tx SET verdict = 'Blocked'")
    assert station.start_with_verdict(1000, 1, "TAG", sent).verdict == Verdict("Blocked")


@pytest.mark.parametrize("sent", [UNSET_CLOCK, "2026-03-03T12:00:00Z", "", "nonsense"])
def test_without_a_believable_time_a_start_repeats_an_open_transaction_only(
    books: Books, station: Station, sent: str
) -> None:
    first = station.start(0, at=sent)
    books.wait(10)
    assert station.start(0, at=sent) == first
    station.lose()
    station.connect()
    station.boot()
    assert station.start(0, at=sent) == first  # suspended is open still
    station.stop(first, 3000, at=sent)
    second = station.start(0, at=sent)
    assert second != first
    books.wait(10)
    assert station.start(0, at=sent) == second
    station.stop(second, 4000, at=sent)
    assert [station.bill(transaction)[0] for transaction in (first, second)] == [3000, 4000]


def test_a_time_less_than_a_day_ahead_is_believable(books: Books, station: Station) -> None:
    """Local time labelled Z, east of Greenwich: its clock still shows order and duration."""
    transaction = station.start(1000, at="2026-03-02T11:00:00Z")
    assert books.row("SELECT start_time, own_start_time FROM tx") == (
        books.at,
        "2026-03-02T11:00:00.000Z",
    )
    station.stop(transaction, 2000, at="2026-03-02T11:30:00Z")
    assert station.start(1000, at="2026-03-02T11:00:00Z") == transaction


def test_a_repeat_with_another_payload_is_kept_beside_the_first(
    books: Books, station: Station
) -> None:
    sent = station.clock()
    station.start(1000, at=sent)
    station.start(1000, at=sent)
    books.connection.execute("DROP TRIGGER tx_event_stays")
    books.run(lambda db: db.execute("UPDATE tx_event SET digest = 'what it was before'"))
    station.start(1000, at=sent)
    assert books.rows("SELECT kind, count FROM tx_event ORDER BY id") == [
        ("start", 2),
        ("start", 1),
    ]


# An unreadable start


def raw_start(station: Station, text: str) -> int:
    message = station.message("StartTransaction", what=text)
    return station.write(start_unreadable, message, "meterStart: missing").transaction


def test_a_start_that_cannot_be_read_opens_a_transaction_for_review(
    books: Books, station: Station
) -> None:
    transaction = raw_start(station, "no meterStart")
    assert transaction > FIRST_TRANSACTION_ID
    assert books.row("SELECT status, conn_id, meter_start, review FROM tx") == (
        *("Active", None, None),
        "its start could not be read: meterStart: missing",
    )
    assert books.row("SELECT action, payload, message_id, reason, tx_id, count FROM set_aside") == (
        *(
            "StartTransaction",
            '{"what":"no meterStart"}',
            '"1"',
            "meterStart: missing",
            transaction,
            1,
        ),
    )
    assert books.row("SELECT kind, payload FROM tx_event") == ("start", '{"what":"no meterStart"}')
    assert [fact.transaction for fact in books.recorded(TransactionStarted)] == [transaction]
    assert [fact.transaction for fact in books.recorded(MessageSetAside)] == [transaction]


def test_it_is_repeated_while_it_is_open(books: Books, station: Station) -> None:
    first = raw_start(station, "the same")
    station.boot()
    assert raw_start(station, "the same") == first
    assert books.value("SELECT suspended_at FROM tx") is None
    assert raw_start(station, "another") != first
    station.stop(first, 5000)
    assert raw_start(station, "the same") != first
    assert books.value("SELECT count FROM set_aside WHERE payload LIKE '%same%'") == 3


def test_its_readings_tell_its_connector_and_its_bill(books: Books, station: Station) -> None:
    transaction = raw_start(station, "no meterStart")
    for wh in (1000, 2000, 3500):
        books.wait(10)
        station.tell(station.register(wh), transaction=transaction, connector=2)
    books.wait(10)
    station.stop(transaction, 4000)
    assert station.bill(transaction) == (3000, "segments", "doubtful")
    assert books.value("SELECT conn_id FROM tx") == 2
    assert station.review(transaction).startswith(
        "its start could not be read: meterStart: missing; start register"
    )


# Unbilled energy


def test_unbilled_energy_is_kept_and_told(books: Books, station: Station) -> None:
    station.stop(station.start(1000), 5000)
    books.wait(HOUR)
    second = station.start(5700)
    books.wait(HOUR)
    station.start(9999, connector=2)  # has none before it
    assert books.rows("SELECT unbilled_wh FROM tx ORDER BY id") == [(None,), (700,), (None,)]
    (fact,) = books.recorded(EnergyUnbilled)
    assert (fact.transaction, fact.connector, fact.energy_wh) == (second, 1, 700)


@pytest.mark.parametrize("meter", [5000, 4000])
def test_nothing_is_unbilled_where_the_register_stands_or_fell(
    books: Books, station: Station, meter: int
) -> None:
    station.stop(station.start(1000), 5000)
    books.wait(HOUR)
    station.start(meter)
    assert books.recorded(EnergyUnbilled) == []


def test_unbilled_energy_waits_for_the_stop_of_the_one_before(
    books: Books, station: Station
) -> None:
    station.stop(station.start(1000), 2000)
    books.wait(HOUR)
    second = station.start(2000)
    books.wait(HOUR)
    station.start(6000)  # the stop of the second is still on its way
    assert books.recorded(EnergyUnbilled) == []
    station.stop(second, 5900, at=station.clock(minutes_ago=30))
    assert [fact.energy_wh for fact in books.recorded(EnergyUnbilled)] == [100]


def test_what_an_offline_charger_tells_late_is_unbilled_no_more(
    books: Books, station: Station
) -> None:
    station.stop(station.start(1000, at=station.clock(5 * HOUR)), 2000, at=station.clock(4 * HOUR))
    third = station.start(6000, at=station.clock(1 * HOUR))
    late = station.start(2000, at=station.clock(3 * HOUR))
    station.stop(late, 5900, at=station.clock(2 * HOUR))
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", third) == 100
    assert [fact.energy_wh for fact in books.recorded(EnergyUnbilled)] == [4000, 100]


def test_a_late_stop_corrects_what_the_close_by_the_system_had_left(
    books: Books, station: Station
) -> None:
    first = station.start(1000)
    books.wait(HOUR)
    station.orphan(first, 3000)
    books.wait(HOUR)
    second = station.start(5000)
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", second) == 2000
    station.stop(first, 5000, at=station.clock(minutes_ago=30))
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", second) == 0
    assert [fact.energy_wh for fact in books.recorded(EnergyUnbilled)] == [2000, 0]
