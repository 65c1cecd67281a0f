"""Which statements are paid, what corrections take off, and that sums are conserved."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.settling import (
    BilledTotal,
    Money,
    Settlement,
    StatementAccount,
    allot,
    settle,
    taken_back,
)

BILLED = st.lists(
    st.tuples(
        st.integers(-9_999, 30_000),
        st.booleans(),
        st.booleans(),
        st.just(0) | st.integers(-9_999, 999),
    ),
    min_size=1,
    max_size=8,
)
AMOUNTS = st.integers(-20_000, 30_000).filter(bool)
MOVED = st.lists(st.tuples(AMOUNTS, st.none() | st.integers(1, 9)), max_size=12)


def statements_of(rows: list[tuple[int, bool, bool, int]]) -> list[BilledTotal]:
    """Return statements, of which some are of one closing; credits are always carried on."""
    statements: list[BilledTotal] = []
    closing = 1
    for number, (total, is_carried, is_next, correction) in enumerate(rows, 1):
        closing += is_next
        due_on = f"2026-01-{closing:02}"
        one = BilledTotal(due_on, number, closing, total, is_carried or total < 0, correction)
        statements.append(one)
    return statements


class Ledger:
    """The entries of a household's ledger, entered one after the other as the store enters them."""

    def __init__(self, statements: list[BilledTotal]) -> None:
        self.statements = statements
        self.balance = -sum(one.asked for one in statements)
        newest = max(one.closing for one in statements)
        self.balance -= sum(
            one.total for one in statements if one.is_carried and one.closing == newest
        )
        self.money: list[Money] = []
        self.settled: dict[int, dict[int, int]] = {}

    @property
    def settlement(self) -> Settlement:
        return settle(self.statements, self.balance, self.money)

    def enter(self, amount: int, statement: int | None = None, back: int | None = None) -> None:
        """Enter an amount; `back` is the place of the payment that comes back with it."""
        entry = Money(len(self.money), amount, statement)
        self.money.append(entry)
        self.balance += amount
        if amount < 0:
            first = {} if statement is None else {statement: -amount}
            if back is not None:
                first = self.settled[back]
            credit = self.settlement.credit
            for part in taken_back([*self.statements], credit, entry.id, first):
                self._store(part.entry, part.statement, part.amount)
        for part in [*allot(self.statements, self.balance, self.money)]:
            self._store(part.entry, part.statement, part.amount)

    def _store(self, entry: int, statement: int, amount: int) -> None:
        for place, one in enumerate(self.statements):
            if one.id == statement:
                self.statements[place] = one._replace(paid=one.paid + amount)
        before = self.money[entry]
        self.money[entry] = before._replace(settled=before.settled + amount)
        self.settled.setdefault(entry, {})[statement] = amount


@given(BILLED, MOVED)
def test_sums_are_conserved(
    rows: list[tuple[int, bool, bool, int]], money: list[tuple[int, int | None]]
) -> None:
    ledger = Ledger(statements_of(rows))
    for amount, statement in money:
        ledger.enter(amount, statement)
        found = ledger.settlement
        unpaid = sum(one.asked - one.paid for one in found.statements.values())
        assert ledger.balance == found.credit - found.carried - unpaid
        too_much = sum(max(0, -one.correction) for one in ledger.statements)
        assert found.owed == max(0, -ledger.balance - too_much - max(0, found.carried))
        for one in found.statements.values():
            assert 0 <= one.open <= one.asked
            assert one.credit >= 0
        # Nothing is to be paid while money is left over.
        assert found.credit <= 0 or not found.owed


class Step(NamedTuple):
    """An amount, the statement that it names, and the place of the payment that comes back."""

    amount: int
    statement: int | None = None
    back: int | None = None


@pytest.mark.parametrize(
    ("steps", "paid", "credit"),
    [
        pytest.param([], (0, 0), 0, id="nothing came"),
        pytest.param([Step(100)], (80, 20), 0, id="what is due longest comes first"),
        pytest.param([Step(60, 2)], (0, 60), 0, id="or the one that is named"),
        pytest.param([Step(60)], (0, 60), 0, id="or the one that has exactly this sum open"),
        pytest.param([Step(70, 2)], (10, 60), 0, id="more than the named one asks for"),
        pytest.param([Step(150)], (80, 60), 10, id="what is left over is a credit"),
        pytest.param([Step(80, 1), Step(-80, 1)], (0, 0), 0, id="a payment came back"),
        pytest.param(
            [Step(80, 1), Step(-80, back=0), Step(80)], (80, 0), 0, id="what was returned first"
        ),
        pytest.param(
            [Step(100), Step(40), Step(-100, back=0)], (0, 40), 0, id="just what it had settled"
        ),
        pytest.param([Step(140), Step(-60)], (80, 0), 0, id="of what names none, the newest"),
        pytest.param([Step(80, 1), Step(-20)], (60, 0), 0, id="even if it was named"),
        pytest.param([Step(80), Step(-60, 2)], (20, 0), 0, id="back from one that had nothing"),
        pytest.param([Step(-50)], (0, 0), -50, id="a debt beside all statements"),
    ],
)
def test_what_is_paid(steps: list[Step], paid: tuple[int, int], credit: int) -> None:
    statements = [
        BilledTotal("2026-01-15", 1, 1, 80, is_carried=False),
        BilledTotal("2026-02-15", 2, 2, 60, is_carried=False),
    ]
    ledger = Ledger(statements)
    for step in steps:
        ledger.enter(*step)
    assert (*(one.paid for one in ledger.statements), ledger.settlement.credit) == (*paid, credit)


def corrected(correction: int, paid: int) -> Settlement:
    """Return how two statements of 80 and 60 stand if the second is corrected."""
    statements = [
        BilledTotal("2026-01-15", 1, 1, 80, is_carried=False),
        BilledTotal("2026-02-15", 2, 2, 60, is_carried=False, correction=correction, paid=paid),
    ]
    return settle(statements, paid - 140, [])


def test_a_correction_takes_off_its_own_statement_first() -> None:
    assert [*corrected(-50, 0).statements.values()] == [
        StatementAccount(80, 0, 0, 0),
        StatementAccount(60, 0, 50, 0),
    ]
    # What was paid of it is a credit, which goes to what is due longest.
    assert [*corrected(-50, 60).statements.values()] == [
        StatementAccount(80, 0, 50, 0),
        StatementAccount(60, 60, 0, 0),
    ]
    assert corrected(-50, 60).owed == 30
    # What comes to more is asked for by the next paper.
    assert corrected(50, 0).owed == 140


def test_a_credit_that_nothing_needs_comes_with_the_next_statement() -> None:
    one = BilledTotal("2026-01-15", 1, 1, 80, is_carried=False, correction=-50, paid=80)
    assert settle([one], 0, []).to_come == 50
    carried = BilledTotal("2026-01-15", 1, 1, -50, is_carried=True)
    assert settle([carried], 50, []).to_come == 50


def test_what_is_carried_on_is_not_asked_for() -> None:
    small = BilledTotal("2026-01-15", 1, 1, 120, is_carried=True)
    assert settle([small], -120, [])[1:] == (0, 120, 0)
    assert settle([small], 0, [Money(1, 120, 1)])[1:] == (0, 0, 0)
    # The next statement has carried it in; money that named the small one settles nothing else.
    later = BilledTotal("2026-02-15", 2, 2, 1_000, is_carried=False)
    assert [*allot([small, later], -1_000, [Money(1, 120, 1)])] == []
