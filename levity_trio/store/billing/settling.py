"""How the statements of a household stand by the ledger, and what entries settle of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.settling import (
    BilledTotal,
    Money,
    Settlement,
    StatementAccount,
    allot,
    settle,
    taken_back,
)
from levity_trio.billing.statement import AccountBefore, MoneyEntry, OpenBefore, due_day
from levity_trio.store.billing.rows import before_of
from levity_trio.store.engine.database import Rows, UnitOfWork
from levity_trio.wire.times import in_zone

_STATEMENTS: Final = (
    "SELECT statement.id, closing_id, total, is_carried, coalesce(correction, 0), "
    "(SELECT coalesce(sum(amount), 0) FROM settled WHERE settled.statement_id = statement.id), "
    "number, printed_number, statement.month, zone, closed_at, "
    "coalesce(payment_days, 0) "
    "FROM statement JOIN closing ON closing.id = closing_id "
    "LEFT JOIN biller ON biller.id = biller_id "
    "LEFT JOIN settlement ON settlement.statement_id = statement.id "
    "WHERE statement.account_id = ? AND number IS NOT NULL ORDER BY number"
)
_BALANCE: Final = "SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = ?"
_MONEY: Final = (
    "SELECT id, amount, CASE WHEN kind <> 'statement' THEN statement_id END, "
    "coalesce((SELECT sum(amount) FROM settled WHERE ledger_id = ledger.id), 0) "
    "FROM ledger WHERE account_id = ? AND (amount > 0 OR statement_id IS NOT NULL) "
    "ORDER BY kind = 'statement', id"
)
"""What statements themselves give back comes last."""
_SETTLE: Final = "INSERT INTO settled (ledger_id, statement_id, amount) VALUES (?, ?, ?)"
_OF_PAYMENT: Final = (
    "SELECT statement_id, sum(amount) FROM settled WHERE ledger_id = ? GROUP BY statement_id"
)
_UNCORRECTED: Final = (
    "UPDATE settlement SET correction = 0 WHERE correction <> 0 "
    "AND statement_id IN (SELECT id FROM statement WHERE account_id = ? "
    "AND number IS NOT NULL)"
)
_CORRECTED: Final = (
    "UPDATE settlement SET correction = ? "
    "WHERE statement_id = (SELECT id FROM statement WHERE number = ?)"
)
_SET_OFF: Final = (
    "INSERT INTO settled (ledger_id, statement_id, amount) "
    "SELECT ?, id, ? FROM statement WHERE number = ?"
)
_SETTLEMENT: Final = (
    "INSERT INTO settlement (statement_id, asked, paid, due_on, correction, credit) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (statement_id) DO UPDATE "
    "SET asked = excluded.asked, paid = excluded.paid, due_on = excluded.due_on, "
    "correction = excluded.correction, credit = excluded.credit "
    "WHERE (settlement.asked, settlement.paid, settlement.due_on, settlement.correction, "
    "settlement.credit) <> (excluded.asked, excluded.paid, excluded.due_on, "
    "excluded.correction, excluded.credit)"
)
_NEWEST: Final = (
    "SELECT before FROM statement WHERE account_id = ? AND number IS NOT NULL "
    "AND before IS NOT NULL ORDER BY number DESC LIMIT 1"
)
_SINCE: Final = (
    "SELECT max(paid_on), max(entered_at), "
    "min(CASE WHEN tx_id IS NULL THEN kind ELSE 'charge' END), sum(amount), max(printed_number) "
    "FROM ledger LEFT JOIN statement ON statement.id = statement_id "
    "WHERE ledger.account_id = ? AND ledger.id > ? AND kind <> 'statement' "
    "GROUP BY CASE WHEN tx_id IS NULL THEN ledger.id END HAVING sum(amount) <> 0 "
    "ORDER BY max(ledger.id)"
)
"""What was charged for sessions, less what was given back of it, is one row."""
_NEWEST_ENTRY: Final = "SELECT coalesce(max(id), 0) FROM ledger WHERE account_id = ?"


class _Called(NamedTuple):
    """What a statement is called, and when it is due."""

    number: int
    printed_number: str
    month: date
    due_on: date


class _Account(NamedTuple):
    """The statements of a household, the balance and the money of its ledger, and how the
    statements are called."""

    statements: Sequence[BilledTotal]
    balance: int
    money: Sequence[Money]
    called: Mapping[int, _Called]


def _account(rows: Rows, account: int) -> _Account:
    statements: list[BilledTotal] = []
    called: dict[int, _Called] = {}
    for *billed, number, name, month, zone, closed_at, days in rows(_STATEMENTS, (account,)):
        due_on = due_day(local_day(closed_at, ZoneInfo(zone)), days)
        one = BilledTotal(due_on.isoformat(), *billed)
        called[one.id] = _Called(number, name, date.fromisoformat(f"{month}-01"), due_on)
        statements.append(one)
    ((balance,),) = rows(_BALANCE, (account,))
    money = [Money(*row) for row in rows(_MONEY, (account,))]
    return _Account(statements, balance, money, called)


def settlement_of(rows: Rows, account: int) -> Settlement:
    """Return how the statements of a household stand."""
    return settle(*_account(rows, account)[:3])


def note_settlement(
    db: UnitOfWork, account: int, corrections: Mapping[int, int] | None = None
) -> None:
    """Store what money of an account settles that is left over, and how its statements stand.
    `corrections` are what the next one will say of them, by their numbers, if that has changed."""
    if corrections is not None:
        db.execute(_UNCORRECTED, (account,))
        for number, amount in corrections.items():
            db.execute(_CORRECTED, (amount, number))
    found = _account(db.rows, account)
    parts = [*allot(*found[:3])]
    for part in parts:
        db.execute(_SETTLE, part)
    if parts:
        found = _account(db.rows, account)
    standings = settle(*found[:3]).statements
    for one in found.statements:
        of = standings[one.id]
        db.execute(
            _SETTLEMENT,
            (one.id, of.asked - of.taken_off, of.paid, one.due_on, one.correction, of.credit),
        )


def take_back(
    db: UnitOfWork, account: int, entry: int, payment: int | None, statement: int | None
) -> None:
    """Store what an entry takes back: of a statement, or what a payment settled; then, as far as
    nothing else is left, of the newest."""
    ((amount,),) = db.rows("SELECT amount FROM ledger WHERE id = ?", (entry,))
    first = dict(db.rows(_OF_PAYMENT, (payment,)))
    if statement is not None:
        first = {statement: -amount}
    found = _account(db.rows, account)
    for part in taken_back(found.statements, settle(*found[:3]).credit, entry, first):
        db.execute(_SETTLE, part)


def set_off(db: UnitOfWork, entry: int, parts: Iterable[OpenBefore]) -> None:
    """Store what the entry of a statement sets off."""
    for one in parts:
        db.execute(_SET_OFF, (entry, one.amount, one.number))


def account_before(
    rows: Rows, account: int, zone: ZoneInfo, corrections: Mapping[int, int]
) -> AccountBefore:
    """Return how a household stands before its next statement, which has these corrections: what it
    sets off, what is open, and what was entered since the one before."""
    statements, balance, money, called = _account(rows, account)
    settlement = settle(
        [one._replace(correction=corrections.get(called[one.id].number, 0)) for one in statements],
        *(balance, money),
    )

    def parts(amount_of: Callable[[StatementAccount], int]) -> tuple[OpenBefore, ...]:
        standings = settlement.statements.items()
        return tuple(
            OpenBefore(amount=amount_of(of), **called[one]._asdict())
            for one, of in standings
            if amount_of(of)
        )

    known = [before_of(text).newest for (text,) in rows(_NEWEST, (account,))] or [0]
    moved: list[MoneyEntry] = []
    for paid_on, entered_at, kind, amount, statement in rows(_SINCE, (account, *known)):
        day = date.fromisoformat(paid_on) if paid_on else local_day(entered_at, zone)
        moved.append(MoneyEntry(day=day, kind=kind, amount=amount, statement=statement))
    ((newest,),) = rows(_NEWEST_ENTRY, (account,))
    return AccountBefore(
        open=parts(lambda of: of.open),
        moved=tuple(moved),
        credit=settlement.credit,
        newest=newest,
        set_off=parts(lambda of: of.taken_off),
    )


def local_day(at: str, zone: ZoneInfo) -> date:
    """Return the local day of a stored time."""
    return in_zone(datetime.fromisoformat(at), zone).date()
