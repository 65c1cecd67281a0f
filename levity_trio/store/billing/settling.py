"""How the statements of a household stand by the ledger."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.settling import BilledTotal, Moved, Settlement, settle
from levity_trio.store.engine.database import Rows
from levity_trio.wire.times import in_zone

_STATEMENTS: Final = (
    "SELECT statement.id, closing_id, total, is_carried, number, zone, closed_at, payment_days, "
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


class StatementStanding(NamedTuple):
    """What a statement asks for, what is paid of it, and its last day to pay. `stored` is what the
    database has of these."""

    id: int
    number: int
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
    for one, (*_, number, zone, closed_at, days, asked, paid, due_on) in zip(
        billed, found, strict=True
    ):
        stored = None if asked is None else (asked, paid, due_on)
        due = due_day(closed_at, zone, days or 0)
        paid_now = settlement.paid.get(one.id, 0)
        statements.append(StatementStanding(one.id, number, one.asked, paid_now, due, stored))
    return AccountStanding(statements, settlement)


def due_day(closed_at: str, zone: str, payment_days: int) -> str:
    """Return the last day to pay, at most the last one of the calendar."""
    closed_on = in_zone(datetime.fromisoformat(closed_at), ZoneInfo(zone)).date()
    due = min(closed_on.toordinal() + payment_days, date.max.toordinal())
    return date.fromordinal(due).isoformat()
