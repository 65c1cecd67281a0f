"""What an operator decides about a transaction: confirm, correct, close, dismiss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from levity_trio.charging.lifecycle import TABLE, Cause, Kind, State
from levity_trio.events import (
    ReviewDismissed,
    TransactionClosed,
    TransactionConfirmed,
    TransactionCorrected,
)
from levity_trio.store.billing.pricing import Pricer
from levity_trio.store.engine.database import rows_of
from levity_trio.store.writes.transactions.decisions import Decision, DecisionProblem
from levity_trio.store.writes.transactions.stops import close_silent
from tests.store.bills import Biller, house_of_two
from tests.store.books import NOON, Books, Station, meter_value
from tests.store.deciding import Operator, decided, open_codes, refused, told
from tests.store.lives import Living
from tests.store.reading import reading
from tests.store.test_lives import WAYS

HOUR = 60
AHEAD = "2027-03-01T12:00:00.000Z"


@pytest.fixture
def anna(books: Books) -> Operator:
    return Operator(books)


def doubtful(station: Station, wh: int = 4000) -> int:
    """Return a transaction that the system closed at this energy, for review."""
    transaction = station.start(1000)
    station.books.wait(HOUR)
    station.orphan(transaction, 1000 + wh)
    station.books.wait(HOUR)
    return transaction


def stopped(station: Station, wh: int = 4000) -> int:
    """Return a transaction that its charger stopped at this energy, certain."""
    transaction = station.start(1000)
    station.books.wait(HOUR)
    station.stop(transaction, 1000 + wh)
    station.books.wait(HOUR)
    return transaction


# Confirm


def test_a_confirmed_figure_is_certain_and_all_its_reviews_are_resolved(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = doubtful(station)
    anna.confirm(transaction)
    assert station.bill(transaction) == (4000, "register", "certain")
    assert station.review(transaction) == ""
    assert books.rows("SELECT code, resolved_by, resolution, reason FROM review") == [
        ("closed_by_system", "anna", "confirmed", "she read the meter")
    ]
    assert told(books, transaction)[-1] == (
        "confirm",
        "anna",
        "she read the meter",
        Cause.CONFIRMED,
    )
    (fact,) = books.recorded(TransactionConfirmed)
    assert (fact.energy_wh, fact.reviews, fact.by) == (4000, ("closed_by_system",), "anna")


def test_what_was_confirmed_before_is_confirmed_already(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = doubtful(station)
    anna.confirm(transaction)
    events = books.count("tx_event")
    assert anna.confirm(transaction).confidence == "certain"
    assert Operator(books, "ben").confirm(transaction, seen=1).confidence == "certain"
    assert books.count("tx_event") == events


def test_a_certain_figure_can_be_settled_too(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = stopped(station)
    anna.confirm(transaction)
    station.tell(station.register(9000, minutes_ago=HOUR), transaction=transaction)
    books.wait(2)
    books.settle()
    assert station.bill(transaction) == (4000, "register", "doubtful")
    assert open_codes(books, transaction) == ["later_facts"]


def test_the_message_of_an_unreadable_start_no_longer_waits(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start("1,500")
    books.wait(HOUR)
    station.stop(transaction, 5000)
    anna.correct(transaction, figure_wh=3000)
    assert books.row(
        "SELECT looked_by, resolution, resolution_reason, looked_at FROM set_aside"
    ) == (
        *("anna", "corrected", "she read the meter"),
        books.at,
    )


def test_the_power_of_a_confirmed_transaction_is_learned(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start(1000)
    for wh in range(1600, 7001, 600):
        books.wait(5)
        power = {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"}
        station.tell(meter_value(station.clock(), wh, power), transaction=transaction)
    station.boot()
    books.run(close_silent, books.at, 0.0)
    assert open_codes(books, transaction) == ["closed_by_system"]
    assert books.count("habit") == 0
    anna.confirm(transaction)
    assert books.rows("SELECT kind, value, transactions FROM habit") == [("ceiling", 7200, 1)]


# Correct


def test_a_correction_sets_the_figure_and_keeps_what_stood_before(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = doubtful(station)
    anna.correct(transaction, figure_wh=3500)
    assert station.bill(transaction) == (3500, "corrected", "certain")
    assert open_codes(books, transaction) == []
    what = decided(books, transaction)
    assert what["after"] == {"figure_wh": 3500}
    assert (what["before"]["figure_wh"], what["before"]["confidence"]) == (4000, "doubtful")
    (fact,) = books.recorded(TransactionCorrected)
    assert (fact.energy_wh, fact.before_wh, fact.reviews) == (3500, 4000, ("closed_by_system",))


def test_a_correction_by_registers_leaves_those_of_the_charger(
    books: Books, station: Station, anna: Operator
) -> None:
    begun = station.clock()
    transaction = stopped(station)
    anna.correct(transaction, meter_start=1200, meter_stop=4700)
    assert station.bill(transaction) == (3500, "corrected", "certain")
    assert books.row("SELECT meter_start, meter_stop, billed_from_wh, billed_until_wh FROM tx") == (
        *(1000, 5000),
        *(1200, 4700),
    )
    assert station.start(1000, at=begun) == transaction  # its repeated start is still known


def test_the_same_correction_changes_nothing_more(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = stopped(station)
    anna.correct(transaction, figure_wh=3500)
    events = books.count("tx_event")
    anna.correct(transaction, figure_wh=3500)
    assert books.count("tx_event") == events
    anna.correct(transaction, figure_wh=3600)
    assert station.bill(transaction)[0] == 3600
    assert [fact.before_wh for fact in books.recorded(TransactionCorrected)] == [4000, 3500]


@pytest.mark.parametrize(
    "values", [{"figure_wh": -1}, {"figure_wh": 2**53}, {"meter_start": 6000}, {"meter_stop": 0}]
)
def test_a_figure_is_never_impossible(
    books: Books, station: Station, anna: Operator, values: dict[str, int]
) -> None:
    transaction = stopped(station)
    assert refused(anna.correct, transaction, **values).problem is DecisionProblem.INVALID
    assert station.bill(transaction) == (4000, "register", "certain")
    assert [kind for kind, *_ in told(books, transaction)] == ["start", "stop"]


def test_a_correction_needs_a_figure(station: Station, anna: Operator) -> None:
    transaction = stopped(station)
    refusal = refused(anna.correct, transaction, id_tag="OTHER")
    assert (refusal.problem, refusal.field) == (DecisionProblem.INVALID, "figure_wh")


MOST_WH = 413_555
"""In one hour, at 400 kW, with two minutes for times that are not exact."""


def test_a_correction_is_refused_that_no_charger_could_have_delivered(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = stopped(station)
    before = books.rows("SELECT * FROM tx")
    problem = refused(anna.correct, transaction, figure_wh=MOST_WH + 1)
    assert (problem.problem, problem.field) == (DecisionProblem.INVALID, "figure_wh")
    assert "no charger delivers 413.556 kWh in 1 h 0 min, the most is 413.555 kWh" in problem.words
    assert (
        refused(anna.correct, transaction, meter_stop=1000 + MOST_WH + 1).field == "meter_stop_wh"
    )
    backwards = refused(anna.correct, transaction, meter_start=9000)
    assert backwards.field == "meter_start_wh"
    assert "at the end, 5 kWh, is below the one at the start, 9 kWh" in backwards.words
    assert books.rows("SELECT * FROM tx") == before
    assert anna.correct(transaction, figure_wh=MOST_WH).energy_delivered == MOST_WH


def test_what_is_possible_is_judged_by_the_corrected_times(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = stopped(station)
    early = "2026-03-01T10:00:00.000Z"
    assert (
        anna.correct(transaction, figure_wh=2 * MOST_WH, start_time=early).energy_delivered
        == 2 * MOST_WH
    )
    ended = books.value("SELECT stop_time FROM tx")
    assert (
        refused(anna.correct, transaction, figure_wh=MOST_WH, start_time=ended).field == "figure_wh"
    )


def test_an_open_one_stays_open_if_its_register_is_impossible(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    assert refused(anna.close, transaction, meter_stop=1000 + 99_999_999).field == "meter_stop_wh"
    assert books.value("SELECT status FROM tx") == "Active"
    assert anna.close(transaction, meter_stop=1000 + MOST_WH).energy_delivered == MOST_WH


def test_times_of_the_bill_are_corrected_in_order(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = stopped(station)
    started, ended = "2026-03-01T12:10:00.000Z", "2026-03-01T12:50:00.000Z"
    anna.correct(transaction, figure_wh=4000, start_time=started, stop_time=ended)
    assert books.row("SELECT start_time, stop_time FROM tx") == (started, ended)
    for values in (
        {"start_time": books.at},
        {"stop_time": "2026-03-01T12:00:00.000Z"},
        {"stop_time": AHEAD},
    ):
        assert (
            refused(anna.correct, transaction, figure_wh=1, **values).problem
            is DecisionProblem.INVALID
        )


def test_only_an_unknown_tag_is_given(books: Books, station: Station, anna: Operator) -> None:
    transaction = stopped(station)
    assert refused(anna.correct, transaction, figure_wh=1, id_tag="ME").field == "id_tag"
    books.connection.execute("UPDATE tx SET id_tag = NULL")
    assert anna.correct(transaction, figure_wh=1, id_tag="ME").id_tag == "ME"


def test_neighbours_are_judged_by_a_corrected_register(
    books: Books, station: Station, anna: Operator
) -> None:
    """The unbilled energy before the next transaction follows from the corrected end."""
    first = stopped(station)
    second = station.start(5000)
    unbilled = "SELECT unbilled_wh FROM tx WHERE id = ?"
    assert not books.value(unbilled, second)
    anna.correct(first, meter_stop=4400)
    assert books.value(unbilled, second) == 600


# Later facts


def test_later_facts_do_not_change_a_settled_figure_and_are_asked_about_once(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = doubtful(station)
    anna.confirm(transaction)
    sent = station.clock()
    for _ in range(2):
        books.wait(2)
        station.stop(transaction, 6000, at=sent)
        books.settle()
    assert station.bill(transaction) == (4000, "register", "doubtful")
    assert open_codes(books, transaction) == ["later_facts"]
    anna.confirm(transaction)
    books.wait(2)
    station.tell(station.register(6000, minutes_ago=30), transaction=transaction)
    books.wait(2)
    books.settle()
    assert station.bill(transaction) == (4000, "register", "certain")
    assert open_codes(books, transaction) == []


def test_a_preview_says_what_judging_again_will_store(
    books: Books, station: Station, anna: Operator
) -> None:
    """Of a figure that a person settled, too."""
    Biller(house_of_two(books))
    sessions: list[int] = []
    for begin in (1000, 5000):
        sessions.append(station.start(begin))
        books.wait(HOUR)
        station.stop(sessions[-1], begin + 4000)
        if begin == 1000:
            anna.confirm(sessions[-1])
        station.tell(station.register(begin + 6000, minutes_ago=30), transaction=sessions[-1])
        waits = books.rows("SELECT judge_after > '' FROM tx WHERE id = ?", sessions[-1])
        assert waits == [(True,)]
    shown = priced(books, sessions, is_judging=True)
    assert shown != priced(books, sessions)
    books.wait(2)
    books.settle()
    assert priced(books, sessions) == shown


def priced(
    books: Books, sessions: list[int], *, is_judging: bool = False
) -> list[tuple[str, int, str | None]]:
    """Return the kinds of sessions for the bill, their energies, and why they wait."""
    with reading(books) as db:
        found = Pricer(rows_of(db), books.rule, is_judging=is_judging).price(sessions)
    return [(str(one.kind), one.position.energy_wh, one.words) for one in found.values()]


def test_the_figure_that_was_corrected_is_no_later_fact(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = stopped(station)
    anna.correct(transaction, figure_wh=3500)
    station.tell(station.register(3000, minutes_ago=90), transaction=transaction)
    books.wait(2)
    books.settle()
    assert station.bill(transaction) == (3500, "corrected", "certain")


def test_a_correction_replaces_a_review_by_later_facts(station: Station, anna: Operator) -> None:
    transaction = doubtful(station)
    anna.confirm(transaction)
    station.stop(transaction, 6000)
    anna.correct(transaction, figure_wh=5000)
    assert station.bill(transaction) == (5000, "corrected", "certain")


# Close


def test_an_operator_closes_what_is_open(books: Books, station: Station, anna: Operator) -> None:
    transaction = station.start(1000)
    books.wait(30)
    station.tell(station.register(2500), transaction=transaction)
    books.wait(30)
    anna.close(transaction)
    assert station.bill(transaction)[0] == 1500
    assert told(books, transaction)[-1] == ("close", "anna", "she read the meter", Cause.OPERATOR)
    assert [fact.cause for fact in books.recorded(TransactionClosed)] == ["she read the meter"]
    anna.close(transaction)
    assert len(books.recorded(TransactionClosed)) == 1


def test_the_own_stop_of_the_charger_still_wins(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    anna.close(transaction)
    books.wait(HOUR)
    station.stop(transaction, 5000)
    assert station.bill(transaction) == (4000, "register", "doubtful")
    assert open_codes(books, transaction) == ["operator_overruled"]


def test_it_is_closed_at_the_time_and_the_register_that_are_given(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = station.start(1000)
    books.wait(HOUR)
    station.lose()
    books.wait(HOUR)
    at = "2026-03-01T13:30:00.000Z"
    anna.close(transaction, at, 4200)
    assert station.bill(transaction) == (3200, "corrected", "certain")
    assert books.value("SELECT stop_time FROM tx") == at
    anna.close(transaction, at, 4200)
    assert [kind for kind, *_ in told(books, transaction)] == [
        "start",
        "suspend",
        "close",
        "correct",
    ]


@pytest.mark.parametrize(
    "at", ["2026-03-01T11:00:00.000Z", "2026-03-01T12:20:00.000Z", "2026-03-02T12:00:00.000Z"]
)
def test_it_ended_after_its_last_reading_and_before_now(
    books: Books, station: Station, anna: Operator, at: str
) -> None:
    transaction = station.start(1000)
    books.wait(30)
    station.tell(station.register(2500), transaction=transaction)
    books.wait(30)
    assert refused(anna.close, transaction, at).field == "stop_time"
    assert books.value("SELECT status FROM tx") == "Active"


# Dismiss


def test_a_second_stop_is_dismissed(books: Books, station: Station, anna: Operator) -> None:
    transaction = stopped(station)
    station.stop(transaction, 5100)
    (review,) = books.row("SELECT id FROM review")
    anna.dismiss_review(review)
    assert station.bill(transaction) == (4000, "register", "certain")
    assert told(books, transaction)[-1] == (
        "dismiss",
        "anna",
        "she read the meter",
        Cause.DISMISSED,
    )
    assert [fact.code for fact in books.recorded(ReviewDismissed)] == ["second_stop"]
    events = books.count("tx_event")
    anna.dismiss_review(review)
    assert books.count("tx_event") == events
    assert (
        refused(Operator(books, "ben").dismiss_review, review).problem
        is DecisionProblem.ALREADY_DECIDED
    )


def test_a_dismissed_review_does_not_settle_the_figure(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = stopped(station)
    station.stop(transaction, 5100)
    anna.dismiss_review(books.value("SELECT id FROM review"))
    station.tell(station.register(9000, minutes_ago=HOUR), transaction=transaction)
    books.wait(2)
    books.settle()
    assert "later_facts" not in open_codes(books, transaction)
    assert open_codes(books, transaction)


def test_what_questions_the_figure_is_not_dismissed(
    books: Books, station: Station, anna: Operator
) -> None:
    doubtful(station)
    assert (
        refused(anna.dismiss_review, books.value("SELECT id FROM review")).problem
        is DecisionProblem.WRONG_STATE
    )


# What is refused


@pytest.mark.parametrize("cause", [Cause.CONFIRMED, Cause.CORRECTED, Cause.OPERATOR])
@pytest.mark.parametrize("state", WAYS)
def test_a_decision_is_possible_where_the_table_has_a_step(
    books: Books, state: State, cause: Cause
) -> None:
    living, anna = Living(books), Operator(books, "ben")
    living.live(WAYS[state])
    books.wait(5)
    ways: dict[Cause, Callable[[int], object]] = {
        Cause.CONFIRMED: anna.confirm,
        Cause.CORRECTED: partial(anna.correct, figure_wh=1),
        Cause.OPERATOR: anna.close,
    }
    decide = ways[cause]
    step = TABLE[state, cause]
    if step.kind is None:
        assert refused(decide, living.transaction).problem is DecisionProblem.WRONG_STATE
    else:
        decide(living.transaction)
        assert Kind(told(books, living.transaction)[-1][0]) is step.kind
    assert living.state is step.state


def test_what_changed_since_it_was_seen_is_not_decided(
    books: Books, station: Station, anna: Operator
) -> None:
    transaction = doubtful(station)
    (seen,) = books.row("SELECT max(id) FROM tx_event WHERE tx_id = ?", transaction)
    station.stop(transaction, 6000)
    assert refused(anna.confirm, transaction, seen=seen).problem is DecisionProblem.CHANGED
    assert (
        refused(anna.correct, transaction, seen=seen, figure_wh=1).problem
        is DecisionProblem.CHANGED
    )
    assert station.bill(transaction) == (5000, "register", "certain")


def test_what_is_unknown_is_not_found(anna: Operator) -> None:
    for decide in (
        anna.confirm,
        anna.close,
        anna.dismiss_review,
        partial(anna.correct, figure_wh=1),
    ):
        assert refused(decide, 17).problem is DecisionProblem.NOT_FOUND


@pytest.mark.parametrize(
    ("by", "reason", "field"),
    [("", "why", "by"), ("System", "why", "by"), ("charger", "why", "by"), ("anna", " ", "reason")],
)
def test_a_decision_has_a_name_and_a_reason(by: str, reason: str, field: str) -> None:
    assert refused(Decision, by, reason, NOON.isoformat()).field == field
