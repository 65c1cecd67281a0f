"""The transactions of an account, and those of nobody, page by page, and why a transaction is whose
it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import Thing, What
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.store.lookups.ownership import Owners, periods_of
from levity_trio.store.reads.pages import ListPage, Row, WantedPage
from levity_trio.store.reads.transactions.billed import numbers_of
from levity_trio.store.reads.transactions.transactions import (
    Transaction,
    TransactionFilters,
    transaction_rows,
)

HIGHEST_CHARACTER: Final = "\U0010ffff"
_FORMS: Final = (
    "SELECT folded_tag, id_tag "
    "FROM tx INDEXED BY tx_by_folded_tag "
    "WHERE (folded_tag, id_tag) > (?, ?) AND folded_tag <= ? "
    "ORDER BY folded_tag, id_tag LIMIT 1"
)
_GROUNDS: Final = "SELECT tx_id, ground, is_outside FROM booked WHERE tx_id IN ({})"


def is_of_household(db: Database, key: str, at: str) -> bool:
    """Whether a tag, by its normal form, belongs to a household at a time."""
    return any(one.span.covers(at) for one in periods_of(rows_of(db), Thing(What.TAG, key)))


@record
class OwnedTransaction:
    """A transaction of an account. `ground` is hand, tag, connector or charger; `outside` is
    whether the account was not open at its start."""

    ground: str
    outside: bool
    transaction: Transaction


@record
class Ownership:
    """The owner of a transaction (null: nobody), and why."""

    transaction: int
    account: int | None
    ground: str
    outside: bool
    grounds: tuple[str, ...]


def owned(db: Database, number: int, rule: Rule) -> Ownership | None:
    """Return whose a transaction is, and why; None if there is no such transaction."""
    decision = Owners(rows_of(db), rule.policy, rule.bill_by).explain(number)
    if decision is None:
        return None
    owner = decision.owner
    return Ownership(
        transaction=number,
        account=owner.account,
        ground=owner.ground,
        outside=owner.is_outside,
        grounds=decision.grounds,
    )


def transactions_of(
    db: Database, filters: TransactionFilters, wanted: WantedPage
) -> ListPage[OwnedTransaction]:
    """Return a page of the transactions of an account, the newest first, each with its ground.
    Raises NoPage."""
    page = numbers_of(db, filters, wanted)
    among = _GROUNDS.format(marks(page.data) or "NULL")
    grounds = {number: of_it for number, *of_it in rows_of(db)(among, page.data)}
    owned: list[OwnedTransaction] = []
    for one in transaction_rows(db, page.data):
        ground, is_outside = grounds[one.id]
        owned.append(OwnedTransaction(ground=ground, outside=bool(is_outside), transaction=one))
    return page.of_rows(owned)


def unowned(db: Database, filters: TransactionFilters, wanted: WantedPage) -> ListPage[Transaction]:
    """Return a page of the transactions that belong to nobody, the newest first. Raises NoPage.

    Imported ones are billed elsewhere and left out.
    """
    page = numbers_of(db, replace(filters, is_unowned=True), wanted)
    return page.of_rows(transaction_rows(db, page.data))


def forms_as_sent(db: Database, key: str, policy: Policy) -> Iterator[str]:
    """Yield the tags of transactions, as sent, with this normal form. They begin with it, or are
    it. What some chargers read instead of a card is the card."""
    for form in (key, *same_cards(db, key)):
        last: Row | None = (form, "")
        highest = form if policy.strip is None else form + HIGHEST_CHARACTER
        while last is not None:
            last = next(iter(db.execute(_FORMS, (*last, highest)).fetchall()), None)
            if last is not None and policy.key(last[1]) == form:
                yield last[1]


def same_cards(db: Database, key: str) -> list[str]:
    """Return the normal forms of what some chargers read instead of a card."""
    found = db.execute("SELECT key FROM tag WHERE same_as = ? AND ended_at IS NULL", (key,))
    return [form for (form,) in found.fetchall()]
