"""What an operator decides about a transaction: confirm its figure, close it, dismiss a review.

Each decision adds a row of `tx_event` with the operator's name and reason and with what stood before; the life cycle
says in which states it is possible. After a confirmation or a correction, later facts no longer change the figure; they
open a new review (rules.md, Energy). A repeated decision changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.lifecycle import Cause, State
from levity_trio.charging.reviews import DISMISSIBLE
from levity_trio.events import ReviewDismissed, TransactionConfirmed
from levity_trio.store.settled import DISMISSED, settled_by
from levity_trio.store.transaction import Known, by_our_clock
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import closing, habits
from levity_trio.store.writes.transactions.closing import OTHER, Closing
from levity_trio.store.writes.transactions.corrections import Correction, correct
from levity_trio.store.writes.transactions.deciding import (
    Decision,
    DecisionRefused,
    Problem,
    before,
    check,
    enter,
    find,
    settle,
)
from levity_trio.store.writes.transactions.judging import tell_neighbours
from levity_trio.store.writes.transactions.reviews import CONFIRMED, resolve
from levity_trio.store.writes.transactions.states import load, state


def confirm(db: UnitOfWork, transaction: int, decision: Decision) -> Known:
    """Make the present figure certain and resolve all its open reviews; return the transaction.

    Raises DecisionRefused.
    """
    tx = find(db, transaction)
    settler = settled_by(db.rows, tx.id)
    if tx.confidence == CERTAIN and tx.review is None and settler is not None:
        _check_figure(db, tx, decision)
        return tx
    check(db, tx, decision, Cause.CONFIRMED)
    enter(db, tx, decision, Cause.CONFIRMED, {"before": before(tx)})
    codes = settle(db, tx, decision, CONFIRMED)
    if settler is None:
        habits.learn_confirmed(db, tx, decision.at)
    settle_it = "UPDATE tx SET confidence = ?, is_clock_unsure = 0, updated_at = ? WHERE id = ?"
    db.execute(settle_it, (CERTAIN, decision.at, tx.id))
    told = {"by": decision.by, "reason": decision.reason}
    db.record(TransactionConfirmed(**tx.about(decision.at), energy_wh=tx.energy_delivered or 0, reviews=codes, **told))
    tell_neighbours(db, Origin(tx.charger, None, decision.at), tx, tx.id)
    return load(db, tx.id)


def close(
    db: UnitOfWork,
    transaction: int,
    decision: Decision,
    stop_time: str | None = None,
    meter_stop: int | None = None,
) -> Known:
    """Close an open transaction with the energy that its readings show; return it. Its charger's own stop still wins.

    `meter_stop`, the register in Wh at its end, makes this a correction, too. Raises DecisionRefused.
    """
    tx = find(db, transaction)
    if not _is_closed_by(db, tx, decision):
        check(db, tx, decision, Cause.OPERATOR)
        _check_stop_time(tx, stop_time, decision.at)
        ending = Closing(Cause.OPERATOR, OTHER, decision.reason, stop_time or decision.at, ended=stop_time)
        closing.close(db, Origin(tx.charger, None, decision.at), tx, ending, decision.by)
    if meter_stop is not None:
        return correct(db, tx.id, Correction(meter_stop=meter_stop), replace(decision, seen_event=None))
    return load(db, tx.id)


def dismiss_review(db: UnitOfWork, review: int, decision: Decision) -> Known:
    """Resolve a review that does not question the figure; return its transaction. Raises DecisionRefused."""
    found = db.row("SELECT tx_id, code, resolved_by, resolution FROM review WHERE id = ?", (review,))
    if found is None:
        raise DecisionRefused(Problem.NOT_FOUND, f"there is no review {review}")
    transaction, code, resolved_by, resolution = found
    tx = load(db, transaction)
    if (resolved_by, resolution) == (decision.by, DISMISSED):
        return tx
    if resolved_by is not None:
        raise DecisionRefused(Problem.ALREADY_DECIDED, f"{resolved_by} resolved this review: {resolution}")
    if code not in DISMISSIBLE:
        words = f"{code} questions the figure: confirm the figure of transaction {tx.id} or correct it"
        raise DecisionRefused(Problem.WRONG_STATE, words)
    check(db, tx, decision, Cause.DISMISSED)
    enter(db, tx, decision, Cause.DISMISSED, {"review": review, "code": code})
    resolve(db, tx.id, code, decision.at, decision.by, DISMISSED, decision.reason)
    told = {"by": decision.by, "reason": decision.reason}
    db.record(ReviewDismissed(**tx.about(decision.at), review=review, code=code, **told))
    return load(db, tx.id)


def _check_figure(db: UnitOfWork, tx: Known, decision: Decision) -> None:
    """Check that nobody corrected the figure since the operator saw it. Raises DecisionRefused."""
    corrected = db.row("SELECT id, who FROM tx_event WHERE tx_id = ? AND kind = 'correct' ORDER BY id DESC", (tx.id,))
    if corrected is not None and decision.seen_event is not None and decision.seen_event < corrected[0]:
        words = f"{corrected[1]} has corrected transaction {tx.id} to {tx.energy_delivered} Wh"
        raise DecisionRefused(Problem.ALREADY_DECIDED, words)


def _is_closed_by(db: UnitOfWork, tx: Known, decision: Decision) -> bool:
    if state(tx) is not State.CLOSED:
        return False
    newest = "SELECT who, reason FROM tx_event WHERE tx_id = ? AND kind = 'close' ORDER BY id DESC LIMIT 1"
    return db.row(newest, (tx.id,)) == (decision.by, decision.reason)


def _check_stop_time(tx: Known, stop_time: str | None, at: str) -> None:
    """Check that a stop time is after the start and the last reading, and not ahead. Raises DecisionRefused."""
    if stop_time is None:
        return
    last_at = by_our_clock(tx, tx.last_reading_at or tx.start_time)
    if not max(tx.start_time, last_at) <= stop_time <= at:
        words = f"a stop time lies between {max(tx.start_time, last_at)}, the last sign of charging, and now"
        raise DecisionRefused(Problem.INVALID, words, "stop_time")
