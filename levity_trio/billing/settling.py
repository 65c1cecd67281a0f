"""What a household owes: the one rule that papers, pages, lists, reminders and files ask.

Money settles statements when it is entered, and what it settled is a fact from then on. A
correction takes away from the statement that it corrects at once, before a paper says so. What was
paid of that already is a credit: the next statement sets it off against what is open, or leaves it.

Amounts are minor units, positive in the household's favour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """It left a credit, which goes to the next one or is paid out."""
    CARRIED_ON = "carried on"
    """It is too small to be asked for, and goes to the next one."""
    NOTHING = "nothing to pay"
    UNPAID = "unpaid"
    """A list can be asked for it: open, partly paid or overdue."""


class BilledTotal(NamedTuple):
    """A closed statement: its last day to pay, its id, that of its closing, and its total.

    `correction` is what the next statement will say of it, by what is known now; negative: too much
    was asked for. `paid` is what was settled of it.
    """

    due_on: str
    id: int
    closing: int
    total: int
    is_carried: bool
    correction: int = 0
    paid: int = 0

    @property
    def asked(self) -> int:
        """What the household is asked to pay."""
        return 0 if self.is_carried else max(0, self.total)

    @property
    def unpaid(self) -> int:
        """What of that is not settled."""
        return self.asked - self.paid


class Money(NamedTuple):
    """An entry of the ledger, the id of the statement that it names, and what it has settled."""

    id: int
    amount: int
    statement: int | None = None
    settled: int = 0


class SettledAmount(NamedTuple):
    """What an entry settles of a statement; negative: what it takes back."""

    entry: int
    statement: int
    amount: int


class StatementAccount(NamedTuple):
    """What a statement asked for, what of that is settled, and what corrections take off until the
    next statement sets it off. `credit` is what comes back of it with the next one."""

    asked: int
    paid: int
    taken_off: int
    credit: int

    @property
    def open(self) -> int:
        """What of it is to be paid now."""
        return self.asked - self.paid - self.taken_off


class Settlement(NamedTuple):
    """How statements stand, by their ids, the longest due first.

    `credit` is money that is left over; negative: what is owed beside all statements. `carried` is
    what the next statement carries in. The balance is `credit` less `carried`, less all that is
    asked for and not settled. `beside` is what of a debt beside statements is to be paid now.
    """

    statements: Mapping[int, StatementAccount]
    credit: int
    carried: int
    beside: int

    @property
    def owed(self) -> int:
        """What is to be paid now."""
        return self.beside + sum(one.open for one in self.statements.values())

    @property
    def to_come(self) -> int:
        """The credit that comes with the next statement."""
        return sum(one.credit for one in self.statements.values())


def settle(statements: Sequence[BilledTotal], balance: int, money: Iterable[Money]) -> Settlement:
    """Return how the statements of one household stand."""
    statements = sorted(statements)
    newest = max((one.closing for one in statements), default=0)
    to_carry = {one.id: one.total for one in statements if one.is_carried and one.closing == newest}
    carried = sum(to_carry.values())
    carried -= sum(one.amount for one in money if one.statement in to_carry)
    credit = balance + carried + sum(one.unpaid for one in statements)

    # A correction takes away from its own statement first.
    taken_off, credits_of = dict[int, int](), dict[int, int]()
    for one in statements:
        too_much = max(0, -one.correction)
        taken_off[one.id] = min(too_much, one.unpaid)
        credits_of[one.id] = too_much - taken_off[one.id]
    if carried < 0:
        credits_of[min(to_carry)] -= carried

    # The next statement sets the rest off, against what is due longest first, and takes what is
    # left off what it carries in.
    beside, small = max(0, -credit), max(0, carried)
    for source, left in credits_of.items():
        credit_left = left
        for one in statements:
            part = min(credit_left, one.unpaid - taken_off[one.id])
            taken_off[one.id] += part
            credit_left -= part
        of_debt = min(credit_left, beside)
        of_small = min(credit_left - of_debt, small)
        beside, small = beside - of_debt, small - of_small
        credits_of[source] = credit_left - of_debt - of_small

    standings = {
        one.id: StatementAccount(one.asked, one.paid, taken_off[one.id], credits_of[one.id])
        for one in statements
    }
    return Settlement(standings, credit, carried, beside)


def allot(
    statements: Sequence[BilledTotal], balance: int, money: Sequence[Money]
) -> Iterator[SettledAmount]:
    """Yield what money that is left over settles: the statement that it names, or that has exactly
    this sum open; then what is due longest (§ 366 BGB)."""
    credit = settle(statements, balance, money).credit
    carried = {one.id for one in statements if one.is_carried}
    unpaid = {one.id: max(0, one.unpaid + min(0, one.correction)) for one in sorted(statements)}
    for entry in money:
        left = min(entry.amount - entry.settled, credit)
        if left <= 0 or entry.statement in carried:
            continue
        exact = [one for one, amount in unpaid.items() if amount == entry.amount]
        first = exact[:1] if entry.statement is None else [entry.statement]
        for statement in (*first, *unpaid):
            part = min(left, unpaid.get(statement, 0))
            if part:
                yield SettledAmount(entry.id, statement, part)
                unpaid[statement] -= part
                left, credit = left - part, credit - part


def taken_back(
    statements: Iterable[BilledTotal], credit: int, entry: int, first: Mapping[int, int]
) -> Iterator[SettledAmount]:
    """Yield what an entry that takes money back opens again: what of `first` is paid; then, as far
    as the `credit` lacks, the newest."""
    paid = {one.id: one.paid for one in sorted(statements, reverse=True)}
    for is_first, order in ((True, [*first]), (False, [*paid])):
        for statement in order:
            lacking = first[statement] if is_first else -credit
            part = min(lacking, paid.get(statement, 0))
            if part > 0:
                yield SettledAmount(entry, statement, -part)
                paid[statement] -= part
                credit += part
