"""Tags in the database: their periods, verdicts on starts and stops, tags that wait for an
operator, imports."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from levity_trio.access.tags import Policy, Unknown, Verdict
from levity_trio.events import StartRefused, TagChanged, TagsImported
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData, TagInUse, UnknownTag
from tests.store.books import Books, Station
from tests.store.owning import House

YESTERDAY, TOMORROW = "2026-02-28T12:00:00.000Z", "2026-03-02T12:00:00.000Z"


def add(books: Books, id_tag: str, **fields: Any) -> None:
    data = TagData(id_tag=id_tag, **fields)
    books.run(tags.add, books.policy, data, books.at, "anna")


def change(books: Books, id_tag: str, **fields: object) -> None:
    books.run(tags.change, books.policy, id_tag, fields, books.at, "ben")


def start(station: Station, tag: str, connector: int = 1) -> tuple[int, str]:
    started = station.start_with_verdict(1000, connector, tag, station.clock())
    return started.transaction, started.verdict.status


@pytest.fixture
def closed(books: Books) -> Books:
    """Books of a site that refuses unknown tags."""
    books.policy = Policy(Unknown.REFUSE, own="anonymous")
    return books


# Periods


def test_name_and_parent_carry_the_period_in_which_they_were_valid(books: Books) -> None:
    add(books, "Card", name="Anna", parent_id_tag="family")
    books.wait(60)
    change(books, " CARD", name="Ben")
    books.wait(60)
    books.run(tags.remove, books.policy, "card", books.at, "cleo")
    found = books.rows(
        "SELECT id_tag, name, parent_id_tag, substr(created_at, 12, 2), created_by, "
        "substr(ended_at, 12, 2), ended_by "
        "FROM tag ORDER BY id"
    )
    assert found == [("Card", "Anna", "family", "12", "anna", "13", "ben")] + [
        ("Card", "Ben", "family", "13", "ben", "14", "cleo")
    ]
    assert [fact.change for fact in books.recorded(TagChanged)] == ["added", "changed", "removed"]
    assert "Anna" not in str(books.rows("SELECT data FROM event"))


def test_what_stays_the_same_is_no_change(books: Books) -> None:
    add(books, "Card", name="Anna")
    change(books, "Card", name="Anna")
    assert books.count("tag") == 1
    assert len(books.recorded(TagChanged)) == 1


def test_a_tag_is_added_once(books: Books) -> None:
    add(books, "Card")
    with pytest.raises(TagInUse, match="Card"):
        add(books, "cARD ")
    with pytest.raises(UnknownTag):
        change(books, "other", status="Blocked")
    books.run(tags.remove, books.policy, "card", books.at, "anna")
    add(books, "card")


# Starts


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "Accepted"),
        ({"status": "Blocked"}, "Blocked"),
        ({"expires_at": YESTERDAY}, "Expired"),
        ({"expires_at": TOMORROW}, "Accepted"),
        ({"status": "Blocked", "expires_at": YESTERDAY}, "Blocked"),
    ],
)
@pytest.mark.parametrize("unknown", Unknown)
def test_the_verdict_on_a_start(
    books: Books, station: Station, fields: dict[str, object], verdict: str, unknown: Unknown
) -> None:
    books.policy = Policy(unknown)
    add(books, "Card", **fields)
    transaction, status = start(station, " cArD")
    assert status == verdict
    assert books.value("SELECT id_tag FROM tx") == " cArD"  # as sent
    station.stop(transaction, 5000, tag="Card")
    assert station.bill(transaction)[0] == 4000
    assert [fact.verdict for fact in books.recorded(StartRefused)] == (
        [verdict] if verdict != "Accepted" else []
    )


def test_a_repeated_start_gets_its_first_answer_for_ever(closed: Books, station: Station) -> None:
    add(closed, "Card", expires_at=TOMORROW, parent_id_tag="family", max_transactions=1)
    sent = station.clock()
    first = station.start_with_verdict(1000, 1, "Card", sent)
    assert station.start_with_verdict(1000, 1, "Card", sent) == first
    change(closed, "Card", status="Blocked", parent_id_tag=None)
    assert station.start_with_verdict(1000, 1, "Card", sent) == first
    station.stop(first.transaction, 5000)
    closed.run(tags.remove, closed.policy, "Card", closed.at, "anna")
    assert station.start_with_verdict(1000, 1, "Card", sent) == first
    assert first.verdict == ("Accepted", TOMORROW, "family", None)


def test_too_many_at_once(closed: Books, station: Station) -> None:
    add(closed, "Card", max_transactions=2)
    other = Station(closed, "CP-2")
    assert start(station, "Card", 1)[1] == "Accepted"
    assert start(other, "CARD", 1)[1] == "Accepted"
    assert start(other, "card ", 2)[1] == "ConcurrentTx"
    assert closed.run(tags.judge_tag, closed.policy, "Card", closed.at).status == "Accepted"


def test_refused_ones_do_not_count(closed: Books, station: Station) -> None:
    add(closed, "Card", max_transactions=1)
    transaction, _ = start(station, "Card")
    other = Station(closed, "CP-2")
    assert start(other, "Card", 1)[1] == "ConcurrentTx"
    station.stop(transaction, 5000)
    assert start(other, "Card", 2)[1] == "Accepted"


def test_suspended_ones_do_not_count(closed: Books, station: Station) -> None:
    add(closed, "Card", max_transactions=1)
    start(station, "Card")
    station.lose()
    assert start(Station(closed, "CP-2"), "Card")[1] == "Accepted"


def test_the_one_before_on_its_connector_does_not_count(closed: Books, station: Station) -> None:
    add(closed, "Card", max_transactions=1)
    start(station, "Card")
    closed.wait(30)
    assert start(station, "Card")[1] == "Accepted"


def test_our_own_tag_is_known(closed: Books, station: Station) -> None:
    assert start(station, "Anonymous")[1] == "Accepted"
    add(closed, "anonymous", status="Blocked")
    assert start(station, "anonymous", 2)[1] == "Blocked"


def test_an_unreadable_start_is_judged_too(closed: Books, station: Station) -> None:
    add(closed, "Card", status="Blocked")
    started = station.start_with_verdict("nonsense", 1, "Card", station.clock())
    assert started.verdict.status == "Blocked"
    assert station.start_with_verdict("nonsense", 1, "Card", station.clock()) == started


# Stops


@pytest.mark.parametrize(
    ("tag", "reason", "is_flagged"),
    [
        ("CARD ", "Local", False),
        ("Brother", "Local", False),
        ("family", "Local", False),
        ("Stranger", "Local", True),
        ("Unknown", "Local", True),
        ("Stranger", "Remote", False),
        ("", "Local", False),
        (None, "Local", False),
    ],
)
def test_a_stop_by_another_tag(
    books: Books, station: Station, tag: str | None, reason: str, is_flagged: bool
) -> None:
    add(books, "Card", parent_id_tag="Family")
    add(books, "Brother", parent_id_tag="family")
    add(books, "Stranger", parent_id_tag="others")
    transaction, _ = start(station, "Card")
    station.stop(transaction, 5000, tag=tag, reason=reason)
    assert station.bill(transaction) == (4000, "register", "certain")
    assert books.rows("SELECT code FROM review") == (
        [("stopped_by_stranger",)] if is_flagged else []
    )


def test_a_group_that_changes_while_a_session_runs(books: Books, station: Station) -> None:
    """The group of its start may still stop it, and so may its present one."""
    for name, parent in (("Card", "old"), ("Old", "old"), ("New", "new")):
        add(books, name, parent_id_tag=parent)
    (one, _), (two, _) = start(station, "Card", 1), start(station, "Card", 2)
    change(books, "Card", parent_id_tag="new")
    station.stop(one, 5000, tag="Old")
    station.stop(two, 5000, tag="New")
    assert books.count("review") == 0


@pytest.mark.parametrize(
    ("tag", "is_flagged"),
    [
        ("Second", False),
        ("Grouped", False),
        ("later", False),
        ("Gone", True),
        ("Ben", True),
        ("Voided", True),
    ],
)
def test_a_household_may_stop_its_sessions_with_any_of_its_cards(
    books: Books, station: Station, tag: str, is_flagged: bool
) -> None:
    house = House(books)
    add(books, "Grouped", parent_id_tag="others")
    for card in ("Card", "Second", "Grouped"):
        house.give(1, card)
    house.give(1, "Gone", until=YESTERDAY)
    house.give(2, "Ben")
    house.give(1, "Voided", since=books.at)
    house.take(1, "Voided", since=books.at)
    transaction, _ = start(station, "Card")
    books.wait(60)
    house.give(1, "Later", since=books.at)
    station.stop(transaction, 5000, tag=tag)
    assert station.bill(transaction) == (4000, "register", "certain")
    assert books.rows("SELECT code FROM review") == (
        [("stopped_by_stranger",)] if is_flagged else []
    )


def test_anybody_may_stop_what_we_started_ourselves(closed: Books, station: Station) -> None:
    transaction, _ = start(station, "anonymous")
    station.stop(transaction, 5000, tag="Card")
    assert closed.count("review") == 0


def test_a_stop_is_answered_with_the_state_of_its_tag(closed: Books, station: Station) -> None:
    add(closed, "Card", max_transactions=1)
    transaction, _ = start(station, "Card")
    change(closed, "Card", status="Blocked")
    assert station.stop(transaction, 5000, tag="Card") == "Blocked"
    assert station.stop(start(station, "Other")[0], 5000, tag="Other") == "Invalid"


# Tags that wait for an operator


def test_a_start_with_an_unknown_tag_asks(books: Books, station: Station) -> None:
    books.policy = Policy(Unknown.ASK)
    assert start(station, "New")[1] == "Invalid"
    station.write(partial(tags.present_tag, is_asked=True), "new", " new", Verdict("Invalid"))
    assert books.rows("SELECT key, id_tag, cp_id, count FROM asked_tag") == [
        ("new", " new", "CP-1", 2)
    ]
    add(books, "New")
    assert books.count("asked_tag") == 0
    assert start(station, "New", 2)[1] == "Accepted"


def test_the_last_ones_of_each_charger_wait(books: Books, station: Station) -> None:
    for number in range(tags.ASKED_OF_CHARGER + 5):
        books.wait(1)
        station.write(tags.ask, f"t{number}", f"T{number}")
    other = Station(books, "CP-2")
    other.write(tags.ask, "other", "other")
    assert (
        books.value("SELECT count(*) FROM asked_tag WHERE cp_id = 'CP-1'") == tags.ASKED_OF_CHARGER
    )
    assert books.rows("SELECT 1 FROM asked_tag WHERE key IN ('t0', 't4')") == []
    books.run(tags.dismiss, books.policy, "OTHER")
    with pytest.raises(UnknownTag):
        books.run(tags.dismiss, books.policy, "other")


# Imports


def test_an_import_is_one_write(books: Books) -> None:
    add(books, "Card", name="Anna", notes="blue")
    add(books, "Same", name="Same")
    rows = [("CARD", "Ben", "Blocked"), ("Same", "Same", "Accepted"), ("New", None, "Accepted")]
    done = books.run(tags.take, books.policy, ("id_tag", "name", "status"), rows, books.at, "ben")
    assert done == (["changed", "same", "added"], True)
    assert books.rows(
        "SELECT id_tag, name, status, notes FROM tag WHERE ended_at IS NULL ORDER BY key"
    ) == [
        ("CARD", "Ben", "Blocked", "blue"),  # columns that the file does not have stay
        ("New", None, "Accepted", None),
        ("Same", "Same", "Accepted", None),
    ]
    assert [(fact.count, fact.by) for fact in books.recorded(TagsImported)] == [(3, "ben")]
    again = books.run(
        tags.take, books.policy, ("id_tag", "status"), [("card", "Blocked")] * 2, books.at, "ben"
    )
    assert again == (["changed", "same"], False)


def test_an_import_with_a_tag_that_cannot_be_stored_changes_nothing(books: Books) -> None:
    rows = [("Card", "Blocked"), ("Odd", "Lost")]  # a state that there is not
    with pytest.raises(sqlite3.IntegrityError):
        books.run(tags.take, books.policy, ("id_tag", "status"), rows, books.at, "ben")
    assert books.count("tag") == 0


# --tag-strip


def test_normal_forms_change_with_the_pattern(books: Books, station: Station) -> None:
    add(books, "A-1")
    station.write(tags.ask, "b-1", "B-1")
    books.policy = replace(books.policy, strip=re.compile(r"(?:-[0-9]+)\Z"), unknown=Unknown.REFUSE)
    books.run(tags.rekey, books.policy)
    assert start(station, "A-7")[1] == "Accepted"
    assert books.count("asked_tag") == 0


def test_two_tags_with_one_normal_form_are_refused(books: Books) -> None:
    add(books, "A-1")
    add(books, "A-2")
    stripping = replace(books.policy, strip=re.compile(r"(?:-[0-9]+)\Z"))
    with pytest.raises(TagInUse, match="A-2"):
        books.run(tags.rekey, stripping)
    assert books.rows("SELECT key FROM tag ORDER BY id") == [("a-1",), ("a-2",)]
