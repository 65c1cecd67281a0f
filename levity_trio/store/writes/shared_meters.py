"""A decision about one of two cars that a charger with one meter counted: together they have what the meter rose by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.reviews import Code
from levity_trio.store.transaction import Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.deciding import Decision, DecisionRefused, Problem

_IS_SHARED: Final = "SELECT 1 FROM review WHERE tx_id = ? AND code = ? AND resolved_at IS NULL"
_AT_ONCE: Final = (
    "SELECT other.id, other.start_time, other.stop_time, other.meter_start, other.meter_stop,"
    " coalesce(other.energy_delivered, 0), other.confidence FROM tx JOIN tx AS other ON other.cp_id = tx.cp_id"
    " WHERE tx.id = ? AND other.status = 'Completed' AND other.meter_start IS NOT NULL AND other.meter_stop IS NOT NULL"
    " AND other.start_time < ? AND other.stop_time > ? ORDER BY other.id"
)
_SPAN: Final = "SELECT start_time, stop_time FROM tx WHERE id = ? AND stop_time IS NOT NULL"


class _Charged(NamedTuple):
    """A transaction that ended: its times, its registers and its figure."""

    id: int
    start: str
    stop: str
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
    found: list[_Charged] = []
    (span,) = db.rows(_SPAN, (transaction,)) or [("", "")]
    while True:
        more = [_Charged(*row) for row in db.rows(_AT_ONCE, (transaction, span[1], span[0]))]
        if len(more) == len(found):
            return found
        found = more
        span = min(one.start for one in found), max(one.stop for one in found)
