"""A decision about one of two cars that one meter counted: together they have what the meter rose by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import Code
from levity_trio.store.cases import case_of
from levity_trio.store.transaction import Known, known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision, DecisionRefused, Problem

_IS_SHARED: Final = "SELECT 1 FROM review WHERE tx_id = ? AND code = ? AND resolved_at IS NULL"
_ENDED: Final = (
    "SELECT id, meter_start, meter_stop, coalesce(energy_delivered, 0), confidence FROM tx WHERE id = ?"
    " AND status = 'Completed' AND meter_start IS NOT NULL AND meter_stop IS NOT NULL"
)
_MOST: Final = 50
"""No more transactions of one meter are looked at."""


class _Charged(NamedTuple):
    """A transaction that ended: its registers and its figure."""

    id: int
    meter_start: int
    meter_stop: int
    energy_wh: int
    confidence: str | None


def confirm(db: UnitOfWork, transaction: int, decision: Decision) -> Known:
    """Make the present figure certain, as `decisions.confirm` does.

    Raises DecisionRefused, also if a meter that counted other cars too did not rise by so much.
    """
    if db.row(_IS_SHARED, (transaction, Code.SHARED_REGISTER)) is not None:
        _check(db, transaction)
    return decisions.confirm(db, transaction, decision)


def _check(db: UnitOfWork, transaction: int) -> None:
    together = _together(db, transaction)
    own = [one for one in together if one.id == transaction]
    others = [one for one in together if one.id != transaction and one.confidence == CERTAIN]
    if not own or not others:
        return
    rise = max(one.meter_stop for one in together) - min(one.meter_start for one in together)
    left = rise - sum(one.energy_wh for one in others)
    if own[0].energy_wh > left:
        names = ", ".join(str(one.id) for one in others)
        words = (
            f"its meter rose by {rise / 1000:.3f} kWh for it and for {names}, which have"
            f" {(rise - left) / 1000:.3f} kWh of it: correct it to {max(0, left) / 1000:.3f} kWh at most, or correct"
            " the others first"
        )
        raise DecisionRefused(Problem.WRONG_STATE, words)


def _together(db: UnitOfWork, transaction: int) -> Sequence[_Charged]:
    """Return the transactions that its meter counted without a pause between them, with it itself."""
    numbers = [transaction]
    for number in numbers:
        if len(numbers) < _MOST and (tx := known(db.rows, number)) is not None:
            found = counted(case_of(db.rows, tx), tx.billed_from, tx.billed_until)
            numbers += [other.one.id for other in found if other.one.id not in numbers]
    return [_Charged(*row) for number in sorted(numbers) for row in db.rows(_ENDED, (number,))]
