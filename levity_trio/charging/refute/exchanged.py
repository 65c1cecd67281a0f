"""Stops whose ids a charger confused (rules.md, Energy): that of each of two connectors names the other transaction.

Both may be possible when they come, if the registers of the connectors are close. The next starts show it: each is at
the stop of the other transaction.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import NamedTuple

from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import Beside, Case, View
from levity_trio.charging.tolerances import CLOCK_SECONDS, ROUNDED_WH


class Exchanged(NamedTuple):
    """The evidence with the stop that the next start shows: with its own readings, or with those of the other
    transaction, whose ids may be exchanged, too. And the doubt."""

    cases: tuple[Case, Case]
    doubt: Doubt


def exchanged(case: Case) -> Exchanged | None:
    """Return the evidence with the stop of a transaction on another connector, if the next start shows that the charger
    confused the ids of the two stops; None if nothing shows it."""
    begin, stop = case.after and case.after.begin, case.stop_wh
    if not begin or stop is None or is_about(begin, stop) or begin < (case.start_wh or 0):
        return None
    here = [one for one in case.beside if one.stop is not None and not one.charger]
    found = [one for one in here if is_about(begin, one.stop or 0) and _is_told(case, one)]
    return _by_stop_of(case, found[0], begin, stop) if len(found) == 1 else None


def _by_stop_of(case: Case, one: Beside, begin: int, stop: int) -> Exchanged:
    """Return the evidence with the stop of another transaction."""
    words = f"the next transaction begins at the stop of transaction {one.id} on connector {one.connector}"
    evidence = (f"meterStop {stop} Wh", f"the next transaction began at {begin} Wh")
    start = case.start_wh or 0
    figures = {"as reported": stop - start, "by the other stop": begin - start}
    is_free = case.available_at is not None and case.available_at < one.ended - CLOCK_SECONDS
    ended = replace(
        case,
        ended=one.ended,
        stop_wh=one.stop,
        stop_exact=None,
        beside=[other for other in case.beside if other is not one],
        available_at=case.available_at if is_free else None,
    )
    since = bisect_left(one.view.at, case.begun)
    view = View(one.view.at[since:], one.view.wh[since:], one.view.digit)
    with_readings = replace(ended, views=[view] if view.at else [], power=one.power)
    return Exchanged((ended, with_readings), Doubt(Code.STOPS_EXCHANGED, words, evidence, figures))


def is_about(one: int, other: int) -> bool:
    """Whether two registers in Wh are one, perhaps rounded in two ways."""
    return abs(one - other) <= ROUNDED_WH


def _is_told(case: Case, one: Beside) -> bool:
    """Whether two registers of their own are told, by the order of time: one that both shared never falls. Or the next
    start on the other connector is at the stop of this transaction, and not at the other's."""
    stop, end, begin = case.stop_wh or 0, one.stop or 0, (case.after and case.after.begin) or 0
    starts = [level.wh for level in one.boundaries if level.is_start and level.at > one.begun]
    if starts and is_about(starts[0], stop) and not is_about(starts[0], end):
        return True
    return begin < stop - ROUNDED_WH or (one.ended < case.ended and stop < end - ROUNDED_WH)
