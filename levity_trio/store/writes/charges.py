"""What transactions cost prepaid accounts: reserved while that is not certain, then charged, once.

A transaction that was priced and has changed since is left alone: its change has a newer revision, so it comes again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from levity_trio.billing.ledger import Kind
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads.charges import Used
from levity_trio.store.wallets import is_on_closed_statement
from levity_trio.store.writes import ledger
from levity_trio.store.writes.commands import Message
from levity_trio.store.writes.ledger import Entry
from levity_trio.store.writes.wallets import assess
from levity_trio.wire.times import stamp

BY: Final = "wallet"
ASK_AGAIN: Final = timedelta(hours=1)
SECONDS: Final = len("2026-03-01T12:00:00")
"""Characters of a time up to its seconds, which are all that chargers tell."""
_REVISION: Final = "SELECT revision FROM bill_work WHERE tx_id = ?"
_PREPAID: Final = "SELECT prepaid_since FROM wallet WHERE account_id = ? AND prepaid_since IS NOT NULL"
_NET: Final = (
    "SELECT account_id, currency, sum(amount), sum(CASE kind WHEN 'charge' THEN amount ELSE 0 END) FROM ledger"
    " WHERE tx_id = ? AND kind IN ('charge', 'correction') GROUP BY account_id, currency"
)
_TO_STOP: Final = (
    "SELECT 1 FROM wallet_reservation JOIN wallet USING (account_id) JOIN tx ON tx.id = tx_id WHERE tx_id = ?1"
    " AND spent_since IS NOT NULL AND status = 'Active' AND coalesce(stop_asked_at, '') <= ?2"
)


def settle(db: UnitOfWork, found: Iterable[Used], at: str) -> None:
    """Reserve or charge what transactions cost; what belongs to another account now is given back."""
    for one in found:
        row = db.row(_REVISION, (one.transaction,))
        if (0 if row is None else row[0]) == one.revision:
            _settle(db, one, at)


def _settle(db: UnitOfWork, one: Used, at: str) -> None:
    if is_on_closed_statement(db.rows, one.transaction):
        _release(db, one, at)
        return
    nets = {account: (currency, net, charged) for account, currency, net, charged in db.rows(_NET, (one.transaction,))}
    for account, (currency, net, _) in nets.items():
        if account != one.account and net:
            words = f"transaction {one.transaction} belongs to another account now"
            ledger.enter(db, _entry(one, account, Kind.CORRECTION, -net, currency, words, at))
    if one.account is None or not _is_prepaid(db, one):
        _release(db, one, at)
    elif not one.is_certain:
        _reserve(db, one, one.account, at)
    else:
        _release(db, one, at, is_assessed=False)
        _charge(db, one, one.account, nets.get(one.account), at)
        assess(db, one.account, at)


def _is_prepaid(db: UnitOfWork, one: Used) -> bool:
    """Whether the account is prepaid, and was when the transaction ended: what ended before is left to a statement."""
    row = db.row(_PREPAID, (one.account,))
    return row is not None and (one.ended_at is None or one.ended_at >= row[0][:SECONDS])


def _charge(db: UnitOfWork, one: Used, account: int, before: tuple[str, int, int] | None, at: str) -> None:
    """Charge an account, once; if that was given back meanwhile, the same again."""
    words = f"transaction {one.transaction}"
    if before is None:
        if one.amount:
            ledger.enter(db, _entry(one, account, Kind.CHARGE, -one.amount, one.currency, words, at))
        return
    currency, net, charged = before
    if net == 0 and charged:
        words = f"{words} belongs to this account again"
        ledger.enter(db, _entry(one, account, Kind.CORRECTION, charged, currency, words, at))


def _entry(one: Used, account: int, kind: Kind, amount: int, currency: str, reason: str, at: str) -> Entry:
    return Entry(account, kind, amount, currency, reason, at, BY, transaction=one.transaction)


def _reserve(db: UnitOfWork, one: Used, account: int, at: str) -> None:
    """Reserve what a transaction has used; what cannot be priced keeps what was reserved for it."""
    kept = db.row("SELECT account_id, amount FROM wallet_reservation WHERE tx_id = ?", (one.transaction,))
    amount = max(0, one.amount) if one.amount is not None else 0 if kept is None else kept[1]
    if kept == (account, amount):
        return
    db.execute(
        "INSERT INTO wallet_reservation (tx_id, account_id, amount, reserved_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tx_id) DO UPDATE SET (account_id, amount, reserved_at) ="
        " (excluded.account_id, excluded.amount, excluded.reserved_at)",
        (one.transaction, account, amount, at),
    )
    for each in {account, account if kept is None else kept[0]}:
        assess(db, each, at)


def _release(db: UnitOfWork, one: Used, at: str, *, is_assessed: bool = True) -> None:
    rows = db.rows("DELETE FROM wallet_reservation WHERE tx_id = ? RETURNING account_id", (one.transaction,))
    for (account,) in rows:
        if is_assessed or account != one.account:
            assess(db, account, at)


def stop(db: UnitOfWork, transaction: int, now: datetime) -> tuple[Message | None, None]:
    """Decide whether to ask for the stop of a transaction whose account is spent; that is asked again after an hour."""
    if db.row(_TO_STOP, (transaction, stamp(now - ASK_AGAIN))) is None:
        return None, None
    db.execute("UPDATE wallet_reservation SET stop_asked_at = ? WHERE tx_id = ?", (stamp(now), transaction))
    return Message("RemoteStopTransaction", {"transactionId": transaction}), None
