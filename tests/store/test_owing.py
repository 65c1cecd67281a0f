"""What a household owes, and what its months come to: so far as its next statement would say, then
as it says."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from levity_trio.billing.examples import BASE_FEE
from levity_trio.store.reads.money.wallets import MonthOfHousehold, Owing, owing
from tests.store.bills import ANNA, BEN, Biller, charge, correct, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.reading import reading


@pytest.fixture
def biller(books: Books) -> Biller:
    made = Biller(house_of_two(books))
    toml = BASE_FEE.replace("2026-10-01", "2026-01-01").replace("0.29", "0.30")
    made.assign(made.add(toml), date(2026, 3, 1), ANNA)
    return made


def of(biller: Biller, account: int = ANNA) -> Owing:
    with reading(biller.books) as db:
        found = owing(db, account, biller.terms.rule, biller.books.now)
    assert found is not None
    return found


def told(month: MonthOfHousehold) -> tuple[str, bool, int, int]:
    return month.month, month.is_closed, month.sessions, month.billed_wh


def test_the_present_month_has_what_is_known_and_its_whole_base_fee(
    biller: Biller, station: Station
) -> None:
    charge(station, 4000)
    charge(station, 6000, tag="Ben")
    assert [told(one) for one in of(biller, BEN).months] == [("2026-03", False, 1, 6000)]
    charge(station, 900_000)
    (march,) = of(biller).months
    (bill,) = march.bills
    assert (*told(march), march.held_back) == ("2026-03", False, 2, 4000, 1)
    assert [(part.state, part.sessions) for part in march.parts] == [
        ("base fee", 0),
        ("held back", 1),
        ("to be billed", 1),
    ]
    assert [(one.billed, one.to_bill) for one in march.costs or ()] == [(0, 610)]
    assert (bill.statement, bill.sessions, bill.base_fee, bill.total) == (None, 120, 490, 610)
    assert [(tax.rate, tax.gross) for tax in bill.taxes] == [("19", 610)]


def test_it_is_what_the_statement_says(biller: Biller, station: Station) -> None:
    charge(station, 4000)
    before = of(biller).months[0]
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    now = of(biller)
    april, march = now.months
    assert [bill.statement for bill in march.bills] == [1]
    assert [(bill.charged, bill.total) for bill in march.bills] == [
        (bill.charged, bill.total) for bill in before.bills
    ]
    assert (told(april), april.bills[0].total) == (("2026-04", False, 0, 0), 490)
    assert now.asked is not None
    assert (now.wallet.balance, now.asked.statement.number, now.asked.statement.total) == (
        -610,
        "1",
        610,
    )


def test_a_month_that_is_not_closed_yet_stands_beside_the_next_one(
    biller: Biller, station: Station
) -> None:
    """What ended in each is in one of them, and each has its base fee."""
    charge(station, 4000)
    month_is_over(biller.books, 3)
    charge(station, 5000)
    april, march = of(biller).months
    assert (told(april), told(march)) == (("2026-04", False, 1, 5000), ("2026-03", False, 1, 4000))
    assert [one.bills[0].total for one in (april, march)] == [490 + 150, 490 + 120]


def test_a_correction_of_a_closed_month_is_in_the_next_one(
    biller: Biller, station: Station
) -> None:
    number = charge(station, 4000)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    correct(biller.books, number, 5000)
    april = of(biller).months[0]
    assert (april.bills[0].corrections, april.bills[0].total) == (30, 520)


def test_months_before_billing_began_are_none(books: Books, station: Station) -> None:
    house = house_of_two(books)
    biller = Biller(house, date(2026, 4, 1))
    charge(station, 4000)
    assert of(biller).months == []
    books.now = datetime(2026, 4, 5, tzinfo=UTC)
    assert [told(one) for one in of(biller).months] == [("2026-04", False, 0, 0)]


def test_who_does_not_exist_owes_nothing(biller: Biller) -> None:
    with reading(biller.books) as db:
        assert owing(db, 99, biller.terms.rule, biller.books.now) is None
