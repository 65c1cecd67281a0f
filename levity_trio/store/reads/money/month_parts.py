"""What a month has: one energy and one sum, and the states for the bill that they consist of.

A session counts as a whole in the month in which it ended, and one that is open in the present
month. What shows a month asks here, or says beside its figure what it leaves out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.billing.months import Month
from levity_trio.billing.states import BillState
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Rows
from levity_trio.store.reads.transactions.costs import BASE_FEE, CostSum, cost_sums
from levity_trio.store.reads.transactions.power import flowed_before
from levity_trio.store.reads.transactions.transactions import (
    ACTIVE,
    TransactionFilters,
    open_among,
)
from levity_trio.wire.times import in_zone, stamp

_STATES: Final = "SELECT state, count(*), coalesce(sum(energy_wh), 0) FROM booked{} GROUP BY state"


@record
class MonthShare:
    """The sessions of a month that are in one state for their bill, or (without sessions) its base
    fees. `costs` are with tax; null in a list of months."""

    state: str
    sessions: int
    energy_wh: int
    costs: list[CostSum] | None


@record
class MonthFigures:
    """What a month has: `parts`, by the state of its sessions for their bill, add up to it.

    `costs` are its sums by currency. What is in doubt, nobody's or billed elsewhere has none. Of
    its energy, `before_wh` flowed before it began. `later_wh` flowed until its end and counts in
    later months, in which its sessions end. All three are null in a list of months.
    """

    sessions: int
    energy_wh: int
    parts: list[MonthShare]
    costs: list[CostSum] | None
    before_wh: int | None
    later_wh: int | None


class WantedMonth(NamedTuple):
    """A month at a time, and which sessions count. In the present month, open ones do."""

    month: Month
    rule: Rule
    now: datetime
    filters: TransactionFilters = TransactionFilters()


def month_figures(rows: Rows, wanted: WantedMonth, *, is_whole: bool = True) -> MonthFigures:
    """Return what a month has; without costs and flow unless it `is_whole`."""
    month, rule, now, filters = wanted
    since, until = stamp(month.since(rule.zone)), stamp(month.until(rule.zone))
    is_present = month == Month.of(in_zone(now, rule.zone).date())
    ended = replace(filters, ended_since=since, ended_before=until)
    running = replace(filters, status=ACTIVE)

    clause, values = ended.where()
    found = {state: figures for state, *figures in rows(_STATES.format(clause), values)}
    if is_present and (opened := open_among(rows, running)).sessions:
        found[BillState.OPEN] = [*opened]
    costs = before_wh = later_wh = None
    if is_whole:
        counted = (ended, running) if is_present else (ended,)
        # Only a household, or all of them, have base fees.
        fees_of = month if filters == TransactionFilters(account=filters.account) else None
        costs = cost_sums(rows, rule, ended, now, running=counted[1:], fees_of=fees_of)
        if BASE_FEE in costs.by_state:
            found[BASE_FEE] = [0, 0]
        before_wh = flowed_before(rows, since, *counted)
        still_to_end = replace(filters, ended_since=until), running
        later_wh = 0 if is_present else flowed_before(rows, until, *still_to_end)

    parts: list[MonthShare] = []
    for state, (sessions, energy_wh) in sorted(found.items()):
        of_state = costs and costs.by_state.get(state, [])
        parts.append(
            MonthShare(state=state, sessions=sessions, energy_wh=energy_wh, costs=of_state)
        )
    return MonthFigures(
        sessions=sum(part.sessions for part in parts),
        energy_wh=sum(part.energy_wh for part in parts),
        parts=parts,
        costs=costs and costs.sums,
        before_wh=before_wh,
        later_wh=later_wh,
    )
