"""Why a transaction is not billed, and what to do about it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.billing.months import Month
from levity_trio.billing.positions import Kind
from levity_trio.billing.states import BillState
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Priced, Rule
from levity_trio.store.connectors import Rows
from levity_trio.wire.times import in_zone

_ENDED: Final = (
    "SELECT imported_id IS NOT NULL, stop_time, judge_after IS NOT NULL AND review IS NULL FROM tx WHERE id = ?"
)
_FREE: Final = (
    "SELECT reason FROM position JOIN statement ON statement.id = statement_id WHERE tx_id = ? AND number IS NOT NULL"
    " AND kind IN ('free', 'correction') ORDER BY position.id DESC LIMIT 1"
)


class Advice(NamedTuple):
    """Why a transaction is not billed, and what to do; both are None for one that is."""

    why: str | None = None
    todo: str | None = None


class _Ended(NamedTuple):
    is_imported: bool
    stop_time: str
    is_judged_again: bool


def advice(rows: Rows, number: int, state: BillState, priced: Priced | None, rule: Rule) -> Advice:
    """Return why a transaction in this state is not billed, and what to do."""
    ended, known = _Ended(*rows(_ENDED, (number,))[0]), begun(rows)
    match state:
        case BillState.BILLED_ELSEWHERE:
            return _elsewhere(ended, known)
        case BillState.OPEN:
            return Advice("it has not ended", "nothing; it is billed for the month in which it ends")
        case BillState.NOBODYS:
            give = f'levity-trio household give HOUSEHOLD --session {number} --reason "..."'
            return Advice("nobody is known who would pay for it", f"give it to a household: {give}")
        case BillState.FREE:
            return Advice(rows(_FREE, (number,))[0][0])
        case BillState.HELD_BACK:
            return _held_back(number, ended, priced)
        case BillState.UNBILLED:
            return _unbilled(number, ended, known, priced, rule)
    return Advice()


def _elsewhere(ended: _Ended, known: Begun | None) -> Advice:
    if ended.is_imported or known is None:
        return Advice("it was imported; the system from which it comes has billed it")
    return Advice(f"it ended before {known.on}, and this system bills what ends from that day on")


def _held_back(number: int, ended: _Ended, priced: Priced | None) -> Advice:
    if ended.is_judged_again:
        return Advice("late messages may still change its figure", "nothing; it is judged again by itself")
    words = "its figure is not certain" if priced is None or priced.words is None else priced.words
    decide = f'levity-trio review confirm {number} --reason "...", or levity-trio correct {number} --help'
    return Advice(words, f"look at the doubts above, and decide: {decide}")


def _unbilled(number: int, ended: _Ended, known: Begun | None, priced: Priced | None, rule: Rule) -> Advice:
    if known is None:
        return Advice("this system does not bill yet", "say from which day on it does: levity-trio bill begin DATE")
    if priced is not None and priced.kind is Kind.HELD_BACK:  # its figure is certain, its times are not
        return Advice(priced.words, f"levity-trio correct {number} --help")
    if priced is not None and priced.kind is Kind.UNPRICED:
        return Advice(priced.words, "assign a tariff that holds on that day: levity-trio tariff assign --help")
    month = Month.of(in_zone(datetime.fromisoformat(ended.stop_time), rule.zone).date())
    if month < known.open_month:
        why = f"{month} was closed without it, because it was not certain then, or nobody's"
        return Advice(why, f"nothing; it comes on the statement of {known.open_month}")
    todo = f"wait until {month} is over; then levity-trio bill preview {month}, and bill close {month}"
    return Advice(f"{month} is not closed yet", todo)
