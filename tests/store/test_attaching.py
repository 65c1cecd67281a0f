"""What an operator decides about a message that was set aside: attach, make a transaction,
dismiss."""

from __future__ import annotations

import pytest

from levity_trio.charger.exchange import NotReadAgain
from levity_trio.charging.lifecycle import TABLE, Cause, State
from levity_trio.events import MessageAttached, MessageDismissed, TransactionStopped
from levity_trio.store.writes.chargers.sessions import set_aside
from levity_trio.store.writes.transactions.decisions import DecisionProblem
from levity_trio.store.writes.transactions.starts import start_unreadable
from tests.store.books import Books, Station
from tests.store.deciding import Operator, open_codes, refused, told
from tests.store.lives import Living
from tests.store.test_lives import WAYS

HOUR = 60
RESOLUTION = (
    "SELECT tx_id, looked_at, looked_by, resolution, resolution_reason FROM set_aside WHERE id = ?"
)


@pytest.fixture
def anna(books: Books) -> Operator:
    return Operator(books)


def lost_stop(station: Station) -> int:
    """Set a stop aside that fits no transaction; return the message."""
    station.stop(17, 5000)
    return int(station.books.value("SELECT max(id) FROM set_aside"))


def unlinked(station: Station) -> tuple[int, int]:
    """Return a transaction that was left open, and the message of its stop, which fits two
    transactions."""
    transaction = station.start(1000)
    station.start(1000, connector=2)
    station.books.wait(HOUR)
    return transaction, lost_stop(station)


# Attach a stop


def test_an_attached_stop_ends_the_transaction_as_its_own_would(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction, message = unlinked(station)
    stopped_at = books.at
    books.wait(HOUR)
    anna.attach(message, transaction)
    assert station.bill(transaction) == (4000, "register", "certain")
    assert books.row(
        "SELECT stopped_by, stop_time, stop_received_at, judged_at FROM tx WHERE id = ?",
        transaction,
    ) == (
        *("joined", stopped_at[:20] + "000Z", stopped_at),
        books.at,
    )
    assert told(books, transaction)[1:] == [
        ("attach", "anna", "she read the meter", Cause.STOP_ATTACHED),
        ("stop", "charger", "Local", Cause.JOINED_STOP),
    ]
    assert books.row(RESOLUTION, message) == (
        transaction,
        books.at,
        "anna",
        "attached",
        "she read the meter",
    )
    assert [fact.energy_wh for fact in books.recorded(TransactionStopped)] == [4000]
    assert [(fact.set_aside, fact.transaction) for fact in books.recorded(MessageAttached)] == [
        (message, transaction)
    ]


def test_its_frame_stays_the_one_that_was_received(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction, message = unlinked(station)
    frames = books.rows("SELECT * FROM evidence")
    books.wait(HOUR)
    anna.attach(message, transaction)
    assert books.rows("SELECT * FROM evidence") == frames


def test_attached_twice_is_attached_once(books: Books, station: Station, anna: Operator) -> None:
    transaction, message = unlinked(station)
    anna.attach(message, transaction)
    events = books.count("tx_event")
    assert anna.attach(message, transaction).id == transaction
    assert books.count("tx_event") == events
    other = books.value("SELECT max(id) FROM tx")
    assert refused(anna.attach, message, other).problem is DecisionProblem.ALREADY_DECIDED
    assert refused(anna.dismiss, message).problem is DecisionProblem.ALREADY_DECIDED


def test_the_charger_repeats_an_attached_stop(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start(1000)
    station.start(1000, connector=2)
    books.wait(HOUR)
    sent = station.clock()
    station.stop(17, 5000, at=sent)
    anna.attach(1, transaction)
    station.stop(17, 5000, at=sent)
    assert books.count("set_aside") == 1
    assert station.bill(transaction)[0] == 4000
    assert [kind for kind, *_ in told(books, transaction)] == ["start", "attach", "stop"]


def test_an_unreadable_register_is_given(books: Books, station: Station, anna: Operator) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    station.stop(transaction, "many")
    (message,) = books.row("SELECT id FROM set_aside")
    with pytest.raises(NotReadAgain, match="meterStop"):
        anna.attach(message, transaction)
    anna.attach(message, transaction, meterStop=4500)
    assert station.bill(transaction) == (3500, "register", "certain")
    assert books.value("SELECT stopped_by FROM tx") == "charger"


def test_a_stop_from_before_the_start_is_not_attached(
    books: Books, station: Station, anna: Operator
) -> None:
    station.stop(17, "many")
    (message,) = books.row("SELECT id FROM set_aside")
    books.wait(HOUR)
    transaction = station.start(1000)
    refusal = refused(anna.attach, message, transaction, meterStop=4500)
    assert (refusal.problem, refusal.field) == (DecisionProblem.INVALID, "transaction")
    assert station.bill(transaction) == (None, None, None)


def test_a_message_goes_to_a_transaction_of_its_own_charger(
    books: Books, station: Station, anna: Operator
) -> None:
    _, message = unlinked(station)
    other = Station(books, "CP-2").start(1000)
    assert refused(anna.attach, message, other).problem is DecisionProblem.INVALID
    assert refused(anna.attach, message, 17).problem is DecisionProblem.NOT_FOUND


@pytest.mark.parametrize("state", WAYS)
def test_a_stop_is_attached_where_the_table_has_a_step(books: Books, state: State) -> None:
    living = Living(books)
    living.station.stop(17, "many")
    message = int(books.value("SELECT id FROM set_aside"))
    living.live(WAYS[state])
    ben = Operator(books, "ben")
    if TABLE[state, Cause.STOP_ATTACHED].kind is None:
        assert (
            refused(ben.attach, message, living.transaction, meterStop=9000).problem
            is DecisionProblem.WRONG_STATE
        )
        assert living.state is state
    else:
        ben.attach(message, living.transaction, meterStop=9000)
        assert living.state is State.JOINED


def test_a_settled_figure_stays_under_an_attached_stop(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction, message = unlinked(station)
    anna.close(transaction)
    anna.correct(transaction, figure_wh=3000)
    anna.attach(message, transaction)
    assert station.bill(transaction) == (3000, "corrected", "doubtful")
    assert open_codes(books, transaction) == ["later_facts"]


# Attach readings


def lost_readings(station: Station, wh: int, connector: int = 1) -> int:
    """Set readings aside whose handling failed; return the message."""
    told = [{"timestamp": station.clock(), "sampledValue": [{"value": str(wh)}]}]
    message = station.message("MeterValues", connectorId=connector, meterValue=told)
    station.write(set_aside, message, "the message could not be handled")
    return int(station.books.value("SELECT max(id) FROM set_aside"))


def test_attached_readings_show_the_energy_of_what_was_closed(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    message = lost_readings(station, 5000)
    station.orphan(transaction, 3000)
    books.wait(HOUR)
    anna.attach(message, transaction)
    assert station.bill(transaction)[0] == 4000
    # an old reading is no sign that it goes on
    assert books.value("SELECT status FROM tx") == "Completed"
    received, at = books.row(
        "SELECT received_at, (SELECT received_at FROM set_aside) FROM meter_val WHERE wh = 5000"
    )
    assert received == at
    assert told(books, transaction)[-2][:2] == ("attach", "anna")


@pytest.mark.parametrize("connector", [0, 2])
def test_readings_of_another_connector_count_for_their_transaction(
    books: Books, station: Station, anna: Operator, connector: int
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    anna.attach(lost_readings(station, 5000, connector), transaction)
    assert anna.close(transaction).energy_delivered == 4000


def test_a_start_without_a_connector_takes_that_of_its_readings(
    books: Books, station: Station, anna: Operator
) -> None:
    start = station.message(
        "StartTransaction", idTag="TAG", meterStart=1000, timestamp=station.clock()
    )
    transaction = station.write(start_unreadable, start, "no connectorId").transaction
    books.wait(HOUR)
    message = lost_readings(station, 5000)
    anna.attach(message, transaction)
    assert books.value("SELECT conn_id FROM tx") == 1
    assert anna.close(transaction).energy_delivered == 4000


def test_attached_readings_of_an_open_transaction_wait_for_its_end(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    message = lost_readings(station, 5000)
    anna.attach(message, transaction)
    anna.close(transaction)
    assert station.bill(transaction)[0] == 4000


# Make a transaction


def test_a_transaction_is_made_of_a_stop(books: Books, station: Station, anna: Operator) -> None:
    books.wait(HOUR)
    message = lost_stop(station)
    books.wait(HOUR)
    begun = "2026-03-01T12:10:00.000Z"
    tx = anna.make(message, connector=1, start_time=begun, meter_start=1000, id_tag="ME")
    assert (tx.connector, tx.id_tag, tx.start_time, tx.energy_delivered) == (1, "ME", begun, 4000)
    assert (tx.told_id, tx.stopped_by, tx.confidence) == (17, "joined", "certain")
    assert [row[:2] for row in told(books, tx.id)] == [("start", "anna"), ("stop", "charger")]
    assert books.row(RESOLUTION, message)[:4] == (tx.id, books.at, "anna", "made")
    assert anna.make(message, connector=1, start_time=begun).id == tx.id
    assert books.count("tx") == 1


def test_its_figure_is_given_where_no_register_shows_it(
    books: Books, station: Station, anna: Operator
) -> None:
    books.wait(HOUR)
    message = lost_stop(station)
    tx = anna.make(message, connector=1, start_time="2026-03-01T12:10:00.000Z", figure_wh=2500)
    assert station.bill(tx.id) == (2500, "corrected", "certain")


def test_without_a_register_of_its_start_it_is_doubtful(
    books: Books, station: Station, anna: Operator
) -> None:
    books.wait(HOUR)
    tx = anna.make(lost_stop(station), connector=1, start_time="2026-03-01T12:10:00.000Z")
    assert (tx.energy_delivered, tx.confidence) == (0, "doubtful")


@pytest.mark.parametrize(
    ("known", "field"),
    [
        ({"start_time": "2026-03-01T12:10:00.000Z"}, "connector"),
        ({"start_time": "2026-03-01T12:10:00.000Z", "connector": 0}, "connector"),
        ({"connector": 1}, "start_time"),
        ({"connector": 1, "start_time": "2026-03-01T14:10:00.000Z"}, "start_time"),
    ],
)
def test_what_nothing_shows_must_be_given(
    books: Books, station: Station, anna: Operator, known: dict[str, object], field: str
) -> None:
    books.wait(HOUR)
    message = lost_stop(station)
    assert refused(anna.make, message, **known).field == field
    assert books.count("tx") == 0


def test_an_unreadable_stop_becomes_a_transaction(
    books: Books, station: Station, anna: Operator
) -> None:
    books.wait(HOUR)
    station.stop(17, "many")
    tx = anna.make(
        1, {"meterStop": 5000}, connector=1, start_time="2026-03-01T12:10:00.000Z", meter_start=1000
    )
    assert tx.energy_delivered == 4000


def test_a_start_has_its_transaction(books: Books, station: Station, anna: Operator) -> None:
    station.start("1,500")
    (message,) = books.row("SELECT id FROM set_aside")
    with pytest.raises(NotReadAgain):
        anna.make(message)


# Dismiss


def test_a_dismissed_message_affects_no_bill(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction, message = unlinked(station)
    anna.dismiss(message)
    assert books.row(RESOLUTION, message) == (
        None,
        books.at,
        "anna",
        "dismissed",
        "she read the meter",
    )
    assert books.value("SELECT status FROM tx WHERE id = ?", transaction) == "Active"
    anna.dismiss(message)
    assert len(books.recorded(MessageDismissed)) == 1
    assert refused(anna.dismiss, 99).problem is DecisionProblem.NOT_FOUND


def test_a_dismissed_message_of_a_transaction_is_told_there(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start("1,500")
    anna.dismiss(books.value("SELECT id FROM set_aside"))
    assert told(books, transaction)[-1] == (
        "dismiss",
        "anna",
        "she read the meter",
        Cause.DISMISSED,
    )
    assert open_codes(books, transaction) == ["start_unreadable"]
