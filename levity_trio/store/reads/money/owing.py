"""What a household owes or has left, and what its months come to: the present one so far, and the
one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.billing.months import Month
from levity_trio.billing.settling import StatementState
from levity_trio.billing.statement import Owner, PositionKind
from levity_trio.records import copied, record
from levity_trio.store.billing.biller import newest_biller
from levity_trio.store.billing.drafting import Drafter, Plan, Terms, due, newest_revision
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.rows import taxes_of
from levity_trio.store.billing.statements import (
    FIGURES,
    OF_POSITION,
    UNASKED,
    Figures,
    PositionRow,
    Printed,
    earlier_of,
    printed,
)
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.money.months import MonthFigures, WantedMonth, month_figures
from levity_trio.store.reads.money.statements import (
    ClosedStatement,
    StatementFilters,
    closed_among,
    closed_statements,
)
from levity_trio.store.reads.money.wallets import WalletRow, wallet
from levity_trio.store.reads.pages import MOST_ROWS, WantedPage
from levity_trio.store.reads.transactions.bill.shape import BillTax
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.wire.times import in_zone, stamp

_CLOSED: Final = f"SELECT id, number, {', '.join(FIGURES)} FROM statement"  # noqa: S608 - our own names
_OF_MONTH: Final = (
    f"{_CLOSED} WHERE account_id = ? AND month = ? AND number IS NOT NULL ORDER BY number"
)
_POSITIONS: Final = (
    f"SELECT {', '.join(OF_POSITION)} FROM position AS one WHERE statement_id = ? "  # noqa: S608
    "AND NOT (kind IN ('held back', 'unpriced') AND EXISTS (SELECT 1 FROM position AS later "
    "WHERE later.tx_id = one.tx_id AND later.kind IN ('session', 'free') "
    "AND later.account_id = one.account_id))"
)
"""Without what was held back and is on a later statement."""
_NEWEST: Final = (
    "SELECT statement.id FROM statement "
    "LEFT JOIN settlement ON settlement.statement_id = statement.id "
    "WHERE account_id = ? AND number IS NOT NULL AND total > 0 AND is_carried = 0 "
    "ORDER BY paid = asked, number DESC LIMIT 1"
)


@record
class MonthsBill:
    """A statement of a month, or (`statement` null) what it would say by what is known now. Amounts
    are minor units.

    `sessions`, `base_fee` and `corrections` are sums of lines, net or gross as `prices` says.
    `charged` is what all of it comes to with tax, `from_wallet` what of that the wallet pays. With
    `carried_in`, what earlier statements left, the rest is `total`; if that is carried, it asks for
    nothing. `standing` says what of a statement is paid.
    """

    statement: int | None
    currency: str
    prices: str
    sessions: int
    base_fee: int
    corrections: int
    taxes: tuple[BillTax, ...]
    charged: int
    from_wallet: int
    carried_in: int
    total: int
    is_carried: bool
    standing: ClosedStatement | None


@record
class MonthOfHousehold(MonthFigures):
    """A month of a household. Its statements have `billed_wh`, of which `earlier_wh` ended in
    earlier months; those of one that is not closed have what is known so far, with its whole base
    fee.

    `held_back` are sessions that no statement asks for yet: they are being checked, or have no
    tariff, or were when it was closed.
    """

    month: str
    is_closed: bool
    corrections: int
    billed_wh: int
    earlier_wh: int
    held_back: int
    bills: tuple[MonthsBill, ...]


class Owing(NamedTuple):
    """How a household stands, its months, who bills, the newest statement that asks it to pay, and
    all of which something is open."""

    wallet: WalletRow
    months: list[MonthOfHousehold]
    owner: Owner | None
    asked: Printed | None
    unpaid: list[ClosedStatement]


class _StatementRows(NamedTuple):
    """A statement as its rows, and how it stands if it is closed."""

    standing: ClosedStatement | None
    figures: Figures
    positions: Sequence[PositionRow]


def owing(db: Database, account: int, rule: Rule, now: datetime) -> Owing | None:
    """Return what an account owes or has left, None if there is none. Its months are those since
    billing began."""
    rows = rows_of(db)
    stands, biller = wallet(db, account), newest_biller(rows)
    if stands is None:
        return None
    asked = [*printed(rows, (found for (found,) in rows(_NEWEST, (account,))))]
    known, months = begun(rows), list[MonthOfHousehold]()
    own = TransactionFilters(account=account)
    local = in_zone(now, rule.zone).date()
    present, today = Month.of(local), local.isoformat()
    for month in (present, present.before):
        if known is not None and month >= Month.of(known.on):
            is_closed = month < known.open_month
            bills = [*_closed(db, account, month, today)]
            if not is_closed:
                bills += _drafted(rows, account, known, month, rule, now)
            figures = month_figures(rows, WantedMonth(month, rule, now, own))
            since = stamp(month.since(rule.zone))
            months.append(_month(month, figures, bills, since, is_closed=is_closed))
    filters = StatementFilters(today=today, account=account, state=StatementState.UNPAID)
    unpaid = closed_statements(db, filters, WantedPage(limit=MOST_ROWS)).data[::-1]
    owner = None if biller is None else biller.owner
    return Owing(stands, months, owner, next(iter(asked), None), unpaid)


def _closed(db: Database, account: int, month: Month, today: str) -> Iterator[_StatementRows]:
    rows = rows_of(db)
    for found, number, *figures in rows(_OF_MONTH, (account, str(month))):
        (standing,) = closed_among(db, (number,), today)
        positions = [PositionRow(*row) for row in rows(_POSITIONS, (found,))]
        yield _StatementRows(standing, Figures(*figures), positions)


def _drafted(
    rows: Rows, account: int, known: Begun, month: Month, rule: Rule, now: datetime
) -> Iterator[_StatementRows]:
    """Yield what the statements of a month that is not closed would say. What earlier months left
    over is in the first of these months."""
    is_first = month == known.open_month
    begins = known if is_first else known._replace(on=max(known.on, month.first_day))
    until = stamp(min(now, month.until(rule.zone)))
    terms = Terms(rule, 0, is_judging=True)
    plan = Plan(begins, month, account, terms, until, newest_revision(rows))
    for drafted in Drafter(rows, plan).draft(account, due(rows, plan)[account]):
        figures = drafted.figures
        if not is_first:
            figures = figures._replace(carried_in=0, total=figures.total - figures.carried_in)
        yield _StatementRows(None, figures, drafted.positions)


def _month(
    month: Month,
    figures: MonthFigures,
    bills: Sequence[_StatementRows],
    since: str,
    *,
    is_closed: bool,
) -> MonthOfHousehold:
    positions = [one for bill in bills for one in bill.positions]
    asked = [one for one in positions if one.kind not in UNASKED]
    return copied(
        MonthOfHousehold,
        figures,
        month=str(month),
        is_closed=is_closed,
        corrections=sum(one.kind == PositionKind.CORRECTION for one in positions),
        billed_wh=sum(one.energy_wh for one in asked),
        earlier_wh=earlier_of(asked, since),
        held_back=len(positions) - len(asked),
        bills=tuple(map(_bill, bills)),
    )


def _bill(bill: _StatementRows) -> MonthsBill:
    figures, standing = bill.figures, bill.standing
    return copied(
        MonthsBill,
        figures,
        statement=None if standing is None else standing.number,
        sessions=_sum(bill.positions, PositionKind.SESSION),
        base_fee=_sum(bill.positions, PositionKind.BASE_FEE),
        corrections=_sum(bill.positions, PositionKind.CORRECTION),
        taxes=tuple(copied(BillTax, one, rate=f"{one.rate:f}") for one in taxes_of(figures.taxes)),
        from_wallet=figures.charged + figures.carried_in - figures.total,
        is_carried=bool(figures.is_carried),
        standing=standing,
    )


def _sum(positions: Iterable[PositionRow], kind: PositionKind) -> int:
    return sum(one.amount for one in positions if one.kind == kind)
