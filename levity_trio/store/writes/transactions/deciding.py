"""What all decisions about transactions have in common: who decides, whether it is possible, its row of `tx_event`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from levity_trio.charging.lifecycle import Cause, State
from levity_trio.store.settled import NO_PERSONS
from levity_trio.store.transaction import Known, known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import set_aside
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import history
from levity_trio.store.writes.transactions.history import Entry, by_the_system
from levity_trio.store.writes.transactions.reviews import resolve_all
from levity_trio.store.writes.transactions.states import state, step

_INSTEAD: Final = {
    Cause.OPERATOR: "it has ended, so confirm or correct its figure",
    Cause.CONFIRMED: "close it before you confirm its figure",
    Cause.CORRECTED: "close it before you correct its figure",
    Cause.STOP_ATTACHED: "it has a stop, so correct its figure",
}
"""What to do where the life cycle has no step."""
_OF_IMPORTED: Final = "it is history of another system, which is billed elsewhere"


class Problem(StrEnum):
    """Why a decision is refused."""

    NOT_FOUND = "not_found"
    WRONG_STATE = "wrong_state"
    """The life cycle has no such step."""
    ALREADY_DECIDED = "already_decided"
    """Somebody decided otherwise before."""
    CHANGED = "changed"
    """Something happened to the transaction since the operator looked at it."""
    INVALID = "invalid"
    """A value of the decision is missing or impossible."""


class DecisionRefused(Exception):
    """A decision that was not carried out; nothing was changed. `field` is the name of an invalid value."""

    def __init__(self, problem: Problem, words: str, field: str | None = None) -> None:
        super().__init__(words)
        self.problem, self.words, self.field = problem, words, field


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides, why and when. `seen_event` is the newest row of tx_event that the operator saw, None if any will do.

    Raises DecisionRefused if the name or the reason is missing.
    """

    by: str
    reason: str
    at: str
    seen_event: int | None = None

    def __post_init__(self) -> None:
        if self.by.strip().casefold() in ("", *NO_PERSONS):
            raise DecisionRefused(Problem.INVALID, "a decision needs the name of a person", "by")
        if not self.reason.strip():
            raise DecisionRefused(Problem.INVALID, "a decision needs a reason", "reason")


def find(db: UnitOfWork, transaction: int) -> Known:
    """Return a transaction. Raises DecisionRefused if there is none."""
    tx = known(db.rows, transaction)
    if tx is None:
        raise DecisionRefused(Problem.NOT_FOUND, f"there is no transaction {transaction}")
    return tx


def check(db: UnitOfWork, tx: Known, decision: Decision, cause: Cause) -> None:
    """Check that nothing happened since the operator looked, and that the life cycle has a step for this decision.

    Raises DecisionRefused.
    """
    ((newest,),) = db.rows("SELECT max(id) FROM tx_event WHERE tx_id = ?", (tx.id,))
    if decision.seen_event not in (None, newest):
        words = f"transaction {tx.id} has changed: its newest event is {newest}, not {decision.seen_event}"
        raise DecisionRefused(Problem.CHANGED, words)
    if step(tx, cause).kind is None:
        instead = _OF_IMPORTED if state(tx) is State.IMPORTED else _INSTEAD.get(cause, "this is not possible")
        words = f"transaction {tx.id} is {state(tx)}: {instead}"
        raise DecisionRefused(Problem.WRONG_STATE, words)


def enter(db: UnitOfWork, tx: Known, decision: Decision, cause: Cause, what: Mapping[str, object]) -> None:
    """Add the row of tx_event for a decision: what was decided, and what stood before."""
    kind = step(tx, cause).kind
    if kind is None:
        raise DecisionRefused(Problem.WRONG_STATE, f"transaction {tx.id} is {state(tx)}")
    entry = Entry(
        *(kind, decision.by, by_the_system(decision.at), decision.reason, None, state(tx), cause),
        decision=orjson.dumps(what).decode(),
    )
    history.add(db, Origin(tx.charger, None, decision.at), tx.id, entry)


def settle(db: UnitOfWork, tx: Known, decision: Decision, resolution: str) -> tuple[str, ...]:
    """Resolve what waits about a transaction: its reviews, and the messages set aside with it."""
    set_aside.resolve_of(db, tx.id, (decision.at, decision.by, resolution, decision.reason))
    return resolve_all(db, tx.id, decision.at, decision.by, resolution, decision.reason)


def before(tx: Known) -> dict[str, Any]:
    """Return what a decision about the figure replaces."""
    return {
        "figure_wh": tx.energy_delivered,
        "method": tx.energy_method,
        "confidence": tx.confidence,
        "billed_from_wh": tx.billed_from,
        "billed_until_wh": tx.billed_until,
        "start_time": tx.start_time,
        "stop_time": tx.stop_time,
        "id_tag": tx.id_tag,
        "review": tx.review,
    }
