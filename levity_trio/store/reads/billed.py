"""Transactions with their states for the bill, and the list of those in one state.

Indexes give candidates, and what is stored of each decides (store/billing/states.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from sqlite_utils import Database

from levity_trio.billing.states import BillState
from levity_trio.store.billing.months import bills_since
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.states import states
from levity_trio.store.ownership import Owners
from levity_trio.store.reads.pages import Branch, Listing, NoPage, Page, Row, Wanted, sift
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

ORDER: Final = ("start_time", "id")
WAITING: Final = (BillState.UNBILLED, BillState.HELD_BACK)
_TO_BILL: Final = "(SELECT tx.* FROM bill_work CROSS JOIN tx ON tx.id = tx_id)"
"""Whatever waits is among these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledTransaction(Transaction):
    """A transaction as it is known now, and its state for the bill (`bill`)."""

    bill: str


def billed_transactions(
    db: Database,
    filters: Filters,
    rule: Rule,
    wanted: Wanted,
    *,
    state: BillState | None = None,
    is_newest_first: bool = True,
) -> Page[BilledTransaction]:
    """Return a page of transactions, by the time at which they started. Raises NoPage.

    A page of those in one state may have fewer rows than wanted; its cursor then leads on.
    """
    if state is None:
        found = transactions(db, filters, wanted, is_newest_first=is_newest_first)
        data = _with_states(db, found.data, rule)
        return Page(data, found.page, found.limit, found.total, found.total_at_least, found.next_cursor)
    if wanted.page > 1:
        raise NoPage("page", "transactions in a state for the bill have no numbered pages; go on with next_cursor")
    db.execute("BEGIN")
    listing = Listing([_candidates(filters, state)], ORDER, is_newest_first)
    return _in_state(db, listing, rule, wanted, state)


def billed_transaction(db: Database, number: int, rule: Rule) -> BilledTransaction | None:
    """Return one transaction."""
    db.execute("BEGIN")
    found = _with_states(db, transaction_rows(db, (number,)), rule)
    return found[0] if found else None


class _States:
    """States within one read; what was looked up is kept."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._rows = rows_of(db)
        self._owners = Owners(self._rows, rule.policy, rule.bill_by)
        self._since = bills_since(self._rows, rule.zone)

    def of(self, numbers: Sequence[int]) -> Mapping[int, BillState]:
        return states(self._rows, numbers, self._owners, self._since)


def _candidates(filters: Filters, state: BillState) -> Branch:
    status = filters.status or (ACTIVE if state is BillState.OPEN else COMPLETED)
    branch = branch_of(replace(filters, status=status))
    return branch._replace(source=_TO_BILL) if state in WAITING else branch


def _in_state(db: Database, listing: Listing, rule: Rule, wanted: Wanted, state: BillState) -> Page[BilledTransaction]:
    every = _States(db, rule)

    def choose(keys: Sequence[Row]) -> Iterator[Row]:
        known = every.of([key[-1] for key in keys])
        return (key for key in keys if known[key[-1]] is state)

    keys, next_cursor = sift(db, listing, choose, wanted.limit, wanted.cursor)
    by_id = {one.id: one for one in transaction_rows(db, [key[-1] for key in keys])} if keys else {}
    data = [_with_state(by_id[key[-1]], state) for key in keys]
    return Page(data, 1, wanted.limit, next_cursor=next_cursor)


def _with_states(db: Database, found: Sequence[Transaction], rule: Rule) -> list[BilledTransaction]:
    known = _States(db, rule).of([one.id for one in found])
    return [_with_state(one, known[one.id]) for one in found]


def _with_state(one: Transaction, state: BillState) -> BilledTransaction:
    known = {field.name: getattr(one, field.name) for field in fields(one)}
    return BilledTransaction(**known, bill=state.value)
