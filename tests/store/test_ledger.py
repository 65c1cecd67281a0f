"""The ledger: what may be entered, what is entered once, and that a balance is the sum of its
entries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.ledger import LARGEST, LedgerKind
from levity_trio.events import WalletEntered
from levity_trio.store.reads.money.statements import StatementFilters, closed_statements
from levity_trio.store.reads.money.wallets import WalletFilters, entries, wallet
from levity_trio.store.reads.money.wallets import wallets as wallets_of
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.writes.money.ledger import enter, statement_with
from levity_trio.store.writes.people.accounts import ChangeRefused
from tests.store.books import Books, Station, in_memory
from tests.store.reading import reading
from tests.store.wallets import ANNA, BEN, Purses

NOT_CLOSED: dict[str, Any] = dict.fromkeys(
    ("closing_id", "number", "printed_number", "party_digest", "previous_digest", "digest")
)


@pytest.fixture
def purses(books: Books) -> Purses:
    return Purses(books)


def refused(purses: Purses, kind: LedgerKind, amount: int, **given: Any) -> tuple[str, str]:
    before = purses.books.count("ledger")
    with pytest.raises(ChangeRefused) as caught:
        purses.enter(kind, amount, **given)
    assert purses.books.count("ledger") == before
    return caught.value.code, caught.value.field


@pytest.mark.parametrize(
    ("kind", "amount"),
    [
        *((kind, 0) for kind in LedgerKind if kind is not LedgerKind.STATEMENT),
        *((kind, -1) for kind in (LedgerKind.PAYMENT, LedgerKind.TOP_UP)),
        *((kind, 1) for kind in (LedgerKind.REFUND, LedgerKind.CHARGEBACK, LedgerKind.CHARGE)),
        *(
            (kind, LARGEST + 1)
            for kind in (LedgerKind.PAYMENT, LedgerKind.CORRECTION, LedgerKind.STATEMENT)
        ),
        (LedgerKind.CHARGEBACK, -LARGEST - 1),
        (LedgerKind.TOP_UP, 10**30),
    ],
)
def test_an_amount_that_a_kind_cannot_have(purses: Purses, kind: LedgerKind, amount: int) -> None:
    assert refused(purses, kind, amount) == ("invalid", "amount")


def test_one_currency(purses: Purses) -> None:
    assert refused(purses, LedgerKind.PAYMENT, 5, currency="XYZ") == ("invalid", "currency")
    purses.enter(LedgerKind.PAYMENT, 5, BEN)
    assert refused(purses, LedgerKind.PAYMENT, 5, currency="CHF") == ("conflict", "currency")


def test_what_does_not_exist(purses: Purses) -> None:
    assert refused(purses, LedgerKind.PAYMENT, 5, account=7) == ("not_found", "account")
    assert refused(purses, LedgerKind.STATEMENT, -5, statement=1) == ("not_found", "statement")
    assert refused(purses, LedgerKind.STATEMENT, -5) == ("invalid", "statement")
    assert refused(purses, LedgerKind.STATEMENT, -5, statement=purses.statement(5, BEN)) == (
        "not_found",
        "statement",
    )
    assert refused(purses, LedgerKind.CHARGE, -5, transaction=1) == ("not_found", "transaction")


def test_a_closed_account_still_pays(purses: Purses) -> None:
    """Its last statement is paid after the move-out, and money that came in is in its favour."""
    purses.books.connection.execute("UPDATE account SET until = '2026-02-01' WHERE id = ?", (ANNA,))
    purses.enter(LedgerKind.TOP_UP, 5)
    assert purses.standing().balance == 5


def test_an_entry_with_an_id_is_made_once(purses: Purses) -> None:
    first = purses.enter(LedgerKind.TOP_UP, 500, service_id="pay/1")
    assert first.is_new
    purses.books.wait(6)
    assert purses.enter(LedgerKind.TOP_UP, 500, service_id="pay/1", by="dora") == (first.id, False)
    for other in (
        purses.entry(LedgerKind.TOP_UP, 501),
        purses.entry(LedgerKind.TOP_UP, 500, BEN),
        purses.entry(LedgerKind.PAYMENT, 500),
        purses.entry(LedgerKind.TOP_UP, 500, currency="CHF"),
    ):
        with pytest.raises(ChangeRefused) as caught:
            purses.books.run(enter, other._replace(service_id="pay/1"))
        assert (caught.value.code, caught.value.field) == ("conflict", "id")
    assert purses.standing().balance == 500
    assert [fact.entry for fact in purses.books.recorded(WalletEntered)] == [first.id]


def test_a_refund_of_a_carried_credit_is_at_most_that_credit(purses: Purses) -> None:
    debit, credit = purses.statement(500), purses.statement(-500)
    draft = purses.statement(-500, **NOT_CLOSED)
    assert refused(purses, LedgerKind.REFUND, -1, statement=draft) == ("conflict", "statement")
    assert refused(purses, LedgerKind.REFUND, -501, statement=credit) == ("conflict", "amount")
    assert refused(purses, LedgerKind.REFUND, -1, statement=debit) == ("conflict", "statement")
    purses.enter(LedgerKind.REFUND, -200, statement=credit)
    assert refused(purses, LedgerKind.REFUND, -301, statement=credit) == ("conflict", "amount")
    purses.enter(LedgerKind.REFUND, -300, statement=credit)
    assert refused(purses, LedgerKind.REFUND, -1, statement=credit) == ("conflict", "amount")
    purses.statement(100)
    assert refused(purses, LedgerKind.REFUND, -1, statement=credit) == ("conflict", "statement")


def standing(purses: Purses) -> list[tuple[int, str, int]]:
    """Return the number, state and open amount of each statement of Anna on the first of May."""
    with reading(purses.books) as db:
        filters = StatementFilters(today="2026-05-01", account=ANNA)
        found = closed_statements(db, filters, WantedPage()).data
    return [(one.number, one.state, one.open) for one in found[::-1]]


def test_a_payment_that_came_back_opens_the_statement_that_it_named(purses: Purses) -> None:
    statements = [purses.statement(total) for total in (8000, 6000)]
    for number, total in zip(statements, (8000, 6000), strict=True):
        purses.enter(LedgerKind.STATEMENT, -total, statement=number)
    purses.enter(LedgerKind.PAYMENT, 8000)
    purses.enter(LedgerKind.PAYMENT, 6000, statement=statements[1])
    assert standing(purses) == [(1, "paid", 0), (2, "paid", 0)]
    for _ in range(2):  # the second is the first one again
        purses.enter(LedgerKind.CHARGEBACK, -6000, service_id="bank/1")
    assert standing(purses) == [(1, "paid", 0), (2, "overdue", 6000)]
    purses.enter(LedgerKind.CHARGEBACK, -8000)
    purses.enter(LedgerKind.PAYMENT, 100)
    assert standing(purses) == [(1, "overdue", 7900), (2, "overdue", 6000)]


def test_a_refund_is_at_most_the_balance(purses: Purses) -> None:
    purses.enter(LedgerKind.TOP_UP, 500)
    assert refused(purses, LedgerKind.REFUND, -501) == ("conflict", "amount")
    purses.enter(LedgerKind.CHARGEBACK, -600)  # the bank does not ask
    assert refused(purses, LedgerKind.REFUND, -1) == ("conflict", "amount")
    assert purses.standing().balance == -100


def test_a_transaction_on_a_closed_statement_is_never_charged(
    purses: Purses, station: Station
) -> None:
    transaction = station.start()
    purses.enter(LedgerKind.CHARGE, -5, transaction=transaction)
    assert refused(purses, LedgerKind.CHARGE, -5, transaction=transaction) == (
        "conflict",
        "transaction",
    )
    station.stop(transaction)
    other, add = station.start(connector=2), purses.books.connection.execute
    number = purses.statement(5, **NOT_CLOSED)
    of_position = "statement_id, account_id, kind, tx_id, energy_wh, is_prepaid, lines, amount"
    add(
        f"INSERT INTO position ({of_position}) VALUES (?, 1, 'session', ?, 0, 0, '[]', 5)",
        (number, other),
    )
    values = "closing_id = 1, number = 9, printed_number = '9', "
    values += "party_digest = '', previous_digest = '', digest = 'd'"
    add(f"UPDATE statement SET {values} WHERE id = ?", (number,))
    assert refused(purses, LedgerKind.CHARGE, -5, transaction=other) == ("conflict", "transaction")


def test_balances_and_entries_page_by_page(purses: Purses) -> None:
    for amount in range(1, 8):
        purses.enter(LedgerKind.PAYMENT, amount)
    purses.enter(LedgerKind.CORRECTION, -100, BEN)
    with reading(purses.books) as db:
        newest = entries(db, ANNA, None, WantedPage(limit=3))
        rest = entries(db, ANNA, "payment", WantedPage(limit=50, cursor=newest.next_cursor))
        every = wallets_of(db, WalletFilters(), WantedPage())
        assert wallet(db, 7) is None
    assert [one.amount for one in (*newest.data, *rest.data)] == [7, 6, 5, 4, 3, 2, 1]
    assert (newest.total, {one.account for one in rest.data}) == (7, {ANNA})
    assert [(one.name, one.balance, one.available, one.terms) for one in every.data] == [
        ("Anna", 28, 28, "postpaid"),
        ("Ben", -100, -100, "postpaid"),
    ]


KINDS = st.sampled_from(
    [
        LedgerKind.PAYMENT,
        LedgerKind.TOP_UP,
        LedgerKind.REFUND,
        LedgerKind.CHARGEBACK,
        LedgerKind.CORRECTION,
    ]
)
TRIES = st.lists(
    st.tuples(KINDS, st.integers(-50, 50), st.sampled_from([None, "a", "b", "c"])), max_size=30
)


@given(TRIES)
def test_the_balance_is_that_of_a_model_of_ten_lines(
    tries: list[tuple[LedgerKind, int, str | None]],
) -> None:
    purses, balance, known = Purses(Books(in_memory())), 0, dict[str, tuple[LedgerKind, int]]()
    for kind, amount, service_id in tries:
        is_plus, is_minus = (
            kind in (LedgerKind.PAYMENT, LedgerKind.TOP_UP),
            kind in (LedgerKind.REFUND, LedgerKind.CHARGEBACK),
        )
        is_allowed = amount != 0 and not (is_plus and amount < 0) and not (is_minus and amount > 0)
        is_allowed = is_allowed and not (kind is LedgerKind.REFUND and -amount > balance)
        if service_id in known:
            is_allowed = known[service_id] == (kind, amount)
        elif is_allowed:
            balance += amount
            known |= {service_id: (kind, amount)} if service_id else {}
        try:
            purses.enter(kind, amount, service_id=service_id)
            assert is_allowed
        except ChangeRefused:
            assert not is_allowed
    assert purses.standing().balance == balance


def test_a_statement_is_named_by_the_number_on_its_paper(purses: Purses) -> None:
    """Its id is another number, which may be that of somebody else's statement."""
    foreign = purses.statement(-500, BEN, number=7)
    own = purses.statement(-400, number=9)
    purses.enter(LedgerKind.REFUND, -100, statement=own)
    with reading(purses.books) as db:
        (entry,) = entries(db, ANNA, None, WantedPage()).data
    assert (entry.statement, entry.statement == own) == (9, False)
    assert purses.books.run(statement_with, ANNA, 9) == own
    for wrong in (own, foreign, 7):
        with pytest.raises(ChangeRefused, match=f"household Anna has no statement {wrong}"):
            purses.books.run(statement_with, ANNA, wrong)
