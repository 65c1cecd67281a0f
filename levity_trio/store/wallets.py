"""How accounts stand, which are spent, and who may charge nowhere at present, as stored.

Only reads, so the writer and read-only connections share it.
"""

from __future__ import annotations

from typing import Final

from levity_trio.access.places import ACCOUNT, TAG, Reason
from levity_trio.access.tags import Policy
from levity_trio.billing.ledger import Standing
from levity_trio.billing.ownership import BillBy, Charged, Span, Thing, What, decide
from levity_trio.store.connectors import Rows
from levity_trio.store.ownership import periods_of

_IS_OWNED: Final = (
    "ownership.what = 'tag' AND voided_at IS NULL AND ownership.since <= ?1 AND coalesce(ownership.until, '9999') > ?1"
)
_OF_SPENT: Final = (
    "SELECT ownership.key FROM wallet INDEXED BY wallet_spent CROSS JOIN ownership USING (account_id)"  # noqa: S608
    f" WHERE wallet.spent_since IS NOT NULL AND {_IS_OWNED}"
)
_REACHED: Final = "FROM month_standing INDEXED BY month_standing_reached"
_IS_REACHED: Final = "reached_at IS NOT NULL AND month_standing.until > ?1"
WITHHELD_KEYS: Final = (
    f"{_OF_SPENT} UNION ALL SELECT month_standing.key {_REACHED} WHERE month_standing.what = 'tag' AND {_IS_REACHED}"
    f" UNION ALL SELECT ownership.key {_REACHED} CROSS JOIN ownership"
    f" ON ownership.account_id = CAST(month_standing.key AS INTEGER) WHERE month_standing.what = 'account'"
    f" AND {_IS_REACHED} AND {_IS_OWNED}"
)
"""The normal forms of the tags that may not charge at a time, the only parameter: they belong to a spent account, or a
limit of the month is reached."""
_ANY: Final = (
    "SELECT 1 FROM wallet INDEXED BY wallet_spent WHERE spent_since IS NOT NULL UNION ALL"  # noqa: S608
    f" SELECT 1 {_REACHED} WHERE reached_at IS NOT NULL LIMIT 1"
)
_HAS_REACHED: Final = f"SELECT 1 {_REACHED} WHERE what = ?2 AND key = ?3 AND {_IS_REACHED}"
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


def withheld(rows: Rows, policy: Policy, charged: Charged) -> Reason | None:
    """Return why a start is Blocked: its tag belongs to a spent account, the account that would pay for it is spent, or
    a limit of the month of one of them is reached."""
    if not rows(_ANY, ()):
        return None
    if charged.tag and (reason := withheld_tag(rows, charged.tag, charged.start)) is not None:
        return reason
    bill_by = BillBy.CONNECTOR if policy.bills_connector_first else BillBy.TAG
    owner = decide(charged, None, bill_by, lambda thing: periods_of(rows, thing), lambda _: Span(""))
    return None if owner.account is None else _of_account(rows, owner.account, charged.start)


def withheld_tag(rows: Rows, key: str, at: str) -> Reason | None:
    """Return why a tag, by its normal form, may charge nowhere at a time."""
    if not rows(_ANY, ()):
        return None
    if rows(_HAS_REACHED, (at, TAG, key)):
        return Reason.MONTH
    found = (
        _of_account(rows, one.account, at) for one in periods_of(rows, Thing(What.TAG, key)) if one.span.covers(at)
    )
    return next(found, None)


def _of_account(rows: Rows, account: int, at: str) -> Reason | None:
    if is_spent(rows, account):
        return Reason.SPENT
    return Reason.MONTH if rows(_HAS_REACHED, (at, ACCOUNT, str(account))) else None


def is_spent(rows: Rows, account: int) -> bool:
    """Whether an account is prepaid and has nothing left."""
    return bool(rows("SELECT 1 FROM wallet WHERE account_id = ? AND spent_since IS NOT NULL", (account,)))
