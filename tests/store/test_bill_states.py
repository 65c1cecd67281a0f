"""The state of each transaction for its bill: exactly one, and each can be listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from levity_trio.billing.states import BillState
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.transactions.costs import billed_transaction, billed_transactions
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from tests.store.bills import ANNA, BEN, HOUR, Biller, charge, correct, house_of_two
from tests.store.books import Books, Station
from tests.store.owning import House
from tests.store.reading import reading


@pytest.fixture
def biller(books: Books) -> Biller:
    return Biller(house_of_two(books))


def close(biller: Biller, month: int) -> None:
    biller.books.now = datetime(2026, month + 1, 2, 9, tzinfo=UTC)
    biller.books.settle()
    biller.close(f"2026-{month:02}")


def state(biller: Biller, transaction: int) -> str:
    with reading(biller.books) as db:
        found = billed_transaction(db, transaction)
    assert found is not None
    return found.bill


def listed(
    biller: Biller, one: BillState, filters: TransactionFilters | None = None, limit: int = 50
) -> list[int]:
    """Return the transactions in a state, read page by page."""
    found, cursor = list[int](), None
    with reading(biller.books) as db:
        while True:
            wanted = WantedPage(limit=limit, cursor=cursor)
            page = billed_transactions(
                db, replace(filters or TransactionFilters(), bill=one), wanted
            )
            found += [row.id for row in page.data]
            assert {row.bill for row in page.data} <= {one}
            if (cursor := page.next_cursor) is None:
                return found


def test_each_transaction_is_in_one_state_and_each_can_be_listed(
    biller: Biller, station: Station
) -> None:
    known = {BillState.BILLED: charge(station), BillState.NOBODYS: charge(station, tag="Stranger")}
    known[BillState.FREE] = charge(station, 50)
    assert [state(biller, one) for one in known.values()] == [
        "to be billed",
        "nobody's",
        "to be billed",
    ]
    known[BillState.CHARGED] = charge(station, 1000)
    charged_to_wallet(biller, known[BillState.CHARGED], 30)
    assert state(biller, known[BillState.CHARGED]) == "charged"
    known[BillState.HELD_BACK] = station.start(5000, 1, "Card")
    biller.books.wait(HOUR)
    station.stop(known[BillState.HELD_BACK], 1_000_000)  # 995 kWh in an hour
    close(biller, 3)
    known[BillState.UNBILLED] = charge(station)
    known[BillState.OPEN] = station.start(1_010_000, 1, "Card")
    assert {one: state(biller, number) for one, number in known.items()} == {
        one: one.value for one in known
    }
    for one in BillState:
        assert listed(biller, one) == ([known[one]] if one in known else [])
    with reading(biller.books) as db:
        every = billed_transactions(db, TransactionFilters(), WantedPage())
    assert (every.total, {row.id: row.bill for row in every.data}) == (
        *(7, {number: one.value for one, number in known.items()}),
    )


def charged_to_wallet(biller: Biller, transaction: int, amount: int) -> None:
    biller.books.connection.execute(
        "INSERT INTO ledger (account_id, kind, amount, currency, tx_id, reason, entered_at, "
        "entered_by) "
        "VALUES (1, 'charge', ?, 'EUR', ?, 'session', ?, 'system')",
        (-amount, transaction, biller.books.at),
    )
    biller.books.book_anew()


def test_what_ended_before_billing_began_is_billed_elsewhere(
    books: Books, station: Station
) -> None:
    books.now = datetime(2026, 2, 28, 21, tzinfo=UTC)
    house = House(books)
    house.give(ANNA, "Card")
    before = charge(station)  # until 23:00 in Berlin
    across = charge(station)  # until 01:00
    biller = Biller(house, date(2026, 3, 1))
    assert (state(biller, before), state(biller, across)) == ("billed elsewhere", "to be billed")
    assert listed(biller, BillState.BILLED_ELSEWHERE) == [before]


def test_before_billing_began_nothing_is_billed_elsewhere(books: Books, station: Station) -> None:
    biller = Biller(House(books))
    transaction = charge(station, tag="Stranger")
    books.connection.execute("DELETE FROM billing")
    books.connection.execute("INSERT INTO to_book (tx_id) VALUES (?)", (transaction,))
    books.book_anew()
    assert state(biller, transaction) == "nobody's"


def test_one_that_moved_is_billed_until_another_statement_has_it(
    biller: Biller, station: Station
) -> None:
    transaction = charge(station)
    close(biller, 3)
    biller.house.give_by_hand(transaction, BEN)
    assert state(biller, transaction) == "billed"
    close(biller, 4)
    assert state(biller, transaction) == "billed"
    biller.house.take_back(transaction)
    assert state(biller, transaction) == "billed"


def test_the_newest_statement_counts(biller: Biller, station: Station) -> None:
    """Nothing is taken back from the statement of a free one without energy."""
    transaction = charge(station, 0)
    charge(station)
    close(biller, 3)
    assert state(biller, transaction) == "free"
    biller.house.give_by_hand(transaction, BEN)
    correct(biller.books, transaction, 4000)
    close(biller, 4)
    assert state(biller, transaction) == "billed"


def test_one_that_was_taken_back_is_nobodys(biller: Biller, station: Station) -> None:
    transaction = charge(station, tag="Stranger")
    biller.house.give_by_hand(transaction, ANNA)
    close(biller, 3)
    biller.house.take_back(transaction)
    assert state(biller, transaction) == "billed"
    close(biller, 4)
    assert state(biller, transaction) == "nobody's"
    assert listed(biller, BillState.NOBODYS) == [transaction]


@pytest.mark.parametrize("wh", [0, 50])
def test_one_that_was_corrected_to_almost_nothing_is_free(
    biller: Biller, station: Station, wh: int
) -> None:
    transaction = charge(station)
    close(biller, 3)
    correct(biller.books, transaction, wh)
    assert state(biller, transaction) == "billed"
    close(biller, 4)
    assert state(biller, transaction) == "free"


def test_a_wallet_has_paid_for_a_prepaid_position(biller: Biller, station: Station) -> None:
    transaction = charge(station)
    charged_to_wallet(biller, transaction, 120)
    close(biller, 3)
    assert state(biller, transaction) == "charged"


def test_pages_of_a_state_have_a_total_and_lead_on(biller: Biller, station: Station) -> None:
    found = [
        charge(station, tag=tag)
        for tag in ("Stranger", "Card", "Card", "Stranger", "Card", "Card", "Card")
    ]
    strangers = [found[3], found[0]]
    assert (
        listed(biller, BillState.NOBODYS) == listed(biller, BillState.NOBODYS, limit=1) == strangers
    )
    own = [found[6], found[5], found[4], found[2], found[1]]
    assert (
        listed(
            biller,
            BillState.UNBILLED,
            TransactionFilters(tag="Card", charger="CP-1", connector=1),
            limit=2,
        )
        == own
    )
    assert (
        listed(biller, BillState.OPEN)
        == listed(biller, BillState.UNBILLED, TransactionFilters(connector=2))
        == []
    )
    with reading(biller.books) as db:
        page = billed_transactions(
            db, TransactionFilters(bill=BillState.UNBILLED), WantedPage(page=2, limit=2)
        )
    assert ([one.id for one in page.data], page.total) == (own[2:4], 5)


def test_those_of_one_account(biller: Biller, station: Station) -> None:
    """Its tag, its space and by hand; in any state, and by any other filter."""
    of_anna = charge(station)
    strange = charge(station, tag="Stranger")
    biller.house.give_by_hand(strange, ANNA)
    of_ben = charge(station)  # of Anna's tag
    biller.house.give_by_hand(of_ben, BEN)

    def found(
        account: int, bill: BillState | None = None, filters: TransactionFilters | None = None
    ) -> list[int]:
        with reading(biller.books) as db:
            page = billed_transactions(
                db,
                replace(filters or TransactionFilters(), bill=bill, account=account),
                WantedPage(),
            )
        assert {row.account for row in page.data} <= {account}
        return [row.id for row in page.data]

    assert (found(ANNA), found(BEN), found(7)) == ([strange, of_anna], [of_ben], [])
    for state in BillState:
        assert found(ANNA, state) == ([strange, of_anna] if state is BillState.UNBILLED else [])
    for filters in (
        TransactionFilters(tag="Stranger"),
        TransactionFilters(tag="Stranger", charger="CP-1", connector=1, status="Completed"),
    ):
        assert found(ANNA, filters=filters) == [strange]
    for filters in (
        TransactionFilters(connector=2),
        TransactionFilters(status="Active"),
        TransactionFilters(review=True),
    ):
        assert found(ANNA, filters=filters) == []
