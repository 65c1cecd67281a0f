"""Imports of accounts, tags, spaces and vehicles: all lines or none, and the same again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import Thing, What
from levity_trio.store.writes.people import households as writes
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.households import ImportRefused, OwnedLine, VehicleLine
from tests.store.books import Books
from tests.store.owning import LONG_AGO, SPACE, House

NOON = "2026-02-15T12:00:00.000Z"
TODAY = "2026-03-01T00:00:00.000Z"
ANNA, BEN = 1, 2
OWNED = partial(writes.import_owned, policy=Policy())


@pytest.fixture
def house(books: Books) -> House:
    return House(books)


def lines(books: Books, write: Callable[..., list[str]], *rows: object) -> list[str]:
    return books.run(write, rows, books.at, "cleo")


def accounts(books: Books, *rows: dict[str, Any]) -> list[str]:
    return books.run(writes.import_accounts, rows, books.at, "cleo", TODAY)


def wrong(write: Callable[..., list[str]], *arguments: object) -> Sequence[tuple[int, str, str]]:
    with pytest.raises(ImportRefused) as caught:
        write(*arguments)
    return caught.value.faults


def tag(
    account: str, text: str, since: str | None = None, until: str | None = None, **given: Any
) -> OwnedLine:
    return OwnedLine(
        account, Thing(What.TAG, text.lower()), text, since=since, until=until, **given
    )


@pytest.mark.usefixtures("house")
def test_accounts_by_their_names(books: Books) -> None:
    rows = (
        {"name": "anna", "contact": "a@b", "since": None},
        {"name": "Cleo", "contact": None, "since": LONG_AGO},
    )
    assert accounts(books, *rows) == ["changed", "added"]
    assert accounts(books, *rows) == ["same", "same"]
    assert accounts(books, {"name": "Dora"}) == ["added"]
    found = books.rows("SELECT name, address, contact, since FROM account ORDER BY id")
    assert found[0] == ("anna", "Street 1", "a@b", LONG_AGO), "what a file does not have stays"
    assert found[2:] == [("Cleo", None, None, LONG_AGO), ("Dora", None, None, TODAY)]


def test_one_wrong_line_imports_nothing(books: Books, house: House) -> None:
    house.give(ANNA, "Card")
    faults = wrong(
        lines,
        *(books, OWNED, tag("Anna", "New"), tag("Nobody", "New"), tag("Ben", "NEW")),
        *(
            tag("Ben", "Card", NOON),
            tag("2", "Key", NOON, NOON),
            tag("Ben", "Other", vehicle="Bus"),
        ),
    )
    assert [(fault[0], fault[1]) for fault in faults] == [
        *((1, "account"), (2, "since"), (3, "reason"), (4, "until"), (5, "vehicle"))
    ]
    assert books.count("ownership") == 1
    assert len(wrong(accounts, books, {"name": "New"}, {"name": "NEW"}, {"name": "7"})) == 2


@pytest.mark.usefixtures("house")
def test_a_history_of_tags_again_and_again(books: Books) -> None:
    history = (
        tag("Anna", "Card", LONG_AGO, NOON),
        tag("2", "Card", NOON),
        tag("Ben", "Key", LONG_AGO, NOON),
    )
    assert lines(books, OWNED, *history) == ["changed"] * 3
    kept = books.rows("SELECT * FROM ownership")
    books.wait(1)
    assert lines(books, OWNED, *history) == ["same"] * 3
    assert books.rows("SELECT * FROM ownership") == kept
    assert lines(books, OWNED, tag("Anna", "Card", reason="swapped back")) == ["changed"]


@pytest.mark.usefixtures("house")
def test_a_tag_that_a_file_gives_may_charge_until_it_is_removed(books: Books) -> None:
    past, card = tag("Anna", "Past", LONG_AGO, NOON), tag("Ben", "Card", NOON)
    assert lines(books, OWNED, past, card) == ["changed"] * 2
    assert books.rows("SELECT id_tag, status FROM tag") == [("Card", "Accepted")]
    books.run(tags.remove, Policy(), "CARD", books.at, "cleo")
    assert lines(books, OWNED, past, card) == ["same"] * 2
    assert books.rows("SELECT id_tag FROM tag WHERE ended_at IS NULL") == []


@pytest.mark.usefixtures("house", "station")
def test_spaces_have_names(books: Books) -> None:
    rows = (OwnedLine("Anna", SPACE, space="Left"), OwnedLine("Ben", SPACE._replace(connector=2)))
    assert lines(books, OWNED, *rows) == ["changed"] * 2
    books.wait(1)
    assert lines(books, OWNED, *rows) == ["same"] * 2
    assert lines(books, OWNED, rows[0]._replace(space="Right")) == ["changed"]
    assert books.rows("SELECT * FROM space") == [("CP-1", 0, "Right")]
    (fault,) = wrong(lines, books, OWNED, OwnedLine("Anna", Thing(What.SPACE, "CP-9/é")))
    assert fault[1] == "charger"


@pytest.mark.usefixtures("house")
def test_vehicles_and_whose_they_are(books: Books) -> None:
    rows = (
        VehicleLine({"name": "Kombi", "battery_wh": 58_500}, OwnedLine("Anna", since=LONG_AGO)),
        VehicleLine({"name": "Bus"}, OwnedLine(None)),
    )
    assert lines(books, writes.import_vehicles, *rows) == ["added"] * 2
    assert lines(books, writes.import_vehicles, *rows) == ["same"] * 2
    again = rows[0]._replace(fields={"name": "kombi", "plate": "B-XY 1"}, owned=OwnedLine("Ben"))
    assert lines(books, writes.import_vehicles, again) == ["changed"]
    assert books.rows("SELECT name, plate, battery_wh FROM vehicle ORDER BY id") == [
        ("kombi", "B-XY 1", 58_500),
        ("Bus", None, None),
    ]
    assert books.rows("SELECT account_id FROM ownership WHERE until IS NULL") == [(BEN,)]
