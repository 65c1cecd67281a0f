"""How the statements of a household stand by the ledger."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.settling import BilledTotal, Moved, settle
from levity_trio.billing.statement import AccountBefore, MoneyEntry, OpenBefore, due_day
from levity_trio.store.billing.rows import before_of
from levity_trio.store.engine.database import Rows
from levity_trio.wire.times import in_zone

_STATEMENTS: Final = (
    "SELECT statement.id, closing_id, total, is_carried, number, "
    "coalesce(number_prefix, '') || number, statement.month, zone, closed_at, "
    "coalesce(payment_days, 0) "
    "FROM statement JOIN closing ON closing.id = closing_id "
    "LEFT JOIN biller ON biller.id = biller_id "
    "WHERE statement.account_id = ? AND number IS NOT NULL ORDER BY number"
)
_MOVED: Final = (
    "SELECT sum(amount), named FROM (SELECT amount, "
    "CASE WHEN kind <> 'statement' THEN statement_id END AS named "
    "FROM ledger WHERE account_id = ?) AS entry GROUP BY named, amount > 0"
)
_NEWEST: Final = (
    "SELECT before FROM statement WHERE account_id = ? AND number IS NOT NULL "
    "AND before IS NOT NULL ORDER BY number DESC LIMIT 1"
)
_SINCE: Final = (
    "SELECT paid_on, entered_at, kind, amount, "
    "(SELECT number FROM statement WHERE statement.id = statement_id) "
    "FROM ledger WHERE account_id = ? AND id > ? "
    "AND kind NOT IN ('statement', 'charge') AND tx_id IS NULL ORDER BY id"
)
_NEWEST_ENTRY: Final = "SELECT coalesce(max(id), 0) FROM ledger WHERE account_id = ?"


class StatementStanding(NamedTuple):
    """What a statement asks for, what is paid of it, and its last day to pay."""

    id: int
    asked: int
    paid: int
    number: int
    printed_number: str
    month: date
    due_on: date


def standing_of_statements(rows: Rows, account: int) -> tuple[list[StatementStanding], int]:
    """Return how the statements of a household stand by its ledger, the oldest first, and what is
    left over, negative: what is owed beside them."""
    found = rows(_STATEMENTS, (account,))
    billed = [BilledTotal(*row[:4]) for row in found]
    settlement = settle(billed, [Moved(*row) for row in rows(_MOVED, (account,))])
    statements: list[StatementStanding] = []
    for one, (number, printed, month, zone, closed_at, days) in zip(
        billed, (row[4:] for row in found), strict=True
    ):
        first_day = date.fromisoformat(f"{month}-01")
        due_on = due_day(local_day(closed_at, ZoneInfo(zone)), days)
        paid = settlement.paid.get(one.id, 0)
        statements.append(
            StatementStanding(one.id, one.asked, paid, number, printed, first_day, due_on)
        )
    return statements, settlement.credit


def account_before(rows: Rows, account: int, zone: ZoneInfo) -> AccountBefore:
    """Return how a household stands before its next statement: what is open, and what was entered
    by hand since the one before."""
    statements, credit = standing_of_statements(rows, account)
    open_before = [
        OpenBefore(
            number=one.number,
            printed_number=one.printed_number,
            month=one.month,
            due_on=one.due_on,
            amount=one.asked - one.paid,
        )
        for one in statements
        if one.paid < one.asked
    ]

    known = [before_of(text).newest for (text,) in rows(_NEWEST, (account,))] or [0]
    moved: list[MoneyEntry] = []
    for paid_on, entered_at, kind, amount, statement in rows(_SINCE, (account, *known)):
        day = date.fromisoformat(paid_on) if paid_on else local_day(entered_at, zone)
        moved.append(MoneyEntry(day=day, kind=kind, amount=amount, statement=statement))
    ((newest,),) = rows(_NEWEST_ENTRY, (account,))
    return AccountBefore(open=tuple(open_before), moved=tuple(moved), credit=credit, newest=newest)


def local_day(at: str, zone: ZoneInfo) -> date:
    """Return the local day of a stored time."""
    return in_zone(datetime.fromisoformat(at), zone).date()
