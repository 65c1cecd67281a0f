"""What the statements of a month would be now: what they come to, what is missing, and how they
would look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Final

from levity_trio.billing.months import Month
from levity_trio.billing.positions import PositionKind
from levity_trio.records import copied, record
from levity_trio.store.billing.drafting import Draft, Drafted, Terms, draft
from levity_trio.store.billing.months import Refused
from levity_trio.store.billing.statements import UNASKED, Printed, earlier_of, not_closed
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.reads.money.billing import DraftSums
from levity_trio.store.reads.money.missing import MissingPiece, missing
from levity_trio.store.reads.money.month_parts import MonthFigures, WantedMonth, month_figures
from levity_trio.store.reads.money.months import HeldBackTransaction, of_month
from levity_trio.store.reads.money.months import month as one_month
from levity_trio.store.reads.money.statements import StatementSums
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.wire.times import stamp

OF_ONE: Final = 100
"""A number above that of the statements of one account."""
_ENERGY: Final = "SELECT coalesce(sum(energy_delivered), 0) FROM tx WHERE id IN ({})"


@record
class DraftStatement(StatementSums):
    """A statement that is not closed. `unpriced` are its sessions without a tariff. Its `id` is
    made of its account, so it stays when the month changes."""

    id: int
    unpriced: int


@record
class MonthPreview:
    """What a month would be if it was closed now, of all households or of one that moves out: its
    statements, the sessions that they would not ask for, what the month has, and what is missing
    before it can be closed."""

    month: str
    account: int | None
    sums: DraftSums
    figures: MonthFigures
    data: list[DraftStatement]
    held_back: list[HeldBackTransaction]
    missing: list[MissingPiece]


def preview(
    db: Database, month: Month, account: int | None, terms: Terms, now: datetime
) -> MonthPreview:
    """Return what a month would be; its statements are in the order of the households' names.
    Raises Refused."""
    rows = rows_of(db)
    found = draft(rows, month, account, terms._replace(is_judging=True))
    wanted = WantedMonth(month, terms.rule, now)
    sums = _sums(rows, found, stamp(month.since(terms.rule.zone)))
    shown = of_month(rows, found.plan.begun, wanted)
    return MonthPreview(
        month=str(month),
        account=account,
        sums=sums,
        figures=month_figures(rows, wanted._replace(filters=TransactionFilters(account=account))),
        data=[_shown(number, one) for number, one in _numbered(found)],
        held_back=_held_back(found),
        missing=missing(db, shown, sums, found),
    )


def missing_of(
    db: Database, month: Month, terms: Terms, now: datetime
) -> list[MissingPiece] | None:
    """Return what is missing before a month can be closed; None for one before billing began, or
    that has not begun.

    Sessions without a tariff and those of nobody are known of the month that is to be closed next.
    """
    shown = one_month(db, WantedMonth(month, terms.rule, now))
    if shown is None:
        return None
    rows = rows_of(db)
    try:
        found = draft(rows, month, None, terms._replace(is_judging=True))
    except Refused:
        return missing(db, shown, None, None)
    return missing(db, shown, _sums(rows, found, shown.since), found)


def drafted(
    db: Database, month: Month, account: int | None, terms: Terms, number: int | None = None
) -> list[Printed]:
    """Return the statements of a month as they would be, or the one with an id of DraftStatement.
    Raises Refused."""
    rows = rows_of(db)
    found = draft(rows, month, account, terms._replace(is_judging=True))
    return [*not_closed(rows, (one[1:] for key, one in _numbered(found) if number in (None, key)))]


def _numbered(found: Draft) -> Iterator[tuple[int, Drafted]]:
    for account, statements in groupby(found.statements, key=lambda one: one.figures.account_id):
        for place, one in enumerate(statements):
            yield account * OF_ONE + place, one


def _shown(number: int, one: Drafted) -> DraftStatement:
    figures, kinds = one.figures, Counter(position.kind for position in one.positions)
    return copied(
        DraftStatement,
        figures,
        id=number,
        account=figures.account_id,
        name=one.name,
        sessions=kinds[PositionKind.SESSION] + kinds[PositionKind.FREE],
        energy_wh=sum(
            position.energy_wh for position in one.positions if position.kind not in UNASKED
        ),
        amount=figures.total - figures.carried_in,
        is_carried=bool(figures.is_carried),
        corrections=kinds[PositionKind.CORRECTION],
        held_back=kinds[PositionKind.HELD_BACK],
        unpriced=kinds[PositionKind.UNPRICED],
    )


def _sums(rows: Rows, found: Draft, since: str) -> DraftSums:
    count, energy_wh, earlier_wh = Counter[str](), Counter[str](), 0
    for one in found.statements:
        for position in one.positions:
            count[position.kind] += 1
            energy_wh[position.kind] += position.energy_wh
        earlier_wh += earlier_of(one.positions, since)
    billed = [one.figures for one in found.statements if one.gets_number]
    nobody_wh = sum(rows(_ENERGY.format(marks(part)), part)[0][0] for part in parts(found.nobodys))
    return DraftSums(
        statements=len(billed),
        sessions=count[PositionKind.SESSION] + count[PositionKind.FREE],
        energy_wh=sum(wh for kind, wh in energy_wh.items() if kind not in UNASKED),
        earlier_wh=earlier_wh,
        charged=sum(one.charged for one in billed),
        from_wallets=sum(one.charged + one.carried_in - one.total for one in billed),
        carried_in=sum(one.carried_in for one in billed),
        to_pay=sum(one.total for one in billed if not one.is_carried),
        corrections=count[PositionKind.CORRECTION],
        held_back=count[PositionKind.HELD_BACK],
        held_back_wh=energy_wh[PositionKind.HELD_BACK],
        unpriced=count[PositionKind.UNPRICED],
        unpriced_wh=energy_wh[PositionKind.UNPRICED],
        nobody=len(found.nobodys),
        nobody_wh=nobody_wh,
        currency=max((one.currency for one in billed), default=None),
    )


def _held_back(found: Draft) -> list[HeldBackTransaction]:
    every: list[HeldBackTransaction] = []
    for one in found.statements:
        for position in one.positions:
            if position.kind in UNASKED and position.tx_id is not None:
                held_back = copied(
                    HeldBackTransaction,
                    position,
                    transaction=position.tx_id,
                    account=one.figures.account_id,
                    name=one.name,
                    charger=position.cp_id,
                    connector=position.conn_id,
                    tag=position.id_tag,
                    started_at=position.started_at or "",
                    statement=None,
                    asked_on=None,
                    comes_in=None,
                )
                every.append(held_back)
    return sorted(every, key=lambda one: one.kind, reverse=True)
