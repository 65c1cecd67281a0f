"""The closing of a month: one short write that numbers and seals its statements, and enters them in the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple

from levity_trio.billing.ledger import Kind
from levity_trio.events import BillingBegun, MonthClosed
from levity_trio.store.billing.due import CHANGED, Plan
from levity_trio.store.billing.months import begun
from levity_trio.store.billing.rows import names_text
from levity_trio.store.billing.sealing import BEGINNING, party_digest, seal_of
from levity_trio.store.billing.statements import names_now
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.ledger import Entry, enter_statement

_DRAFT: Final = "SELECT id, terms, revision FROM draft WHERE month = ? AND account_id IS ? AND ready_at IS NOT NULL"
_UNPRICED: Final = (
    "SELECT count(*) FROM statement CROSS JOIN position ON statement_id = statement.id"
    " WHERE draft_id = ? AND position.kind = 'unpriced'"
)
_TO_CLOSE: Final = (
    "SELECT id, account_id, charged, currency, content FROM statement WHERE draft_id = ? AND number IS NULL"
    " AND EXISTS (SELECT 1 FROM position WHERE statement_id = statement.id"
    " AND kind IN ('session', 'free', 'base fee', 'correction')) ORDER BY account_id, id"
)
_LAST: Final = "SELECT digest FROM statement WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1"
_CHARGED: Final = (
    "SELECT coalesce(sum(ledger.amount), 0) FROM position CROSS JOIN ledger ON ledger.tx_id = position.tx_id"
    " AND ledger.account_id = position.account_id WHERE position.statement_id = ?"
    " AND position.kind IN ('session', 'free') AND ledger.kind = 'charge'"
)
_SEAL: Final = (
    "UPDATE statement SET closing_id = ?, number = ?, party_digest = ?, previous_digest = ?, digest = ? WHERE id = ?"
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


class Order(NamedTuple):
    """Who closes and when. `salt` makes the digests of names unguessable: bytes that nobody else has."""

    by: str
    at: str
    salt: bytes


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
        words = f"this system bills since {known.on}" if known else ""
        raise Refused(Code.CONFLICT, f"{words}, and a month is closed; the day stays")
    db.execute(
        "INSERT INTO billing (id, begun_on, begun_at, begun_by) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
        " SET begun_on = excluded.begun_on, begun_at = excluded.begun_at, begun_by = excluded.begun_by",
        (day.isoformat(), at, by),
    )
    db.record(BillingBegun(charger=None, at=at, day=day.isoformat(), by=by))


def close(db: UnitOfWork, plan: Plan, order: Order) -> Closed:
    """Close a month as its draft says, for all accounts or for one that moves out. Raises Refused."""
    draft = _checked_draft(db, plan, order)
    biller = db.row("SELECT max(id) FROM biller")
    if biller is None or biller[0] is None:
        raise Refused(Code.NO_BILLER, "nobody bills; say who does with levity-trio bill owner set")
    ((next_number,),) = db.rows("SELECT next_number FROM billing", ())
    to_close = db.rows(_TO_CLOSE, (draft,))
    before = _last_seal(db)
    seals = list(_seals(db, to_close, next_number, before, order))
    closing = db.insert(
        "INSERT INTO closing (month, account_id, terms, biller_id, statements, previous_digest, digest, closed_at,"
        " closed_by) SELECT month, account_id, terms, ?, ?, ?, ?, ?, ? FROM draft WHERE id = ? RETURNING id",
        (biller[0], len(seals), before, seals[-1].digest if seals else before, order.at, order.by, draft),
    )
    for one in seals:
        _seal(db, closing, one, order)
    db.execute("UPDATE billing SET next_number = ?", (next_number + len(seals),))
    numbers = [one.number for one in seals]
    closed = Closed(closing, len(seals), min(numbers, default=None), max(numbers, default=None))
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
    return db.execute(_SETTLED, (plan.revision, plan.since, plan.until, most))


def _checked_draft(db: UnitOfWork, plan: Plan, order: Order) -> int:
    """Return the draft that is to be closed. Raises Refused."""
    known = begun(db.rows)
    if known is None:
        raise Refused(Code.NOT_BEGUN, "say first since when this system bills: levity-trio bill begin DATE")
    if plan.month != known.open_month:
        raise Refused(Code.CONFLICT, f"{known.open_month} is the month to close next")
    if order.at < plan.until:
        raise Refused(Code.NOT_OVER, f"{plan.month} is not over")
    drafts = db.rows(_DRAFT, (str(plan.month), plan.account))
    for draft, terms, revision in drafts:
        if terms == plan.terms.text(db.rows) and not db.rows(CHANGED + " LIMIT 1", (revision, plan.until)):
            _check_prices(db, draft)
            return int(draft)
    raise Refused(Code.NOT_READY, f"the draft of {plan.month} is not up to date; prepare it, and close again")


def _check_prices(db: UnitOfWork, draft: int) -> None:
    ((unpriced,),) = db.rows(_UNPRICED, (draft,))
    if unpriced:
        words = f"{unpriced} transactions have no tariff: see the preview, and assign one"
        raise Refused(Code.NO_TARIFF, words)


def _last_seal(db: UnitOfWork) -> str:
    found = db.row(_LAST)
    return BEGINNING if found is None else str(found[0])


class _Sealed(NamedTuple):
    id: int
    account: int
    amount: int
    currency: str
    number: int
    party: str
    party_digest: str
    previous: str
    digest: str


def _seals(
    db: UnitOfWork, to_close: list[tuple[Any, ...]], next_number: int, before: str, order: Order
) -> Iterator[_Sealed]:
    for number, (statement, account, charged, currency, content) in enumerate(to_close, next_number):
        salt = hashlib.sha256(order.salt + str(statement).encode()).hexdigest()
        party = names_text(names_now(db.rows, statement, account), salt)
        of_party = party_digest(party)
        digest = seal_of(number, content, of_party, before)
        ((paid,),) = db.rows(_CHARGED, (statement,))
        yield _Sealed(statement, account, -charged - paid, currency, number, party, of_party, before, digest)
        before = digest


def _seal(db: UnitOfWork, closing: int, one: _Sealed, order: Order) -> None:
    db.execute(_SEAL, (closing, one.number, one.party_digest, one.previous, one.digest, one.id))
    db.execute("INSERT INTO statement_party (statement_id, party) VALUES (?, ?)", (one.id, one.party))
    if one.amount:
        words = f"statement {one.number}"
        entry = Entry(one.account, Kind.STATEMENT, one.amount, one.currency, words, order.at, order.by, one.id)
        enter_statement(db, entry)
