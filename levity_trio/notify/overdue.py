"""Statements that are overdue, of which a household is reminded by mail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from levity_trio.billing.statement import Currency
from levity_trio.store.billing.statements import statement
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.told import Told

_OVERDUE: Final = """
    SELECT
        statement.id,
        account_id,
        asked - paid,
        due_on,
        (
            SELECT count(*)
            FROM message
            WHERE message.statement_id = statement.id AND kind = 'reminder'
        )
    FROM statement
    JOIN settlement ON settlement.statement_id = statement.id
    WHERE number = ? AND paid < asked AND due_on < ?
"""
_OPEN: Final = "SELECT 1 FROM settlement WHERE statement_id = ? AND paid < asked"
_OWN_WORDS: Final = "SELECT reminder_en, reminder_de FROM biller ORDER BY id DESC LIMIT 1"


class NotReminded(Exception):
    """No reminder is to be mailed; the text says why."""


class ReminderOrder(NamedTuple):
    """A reminder of the statement with a number; a second one only if it is wanted `again`."""

    number: int
    by: str
    again: bool


class OverdueOne(NamedTuple):
    """A closed statement that is overdue. `number` is that on the paper, `left` what is open,
    `earlier` how many reminders there were, `own_words` are the owner's by language."""

    id: int
    account: int
    number: str
    month: date
    left: int
    currency: Currency
    due_on: date
    earlier: int
    own_words: Mapping[str, str | None]


def overdue(db: Database, order: ReminderOrder, today: date) -> OverdueOne:
    """Return a statement of which its household is to be reminded. Raises NotReminded."""
    row = db.execute(_OVERDUE, (order.number, today.isoformat())).fetchone()
    if row is None:
        raise NotReminded(Told("statement {1} is not overdue", order.number))
    statement_id, account, left, due_on, earlier = row
    if earlier and not order.again:
        raise NotReminded(Told("a reminder of statement {1} was mailed already", order.number))
    one = statement(rows_of(db), statement_id)
    own = db.execute(_OWN_WORDS).fetchone() or (None, None)
    return OverdueOne(
        id=statement_id,
        account=account,
        number=one.printed_number or "",
        month=one.month,
        left=left,
        currency=one.currency,
        due_on=date.fromisoformat(due_on),
        earlier=earlier,
        own_words=dict(zip(("en", "de"), own, strict=True)),
    )


def is_paid(db: Database, statement_id: int | None) -> bool:
    """Whether nothing of a statement is open any more."""
    return not db.execute(_OPEN, (statement_id,)).fetchall()
