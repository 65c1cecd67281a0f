"""The closing of a month: one short write that stores its numbered and sealed statements, and fills
the ledger.

All was computed before. The write checks that it still holds, so it can be computed again if
something changed.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from levity_trio.billing.ledger import LedgerKind
from levity_trio.events import BillingBegun, MonthClosed
from levity_trio.store.billing.drafting import grounds
from levity_trio.store.billing.months import Code, Refused, begun
from levity_trio.store.billing.numbering import Closable, Numbered, Order
from levity_trio.store.billing.rows import before_of
from levity_trio.store.billing.settling import note_settlement, set_off
from levity_trio.store.billing.statements import (
    BEGINNING,
    FIGURES,
    OF_POSITION,
    party_digest,
    seal_of,
)
from levity_trio.store.engine.database import UnitOfWork, marks
from levity_trio.store.writes.money.wallets import LedgerEntry, enter_statement
from levity_trio.store.writes.transactions.judging import schedule_unsure
from levity_trio.told import Day, Told

MOST_SETTLED: Final = 20_000
"""What is left goes with the next closing."""
_CHANGED: Final = (
    "SELECT 1 FROM bill_work LEFT JOIN tx ON tx.id = tx_id "
    "WHERE revision > ? AND coalesce(stop_time, '') < ? LIMIT 1"
)
"""Something that changed after a revision, of all that ended before a time; also a transaction that
is open again."""
_STATEMENT: Final = (
    f"INSERT INTO statement ({', '.join(FIGURES)}, content) "  # noqa: S608
    f"VALUES ({marks(FIGURES)}, ?) RETURNING id"
)
_POSITION: Final = (
    f"INSERT INTO position (statement_id, account_id, {', '.join(OF_POSITION)})"  # noqa: S608 - our own names
    f" VALUES (?, ?, {marks(OF_POSITION)})"
)
_SEAL: Final = (
    "UPDATE statement "
    "SET closing_id = ?, number = ?, printed_number = ?, party_digest = ?, "
    "previous_digest = ?, digest = ?, language = ? WHERE id = ?"
)
_SUPPLEMENT: Final = (
    "INSERT INTO supplement (account_id, month, biller_id, made_at, made_by, party_digest, "
    "previous_digest, digest, party, sheet) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SETTLED: Final = (
    "DELETE FROM bill_work "
    "WHERE revision IN (SELECT revision FROM bill_work LEFT JOIN tx ON tx.id = tx_id "
    "WHERE revision <= ? AND (bill_work.account_id IS NOT NULL "
    "OR (revision <= coalesce((SELECT revision FROM signed_work WHERE id = 1), revision) "
    "AND revision <= coalesce((SELECT revision FROM tx_quarter_work WHERE id = 1), revision) "
    "AND (stop_time < ? "
    "OR (status = 'Completed' AND stop_time < ? AND review IS NULL AND judge_after IS NULL "
    "AND confidence = 'certain' AND EXISTS (SELECT 1 FROM position JOIN statement "
    "ON statement.id = statement_id WHERE position.tx_id = tx.id AND number IS NOT NULL))))) "
    "LIMIT ?)"
)
"""What a closing settled. What waits for a review, or for the check of its signed values, or is
nobody's, stays."""


class Closed(NamedTuple):
    """What was closed: the closing's number, and the first and last printed number of its
    statements (None: there are none)."""

    id: int
    statements: int
    first: str | None = None
    last: str | None = None


def begin(db: UnitOfWork, day: date, at: str, by: str) -> None:
    """Say since when this system bills. Another day can be said until the first month is closed.
    Raises Refused."""
    known = begun(db.rows)
    if known is not None and known.on == day:
        return
    if known is not None and db.row("SELECT 1 FROM closing LIMIT 1") is not None:
        words = Told(
            "this system has billed since {1}, and a month is closed; the day stays", Day(known.on)
        )
        raise Refused(Code.CONFLICT, words)
    db.execute(
        "INSERT INTO billing (id, begun_on, begun_at, begun_by) "
        "VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET begun_on = excluded.begun_on, begun_at = excluded.begun_at, "
        "begun_by = excluded.begun_by",
        (day.isoformat(), at, by),
    )
    db.record(BillingBegun(charger=None, at=at, day=day.isoformat(), by=by))


def close(db: UnitOfWork, closable: Closable) -> Closed | None:
    """Close a month, for all accounts or for one that moves out; None if something changed since it
    was computed."""
    plan, before, order, statements = closable
    if before != grounds(db.rows, plan.terms) or db.rows(_CHANGED, (plan.revision, plan.until)):
        return None
    last = statements[-1].digest if statements else before.newest_digest
    closing = db.insert(
        "INSERT INTO closing (month, account_id, terms, biller_id, statements, previous_digest, "
        "digest, closed_at, closed_by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            *(str(plan.month), plan.account, before.terms, before.biller, len(statements)),
            *(before.newest_digest, last, order.at, order.by),
        ),
    )
    for one in statements:
        _store(db, closing, one, order)
    for account in {one.rows.figures.account_id for one in statements}:
        note_settlement(db, account, {})
    db.execute("UPDATE billing SET next_number = ?", (before.next_number + len(statements),))
    if plan.account is None:
        db.execute(_SETTLED, (plan.revision, plan.since, plan.until, MOST_SETTLED))
    schedule_unsure(db, order.at)
    closed = Closed(closing, len(statements))
    numbers: tuple[int | None, ...] = (None, None)
    if statements:
        begin, end = statements[0], statements[-1]
        closed = closed._replace(first=begin.printed_number, last=end.printed_number)
        numbers = begin.number, end.number
    db.record(
        MonthClosed(
            charger=None,
            at=order.at,
            month=str(plan.month),
            account=plan.account,
            statements=closed.statements,
            first=numbers[0],
            last=numbers[1],
            by=order.by,
        )
    )
    return closed


class Supplement(NamedTuple):
    """What is added to the closed papers of a household for a month: who bills, and the names and
    the sheet that it has."""

    account: int
    month: str
    biller: int
    party: str
    sheet: str


def supplement(db: UnitOfWork, one: Supplement, at: str, by: str) -> str:
    """Store what is added to closed papers, sealed; return its digest."""
    newest = db.row("SELECT digest FROM supplement WHERE id = (SELECT max(id) FROM supplement)")
    previous = BEGINNING if newest is None else newest[0]
    of_names = party_digest(one.party)
    digest = seal_of(one.account, one.month, of_names, previous)
    values = (one.account, one.month, one.biller, at, by, of_names, previous, digest)
    db.execute(_SUPPLEMENT, (*values, one.party, one.sheet))
    return digest


def _store(db: UnitOfWork, closing: int, one: Numbered, order: Order) -> None:
    account = one.rows.figures.account_id
    number = db.insert(_STATEMENT, (*one.rows.figures, one.content))
    for row in one.rows.positions:
        db.execute(_POSITION, (number, account, *row))
    seal = (
        one.number,
        one.printed_number,
        one.party_digest,
        one.previous_digest,
        one.digest,
        one.language,
    )
    db.execute(_SEAL, (closing, *seal, number))
    add = "INSERT INTO statement_party (statement_id, party, sheet) VALUES (?, ?, ?)"
    db.execute(add, (number, one.party, one.sheet))
    before = one.rows.figures.before
    parts = () if before is None else before_of(before).set_off
    if one.amount or parts:
        words = f"statement {one.printed_number}"
        entry = enter_statement(
            db,
            LedgerEntry(
                account,
                LedgerKind.STATEMENT,
                one.amount,
                one.rows.figures.currency,
                words,
                order.at,
                order.by,
                number,
            ),
        )
        set_off(db, entry, parts)
