"""How accounts stand, and which are spent, as stored. Only reads, so the writer and read-only connections share it."""

from __future__ import annotations

from typing import Final

from levity_trio.access.tags import Policy
from levity_trio.billing.ledger import Standing
from levity_trio.billing.ownership import BillBy, Charged, Span, decide
from levity_trio.store.connectors import Rows
from levity_trio.store.ownership import periods_of

SPENT_KEYS: Final = (
    "SELECT ownership.key FROM wallet INDEXED BY wallet_spent CROSS JOIN ownership USING (account_id)"
    " WHERE wallet.spent_since IS NOT NULL AND what = 'tag' AND voided_at IS NULL"
    " AND ownership.since <= ?1 AND coalesce(ownership.until, '9999') > ?1"
)
"""The normal forms of the tags that belong to a spent account at a time, the only parameter."""
OF_SPENT: Final = f"{SPENT_KEYS} AND ownership.key = ?2"
"""Whether a tag, by its normal form, belongs to a spent account: the time, and the tag."""
_ANY_SPENT: Final = "SELECT 1 FROM wallet INDEXED BY wallet_spent WHERE spent_since IS NOT NULL LIMIT 1"
_STANDING: Final = (
    "SELECT (SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = ?1),"
    " (SELECT coalesce(sum(amount), 0) FROM wallet_reservation WHERE account_id = ?1),"
    " (SELECT prepaid_since IS NOT NULL FROM wallet WHERE account_id = ?1),"
    " (SELECT limit_amount FROM wallet WHERE account_id = ?1)"
)
_CURRENCY: Final = (
    "SELECT currency FROM ledger WHERE id = (SELECT min(id) FROM ledger) UNION ALL SELECT currency FROM tariff"
    " WHERE EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = tariff.id AND withdrawn_at IS NULL)"
)
_CLOSED: Final = (
    "SELECT 1 FROM position JOIN statement ON statement.id = statement_id"
    " WHERE tx_id = ? AND number IS NOT NULL AND kind <> 'held back' LIMIT 1"
)


def standing_of(rows: Rows, account: int) -> Standing:
    """Return how an account stands; one without terms is postpaid."""
    ((balance, reserved, is_prepaid, limit),) = rows(_STANDING, (account,))
    return Standing(balance, reserved, bool(is_prepaid), limit or 0)


def is_prepaid(rows: Rows, account: int) -> bool:
    """Whether an account pays before it charges."""
    return bool(rows("SELECT 1 FROM wallet WHERE account_id = ? AND prepaid_since IS NOT NULL", (account,)))


def currency_of(rows: Rows) -> str | None:
    """Return the currency of the site: that of its ledger, else of its tariffs; None without any."""
    found = rows(_CURRENCY, ())
    return found[0][0] if found else None


def is_on_closed_statement(rows: Rows, transaction: int) -> bool:
    """Whether a closed statement bills a transaction; then wallets leave it alone."""
    return bool(rows(_CLOSED, (transaction,)))


def is_withheld(rows: Rows, policy: Policy, charged: Charged) -> bool:
    """Whether a start is Blocked: its tag belongs to a spent account, or the account that would pay for it is spent."""
    if not rows(_ANY_SPENT, ()):
        return False
    if charged.tag and rows(OF_SPENT, (charged.start, charged.tag)):
        return True
    bill_by = BillBy.CONNECTOR if policy.bills_connector_first else BillBy.TAG
    owner = decide(charged, None, bill_by, lambda thing: periods_of(rows, thing), lambda _: Span(""))
    return owner.account is not None and is_spent(rows, owner.account)


def is_spent(rows: Rows, account: int) -> bool:
    """Whether an account is prepaid and has nothing left."""
    return bool(rows("SELECT 1 FROM wallet WHERE account_id = ? AND spent_since IS NOT NULL", (account,)))
