"""Which other backends are told of sessions of a household, and what its cards are called there."""

from __future__ import annotations

import pytest

from levity_trio.store.reads.now.copies import told_elsewhere
from tests.store import copied
from tests.store.books import Books, Station
from tests.store.owning import SPACE, House
from tests.store.reading import reading

ANNA, BEN = 1, 2


def told(books: Books, account: int = ANNA) -> dict[str, list[str]]:
    with reading(books) as db:
        return told_elsewhere(db, account, books.policy, books.at)


@pytest.fixture
def house(books: Books) -> House:
    Station(books, "CP-1")
    house = House(books)
    house.give(ANNA, "ANNA")
    house.give(ANNA, "SPARE")
    house.give(BEN, "BEN")
    return house


@pytest.mark.usefixtures("house")
def test_each_card_has_its_alias_or_that_of_all_others(books: Books) -> None:
    assert told(books) == {}
    employer = copied.add(books, "Employer", "CP-1")
    assert told(books) == {"Employer": ["OTHER"]}
    copied.call(books, employer, "ANNA", "E-4711")
    assert told(books) == {"Employer": ["E-4711", "OTHER"]}
    assert told(books, BEN) == {"Employer": ["OTHER"]}
    books.connection.execute("UPDATE backend SET with_signed = 1")
    assert told(books) == {"Employer": ["E-4711 (ANNA)", "OTHER (SPARE)"]}
    books.connection.execute("UPDATE backend SET with_signed = 0")

    books.connection.execute("UPDATE backend SET other_cards = NULL")
    assert (told(books), told(books, BEN)) == ({"Employer": ["E-4711"]}, {})
    copied.call(books, employer, "ANNA", None)
    assert told(books) == {}

    books.connection.execute("UPDATE backend SET with_cards = 1")
    assert told(books) == {"Employer": ["SPARE"]}
    copied.call(books, employer, "ANNA", "E-4711")
    assert told(books) == {"Employer": ["E-4711", "SPARE"]}


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE backend SET removed_at = '2026'",
        "UPDATE backend_cp SET ended_at = '2026'",
        "UPDATE ownership SET until = since || 'a'",
    ],
)
@pytest.mark.usefixtures("house")
def test_what_is_told_no_more_is_not_named(books: Books, end: str) -> None:
    """After a pause, all that came meanwhile is told."""
    copied.add(books, "Employer", "CP-1")
    books.connection.execute("UPDATE backend SET paused_at = ?", (books.at,))
    assert told(books) == {"Employer": ["OTHER"]}
    books.connection.execute(end)
    assert told(books) == {}


def test_a_charger_at_which_its_cards_are_refused_does_not_concern_it(
    books: Books, house: House
) -> None:
    copied.add(books, "Employer", "CP-1")
    house.give(BEN, SPACE, exclusive=True)
    assert (told(books), told(books, BEN)) == ({}, {"Employer": ["OTHER"]})
