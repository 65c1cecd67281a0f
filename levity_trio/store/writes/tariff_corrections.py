"""A change of tariffs that reaches back to statements which were closed early. They are corrected, but not unsaid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from levity_trio.billing.money import CURRENCIES, signed
from levity_trio.records import record
from levity_trio.store.billing.early import corrections
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.accounts import Code, Refused

T = TypeVar("T")
NAMED: Final = 5
_OF: Final = (
    "SELECT statement.month, statement.currency, account.id, account.name FROM statement"
    " JOIN account ON account.id = statement.account_id WHERE number = ?"
)


@record
class CorrectedStatement:
    """A closed statement that a change corrects, and by how much, in minor units with tax."""

    statement: int
    month: str
    account: int
    name: str
    amount: int
    currency: str

    @property
    def words(self) -> str:
        amount = signed(self.amount, CURRENCIES[self.currency])
        return f"statement {self.statement} ({self.name}, {self.month}) by {amount}"


def correcting(
    db: UnitOfWork, rule: Rule, change: Callable[[], T], *, may_correct: bool
) -> tuple[T, list[CorrectedStatement]]:
    """Make a change of tariffs, and return what it corrects. Raises Refused if it may not."""
    before = corrections(db.rows, rule)
    result = change()
    after = corrections(db.rows, rule)
    every = sorted(before.keys() | after.keys())
    amounts = {number: after.get(number, 0) - before.get(number, 0) for number in every}
    found = [_corrected(db, number, amount) for number, amount in amounts.items() if amount]
    if found and not may_correct:
        raise Refused(Code.CORRECTS_STATEMENTS, _refusal(found), "correct_statements")
    return result, found


def _corrected(db: UnitOfWork, number: int, amount: int) -> CorrectedStatement:
    ((month, currency, account, name),) = db.rows(_OF, (number,))
    return CorrectedStatement(
        statement=number, month=month, account=account, name=name, amount=amount, currency=currency
    )


def _refusal(found: Sequence[CorrectedStatement]) -> str:
    named = ", ".join(one.words for one in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"this is needed, because what is closed is corrected: {named}{more}; or choose a later day"
