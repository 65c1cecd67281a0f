"""The months of billing: how far each is, what it comes to, what is held back, and what the first
bill lacks."""

from __future__ import annotations

import pytest

from levity_trio.billing.months import Month
from levity_trio.store.reads.money.months import (
    BillMonth,
    WantedMonth,
    held_back_of_month,
    month,
    months,
)
from levity_trio.store.reads.money.statements import FirstBill, first_bill
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.bills import ANNA, HOUR, Biller, charge, house_of_two, month_is_over, rule_of
from tests.store.books import Books, Station
from tests.store.owning import House
from tests.store.reading import reading


@pytest.fixture
def house(books: Books) -> House:
    return house_of_two(books)


@pytest.fixture
def biller(house: House) -> Biller:
    return Biller(house)


def listed(books: Books, before: str | None = None, most: int = 24) -> list[BillMonth]:
    with reading(books) as db:
        return months(db, rule_of(books), books.now, before, most)


def states(books: Books) -> dict[str, str]:
    return {one.month: one.state.value for one in listed(books)}


def doubtful(station: Station) -> int:
    """Return a transaction of 995 kWh in an hour."""
    number = station.start(5000, 1, "Card")
    station.books.wait(HOUR)
    station.stop(number, 1_000_000)
    return number


def test_a_month_runs_is_over_and_is_closed_in_its_turn(biller: Biller, station: Station) -> None:
    charge(station)
    assert states(biller.books) == {"2026-03": "running"}
    month_is_over(biller.books, 4)
    assert states(biller.books) == {
        "2026-05": "running",
        "2026-04": "over",
        "2026-03": "ready to close",
    }
    biller.close("2026-03")
    assert states(biller.books) == {
        "2026-05": "running",
        "2026-04": "ready to close",
        "2026-03": "closed",
    }


def test_a_month_comes_to_what_its_statements_say(biller: Biller, station: Station) -> None:
    charge(station)
    charge(station, 6000, "Ben")
    month_is_over(biller.books, 3)
    before = listed(biller.books)[1]
    assert (before.statements, before.amount, before.sessions, before.energy_wh) == (
        None,
        None,
        2,
        10_000,
    )
    biller.close("2026-03")
    closed = listed(biller.books)[1]
    assert (closed.statements, closed.amount, closed.sessions, closed.energy_wh) == (
        2,
        300,
        2,
        10_000,
    )
    assert (closed.closed_at, closed.closed_by, closed.currency) == (biller.books.at, "cleo", "EUR")


def test_what_waits_for_a_person_is_counted_apart_and_says_why(
    biller: Biller, station: Station
) -> None:
    charge(station)
    number = doubtful(station)
    month_is_over(biller.books, 3)
    assert [(one.sessions, one.energy_wh, one.held_back) for one in listed(biller.books)][1] == (
        2,
        4000,
        1,
    )
    shown = biller.preview("2026-03")
    assert (shown.sums.sessions, shown.sums.energy_wh, shown.sums.held_back) == (1, 4000, 1)
    (found,) = shown.held_back
    assert (found.transaction, found.account, found.name, found.kind) == (
        number,
        ANNA,
        "Anna",
        "held back",
    )
    assert found.reason is not None
    assert "waits for review" in found.reason
    biller.close("2026-03")
    biller.books.run(
        decisions.confirm, number, Decision("cleo", "looked at the car", biller.books.at)
    )
    with reading(biller.books) as db:  # a later decision does not change what its statement said
        assert [one.transaction for one in held_back_of_month(db, "2026-03")] == [number]


def test_months_are_read_in_parts(biller: Biller) -> None:
    month_is_over(biller.books, 6)
    assert [one.month for one in listed(biller.books, most=2)] == ["2026-07", "2026-06"]
    assert [one.month for one in listed(biller.books, before="2026-06", most=2)] == [
        "2026-05",
        "2026-04",
    ]


def test_only_months_of_this_system_are_known(biller: Biller) -> None:
    with reading(biller.books) as db:
        wanted = [
            WantedMonth(Month(2026, number), rule_of(biller.books), biller.books.now)
            for number in (2, 3, 4)
        ]
        known = [month(db, one) for one in wanted]
    assert [None if one is None else one.month for one in known] == [None, "2026-03", None]


def test_there_are_no_months_before_billing_began(books: Books) -> None:
    assert listed(books) == []


def lacks(books: Books) -> FirstBill:
    with reading(books) as db:
        return first_bill(db)


@pytest.mark.usefixtures("station")
def test_the_first_bill_says_what_it_lacks(books: Books) -> None:
    house = House(books)
    first = lacks(books)
    assert (
        first.chargers,
        first.accounts,
        first.accounts_with_tag_or_space,
        first.account_without,
    ) == (1, 2, 0, ANNA)
    assert not first.is_ready
    house.give(ANNA, "Card")
    assert (lacks(books).accounts_with_tag_or_space, lacks(books).account_without) == (1, 2)
    biller = Biller(house)
    ready = lacks(books)
    assert (ready.begun_on, ready.tariffs, ready.tariff_unassigned, ready.has_bank_account) == (
        *("2026-03-01", 1, None, False),
    )
    assert ready.is_ready
    biller.add(
        'name = "Other"\nvalid_from = 2026-01-01\ncurrency = "EUR"\nprices = "net"\ntax = '
        "0\nenergy.price = 1"
    )
    assert lacks(books).tariff_unassigned is None


def test_a_tariff_that_holds_for_nobody_is_named(books: Books) -> None:
    biller = Biller(House(books), has_begun=True)
    number = biller.add(
        'name = "Flat"\nvalid_from = 2026-01-01\ncurrency = "EUR"\nprices = "net"\ntax = '
        "0\nenergy.price = 1"
    )
    assert lacks(books).tariff_unassigned == number
