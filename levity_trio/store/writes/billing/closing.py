"""The closing of a month: one short write that numbers and seals its statements, and enters them in the ledger."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.billing.ledger import Kind
from levity_trio.billing.months import Month
from levity_trio.events import BillingBegun, MonthClosed
from levity_trio.store.billing.drafting import BEFORE, Closable, Closables, Order
from levity_trio.store.billing.due import CHANGED, Plan
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.wallets import Entry, enter_statement

_DRAFT: Final = "SELECT id, terms, revision FROM draft WHERE month = ? AND account_id IS ? AND ready_at IS NOT NULL"
_SEAL: Final = (
    "UPDATE statement SET closing_id = ?, number = ?, party_digest = ?, previous_digest = ?, digest = ?, language = ?"
    " WHERE id = ?"
)
_SETTLED: Final = (
    "DELETE FROM bill_work WHERE revision IN (SELECT revision FROM bill_work LEFT JOIN tx ON tx.id = tx_id"
    " WHERE revision <= ? AND (bill_work.account_id IS NOT NULL OR stop_time < ? OR (status = 'Completed'"
    " AND stop_time < ? AND review IS NULL AND judge_after IS NULL AND confidence = 'certain' AND EXISTS"
    " (SELECT 1 FROM position JOIN statement ON statement.id = statement_id WHERE position.tx_id = tx.id"
    " AND number IS NOT NULL))) LIMIT ?)"
)


class Code(StrEnum):
    """Why a month is not closed."""

    NOT_BEGUN = "not_begun"
    CONFLICT = "conflict"
    NOT_OVER = "not_over"
    NOT_READY = "not_ready"
    """There is no draft, or something changed since: prepare it and close again."""
    NO_TARIFF = "no_tariff"
    NO_BILLER = "no_biller"


class Refused(Exception):
    """Nothing was closed."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Closed(NamedTuple):
    """What was closed: the closing's number, and the first and last number of its statements (None: there are none)."""

    id: int
    statements: int
    first: int | None
    last: int | None


def begin(db: UnitOfWork, day: date, at: str, by: str) -> None:
    """Say since when this system bills. It can be said again until the first month is closed. Raises Refused."""
    if db.row("SELECT 1 FROM closing LIMIT 1") is not None:
        known = begun(db.rows)
        words = f"this system has billed since {known.on}" if known else ""
        raise Refused(Code.CONFLICT, f"{words}, and a month is closed; the day stays")
    db.execute(
        "INSERT INTO billing (id, begun_on, begun_at, begun_by) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
        " SET begun_on = excluded.begun_on, begun_at = excluded.begun_at, begun_by = excluded.begun_by",
        (day.isoformat(), at, by),
    )
    db.record(BillingBegun(charger=None, at=at, day=day.isoformat(), by=by))


def close(db: UnitOfWork, plan: Plan, order: Order, closables: Closables) -> Closed:
    """Close a month as its draft says, for all accounts or for one that moves out. Raises Refused.

    `closables` is what the draft has; if something changed since it was read, nothing is closed.
    """
    _check_draft(db, plan, order, closables)
    statements, (next_number, before, biller) = closables.statements, closables.before
    if biller is None:
        raise Refused(Code.NO_BILLER, "the bills have no sender; enter it with levity-trio bill owner set")
    last = statements[-1].digest if statements else before
    closing = db.insert(
        "INSERT INTO closing (month, account_id, terms, biller_id, statements, previous_digest, digest, closed_at,"
        " closed_by) SELECT month, account_id, terms, ?, ?, ?, ?, ?, ? FROM draft WHERE id = ? RETURNING id",
        (biller, len(statements), before, last, order.at, order.by, closables.draft),
    )
    for one in statements:
        _seal(db, closing, one, order)
    db.execute("UPDATE billing SET next_number = ?", (next_number + len(statements),))
    numbers = [one.number for one in statements]
    closed = Closed(closing, len(statements), min(numbers, default=None), max(numbers, default=None))
    db.record(
        MonthClosed(
            charger=None,
            at=order.at,
            month=str(plan.month),
            account=plan.account,
            statements=closed.statements,
            first=closed.first,
            last=closed.last,
            by=order.by,
        )
    )
    return closed


def settle(db: UnitOfWork, plan: Plan, most: int) -> int:
    """Delete rows of bill_work that the closing of a month settled, at most so many; return how many it deleted.

    What waits for a review, or is nobody's, stays.
    """
    return db.changed(_SETTLED, (plan.revision, plan.since, plan.until, most))


def check_next(known: Begun, month: Month) -> None:
    """Check that this month is the one to close. Raises Refused."""
    if month != known.open_month:
        closed = f"{month} is closed already; " if Month.of(known.on) <= month < known.open_month else ""
        raise Refused(Code.CONFLICT, f"{closed}{known.open_month} is the month to close next")


def _check_draft(db: UnitOfWork, plan: Plan, order: Order, closables: Closables) -> None:
    """Check that the draft can be closed. Raises Refused."""
    known = begun(db.rows)
    if known is None:
        raise Refused(Code.NOT_BEGUN, "say first since when this system bills: levity-trio bill begin DATE")
    check_next(known, plan.month)
    if order.at < plan.until:
        raise Refused(Code.NOT_OVER, f"{plan.month} is not over")
    ready = (closables.draft, plan.terms.text(db.rows), closables.revision)
    is_changed = db.rows(f"{CHANGED} LIMIT 1", (closables.revision, plan.until))
    is_known = ready in db.rows(_DRAFT, (str(plan.month), plan.account)) and closables.before == db.row(BEFORE)
    if is_changed or not is_known:
        raise Refused(Code.NOT_READY, f"the draft of {plan.month} is not up to date; prepare it, and close again")
    if closables.unpriced:
        words = f"{closables.unpriced} transactions have no tariff: see the preview, and assign one"
        raise Refused(Code.NO_TARIFF, words)


def _seal(db: UnitOfWork, closing: int, one: Closable, order: Order) -> None:
    seal = (one.number, one.party_digest, one.previous_digest, one.digest, one.language)
    db.execute(_SEAL, (closing, *seal, one.id))
    add = "INSERT INTO statement_party (statement_id, party, sheet) VALUES (?, ?, ?)"
    db.execute(add, (one.id, one.party, one.sheet))
    if one.amount:
        words = f"statement {one.number}"
        entry = Entry(one.account, Kind.STATEMENT, one.amount, one.currency, words, order.at, order.by, one.id)
        enter_statement(db, entry)


def keep_sheet(db: UnitOfWork, statement: int, sheet: str) -> None:
    """Keep what a statement says that was closed before this was kept. The first sheet stays."""
    keep = "UPDATE statement_party SET sheet = ? WHERE statement_id = ? AND party IS NOT NULL AND sheet IS NULL"
    db.execute(keep, (sheet, statement))
