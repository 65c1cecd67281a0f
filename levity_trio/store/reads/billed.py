"""Transactions with their states for the bill and their owners, and the list of those in one state or of one account.

Indexes give candidates, and what is stored of each decides (store/billing/states.py, billing/ownership.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Final, NamedTuple

from levity_trio.billing.states import BillState
from levity_trio.records import record
from levity_trio.store.billing.months import bills_since
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.states import states
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.owned import candidates
from levity_trio.store.reads.pages import Branch, Listing, ListPage, NoPage, Row, Wanted, sift
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.reads.transactions import (
    ACTIVE,
    COMPLETED,
    Filters,
    Transaction,
    branch_of,
    transaction_rows,
    transactions,
)
from levity_trio.store.reads.whose import Whose

WAITING: Final = (BillState.UNBILLED, BillState.HELD_BACK)
_TO_BILL: Final = "(SELECT tx.* FROM bill_work CROSS JOIN tx ON tx.id = tx_id)"
"""Whatever waits is among these."""


class OfBill(NamedTuple):
    """Which transactions; None means all: those in one state for the bill, or of one account."""

    state: BillState | None = None
    account: int | None = None


EVERY: Final = OfBill()


@record
class BilledTransaction(Transaction):
    """A transaction as it is known now, and its state for the bill (`bill`).

    `account` is whose it is (null: nobody's), `who` the name of that account, else that of its tag; `charger_name` and
    `space` are where it took place. Viewers see neither `who` nor `space`.
    """

    bill: str
    account: int | None
    who: str | None
    charger_name: str | None
    space: str | None


def billed_transactions(
    db: Database,
    filters: Filters,
    rule: Rule,
    wanted: Wanted,
    *,
    of_bill: OfBill = EVERY,
    is_newest_first: bool = True,
) -> ListPage[BilledTransaction]:
    """Return a page of transactions, by the time at which they started, or ended if that is asked for. Raises NoPage.

    A page of those in one state or of one account may have fewer rows than wanted; its cursor then leads on.
    """
    if of_bill == EVERY:
        found = transactions(db, filters, wanted, is_newest_first=is_newest_first)
        return replace(found, data=_Known(db, rule).told(found.data))  # type: ignore[arg-type,return-value]
    if wanted.page > 1:
        words = "transactions in a state for the bill, or of an account, have no numbered pages; go on with next_cursor"
        raise NoPage("page", words)
    db.execute("BEGIN")
    return sifted_transactions(db, filters, rule, wanted, of_bill, is_newest_first=is_newest_first)


def sifted_transactions(
    db: Database, filters: Filters, rule: Rule, wanted: Wanted, of_bill: OfBill, *, is_newest_first: bool = True
) -> ListPage[BilledTransaction]:
    """Return a page of those in one state or of one account, within a read that has begun. Raises NoPage."""
    listing = Listing([*_candidates(db, filters, rule, of_bill)], filters.order, is_newest_first)
    return _sifted(db, listing, _Known(db, rule), wanted, of_bill)


def billed_transaction(db: Database, number: int, rule: Rule) -> BilledTransaction | None:
    """Return one transaction."""
    db.execute("BEGIN")
    found = billed_rows(db, (number,), rule)
    return found[0] if found else None


def billed_rows(db: Database, numbers: Sequence[int], rule: Rule) -> list[BilledTransaction]:
    """Return the transactions with these ids, within a read that has begun."""
    return _Known(db, rule).told(transaction_rows(db, numbers))


class _Known:
    """States and owners within one read; what was looked up is kept."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._rows = rows_of(db)
        self._whose = Whose(db, rule)
        self._since = bills_since(self._rows, rule.zone)

    def states(self, numbers: Sequence[int]) -> Mapping[int, BillState]:
        return states(self._rows, numbers, self._whose.owners, self._since)

    def are_wanted(self, numbers: Sequence[int], of_bill: OfBill) -> set[int]:
        """Return those of the transactions that are wanted."""
        found = set(numbers)
        if of_bill.account is not None:
            found = {number for number, account in self._whose.accounts(numbers).items() if account == of_bill.account}
        if of_bill.state is not None and found:
            found = {number for number, state in self.states([*found]).items() if state is of_bill.state}
        return found

    def told(self, transactions: Sequence[Transaction]) -> list[BilledTransaction]:
        numbers = [one.id for one in transactions]
        bills, accounts = self.states(numbers), self._whose.accounts(numbers)
        names = self._whose.account_names(accounts.values())
        return [self._told(one, bills[one.id], accounts[one.id], names) for one in transactions]

    def _told(
        self, transaction: Transaction, bill: BillState, account: int | None, names: Mapping[int | None, str]
    ) -> BilledTransaction:
        return BilledTransaction(
            **{field.name: getattr(transaction, field.name) for field in fields(transaction)},
            bill=bill.value,
            account=account,
            who=names.get(account) or self._whose.tag_name(transaction.id_tag),
            charger_name=self._whose.charger_name(transaction.charger),
            space=self._whose.space(transaction.charger, transaction.connector),
        )


def _candidates(db: Database, filters: Filters, rule: Rule, of_bill: OfBill) -> Iterator[Branch]:
    """Yield what may be wanted."""
    state, account = of_bill
    if state is not None:
        filters = replace(filters, status=filters.status or (ACTIVE if state is BillState.OPEN else COMPLETED))
    branch = branch_of(filters)
    if account is not None:
        for own in candidates(db, account, rule.policy):
            yield own._replace(conditions=[*own.conditions, *branch.conditions])
    else:
        yield branch._replace(source=_TO_BILL) if state in WAITING else branch


def _sifted(
    db: Database, listing: Listing, known: _Known, wanted: Wanted, of_bill: OfBill
) -> ListPage[BilledTransaction]:
    def choose(keys: Sequence[Row]) -> Iterator[Row]:
        chosen = known.are_wanted([key[-1] for key in keys], of_bill)
        return (key for key in keys if key[-1] in chosen)

    keys, next_cursor = sift(db, listing, choose, wanted.limit, wanted.cursor)
    by_id = {one.id: one for one in transaction_rows(db, [key[-1] for key in keys])} if keys else {}
    return ListPage(known.told([by_id[key[-1]] for key in keys]), 1, wanted.limit, next_cursor=next_cursor)
