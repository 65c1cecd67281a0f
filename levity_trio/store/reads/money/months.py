"""The months of billing: how far each is, what it has, and what of it is held back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from levity_trio.billing.months import Month, beginning
from levity_trio.billing.states import BillState
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.records import copied, record
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.money.month_parts import MonthFigures, WantedMonth, month_figures
from levity_trio.store.reads.money.statements import OPEN_MONTH
from levity_trio.store.reads.pages import Shape
from levity_trio.wire.times import in_zone, stamp

MOST_HELD_BACK: Final = 500


class MonthState(StrEnum):
    """How far a month is. One that is over waits for an earlier one to be closed."""

    RUNNING = "running"
    OVER = "over"
    READY = "ready to close"
    CLOSED = "closed"


@record
class BillMonth(MonthFigures):
    """A month, and what it has so far. `amount` is in minor units of `currency`.

    `from_wallets` is what of it the wallets of prepaid accounts pay; no statement asks for it.
    `carried_in` is what its statements have from earlier ones.

    Until it is closed, what its statements have is null: their number, the amount, and `billed_wh`,
    of which `earlier_wh` ended in earlier months. `corrections` are those of earlier statements.
    `held_back` are sessions that no statement asked for yet, because they wait for a person or a
    tariff.
    """

    month: str
    state: MonthState
    since: str
    until: str
    statements: int | None
    amount: int | None
    from_wallets: int | None
    carried_in: int | None
    currency: str | None
    closed_at: str | None
    closed_by: str | None
    billed_wh: int | None
    earlier_wh: int | None
    corrections: int
    held_back: int


@record
class HeldBackTransaction:
    """A charging session that its statement does not ask for, and why: it waits for a review, or no
    tariff is known.

    Of a closed month, `statement` is that statement, and `asked_on` the one that asks for it since,
    by their numbers; null: that comes with the statement for `comes_in`.
    """

    transaction: int
    account: int
    name: str
    charger: str | None
    connector: int | None
    tag: str | None
    started_at: str
    ended_at: str | None
    energy_wh: int
    kind: str
    reason: str | None
    statement: str | None = None
    asked_on: str | None = None
    comes_in: str | None = None


_TOLD: Final = (
    *("statements", "amount", "from_wallets", "carried_in", "currency", "closed_at", "closed_by"),
    *("billed_wh", "earlier_wh", "corrections", "held_back"),
)
"""What a month has that is closed; of any other, the last two are there."""
_CLOSED: Final = (
    "SELECT count(*), coalesce(sum(charged), 0), coalesce(sum(charged + carried_in - total), 0), "
    "sum(carried_in), max(currency) "
    "FROM statement WHERE month = ? AND number IS NOT NULL"
)
_OF_CLOSED: Final = (
    "SELECT coalesce(sum(energy_wh) FILTER (WHERE kind NOT IN ('held back', 'unpriced')), 0), "
    "coalesce(sum(energy_wh) FILTER (WHERE kind NOT IN ('held back', 'unpriced') "
    "AND ended_at < ?), 0), coalesce(sum(kind = 'correction'), 0), "
    "coalesce(sum(kind IN ('held back', 'unpriced')), 0) "
    "FROM statement CROSS "
    "JOIN position ON statement_id = statement.id "
    "WHERE statement.month = ? AND number IS NOT NULL"
)
DOUBT: Final = (
    f"(review IS NOT NULL OR judge_after IS NOT NULL OR coalesce(confidence, '') = '{DOUBTFUL}')"
)
"""Whether the figure of a charging session waits for a person or for the judge."""
_CLOSING: Final = "SELECT closed_at, closed_by FROM closing WHERE month = ? AND account_id IS NULL"
_HELD_BACK: Final = Shape(
    HeldBackTransaction,
    account="statement.account_id",
    name="account.name",
    charger="position.cp_id",
    tag="id_tag",
    statement="printed_number",
    asked_on=(
        "(SELECT later.printed_number FROM position AS one "
        "JOIN statement AS later ON later.id = one.statement_id "
        "WHERE one.tx_id = position.tx_id AND one.account_id = position.account_id "
        "AND one.kind IN ('session', 'free') AND later.number IS NOT NULL "
        "ORDER BY one.id DESC LIMIT 1)"
    ),
    comes_in=OPEN_MONTH,
).beside(reason="told")
_ASKED_FOR_LATER: Final = (
    "FROM statement CROSS JOIN position ON statement_id = statement.id"
    " JOIN account ON account.id = statement.account_id"
    " WHERE statement.month = ? AND number IS NOT NULL AND kind IN ('held back', 'unpriced')"
    " ORDER BY kind DESC, account.name, ended_at, position.id LIMIT ?"
)


def months(
    db: Database, rule: Rule, now: datetime, before: str | None, most: int
) -> list[BillMonth]:
    """Return the months since billing began, the newest first, those before a month; none before
    `bill begin`."""
    rows = rows_of(db)
    known = begun(rows)
    if known is None:
        return []
    found = _newest_first(known, rule.zone, now)
    chosen = (one for one in found if before is None or str(one) < before)
    wanted = (WantedMonth(one, rule, now) for one in islice(chosen, most))
    return [of_month(rows, known, one, is_whole=False) for one in wanted]


def month(db: Database, wanted: WantedMonth) -> BillMonth | None:
    """Return one month; None for one before billing began, or that has not begun."""
    rows = rows_of(db)
    known = begun(rows)
    if known is None or wanted.month not in _newest_first(known, wanted.rule.zone, wanted.now):
        return None
    return of_month(rows, known, wanted)


def held_back_of_month(db: Database, month: str) -> list[HeldBackTransaction]:
    """Return what the closed statements of a month did not ask for, by household."""
    return _HELD_BACK.every(db, _ASKED_FOR_LATER, (month, MOST_HELD_BACK))


def _newest_first(known: Begun, zone: tzinfo, now: datetime) -> Iterator[Month]:
    """Yield the months from the present one back to the first, which may be one to come."""
    first = Month.of(known.on)
    one = max(first, Month.of(in_zone(now, zone).date()))
    while one >= first:
        yield one
        one = one.before


def of_month(rows: Rows, known: Begun, wanted: WantedMonth, *, is_whole: bool = True) -> BillMonth:
    """Return one month since billing began, within a read that has begun; without costs and flow
    unless it `is_whole`."""
    month, zone = wanted.month, wanted.rule.zone
    since, until = max(month.since(zone), beginning(known.on, zone)), month.until(zone)
    state = MonthState.READY if month == known.open_month else MonthState.OVER
    if month < known.open_month:
        state = MonthState.CLOSED
    elif until > wanted.now:
        state = MonthState.RUNNING

    figures = month_figures(rows, wanted, is_whole=is_whole)
    held_back = sum(one.sessions for one in figures.parts if one.state == BillState.HELD_BACK)
    told: list[Any] = [*[None] * 9, 0, held_back]
    if state is MonthState.CLOSED:
        (papers,), (by,) = rows(_CLOSED, (str(month),)), rows(_CLOSING, (str(month),))
        (positions,) = rows(_OF_CLOSED, (stamp(since), str(month)))
        told = [*papers, *by, *positions]
    return copied(
        BillMonth,
        figures,
        month=str(month),
        state=state,
        since=stamp(since),
        until=stamp(until),
        **dict(zip(_TOLD, told, strict=True)),
    )
