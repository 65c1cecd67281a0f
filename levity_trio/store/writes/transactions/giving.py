"""Transactions that an operator gives to an account by hand. That goes before their tag and their connector."""

from __future__ import annotations

from levity_trio.charging.lifecycle import Cause
from levity_trio.events import TransactionGiven
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.transactions.deciding import Decision, DecisionRefused, Problem, check, enter, find


def give(db: UnitOfWork, transaction: int, account: int, decision: Decision) -> None:
    """Give a transaction to an account. A repetition changes nothing. Raises DecisionRefused."""
    tx, before = find(db, transaction), _account(db, transaction)
    if before == account:
        return
    if db.row("SELECT 1 FROM account WHERE id = ?", (account,)) is None:
        raise DecisionRefused(Problem.NOT_FOUND, f"there is no account {account}", "account")
    check(db, tx, decision, Cause.GIVEN)
    enter(db, tx, decision, Cause.GIVEN, {"account": account, "before": before})
    db.execute(
        "INSERT INTO tx_account (tx_id, account_id, given_at, given_by, reason) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (tx_id) DO UPDATE SET account_id = excluded.account_id, given_at = excluded.given_at,"
        " given_by = excluded.given_by, reason = excluded.reason",
        (transaction, account, decision.at, decision.by, decision.reason),
    )
    _record(db, tx.charger, transaction, account, decision)


def take_back(db: UnitOfWork, transaction: int, decision: Decision) -> None:
    """Take a transaction back, so that its tag and its connector decide again. Raises DecisionRefused."""
    tx, before = find(db, transaction), _account(db, transaction)
    if before is None:
        raise DecisionRefused(Problem.WRONG_STATE, f"transaction {transaction} was not given to an account by hand")
    check(db, tx, decision, Cause.TAKEN_BACK)
    enter(db, tx, decision, Cause.TAKEN_BACK, {"account": None, "before": before})
    db.execute("DELETE FROM tx_account WHERE tx_id = ?", (transaction,))
    _record(db, tx.charger, transaction, None, decision)


def _account(db: UnitOfWork, transaction: int) -> int | None:
    row = db.row("SELECT account_id FROM tx_account WHERE tx_id = ?", (transaction,))
    return None if row is None else int(row[0])


def _record(db: UnitOfWork, charger: str, transaction: int, account: int | None, decision: Decision) -> None:
    db.record(
        TransactionGiven(charger=charger, at=decision.at, transaction=transaction, account=account, by=decision.by)
    )
