"""How accounts stand, and which are spent, as stored.

Only reads, so the writer and read-only connections share it.
"""

from __future__ import annotations

from typing import Final

from levity_trio.billing.ledger import WalletStanding
from levity_trio.store.engine.database import Rows

_STANDING: Final = (
    "SELECT (SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = ?1),"
    " (SELECT coalesce(sum(amount), 0) FROM wallet_reservation WHERE account_id = ?1),"
    " (SELECT prepaid_since IS NOT NULL FROM wallet WHERE account_id = ?1),"
    " (SELECT limit_amount FROM wallet WHERE account_id = ?1)"
)
_CURRENCY: Final = (
    "SELECT currency FROM ledger "
    "WHERE id = (SELECT min(id) FROM ledger) UNION ALL "
    "SELECT currency FROM tariff "
    "WHERE EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = tariff.id "
    "AND withdrawn_at IS NULL)"
)
_CLOSED: Final = (
    "SELECT 1 FROM position JOIN statement ON statement.id = statement_id"
    " WHERE tx_id = ? AND number IS NOT NULL AND kind <> 'held back' LIMIT 1"
)


def name_of(rows: Rows, account: int) -> str:
    """Return what people call an account; its number if it is not known."""
    found = rows("SELECT name FROM account WHERE id = ?", (account,))
    return str(found[0][0] if found else account)


def standing_of(rows: Rows, account: int) -> WalletStanding:
    """Return how an account stands; one without terms is postpaid."""
    ((balance, reserved, is_prepaid, limit),) = rows(_STANDING, (account,))
    return WalletStanding(balance, reserved, bool(is_prepaid), limit or 0)


def is_prepaid(rows: Rows, account: int) -> bool:
    """Whether an account pays before it charges."""
    return bool(
        rows("SELECT 1 FROM wallet WHERE account_id = ? AND prepaid_since IS NOT NULL", (account,))
    )


def currency_of(rows: Rows) -> str | None:
    """Return the currency of the site: that of its ledger, else of its tariffs; None without
    any."""
    found = rows(_CURRENCY, ())
    return found[0][0] if found else None


def is_on_closed_statement(rows: Rows, transaction: int) -> bool:
    """Whether a closed statement bills a transaction; then wallets leave it alone."""
    return bool(rows(_CLOSED, (transaction,)))


def is_spent(rows: Rows, account: int) -> bool:
    """Whether an account is prepaid and has nothing left."""
    return bool(
        rows("SELECT 1 FROM wallet WHERE account_id = ? AND spent_since IS NOT NULL", (account,))
    )
