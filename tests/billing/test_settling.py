"""Which statements are paid: sums are conserved, and in which order money came does not matter."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.settling import BilledTotal, Moved, Settlement, settle

BILLED = st.lists(
    st.tuples(st.integers(-9_999, 30_000), st.booleans(), st.booleans()), min_size=1, max_size=8
)
AMOUNTS = st.integers(-20_000, 30_000).filter(bool)
MOVED = st.lists(st.tuples(AMOUNTS, st.none() | st.integers(1, 9)), max_size=12)


def statements_of(rows: list[tuple[int, bool, bool]]) -> list[BilledTotal]:
    """Return statements, of which some are of one closing; credits are always carried on."""
    statements: list[BilledTotal] = []
    closing = 1
    for number, (total, is_carried, is_next) in enumerate(rows, 1):
        closing += is_next
        statements.append(BilledTotal(number, closing, total, is_carried or total < 0))
    return statements


def own(statements: list[BilledTotal]) -> list[Moved]:
    """Return what statements enter in the ledger: their totals less what they carried in."""
    entries: list[Moved] = []
    carried, before = 0, 0
    for closing in sorted({one.closing for one in statements}):
        of_closing = [one for one in statements if one.closing == closing]
        carried, before = 0, carried
        for one in of_closing:
            entries.append(Moved(-(one.total - before)))
            before = 0
            carried += one.total if one.is_carried else 0
    return entries


@given(BILLED, MOVED, st.integers(0, 99))
def test_sums_are_conserved_in_any_order(
    rows: list[tuple[int, bool, bool]], money: list[tuple[int, int | None]], seed: int
) -> None:
    statements = statements_of(rows)
    entries = [*own(statements), *(Moved(*one) for one in money)]
    settled = settle(statements, entries)
    opens = {one.id: one.asked - settled.paid[one.id] for one in statements if one.asked}
    assert all(0 <= opens[one.id] <= one.asked for one in statements if one.asked)
    balance = sum(one.amount for one in entries)
    assert balance == settled.credit - settled.carried - sum(opens.values())
    # Nothing is open while something is left over.
    assert settled.credit <= 0 or not any(opens.values())
    Random(seed).shuffle(entries)
    assert settle(statements, entries) == settled


def settled(*moved: tuple[int, int | None]) -> Settlement:
    """Return what is paid of two statements of 80 and 60."""
    statements = [BilledTotal(1, 1, 80, False), BilledTotal(2, 2, 60, False)]
    return settle(statements, [Moved(-80), Moved(-60), *(Moved(*one) for one in moved)])


@pytest.mark.parametrize(
    ("moved", "paid", "credit"),
    [
        pytest.param([], (0, 0), 0, id="nothing came"),
        pytest.param([(100, None)], (80, 20), 0, id="the oldest comes first"),
        pytest.param([(60, 2)], (0, 60), 0, id="or the one that is named"),
        pytest.param([(70, 2)], (10, 60), 0, id="more than the named one asks for"),
        pytest.param([(150, None)], (80, 60), 10, id="what is left over is a credit"),
        pytest.param([(80, 1), (-80, 1)], (0, 0), 0, id="a payment came back"),
        pytest.param(
            [(80, None), (60, None), (-80, 1)], (0, 60), 0, id="it opens its own statement"
        ),
        pytest.param([(140, None), (-80, 1), (80, None)], (80, 60), 0, id="and was paid again"),
        pytest.param([(140, None), (-60, None)], (80, 0), 0, id="of what names none, the newest"),
        pytest.param([(80, 1), (-20, None)], (80, 0), -20, id="a debt beside all statements"),
        pytest.param([(80, None), (-60, 2)], (20, 0), 0, id="back from one that had nothing"),
        pytest.param([(200, None), (-50, None)], (80, 60), 10, id="a credit was paid out"),
    ],
)
def test_what_is_paid(
    moved: list[tuple[int, int | None]], paid: tuple[int, int], credit: int
) -> None:
    found = settled(*moved)
    assert ((found.paid[1], found.paid[2]), found.credit) == (paid, credit)


def test_what_is_carried_on_is_not_asked_for() -> None:
    small, credit = BilledTotal(1, 1, 120, True), BilledTotal(1, 1, -500, True)
    assert settle([small], [Moved(-120)]) == Settlement({}, 0, 120)
    assert settle([small], [Moved(-120), Moved(120, 1)]) == Settlement({}, 0, 0)
    assert settle([credit], [Moved(500), Moved(-200, 1)]) == Settlement({}, 0, -300)
    # The next statement has carried it in; a payment that names the small one is for that.
    later = BilledTotal(2, 2, 1_120, False)
    entries = [Moved(-120), Moved(-1_000), Moved(120, 1)]
    assert settle([small, later], entries) == Settlement({2: 120}, 0, 0)
