"""What five sessions of one charger proved is believed of its sisters: same vendor, model and
firmware, until one of them contradicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from levity_trio.access.registration import Mode
from levity_trio.store.reads.chargers.chargers import habits
from levity_trio.store.writes.chargers import registration
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.store.writes.transactions import decisions
from tests.store.books import Books, Station
from tests.store.deciding import open_codes
from tests.store.reading import reading
from tests.store.telling import assert_figure, charge

WH = 5400
TENS = {"vendor": "Deka", "model": "Ten", "firmware_version": "2.1"}


def told_in_tens(station: Station, begin: int, *, factor: int = 10) -> int:
    """Tell a session whose registers are in units of `factor` Wh; its power is right."""
    transaction = station.start(begin // factor)
    charge(station, transaction, begin, minutes=45, told=lambda told: told // factor)
    station.stop(transaction, (begin + WH) // factor)
    station.books.wait(20)
    return transaction


def proven(books: Books, **kind: str) -> Station:
    """A charger that has proved that its registers lack a factor of ten."""
    station = Station(books, "CP-1")
    station.boot(**TENS | kind)
    told = [told_in_tens(station, 200_000 + number * WH) for number in range(6)]
    assert open_codes(books, told[-1]) == []
    return station


def sister(books: Books, name: str, **told: str) -> Station:
    station = Station(books, name)
    station.boot(**TENS | told)
    return station


def test_a_sister_is_believed_from_her_first_session_on(books: Books) -> None:
    proven(books)
    other = sister(books, "CP-2")
    assert_figure(other, told_in_tens(other, 77_000), WH, flagged=False)


@pytest.mark.parametrize(
    "told",
    [
        {"vendor": "Deko"},
        {"model": "Tenner"},
        {"firmware_version": "2.2"},
        {"firmware_version": ""},
    ],
)
def test_one_of_another_kind_is_not(books: Books, told: dict[str, str]) -> None:
    proven(books)
    other = sister(books, "CP-2", **told)
    assert_figure(other, told_in_tens(other, 77_000), WH, flagged=True)


def test_chargers_of_which_nothing_is_known_are_no_sisters(books: Books) -> None:
    proven(books, vendor="", model="", firmware_version="")
    other = sister(books, "CP-2", vendor="", model="", firmware_version="")
    assert_figure(other, told_in_tens(other, 77_000), WH, flagged=True)


def test_four_sessions_prove_nothing(books: Books) -> None:
    station = sister(books, "CP-1")
    for number in range(4):
        told_in_tens(station, 200_000 + number * WH)
    other = sister(books, "CP-2")
    assert_figure(other, told_in_tens(other, 77_000), WH, flagged=True)


def test_one_that_contradicts_ends_it_for_all_that_did_not_prove_it_themselves(
    books: Books,
) -> None:
    first = proven(books)
    honest, third = sister(books, "CP-2"), sister(books, "CP-3")
    assert_figure(honest, told_in_tens(honest, 77_000, factor=1), WH, flagged=False)
    assert_figure(third, told_in_tens(third, 91_000), WH, flagged=True)
    assert_figure(first, told_in_tens(first, 200_000 + 6 * WH), WH, flagged=False)
    ((kind, shown),) = books.rows(
        "SELECT kind, transactions FROM habit WHERE cp_id = 'CP-2' AND revoked_at IS NOT NULL"
    )
    assert (kind, shown) == ("wrong_factor", 0)


def test_sisters_that_lack_different_factors_prove_neither(books: Books) -> None:
    proven(books)
    second, third = sister(books, "CP-2"), sister(books, "CP-3")
    told = [told_in_tens(second, 200_000_000 + number * WH, factor=1000) for number in range(6)]
    assert open_codes(books, told[-1]) == []
    for begin, factor in ((77_000, 10), (88_000_000, 1000)):
        assert open_codes(books, told_in_tens(third, begin, factor=factor)) == ["wrong_factor"]


def test_one_that_contradicts_itself_keeps_what_it_had_shown(books: Books) -> None:
    first = proven(books)
    shown = (
        "SELECT value, transactions, since, last_at, revoked_at IS NULL "
        "FROM habit WHERE kind = 'wrong_factor'"
    )
    before = books.row(shown)
    assert_figure(first, told_in_tens(first, 200_000 + 6 * WH, factor=1), WH, flagged=False)
    assert books.row(shown) == (*before[:-1], 0)


def refuse(station: Station) -> None:
    assert station.books.run(
        registration.refuse, station.name, DecidedBy(station.books.at, "anna", "")
    )


def wait_for_a_decision(station: Station) -> None:
    station.connect(mode=Mode.ASK)


@pytest.mark.parametrize("deal_with", [refuse, wait_for_a_decision])
def test_one_that_may_be_invented_neither_proves_nor_contradicts(
    books: Books, deal_with: Callable[[Station], None]
) -> None:
    """Anybody in the network can connect with any vendor, model and firmware."""
    first, other, invented = proven(books), sister(books, "CP-2"), sister(books, "CP-9")
    deal_with(invented)
    assert_figure(invented, told_in_tens(invented, 77_000, factor=1), WH, flagged=False)
    assert_figure(other, told_in_tens(other, 91_000), WH, flagged=False)
    deal_with(first)
    third = sister(books, "CP-3")
    assert_figure(third, told_in_tens(third, 77_000), WH, flagged=True)


def test_a_person_who_wants_to_be_asked_is_asked_about_sisters_too(books: Books) -> None:
    proven(books)
    other = sister(books, "CP-2")
    number = books.value("SELECT id FROM habit WHERE kind = 'wrong_factor'")
    assert books.run(decisions.ask_about, number, books.at, "anna")
    books.wait(1)
    assert_figure(other, told_in_tens(other, 77_000), WH, flagged=True)


def test_her_page_says_whose_habit_it_is(books: Books) -> None:
    proven(books)
    sister(books, "CP-2")
    sister(books, "CP-3", model="Tenner")
    with reading(books) as db:
        assert [(one.charger, one.kind, one.transactions) for one in habits(db, "CP-2")] == [
            ("CP-1", "wrong_factor", 6)
        ]
        assert habits(db, "CP-3") == []
