"""Statements that are overdue, of which a household is reminded by mail."""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from levity_trio.billing.settling import StatementState
from levity_trio.store.billing.rows import before_of
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.money.statements import (
    BillerRow,
    ClosedStatement,
    biller,
    closed_among,
    id_of_number,
)
from levity_trio.told import Told

_LANGUAGE: Final = "SELECT language, before FROM statement WHERE id = ?"
_OPEN: Final = "SELECT 1 FROM settlement WHERE statement_id = ? AND paid < asked"


class NotReminded(Exception):
    """No reminder is to be mailed; the text says why."""


class ReminderOrder(NamedTuple):
    """A reminder of the statement with a number; a second one only if it is wanted `again`."""

    number: int
    by: str
    again: bool


class OverdueOne(NamedTuple):
    """A statement that is overdue: the id of its row, its language, how it stands, the sum that its
    code asks for, and who bills."""

    id: int
    language: str | None
    standing: ClosedStatement
    coded: int
    biller: BillerRow | None


def overdue(db: Database, order: ReminderOrder, today: date) -> OverdueOne:
    """Return a statement of which its household is to be reminded. Raises NotReminded."""
    statement_id = id_of_number(db, str(order.number))
    found = closed_among(db, [order.number], today.isoformat())
    printed = found[0].printed_number if found else str(order.number)
    if statement_id is None or found[0].state != StatementState.OVERDUE:
        raise NotReminded(Told("statement {1} is not overdue", printed))
    if found[0].reminded_at and not order.again:
        raise NotReminded(Told("a reminder of statement {1} was mailed already", printed))
    ((language, before),) = db.execute(_LANGUAGE, (statement_id,)).fetchall()
    coded = found[0].total + (before_of(before).amount if before else 0)
    return OverdueOne(statement_id, language, found[0], coded, biller(db))


def is_paid(db: Database, statement_id: int | None) -> bool:
    """Whether nothing of a statement is open any more."""
    return not db.execute(_OPEN, (statement_id,)).fetchall()
