"""Why an amount is not entered in a ledger: in the money of the site."""

from __future__ import annotations

from levity_trio.billing.ledger import LARGEST, LedgerKind, objection, refund_objection
from levity_trio.billing.money import CURRENCIES

EUR, JPY = CURRENCIES["EUR"], CURRENCIES["JPY"]


def test_a_refund_beyond_the_balance_names_the_balance_as_money() -> None:
    assert refund_objection(-10_000, 1000, EUR) == "only 10.00 EUR is in its favour"
    assert refund_objection(-10_000, 1000, JPY) == "only 1000 JPY is in its favour"
    assert refund_objection(-1, -68, EUR) == "nothing is in its favour"
    assert refund_objection(-1000, 1000, EUR) is None


def test_an_amount_beyond_all_measure_is_named_as_money() -> None:
    assert objection(LedgerKind.TOP_UP, LARGEST + 1, EUR) == f"it is beyond {LARGEST / 100:.2f} EUR"
    assert objection(LedgerKind.TOP_UP, LARGEST, EUR) is None
