"""Why a transaction is not billed, and what to do about it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.billing.months import Month
from levity_trio.billing.positions import PositionKind
from levity_trio.billing.states import BillState
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Priced, Rule
from levity_trio.store.engine.database import Rows
from levity_trio.told import Day, Told, with_told
from levity_trio.wire.times import in_zone

_ENDED: Final = (
    "SELECT imported_id IS NOT NULL, stop_time, judge_after IS NOT NULL AND review IS NULL "
    "FROM tx WHERE id = ?"
)
_FREE: Final = (
    "SELECT reason, told FROM position "
    "JOIN statement ON statement.id = statement_id "
    "WHERE tx_id = ? AND number IS NOT NULL AND kind IN ('free', 'correction') "
    "ORDER BY position.id DESC LIMIT 1"
)


class Advice(NamedTuple):
    """Why a transaction is not billed, and what to do; both are None for one that is."""

    why: str | None = None
    todo: str | None = None


class _EndedRow(NamedTuple):
    is_imported: bool
    stop_time: str
    is_judged_again: bool


def advice(rows: Rows, number: int, state: BillState, priced: Priced | None, rule: Rule) -> Advice:
    """Return why a transaction in this state is not billed, and what to do."""
    ended, known = _EndedRow(*rows(_ENDED, (number,))[0]), begun(rows)
    match state:
        case BillState.BILLED_ELSEWHERE:
            return _elsewhere(ended, known)
        case BillState.OPEN:
            return Advice(
                Told("it has not ended"),
                Told("nothing; it is billed for the month in which it ends"),
            )
        case BillState.NOBODYS:
            give = f'levity-trio household give HOUSEHOLD --session {number} --reason "..."'
            return Advice(
                Told("nobody is known who would pay for it"),
                Told("give it to a household: {1}", give),
            )
        case BillState.FREE:
            return Advice(with_told(*rows(_FREE, (number,))[0]))
        case BillState.HELD_BACK:
            return _held_back(number, ended, priced)
        case BillState.UNBILLED:
            return _unbilled(number, ended, known, priced, rule)
    return Advice()


def _elsewhere(ended: _EndedRow, known: Begun | None) -> Advice:
    if ended.is_imported or known is None:
        return Advice(Told("it was imported; the system from which it comes has billed it"))
    return Advice(
        Told("it ended before {1}, and this system bills what ends from that day on", Day(known.on))
    )


def _held_back(number: int, ended: _EndedRow, priced: Priced | None) -> Advice:
    if ended.is_judged_again:
        return Advice(
            Told("late messages may still change its figure"),
            Told("nothing; it is judged again by itself"),
        )
    words = (
        Told("its figure is not certain")
        if priced is None or priced.words is None
        else priced.words
    )
    confirm, correct = (
        f'levity-trio review confirm {number} --reason "..."',
        f"levity-trio correct {number} --help",
    )
    return Advice(
        words, Told("look at the doubts above, and decide: {1}, or {2}", confirm, correct)
    )


def _unbilled(
    number: int, ended: _EndedRow, known: Begun | None, priced: Priced | None, rule: Rule
) -> Advice:
    if known is None:
        begin = Told("say from which day on it does: levity-trio bill begin DATE")
        return Advice(Told("this system does not bill yet"), begin)
    # its figure is certain, its times are not
    if priced is not None and priced.kind is PositionKind.HELD_BACK:
        return Advice(priced.words, f"levity-trio correct {number} --help")
    if priced is not None and priced.kind is PositionKind.UNPRICED:
        return Advice(
            priced.words,
            Told(
                "assign a tariff that holds on that day, or enter its prices: "
                "levity-trio tariff assign --help, levity-trio series add --help"
            ),
        )
    month = Month.of(in_zone(datetime.fromisoformat(ended.stop_time), rule.zone).date())
    if month < known.open_month:
        why = Told(
            "{1} was closed without it, because it was not certain then, or nobody's", str(month)
        )
        return Advice(why, Told("nothing; it comes on the statement of {1}", str(known.open_month)))
    todo = Told(
        "wait until {1} is over; then levity-trio bill preview {1}, and bill close {1}", str(month)
    )
    return Advice(Told("{1} is not closed yet", str(month)), todo)
