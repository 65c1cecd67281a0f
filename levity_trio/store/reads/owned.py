"""The transactions of an account, and those of nobody, page by page.

Indexes give candidates, and periods decide (billing/ownership.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy, Ground, Owner, Thing, What
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.ownership import Owners, periods_of
from levity_trio.store.reads.pages import Branch, Condition, Listing, ListPage, Row, given, sift
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.reads.transactions import Transaction, transaction_rows

ORDER: Final = ("start_time", "id")
HIGHEST_CHARACTER: Final = "\U0010ffff"
_FORMS: Final = (
    "SELECT folded_tag, id_tag FROM tx INDEXED BY tx_by_folded_tag WHERE (folded_tag, id_tag) > (?, ?)"
    " AND folded_tag <= ? ORDER BY folded_tag, id_tag LIMIT 1"
)
_BY_HAND: Final = "(SELECT tx.*, account_id FROM tx_account JOIN tx ON tx.id = tx_account.tx_id)"


@record(kw_only=False)
class OwnershipRule:
    """By what transactions belong to accounts: the normal form of tags, and what comes first."""

    policy: Policy
    bill_by: BillBy

    def owners(self, db: Database) -> Owners:
        return Owners(rows_of(db), self.policy, self.bill_by)


def is_of_household(db: Database, key: str, at: str) -> bool:
    """Whether a tag, by its normal form, belongs to a household at a time."""
    return any(one.span.covers(at) for one in periods_of(rows_of(db), Thing(What.TAG, key)))


class Ends(NamedTuple):
    """When a transaction ended: since, and before, in the database's format; None means any time."""

    since: str | None = None
    before: str | None = None

    def conditions(self) -> list[Condition]:
        return given(("stop_time >= ?", self.since), ("stop_time < ?", self.before))


ANY_END: Final = Ends()


@record
class OwnedTransaction:
    """A transaction of an account. `ground` is hand, tag, connector or charger; `outside` is whether the account was
    not open at its start."""

    ground: str
    outside: bool
    transaction: Transaction


@record
class Ownership:
    """Whose a transaction is (null: nobody's), and why."""

    transaction: int
    account: int | None
    ground: str
    outside: bool
    grounds: tuple[str, ...]


@record
class UnownedFilters:
    """Which transactions of nobody; None means all. Times in the database's format: started since, and before."""

    charger: str | None = None
    since: str | None = None
    before: str | None = None
    ended: Ends = ANY_END


def owned(db: Database, number: int, rule: OwnershipRule) -> Ownership | None:
    """Return whose a transaction is, and why; None if there is no such transaction."""
    db.execute("BEGIN")
    decision = rule.owners(db).explain(number)
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
    db: Database, account: int, rule: OwnershipRule, limit: int, cursor: str | None = None, ended: Ends = ANY_END
) -> ListPage[OwnedTransaction]:
    """Return the next transactions of an account, the newest first. Raises NoPage."""
    db.execute("BEGIN")
    ends = ended.conditions()
    branches = [Branch(one.source, [*one.conditions, *ends]) for one in candidates(db, account, rule.policy)]
    listing = Listing(branches, ORDER)
    decided = _decided(db, listing, rule, lambda owner: owner.account == account, _Wanted(limit, cursor))
    shown = _shown(db, decided)
    rows = [
        OwnedTransaction(ground=owner.ground, outside=owner.is_outside, transaction=shown[number])
        for number, owner in decided.owners.items()
    ]
    return ListPage(rows, 1, limit, next_cursor=decided.next_cursor)


def unowned(
    db: Database, filters: UnownedFilters, rule: OwnershipRule, limit: int, cursor: str | None = None
) -> ListPage[Transaction]:
    """Return the next transactions that belong to nobody, the newest first. Raises NoPage.

    Imported ones are billed elsewhere and left out.
    """
    db.execute("BEGIN")
    conditions = given(
        ("cp_id = ?", filters.charger), ("start_time >= ?", filters.since), ("start_time < ?", filters.before)
    )
    conditions = [*conditions, *filters.ended.conditions(), Condition("imported_id IS NULL")]
    index = "tx_by_time" if filters.charger is None else "tx_by_charger"
    listing = Listing([Branch(f"tx INDEXED BY {index}", conditions)], ORDER)
    found = _decided(db, listing, rule, lambda owner: owner.ground is Ground.NOBODY, _Wanted(limit, cursor))
    shown = _shown(db, found)
    return ListPage([shown[number] for number in found.owners], 1, limit, next_cursor=found.next_cursor)


# Candidates


def candidates(db: Database, account: int, policy: Policy) -> Iterator[Branch]:
    """Yield what may belong to an account: by its tags, by its spaces, by hand."""
    periods = db.execute(
        "SELECT what, key, conn_id, since, coalesce(until, '9999') FROM ownership WHERE account_id = ?"
        " AND voided_at IS NULL AND what <> 'vehicle'",
        (account,),
    ).fetchall()
    for what, key, connector, *span in periods:
        within = Condition("start_time >= ? AND start_time < ?", tuple(span))
        if what == "space":
            where = given(("cp_id = ?", key), ("conn_id = ?", connector or None))
            yield Branch("tx INDEXED BY tx_by_charger", [*where, within])
        else:
            for form in forms_as_sent(db, key, policy):
                yield Branch("tx INDEXED BY tx_by_tag", [Condition("id_tag = ?", (form,)), within])
    yield Branch(_BY_HAND, [Condition("account_id = ?", (account,))])


def forms_as_sent(db: Database, key: str, policy: Policy) -> Iterator[str]:
    """Yield the tags of transactions, as sent, with this normal form. They begin with it, or are it."""
    last: Row | None = (key, "")
    highest = key if policy.strip is None else key + HIGHEST_CHARACTER
    while last is not None:
        last = next(iter(db.execute(_FORMS, (*last, highest)).fetchall()), None)
        if last is not None and policy.key(last[1]) == key:
            yield last[1]


# Decisions


class _Wanted(NamedTuple):
    limit: int
    cursor: str | None


@record(kw_only=False)
class _Found:
    """Transactions in order, each with its owner."""

    owners: dict[int, Owner]
    next_cursor: str | None


def _decided(
    db: Database, listing: Listing, rule: OwnershipRule, is_wanted: Callable[[Owner], bool], wanted: _Wanted
) -> _Found:
    owners, by_id = rule.owners(db), dict[int, Owner]()

    def choose(keys: Sequence[Row]) -> Iterator[Row]:
        by_id.update(owners.decide([key[-1] for key in keys]))
        return (key for key in keys if is_wanted(by_id[key[-1]]))

    keys, next_cursor = sift(db, listing, choose, *wanted)
    return _Found({key[-1]: by_id[key[-1]] for key in keys}, next_cursor)


def _shown(db: Database, found: _Found) -> dict[int, Transaction]:
    rows = transaction_rows(db, [*found.owners]) if found.owners else []
    return {one.id: one for one in rows}
