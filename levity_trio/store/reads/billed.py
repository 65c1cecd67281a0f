"""Transactions with their states for the bill and their owners, and the list of those in one state or of one account.

Indexes give candidates, and what is stored of each decides (store/billing/states.py, billing/ownership.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.billing.states import BillState
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.records import ForOperators, record
from levity_trio.store.billing.months import bills_since
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.states import states
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, marks, parts
from levity_trio.store.reads.costs import CostSum, cost_sums
from levity_trio.store.reads.months import DOUBT
from levity_trio.store.reads.owned import candidates
from levity_trio.store.reads.pages import (
    MOST_SORTED,
    Branch,
    Listing,
    ListPage,
    NoPage,
    Row,
    Sort,
    Value,
    Wanted,
    every_key,
    page_of_sorted,
    sift,
)
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

_ASKED_LATER: Final = (BillState.UNBILLED, BillState.CHARGED)
"""What the next statement has, unless a closed one has it."""
_FIGURES: Final = f"SELECT id, status = 'Active', coalesce(energy_delivered, 0), {DOUBT} FROM tx WHERE id IN ({{}})"  # noqa: S608 - ours
_SORTED_BY: Final = (
    "SELECT id, cp_id, conn_id, id_tag, energy_delivered, status, review IS NOT NULL, confidence, imported_id"
    " FROM tx WHERE id IN ({})"
)
WAITING: Final = (BillState.UNBILLED, BillState.HELD_BACK)
_TO_BILL: Final = "(SELECT tx.* FROM bill_work CROSS JOIN tx ON tx.id = tx_id)"
"""Whatever waits is among these."""


class OfBill(NamedTuple):
    """Which transactions; None means all: those in one state for the bill, or of one account."""

    state: BillState | None = None
    account: int | None = None


EVERY: Final = OfBill()


class Column(StrEnum):
    """By what transactions can be sorted beside their times."""

    PLACE = "place"
    WHO = "who"
    ENERGY = "energy"
    STATE = "state"
    BILL = "bill"


class Order(NamedTuple):
    """How transactions are sorted by a column. Whoever does not see names sorts by what is shown instead."""

    column: Column
    is_descending: bool
    sees_names: bool = True


@record
class BilledTransaction(Transaction):
    """A transaction as it is known now, and its state for the bill (`bill`).

    `account` is whose it is (null: nobody's), `who` the name of that account, else that of its tag; `charger_name` and
    `space` are where it took place. Viewers see neither `who` nor `space`.
    """

    bill: str
    account: int | None
    who: ForOperators[str | None]
    charger_name: str | None
    space: ForOperators[str | None]


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


def sorted_transactions(
    db: Database, filters: Filters, rule: Rule, wanted: Wanted, of_bill: OfBill, order: Order
) -> ListPage[BilledTransaction]:
    """Return a page of transactions that are sorted by a column, the newest first among equal ones; of MOST_SORTED that
    fit at most. Raises NoPage."""
    db.execute("BEGIN")
    known = _Known(db, rule)
    listing = Listing([*_candidates(db, filters, rule, of_bill)], filters.order)
    keys = _matching(db, listing, known, of_bill)
    sort = Sort(lambda keys: known.values(order, [key[-1] for key in keys]), order.is_descending)
    page = page_of_sorted(sort.of_keys(keys), listing, sort, wanted, lambda key: int(key[-1]))
    by_id = {one.id: one for one in transaction_rows(db, page.data)} if page.data else {}
    return page.of_rows(known.told([by_id[number] for number in page.data]))


@record
class TransactionSums:
    """What transactions come to, in Wh.

    `energy_wh` is that of all that ended; of these, `in_doubt` have a figure that is not certain, and `to_bill` are
    certain and on no closed statement yet. `open` are in progress; their `open_wh` come on top. `costs` are by
    currency, null for viewers. `unpriced` have no price: no tariff, nobody who pays, or billed elsewhere.
    """

    transactions: int
    energy_wh: int
    in_doubt: int
    in_doubt_wh: int
    open: int
    open_wh: int
    to_bill: int
    unpriced: int
    costs: ForOperators[list[CostSum] | None]


def sums_of(db: Database, filters: Filters, rule: Rule, of_bill: OfBill, now: datetime) -> TransactionSums:
    """Return what transactions come to: MOST_SORTED at most. Raises NoPage."""
    db.execute("BEGIN")
    known, rows = _Known(db, rule), rows_of(db)
    listing = Listing([*_candidates(db, filters, rule, of_bill)], filters.order)
    numbers = [key[-1] for key in _matching(db, listing, known, of_bill)]
    if len(numbers) > MOST_SORTED:
        raise NoPage("filter", f"there are more than {MOST_SORTED} to be summed; narrow the filter")
    found = [row for some in parts(numbers) for row in rows(_FIGURES.format(marks(some)), some)]
    bills = known.states(numbers)
    ended = [(number, wh, is_doubtful) for number, is_open, wh, is_doubtful in found if not is_open]
    doubtful = [wh for _, wh, is_doubtful in ended if is_doubtful]
    certain = [number for number, _, is_doubtful in ended if not is_doubtful]
    still_open = [number for number, is_open, *_ in found if is_open]
    costs = cost_sums(rows, rule, of_bill.account, certain, {one for one in certain if bills[one] in _ASKED_LATER}, now)
    return TransactionSums(
        transactions=len(numbers),
        energy_wh=sum(wh for _, wh, _ in ended),
        in_doubt=len(doubtful),
        in_doubt_wh=sum(doubtful),
        open=len(still_open),
        open_wh=sum(energies_so_far(rows, still_open).values()),
        to_bill=sum(bills[number] is BillState.UNBILLED for number in certain),
        unpriced=len(certain) - costs.priced,
        costs=costs.sums,
    )


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

    def values(self, order: Order, numbers: Sequence[int]) -> list[Value]:
        """Return what transactions are sorted by."""
        if order.column is Column.BILL:
            bills = self.states(numbers)
            return [bills[number].value for number in numbers]
        found = {row[0]: row[1:] for some in parts(numbers) for row in self._rows(_SORTED_BY.format(marks(some)), some)}
        if order.column is Column.ENERGY:
            so_far = energies_so_far(self._rows, [one for one in numbers if found[one][4] == ACTIVE])
            return [so_far.get(one, found[one][3]) for one in numbers]
        if order.column is Column.STATE:
            return [_rank_of_state(*found[one][4:]) for one in numbers]
        if order.column is Column.PLACE:
            return [self._place(*found[one][:2], sees_names=order.sees_names) for one in numbers]
        accounts = self._whose.accounts(numbers)
        names = self._whose.account_names(accounts.values()) if order.sees_names else {}
        return [self._who(found[one][2], accounts[one], names, sees_names=order.sees_names) for one in numbers]

    def _place(self, charger: str, connector: int | None, *, sees_names: bool) -> str:
        space = self._whose.space(charger, connector) if sees_names else None
        return f"{space or self._whose.charger_name(charger) or charger} {connector or 0}"

    def _who(
        self, id_tag: str | None, account: int | None, names: Mapping[int | None, str], *, sees_names: bool
    ) -> str | None:
        if sees_names:
            return names.get(account) or self._whose.tag_name(id_tag) or id_tag
        return str(account) if account is not None and id_tag else id_tag

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


def _rank_of_state(status: str, is_in_review: int, confidence: str | None, imported_id: int | None) -> int:
    """Return the place of a state: what is in progress, what waits for a person, what is imported, all others."""
    if status == ACTIVE:
        return 0
    if is_in_review:
        return 1
    return 4 if imported_id is None else 2 if confidence == DOUBTFUL else 3


def _matching(db: Database, listing: Listing, known: _Known, of_bill: OfBill) -> list[Row]:
    """Return the keys of the transactions that are wanted; of more than MOST_SORTED, one more."""

    def choose(keys: Sequence[Row]) -> Iterator[Row]:
        chosen = known.are_wanted([key[-1] for key in keys], of_bill)
        return (key for key in keys if key[-1] in chosen)

    return every_key(db, listing, None if of_bill == EVERY else choose, MOST_SORTED)


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
