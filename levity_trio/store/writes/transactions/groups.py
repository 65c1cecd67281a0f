"""One decision about many transactions: each gets the figure that was shown of it, or is left out.

It is one write: after a power cut either all are decided or none is, and a second click finds them
decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from levity_trio.charging.energy import CERTAIN
from levity_trio.store.cases.settled import settled_by
from levity_trio.store.cases.transaction import find_transaction
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.transactions.decisions import (
    Correction,
    Decision,
    DecisionProblem,
    DecisionRefused,
    confirm,
    correct,
    find,
)
from levity_trio.told import Told


class ShownFigure(NamedTuple):
    """A transaction as it was shown: its newest event, and the figure in Wh that it would get."""

    transaction: int
    event: int
    figure_wh: int


class DecisionResult(StrEnum):
    """What a decision did to one of its transactions."""

    DECIDED = "decided"
    ALREADY = "already"
    """Somebody has settled it with this figure."""
    CHANGED = "changed"
    """It is not as it was shown, so nothing was decided about it."""
    REFUSED = "refused"


class DecidedTransaction(NamedTuple):
    """What came of a decision about one transaction; its present figure in Wh, and why it was left
    out."""

    transaction: int
    result: DecisionResult
    energy_wh: int | None
    words: str | None = None


def decide(
    db: UnitOfWork, charger: str, shown: Sequence[ShownFigure], decision: Decision
) -> list[DecidedTransaction]:
    """Confirm the figure of each transaction that has the one that was shown, and correct the
    others to it."""
    outcomes: list[DecidedTransaction] = []
    for figure in shown:
        about_it = replace(decision, seen_event=figure.event)
        try:
            outcome = _decide(db, charger, figure, about_it)
        except DecisionRefused as refused:
            result = DecisionResult.REFUSED
            if refused.problem in (DecisionProblem.CHANGED, DecisionProblem.ALREADY_DECIDED):
                result = DecisionResult.CHANGED
            tx = find_transaction(db.rows, figure.transaction)
            energy_wh = None if tx is None else tx.energy_delivered
            outcome = DecidedTransaction(figure.transaction, result, energy_wh, refused.words)
        outcomes.append(outcome)
    return outcomes


def _decide(
    db: UnitOfWork, charger: str, shown: ShownFigure, decision: Decision
) -> DecidedTransaction:
    tx = find(db, shown.transaction)
    if tx.charger != charger:
        words = Told("it is no session of {1}", charger)
        return DecidedTransaction(tx.id, DecisionResult.REFUSED, tx.energy_delivered, words)
    if tx.energy_delivered == shown.figure_wh:
        is_certain = tx.confidence == CERTAIN and tx.review is None
        if is_certain and settled_by(db.rows, tx.id) is not None:
            return DecidedTransaction(tx.id, DecisionResult.ALREADY, tx.energy_delivered)
        confirm(db, tx.id, decision)
    else:
        correct(db, tx.id, Correction(figure_wh=shown.figure_wh), decision)
    return DecidedTransaction(tx.id, DecisionResult.DECIDED, shown.figure_wh)
