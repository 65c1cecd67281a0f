"""The terms of accounts, and whether a prepaid one is spent: that is judged in the write that changes what it has."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.billing.ledger import LARGEST, Terms
from levity_trio.events import WalletCovered, WalletSpent, WalletTermsChanged
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.wallets import standing_of
from levity_trio.store.writes.accounts import Code, Refused, find

_SET: Final = (
    "INSERT INTO wallet (account_id, limit_amount, prepaid_since) VALUES (?, ?, ?) ON CONFLICT (account_id)"
    " DO UPDATE SET limit_amount = excluded.limit_amount, prepaid_since = excluded.prepaid_since, spent_since ="
    " CASE WHEN excluded.prepaid_since IS NULL THEN NULL ELSE wallet.spent_since END"
)


class NewTerms(NamedTuple):
    """How an account is to pay from now on, who says so and why. `limit` is in minor units."""

    terms: Terms
    limit: int
    reason: str
    at: str
    by: str


def set_terms(db: UnitOfWork, account: int, new: NewTerms) -> bool:
    """Make an account prepaid or postpaid, or change its limit; return whether that was news. Raises Refused."""
    find(db, account)
    if abs(new.limit) > LARGEST:
        raise Refused(Code.INVALID, f"it is beyond {LARGEST} minor units", "limit")
    before = db.row("SELECT limit_amount, prepaid_since FROM wallet WHERE account_id = ?", (account,)) or (0, None)
    limit, prepaid_since = before
    since = None if new.terms is Terms.POSTPAID else prepaid_since or new.at
    if (limit, prepaid_since) == (new.limit, since):
        return False
    db.execute(
        "INSERT INTO wallet_terms (account_id, kind, limit_amount, since, set_by, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (account, new.terms, new.limit, new.at, new.by, new.reason),
    )
    was_spent = _is_spent(db, account)
    db.execute(_SET, (account, new.limit, since))
    db.record(WalletTermsChanged(charger=None, at=new.at, account=account, terms=new.terms, by=new.by))
    if since is None:
        db.execute("DELETE FROM wallet_reservation WHERE account_id = ?", (account,))
        if was_spent:
            db.record(WalletCovered(charger=None, at=new.at, account=account))
    assess(db, account, new.at)
    return True


def assess(db: UnitOfWork, account: int, at: str) -> None:
    """Note whether a prepaid account is spent, after what it has or has used changed; both turns are facts."""
    row = db.row("SELECT spent_since FROM wallet WHERE account_id = ? AND prepaid_since IS NOT NULL", (account,))
    if row is None:
        return
    was_spent, is_spent = row[0] is not None, standing_of(db.rows, account).is_spent
    if was_spent == is_spent:
        return
    db.execute("UPDATE wallet SET spent_since = ? WHERE account_id = ?", (at if is_spent else None, account))
    kind = WalletSpent if is_spent else WalletCovered
    db.record(kind(charger=None, at=at, account=account))


def _is_spent(db: UnitOfWork, account: int) -> bool:
    return db.row("SELECT 1 FROM wallet WHERE account_id = ? AND spent_since IS NOT NULL", (account,)) is not None
