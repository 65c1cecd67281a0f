"""What a household may see and use at the chargers, from the database."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from levity_trio.billing.ownership import BillBy
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.reads.money.statements import id_of_number
from levity_trio.store.reads.people.driving import (
    START,
    STOP,
    HouseholdView,
    own_command,
    own_curve,
    own_transaction,
    places,
    running,
    tags_of,
    transaction,
    transactions,
    under_way,
)
from tests.store.books import Books, Station
from tests.store.owning import SPACE, House
from tests.store.reading import reading


def household(books: Books, account: int = 1, bill_by: BillBy = BillBy.TAG) -> HouseholdView:
    return HouseholdView(account, Rule(ZoneInfo("UTC"), books.policy, bill_by))


def test_the_tags_of_now(books: Books) -> None:
    house = House(books)
    house.give(1, "OLD", until="2026-02-01T00:00:00.000Z")
    house.give(1, "NOW")
    house.give(1, "LATER", since="2027-01-01T00:00:00.000Z")
    house.give(1, "WRONG")
    house.give(2, "WRONG", reason="it was never hers")
    with reading(books) as db:
        assert [one.id_tag for one in tags_of(db, 1, books.at)] == ["NOW"]


def test_by_the_connector_first_the_space_decides(books: Books, station: Station) -> None:
    """Whose tag it is, is then only the second question."""
    house = House(books, BillBy.CONNECTOR)
    house.give(2, SPACE)
    house.give(1, "ANNA")
    number = station.start(tag="ANNA")
    with reading(books) as db:
        for account, seen in ((1, None), (2, ("CP-1", 1, True))):
            own = own_transaction(db, household(books, account, BillBy.CONNECTOR), number)
            assert (own and (own.charger, own.connector, bool(own.is_open))) == seen


def test_what_is_read_of_a_long_history(books: Books, station: Station) -> None:
    """plans.py examines these statements."""
    House(books).give(1, "ANNA")
    station.status("Charging")
    station.start(tag="ANNA")
    with reading(books) as db:
        (shown,) = places(db, household(books), books.now)
        assert [one.state for one in shown.connectors] == ["in_use"]
        assert len(places(db, household(books), books.now, "CP-1", "anna")) == 1
        assert [under_way(db, "CP-1", action, books.now) for action in (START, STOP)] == [[], []]
        assert running(db, household(books).rule, "anna") == 1
        assert own_command(db, household(books), "driver 7", 1) is None


def test_the_sessions_of_a_household_in_a_long_history(books: Books, station: Station) -> None:
    """plans.py examines these statements, too."""
    House(books).give(1, "ANNA")
    ended = station.start(tag="ANNA")
    books.wait(60)
    station.stop(ended)
    number = station.start(5000, tag="ANNA")
    with reading(books) as db:
        own, other = household(books), household(books, 2)
        for is_open, found in ((None, [number, ended]), (True, [number]), (False, [ended])):
            some = transactions(db, own, books.now, 10, is_open=is_open)
            assert some is not None
            assert [one.id for one in some.data] == found
        assert transactions(db, other, books.now, 10, before=number) is None
        assert [transaction(db, one, number, books.now) is None for one in (own, other)] == [
            False,
            True,
        ]
        assert [own_curve(db, one, number) is None for one in (own, other)] == [False, True]
        assert id_of_number(db, "1", 1) is None
