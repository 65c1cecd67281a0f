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


class Seen(NamedTuple):
    """A transaction as it was shown: its newest event, and the figure in Wh that it would get."""

    transaction: int
    event: int
    figure_wh: int


class Result(StrEnum):
    """What a decision did to one of its transactions."""

    DECIDED = "decided"
    ALREADY = "already"
    """Somebody has settled it with this figure."""
    CHANGED = "changed"
    """It is not as it was shown, so nothing was decided about it."""
    REFUSED = "refused"


class Decided(NamedTuple):
    """What came of a decision about one transaction; its present figure in Wh, and why it was left
    out."""

    transaction: int
    result: Result
    energy_wh: int | None
    words: str | None = None


def decide(db: UnitOfWork, charger: str, seen: Sequence[Seen], decision: Decision) -> list[Decided]:
    """Confirm the figure of each transaction that has the one that was shown, and correct the
    others to it."""
    return [_decide(db, charger, one, replace(decision, seen_event=one.event)) for one in seen]


def _decide(db: UnitOfWork, charger: str, seen: Seen, decision: Decision) -> Decided:
    try:
        tx = find(db, seen.transaction)
        if tx.charger != charger:
            return Decided(
                tx.id, Result.REFUSED, tx.energy_delivered, Told("it is no session of {1}", charger)
            )
        is_as_shown = tx.energy_delivered == seen.figure_wh
        if (
            is_as_shown
            and tx.confidence == CERTAIN
            and tx.review is None
            and settled_by(db.rows, tx.id) is not None
        ):
            return Decided(tx.id, Result.ALREADY, tx.energy_delivered)
        if is_as_shown:
            confirm(db, tx.id, decision)
        else:
            correct(db, tx.id, Correction(figure_wh=seen.figure_wh), decision)
    except DecisionRefused as refused:
        is_changed = refused.problem in (DecisionProblem.CHANGED, DecisionProblem.ALREADY_DECIDED)
        result = Result.CHANGED if is_changed else Result.REFUSED
        return Decided(seen.transaction, result, _figure(db, seen.transaction), refused.words)
    return Decided(seen.transaction, Result.DECIDED, seen.figure_wh)


def _figure(db: UnitOfWork, transaction: int) -> int | None:
    row = db.row("SELECT energy_delivered FROM tx WHERE id = ?", (transaction,))
    return None if row is None else row[0]
