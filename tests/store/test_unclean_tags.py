"""A tag with control characters or white space at its ends is the cleaned one, at the start and at
the stop."""

from __future__ import annotations

import pytest

from levity_trio.access.tags import Policy, Unknown
from tests.store.books import Books, Station
from tests.store.deciding import open_codes
from tests.store.test_tags import add

ENDS = ["\x00", "\x00\x00", "\r\n", "\x03", "\x7f", "\x9c", "\u200b", "\ufeff", " \x00 "]


@pytest.fixture
def closed(books: Books) -> Books:
    """Books of a site that refuses unknown tags, and knows one."""
    books.policy = Policy(Unknown.REFUSE)
    add(books, "04A1B2")
    return books


@pytest.mark.parametrize("end", ENDS)
def test_the_verdict_is_that_of_the_clean_tag(closed: Books, station: Station, end: str) -> None:
    assert (
        station.start_with_verdict(1000, 1, "04a1b2" + end, station.clock()).verdict.status
        == "Accepted"
    )
    transaction = station.start(1000, connector=2, tag="04A1B2")
    closed.wait(60)
    assert station.stop(transaction, 5000, tag="04A1B2" + end) == "Accepted"
    assert station.bill(transaction) == (4000, "register", "certain")
    assert open_codes(closed, transaction) == []
    kept = closed.value("SELECT stop_id_tag FROM tx WHERE id = ?", transaction)
    assert kept in {"04A1B2" + end, "04A1B2" + end.replace("\x00", "\u2400")}  # as sent


@pytest.mark.parametrize("end", ENDS)
def test_a_clean_tag_stops_what_an_unclean_one_started(
    closed: Books, station: Station, end: str
) -> None:
    transaction = station.start(1000, tag="04A1B2" + end)
    closed.wait(60)
    station.stop(transaction, 5000, tag="04A1B2")
    assert (station.bill(transaction)[0], open_codes(closed, transaction)) == (4000, [])


@pytest.mark.parametrize("end", ENDS)
def test_a_stop_without_id_is_joined_by_it(closed: Books, station: Station, end: str) -> None:
    first, second = station.start(1000, tag="04A1B2"), station.start(1000, connector=2, tag="OTHER")
    closed.wait(60)
    station.stop(-1, 5000, tag="04A1B2" + end)
    assert closed.rows("SELECT id FROM tx WHERE status = 'Active'") == [(second,)]
    assert station.bill(first)[0] == 4000


def test_a_character_within_a_tag_tells_another_one(closed: Books, station: Station) -> None:
    assert (
        station.start_with_verdict(1000, 1, "04A1\x00B2", station.clock()).verdict.status
        == "Invalid"
    )
    assert closed.policy.key("\x00") == ""
