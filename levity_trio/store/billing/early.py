"""What statements that accounts got before their month was closed are corrected by, as everything stands now."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from levity_trio.billing.months import Month
from levity_trio.store.billing.drafting import Drafter
from levity_trio.store.billing.due import Plan, Terms, newest_revision
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.connectors import Rows

_EARLY: Final = (
    "SELECT statement.account_id, statement.month, tx_id FROM statement"
    " CROSS JOIN closing ON closing.id = closing_id CROSS JOIN position ON statement_id = statement.id"
    " WHERE statement.month >= ? AND number IS NOT NULL AND closing.account_id IS NOT NULL"
)


def corrections(rows: Rows, rule: Rule) -> dict[int, int]:
    """Return by how much the closed statements of months that are still open would be corrected, by their numbers.

    Amounts are in minor units, tax included.
    """
    known = begun(rows)
    if known is None:
        return {}
    sums: dict[int, int] = defaultdict(int)
    for (account, month), transactions in _billed(rows, known).items():
        plan = Plan(known, Month.parse(month), account, Terms(rule, 0), "", newest_revision(rows))
        for statement, amount in Drafter(rows, plan).corrections(account, transactions):
            sums[statement] += amount
    return dict(sums)


def _billed(rows: Rows, known: Begun) -> dict[tuple[int, str], list[int]]:
    """Return the transactions on the statements that were closed early, by account and month."""
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    for account, month, transaction in rows(_EARLY, (str(known.open_month),)):
        found[account, month] |= set() if transaction is None else {transaction}
    return {key: sorted(transactions) for key, transactions in found.items()}
