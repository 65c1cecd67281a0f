"""Accounts in the database: what belongs to them and when, whose transactions are, and what is
never rewritten."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from levity_trio.access.tags import Index, Policy
from levity_trio.billing.ownership import BillBy, Thing, What
from levity_trio.config import ConfigError
from levity_trio.events import AccountChanged, OwnershipChanged, TransactionGiven
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people.households import transactions_of
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.store.upkeep.following import open_tags
from levity_trio.store.writes.people import accounts, ownership, tags
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.people.ownership import Said, VehicleData
from levity_trio.store.writes.people.tags import TagData
from levity_trio.store.writes.transactions.decisions import DecisionRefused
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.store.books import Books, Station
from tests.store.owning import LONG_AGO, SPACE, House
from tests.store.reading import reading
from tests.store.template import new_database

ANNA, BEN = 1, 2
HOUR = 60


@pytest.fixture
def house(books: Books) -> House:
    books.now = books.now.replace(microsecond=0)  # as chargers tell it
    return House(books)


def charge(station: Station, tag: str = "Card", connector: int = 1) -> int:
    """Return a transaction of an hour; the next one begins two hours later."""
    transaction = station.start(1000, connector, tag)
    station.books.wait(HOUR)
    station.stop(transaction, 5000)
    station.books.wait(HOUR)
    return transaction


def refused(change: object, *arguments: object, **given: object) -> ChangeRefused:
    assert callable(change)
    with pytest.raises(ChangeRefused) as caught:
        change(*arguments, **given)
    return caught.value


# Periods


def test_two_households_swap_tags(books: Books, station: Station, house: House) -> None:
    house.give(ANNA, "Card")
    house.give(BEN, "Key")
    before = [charge(station, tag) for tag in ("card", "KEY")]
    house.give(BEN, "Card", books.at)
    house.give(ANNA, "Key", books.at)
    after = [charge(station, tag) for tag in ("card", "KEY")]
    assert (house.of(ANNA), house.of(BEN)) == ([after[1], before[0]], [after[0], before[1]])
    assert books.rows("SELECT DISTINCT voided_at FROM ownership") == [(None,)], "nothing was wrong"
    assert [fact.change for fact in books.recorded(OwnershipChanged)] == ["given"] * 2 + [
        "ended",
        "given",
    ] * 2


def test_a_tag_given_from_a_past_day_while_a_transaction_is_open(
    books: Books, station: Station, house: House
) -> None:
    transaction = station.start(1000, 1, "Card")
    assert house.of_nobody() == [transaction]
    books.wait(HOUR)
    house.give(ANNA, "Card", books.at)
    assert house.whose(transaction) is None
    house.give(ANNA, "Card", LONG_AGO)
    assert (house.whose(transaction), house.of_nobody(), house.of(ANNA)) == (
        ANNA,
        [],
        [transaction],
    )


def test_time_of_another_is_taken_with_a_reason_only(
    books: Books, station: Station, house: House
) -> None:
    house.give(ANNA, "Card")
    first = charge(station)
    noon = books.at
    second = charge(station)
    found = refused(house.give, BEN, "Card", noon)
    assert (found.code, found.field) == (RefusalCode.NEEDS_REASON, "reason")
    assert "household Anna since 2026-01-01" in found.words
    assert refused(house.take, ANNA, "Card", noon).code == RefusalCode.NEEDS_REASON
    house.give(BEN, "Card", noon, reason="swapped at noon")
    assert (house.of(ANNA), house.of(BEN)) == ([first], [second])


def test_a_mistake_is_voided_and_what_holds_instead_is_entered(
    books: Books, station: Station, house: House
) -> None:
    house.give(ANNA, "Card", LONG_AGO, books.at)
    mistaken = charge(station)
    kept = books.rows("SELECT id, account_id, since, until, reason FROM ownership")
    house.give(BEN, "Card", LONG_AGO, reason="it was Ben's from the beginning")
    assert house.whose(mistaken) == BEN
    assert (
        books.rows("SELECT id, account_id, since, until, reason FROM ownership WHERE id = 1")
        == kept
    )
    told = books.rows(
        "SELECT account_id, voided_by, void_reason, reason FROM ownership ORDER BY id"
    )
    assert told == [
        (ANNA, "cleo", "it was Ben's from the beginning", None),
        (BEN, None, None, "it was Ben's from the beginning"),
    ]


def test_a_loan_goes_back_by_itself(books: Books, station: Station, house: House) -> None:
    house.give(
        ANNA,
        "Card",
        vehicle=books.run(ownership.add_vehicle, VehicleData(name="Kombi"), books.at, "cleo"),
    )
    begin, end = books.at, stamp(books.now + timedelta(hours=2))
    house.give(BEN, "Card", begin, end)
    lent, returned = charge(station), charge(station)
    assert (house.whose(lent), house.whose(returned)) == (BEN, ANNA)
    found = books.rows(
        "SELECT account_id, vehicle_id FROM ownership WHERE voided_at IS NULL ORDER BY since"
    )
    assert found == [(ANNA, 1), (BEN, None), (ANNA, 1)]


def test_what_holds_already_changes_nothing(books: Books, house: House) -> None:
    vehicle = books.run(ownership.add_vehicle, VehicleData(name="Kombi"), books.at, "cleo")
    assert house.give(ANNA, "Card", vehicle=vehicle)
    assert not house.give(ANNA, " CARD ")  # it goes on to name its vehicle
    assert not house.give(ANNA, "card", books.at)
    assert books.count("ownership") == 1
    assert refused(house.take, BEN, "Card", books.at).code == RefusalCode.NOT_FOUND
    assert refused(house.give, 3, "Card").words == "there is no household 3"
    assert refused(house.give, ANNA, "Key", LONG_AGO, LONG_AGO).field == "until"


def test_a_removed_vehicle_belongs_to_nobody(books: Books, house: House) -> None:
    vehicle = books.run(ownership.add_vehicle, VehicleData(name="Kombi"), books.at, "cleo")
    house.give(ANNA, Thing(What.VEHICLE, str(vehicle)))
    books.wait(1)
    books.run(ownership.remove_vehicle, vehicle, house.said("sold"))
    assert books.rows("SELECT until, end_reason FROM ownership") == [(books.at, "sold")]
    assert (
        refused(
            books.run, ownership.change_vehicle, vehicle, {"name": "Bus"}, books.at, "cleo"
        ).code
        == RefusalCode.NOT_FOUND
    )
    assert (
        books.run(ownership.add_vehicle, VehicleData(name="kombi"), books.at, "cleo") == vehicle + 1
    )


def test_a_tag_that_is_removed_and_added_again_stays_whose_it_was(
    books: Books, station: Station, house: House
) -> None:
    books.run(tags.add, books.policy, TagData(id_tag="Card"), books.at, "cleo")
    house.give(ANNA, "Card")
    books.run(tags.remove, books.policy, "Card", books.at, "cleo")
    books.run(tags.add, books.policy, TagData(id_tag="CARD"), books.at, "cleo")
    assert house.whose(charge(station)) == ANNA


# Accounts


def test_names_are_unlike_and_no_numbers(books: Books, house: House) -> None:
    for name in ("anna", "12", "٣"):
        assert refused(house.add, name).field == "name"
    number = house.add("<b>\u202eannA</b>")
    for named in ("<B>\u202eANNA</b>", str(number)):
        assert books.run(accounts.number_of, "account", named) == number
    for named, told in (("Nobody", "'Nobody'"), ("09", "9")):
        found = refused(books.run, accounts.number_of, "account", named)
        assert (found.code, found.words, found.field) == (
            RefusalCode.NOT_FOUND,
            f"there is no household {told}",
            "account",
        )
    change = {"until": "2025-01-01T00:00:00.000Z"}
    assert refused(books.run, accounts.change, number, change, books.at, "cleo").field == "until"


def test_names_of_people_are_in_no_fact(books: Books, station: Station, house: House) -> None:
    house.give(ANNA, "Card")
    transaction = charge(station)
    house.give_by_hand(transaction, BEN)
    books.run(
        accounts.change,
        ANNA,
        {"name": "Dora", "until": "2027-01-01T00:00:00.000Z"},
        books.at,
        "cleo",
    )
    books.run(accounts.change, ANNA, {"until": None}, books.at, "cleo")
    assert [fact.change for fact in books.recorded(AccountChanged)] == [
        "added",
        "added",
        "closed",
        "reopened",
    ]
    kept = json.dumps(books.rows("SELECT data FROM event")) + json.dumps(
        books.rows("SELECT payload FROM tx_event")
    )
    for name in ("Anna", "Dora", "Ben", "Street"):
        assert name not in kept


def test_an_account_that_was_not_open_is_told(books: Books, station: Station, house: House) -> None:
    late = house.add("Late", "2026-06-01T00:00:00.000Z")
    house.give(late, "Card")
    transaction = charge(station)
    assert house.whose(transaction) == late
    with reading(books) as db:
        (found,) = transactions_of(db, TransactionFilters(account=late), WantedPage()).data
    assert (found.outside, found.ground) == (True, "tag")


def test_a_removed_vehicle_is_found_neither_by_name_nor_by_number(books: Books) -> None:
    number = books.run(ownership.add_vehicle, VehicleData(name="Bus"), books.at, "cleo")
    assert (
        books.run(ownership.vehicle_number, "bus")
        == number
        == books.run(ownership.vehicle_number, str(number))
    )
    books.run(ownership.remove_vehicle, number, Said(books.at, "cleo", None))
    for named, told in (("Bus", "'Bus'"), (str(number), str(number))):
        found = refused(books.run, ownership.vehicle_number, named)
        assert (found.code, found.words, found.field) == (
            RefusalCode.NOT_FOUND,
            f"there is no car {told}",
            "vehicle",
        )


# Whose they are


def test_a_space_and_its_connectors(station: Station, house: House) -> None:
    house.give(ANNA, SPACE)
    house.give(BEN, SPACE._replace(connector=2))
    one, two = charge(station, "Any", 1), charge(station, "Any", 2)
    assert (house.of(ANNA), house.of(BEN)) == ([one], [two])
    with pytest.raises(ChangeRefused, match="there is no charger CP-9"):
        house.give(ANNA, Thing(What.SPACE, "CP-9"))


def test_what_comes_first_is_a_setting(station: Station, house: House) -> None:
    house.give(ANNA, "Card")
    house.give(BEN, SPACE)
    transaction = charge(station)
    assert (house.of(ANNA), house.of(BEN)) == ([transaction], [])
    house.bill_by = BillBy.CONNECTOR
    assert (house.of(ANNA), house.of(BEN)) == ([], [transaction])


def test_by_hand_and_back(books: Books, station: Station, house: House) -> None:
    house.give(ANNA, "Card")
    transaction = charge(station)
    house.give_by_hand(transaction, BEN)
    house.give_by_hand(transaction, BEN, "again")  # changes nothing
    assert (house.of(ANNA), house.of(BEN), house.whose(transaction)) == ([], [transaction], BEN)
    house.take_back(transaction)
    assert (house.of(ANNA), house.of(BEN)) == ([transaction], [])
    with pytest.raises(DecisionRefused, match="was not given to a household by hand"):
        house.take_back(transaction)
    with pytest.raises(DecisionRefused, match="there is no household 9"):
        house.give_by_hand(transaction, 9)
    told = books.rows(
        "SELECT kind, who, reason, payload FROM tx_event "
        "WHERE kind IN ('give', 'take back') ORDER BY id"
    )
    assert told == [
        ("give", "cleo", "a guest", '{"account":2,"before":null}'),
        ("take back", "cleo", "a mistake", '{"account":null,"before":2}'),
    ]
    assert [(fact.transaction, fact.account) for fact in books.recorded(TransactionGiven)] == [
        (transaction, BEN),
        (transaction, None),
    ]


def test_each_way_to_an_account_is_listed_once(station: Station, house: House) -> None:
    house.give(ANNA, "Card")
    house.give(ANNA, SPACE)
    every = [charge(station, tag) for tag in ("Card", " cARD", "card\u2003", "other")]
    house.give_by_hand(every[0], ANNA)
    assert house.of(ANNA) == house.of(ANNA, limit=1) == every[::-1]
    assert house.of_nobody() == []


def test_pages_go_on_where_few_are_wanted(station: Station, house: House) -> None:
    house.give(ANNA, "Card")
    every = [charge(station, "Card" if number % 6 else "Lost") for number in range(12)]
    lost = [every[6], every[0]]
    assert house.of_nobody(limit=1) == house.of_nobody(limit=10) == lost
    assert house.of(ANNA, limit=3) == [one for one in reversed(every) if one not in lost]
    assert (
        house.of_nobody(filters=TransactionFilters(charger="CP-1", since="2026-03-02")) == lost[:1]
    )
    assert house.of_nobody(filters=TransactionFilters(charger="CP-2")) == []


def test_white_space_is_what_python_takes_for_it(books: Books) -> None:
    blanks = "".join(chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace())
    Station(books).start()
    books.connection.execute("UPDATE tx SET id_tag = ?", (f"{blanks}CaRd\u0130{blanks}",))
    assert (
        books.value("SELECT folded_tag FROM tx")
        == Policy().key(f"{blanks}CaRd\u0130{blanks}")
        == "card\u0130"
    )


# --tag-strip


def test_numbered_copies_of_a_tag(station: Station, house: House) -> None:
    house.disregard("-[0-9]+")
    house.give(ANNA, "Card-1")
    every = [charge(station, tag) for tag in ("Card-7", "CARD", "Card-x", "Cards")]
    assert house.of(ANNA) == [every[1], every[0]]
    assert house.of_nobody() == [every[3], every[2]]


async def test_a_start_with_another_pattern(tmp_path: Path) -> None:
    with new_database(tmp_path / "site.db") as connection:
        books = Books(connection)
        house = House(books)
        house.give(ANNA, "Card-1")
        house.give(BEN, "Key")
        writer, reader = cast(Writer, InlineWriter(connection)), Reader(tmp_path / "site.db")
        house.disregard("-[0-9]+")
        async with open_tags(writer, reader, Index(books.policy), lambda: books.now):
            assert books.rows("SELECT key FROM ownership ORDER BY id") == [("card",), ("key",)]
        books.policy = Policy()
        async with open_tags(writer, reader, Index(books.policy), lambda: books.now):
            house.give(BEN, "Card-2")
        house.disregard("-[0-9]+")
        with pytest.raises(
            ConfigError, match="makes 'Card-2' the same as another tag of an account"
        ):
            async with open_tags(writer, reader, Index(books.policy), lambda: books.now):
                pytest.fail("it began")
