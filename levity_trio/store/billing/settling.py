"""How the statements of a household stand by the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.settling import BilledTotal, Moved, Settlement, settle
from levity_trio.billing.statement import AccountBefore, MoneyMoved, OpenBefore
from levity_trio.store.billing.rows import before_of
from levity_trio.store.engine.database import Rows
from levity_trio.wire.times import in_zone

_STATEMENTS: Final = (
    "SELECT statement.id, closing_id, total, is_carried, number, statement.month, zone, "
    "closed_at, payment_days, "
    "asked, paid, due_on "
    "FROM statement JOIN closing ON closing.id = closing_id "
    "LEFT JOIN biller ON biller.id = biller_id "
    "LEFT JOIN settlement ON settlement.statement_id = statement.id "
    "WHERE statement.account_id = ? AND number IS NOT NULL ORDER BY number"
)
_MOVED: Final = (
    "SELECT sum(amount), named FROM (SELECT amount, "
    "CASE WHEN kind <> 'statement' THEN statement_id END AS named "
    "FROM ledger WHERE account_id = ?) AS entry GROUP BY named, amount > 0"
)
_MOVED_ON: Final = (
    "SELECT kind, amount, CASE WHEN kind <> 'statement' THEN statement_id END, paid_on, entered_at "
    "FROM ledger WHERE account_id = ?"
)
_NEWEST: Final = (
    "SELECT before, closed_at FROM statement JOIN closing ON closing.id = closing_id "
    "WHERE statement.account_id = ? AND number IS NOT NULL "
    "ORDER BY before IS NULL, number DESC LIMIT 1"
)
_SINCE: Final = (
    "SELECT paid_on, entered_at, kind, amount, "
    "(SELECT number FROM statement WHERE statement.id = statement_id) "
    "FROM ledger WHERE account_id = ? AND id > ? AND entered_at > ? "
    "AND kind NOT IN ('statement', 'charge') AND tx_id IS NULL ORDER BY id"
)
_NEWEST_ENTRY: Final = "SELECT coalesce(max(id), 0) FROM ledger WHERE account_id = ?"


class StatementStanding(NamedTuple):
    """What a statement asks for, what is paid of it, and its last day to pay. `stored` is what the
    database has of these."""

    id: int
    number: int
    month: date
    asked: int
    paid: int
    due_on: str
    stored: tuple[int, int, str] | None


class AccountStanding(NamedTuple):
    """How the statements of a household stand, the oldest first."""

    statements: list[StatementStanding]
    settlement: Settlement


def standing_of_statements(rows: Rows, account: int) -> AccountStanding:
    """Return how the statements of a household stand by its ledger."""
    found = rows(_STATEMENTS, (account,))
    billed = [BilledTotal(row[0], row[1], row[2], bool(row[3])) for row in found]
    settlement = settle(billed, [Moved(*row) for row in rows(_MOVED, (account,))])
    statements: list[StatementStanding] = []
    for one, (*_, number, month, zone, closed_at, days, asked, paid, due_on) in zip(
        billed, found, strict=True
    ):
        stored = None if asked is None else (asked, paid, due_on)
        first_day = date.fromisoformat(f"{month}-01")
        due = due_day(closed_at, zone, days or 0)
        paid_now = settlement.paid.get(one.id, 0)
        statements.append(
            StatementStanding(one.id, number, first_day, one.asked, paid_now, due, stored)
        )
    return AccountStanding(statements, settlement)


def days_paid(rows: Rows, account: int, zone: ZoneInfo) -> dict[int, str]:
    """Return when the statements of a household that are paid came to be so, by their numbers: the
    day of the last money that they needed."""
    found = rows(_STATEMENTS, (account,))
    billed = [BilledTotal(row[0], row[1], row[2], bool(row[3])) for row in found]
    by_day: dict[str, list[Moved]] = defaultdict(list)
    for kind, amount, statement, paid_on, entered_at in rows(_MOVED_ON, (account,)):
        # All statements are there from the beginning: money that came before one waits for it.
        day = "" if kind == "statement" else paid_on or local_day(entered_at, zone)
        by_day[day].append(Moved(amount, statement))

    moved = Counter[tuple[int | None, bool]]()
    days: dict[int, str] = {}
    for day, entries in sorted(by_day.items()):
        for amount, statement in entries:
            moved[statement, amount > 0] += amount
        entered = [Moved(amount, statement) for (statement, _sign), amount in moved.items()]
        paid = settle(billed, entered).paid
        for one, row in zip(billed, found, strict=True):
            number = row[4]
            if paid.get(one.id, 0) < one.asked:
                days.pop(number, None)
            else:
                days.setdefault(number, day)
    return days


def local_day(at: str, zone: ZoneInfo) -> str:
    """Return the local day of a stored time."""
    return in_zone(datetime.fromisoformat(at), zone).date().isoformat()


def account_before(rows: Rows, account: int, zone: ZoneInfo) -> AccountBefore:
    """Return how a household stands before its next statement: what is open, and what was entered
    by hand since the one before."""
    standing = standing_of_statements(rows, account)
    open_before: list[OpenBefore] = []
    for one in standing.statements:
        if one.paid < one.asked:
            due_on = date.fromisoformat(one.due_on)
            amount = one.asked - one.paid
            open_before.append(
                OpenBefore(number=one.number, month=one.month, due_on=due_on, amount=amount)
            )

    # Statements of before this was stored know no entry, but when they were closed.
    known, closed_at = 0, ""
    for text, closed in rows(_NEWEST, (account,)):
        before = before_of(text)
        known, closed_at = (0, closed) if before is None else (before.newest, "")
    moved: list[MoneyMoved] = []
    for paid_on, entered_at, kind, amount, statement in rows(_SINCE, (account, known, closed_at)):
        day = date.fromisoformat(paid_on or local_day(entered_at, zone))
        moved.append(MoneyMoved(day=day, kind=kind, amount=amount, statement=statement))
    ((newest,),) = rows(_NEWEST_ENTRY, (account,))
    return AccountBefore(
        open=tuple(open_before),
        moved=tuple(moved),
        credit=standing.settlement.credit,
        newest=newest,
    )


def due_day(closed_at: str, zone: str, payment_days: int) -> str:
    """Return the last day to pay, at most the last one of the calendar."""
    closed_on = date.fromisoformat(local_day(closed_at, ZoneInfo(zone)))
    due = min(closed_on.toordinal() + payment_days, date.max.toordinal())
    return date.fromordinal(due).isoformat()
