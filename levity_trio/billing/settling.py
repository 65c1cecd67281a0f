"""Settles statements: money pays the statement that it names, then the oldest ones.

Amounts are minor units, positive in the household's favour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class StatementState(StrEnum):
    """How a statement stands today."""

    OPEN = "open"
    PARTLY_PAID = "partly paid"
    PAID = "paid"
    OVERDUE = "overdue"
    """Something of it is open after its last day to pay."""
    CREDITED = "credited"
    """It left a credit, which goes to the next one."""
    CARRIED_ON = "carried on"
    """It is too small to be asked for, and goes to the next one."""
    NOTHING = "nothing to pay"
    UNPAID = "unpaid"
    """A list can be asked for it: open, partly paid or overdue."""


class BilledTotal(NamedTuple):
    """A closed statement: its id, that of its closing, and its total."""

    id: int
    closing: int
    total: int
    is_carried: bool

    @property
    def asked(self) -> int:
        """What the household is asked to pay."""
        return 0 if self.is_carried else max(0, self.total)


class Moved(NamedTuple):
    """An amount of the ledger, and the id of the statement that it names. What a statement itself
    entered names none."""

    amount: int
    statement: int | None = None


class Settlement(NamedTuple):
    """What is paid of each statement that asks for something, by its id.

    `credit` is what is left over; negative: what is owed beside all statements. `carried` is what
    the next statement carries in. The balance is `credit` less `carried` and all that is open.
    """

    paid: Mapping[int, int]
    credit: int
    carried: int


def settle(statements: Sequence[BilledTotal], moved: Iterable[Moved]) -> Settlement:
    """Return what is paid of the statements of one household, which are in their order.

    In which order money came does not matter. What names no statement, or is more than the named
    one asks for, settles the oldest. What was taken back from a statement opens it again, and only
    money that is left over beside all others settles it anew. If more was taken back than came, the
    newest statements are open.
    """
    asked = {one.id: one.asked for one in statements if one.asked}
    newest = max((one.closing for one in statements), default=0)
    to_carry = {one.id: one.total for one in statements if one.is_carried and one.closing == newest}
    carried = sum(to_carry.values())

    # The debts are among the amounts that name no statement.
    left = sum(asked.values()) + carried
    given, taken = Counter[int](), Counter[int]()
    for amount, statement in moved:
        if statement in to_carry:
            carried -= amount
        elif statement in asked:
            (given if amount > 0 else taken)[statement] += abs(amount)
        else:
            left += amount

    paid = {one: min(asks, given[one]) for one, asks in asked.items()}
    left += given.total() - sum(paid.values())
    named = dict(paid)
    left = _spread(asked, paid, left)
    for statement, amount in taken.items():
        back = min(amount, paid[statement])
        paid[statement] -= back
        left -= amount - back
    left = _spread(asked, paid, left)

    for statement in reversed(paid):
        back = max(0, min(-left, paid[statement] - named[statement]))
        paid[statement] -= back
        left += back
    return Settlement(paid, left, carried)


def _spread(asked: Mapping[int, int], paid: dict[int, int], left: int) -> int:
    """Pay statements in their order, and return what is left over."""
    for statement, asks in asked.items():
        part = max(0, min(left, asks - paid[statement]))
        paid[statement] += part
        left -= part
    return left
