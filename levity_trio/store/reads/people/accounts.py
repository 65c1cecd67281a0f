"""Accounts and vehicles; what belongs to accounts, and what did; their transactions and those of
nobody, page by page, and why a transaction is whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import Thing, What
from levity_trio.nouns import Car, Household
from levity_trio.records import Personal, in_order, noun, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.store.lookups.places import Owners, periods_of
from levity_trio.store.reads.pages import (
    ListPage,
    Row,
    Shape,
    Sort,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)
from levity_trio.store.reads.transactions.billed import numbers_of
from levity_trio.store.reads.transactions.transactions import (
    Transaction,
    TransactionFilters,
    transaction_rows,
)
from levity_trio.told import N_


@noun
class Account(Household):
    """A household, open from `since` until `until`. `language` is that of its pages and papers.

    One that was entered by mistake was undone at `undone_at`.
    """

    id: int
    since: str
    until: str | None
    created_at: str
    created_by: str
    updated_at: str
    undone_at: str | None


@noun
class Vehicle(Car):
    """A vehicle; `battery_wh` is the capacity of its battery."""

    id: int
    battery_wh: int | None
    created_at: str
    created_by: str
    updated_at: str
    removed_at: str | None


@record
class AccountFilters:
    """A filter of accounts; None means all. `is_open` is whether they are open now; `search` is a
    part of the name."""

    now: str
    name: str | None = None
    search: str | None = None
    is_open: bool | None = None


ACCOUNT_COLUMNS: Final[Mapping[str, str]] = {
    "name": "name",
    "contact": "contact",
    "mail": "mail",
    "since": "since",
    "balance": "(SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = account.id)",
}
"""The columns by which accounts can be sorted."""
_ACCOUNT: Final = Shape(Account)
_VEHICLE: Final = Shape(Vehicle)
NOT_UNDONE: Final = WhereCondition("undone_at IS NULL")


def accounts(
    db: Database, filters: AccountFilters, wanted: WantedPage, sort: Sort | None = None
) -> ListPage[Account]:
    """Return a page of accounts, by their names if nothing else is asked for. Raises NoPage."""
    conditions = [
        NOT_UNDONE,
        *given(("name = ?", filters.name), ("instr(lower(name), lower(?)) > 0", filters.search)),
    ]
    if filters.is_open is not None:
        negated = "" if filters.is_open else "NOT "
        is_open = f"{negated}(since <= ? AND coalesce(until, '9999') > ?)"
        conditions.append(WhereCondition(is_open, (filters.now, filters.now)))
    listing = by_name("account", conditions, sort=sort)
    return read_page(db, listing, wanted, _ACCOUNT.by_id(db, "account"))


def names(db: Database) -> dict[int, str]:
    """Return the names of all accounts, in their order."""
    rows = db.execute(f"SELECT id, name FROM account WHERE {NOT_UNDONE.sql} ORDER BY id").fetchall()  # noqa: S608 - ours
    return dict(sorted(rows, key=lambda row: in_order(row[1])))


def account(db: Database, number: int) -> Account | None:
    """Return one account."""
    return _ACCOUNT.one(db, "FROM account WHERE id = ?", (number,))


def to_bill_last(db: Database, open_month: str, at: str) -> list[Account]:
    """Return the accounts that moved out since this month began, and whose last statement may not
    be closed yet; and those of which a closed statement was corrected since."""
    wanted = (
        "FROM account WHERE until <= ? AND undone_at IS NULL AND (substr(until, 1, 7) >= ? "
        "AND NOT EXISTS (SELECT 1 FROM closing WHERE account_id = account.id) "
        "OR EXISTS (SELECT 1 FROM statement JOIN settlement ON statement_id = statement.id "
        "WHERE statement.account_id = account.id AND number IS NOT NULL AND correction <> 0)) "
        "ORDER BY id"
    )
    return _ACCOUNT.every(db, wanted, (at, open_month))


def vehicles(
    db: Database, name: str | None, search: str | None, wanted: WantedPage
) -> ListPage[Vehicle]:
    """Return a page of the vehicles that were not removed, by their names. Raises NoPage."""
    conditions = [WhereCondition("removed_at IS NULL"), *given(("name = ?", name))]
    if search is not None:
        is_found = (
            "(instr(lower(name), lower(?)) > 0 OR instr(lower(coalesce(plate, '')), lower(?)) > 0)"
        )
        conditions.append(WhereCondition(is_found, (search, search)))
    listing = by_name("vehicle INDEXED BY vehicle_name", conditions)
    return read_page(db, listing, wanted, _VEHICLE.by_id(db, "vehicle"))


def vehicle(db: Database, number: int) -> Vehicle | None:
    """Return one vehicle."""
    return _VEHICLE.one(db, "FROM vehicle WHERE id = ?", (number,))


def all_accounts(db: Database) -> list[Account]:
    """Return all accounts, in the order of their numbers."""
    return _ACCOUNT.every(db, "FROM account WHERE undone_at IS NULL ORDER BY id")


def vehicles_of_nobody(db: Database) -> list[Vehicle]:
    """Return the vehicles that never belonged to an account, in the order of their numbers."""
    unowned = (
        "NOT EXISTS (SELECT 1 FROM ownership WHERE what = 'vehicle' AND key = CAST(vehicle.id AS "
        "TEXT)"
    )
    rest = (
        "FROM vehicle "
        f"WHERE removed_at IS NULL AND {unowned} AND conn_id = 0 AND voided_at IS NULL) "
        "ORDER BY id"
    )
    return _VEHICLE.every(db, rest)


@record
class UnlistedTag:
    """A tag that belongs to an account now, and that nobody added to the tags: it has no label,
    nothing blocks it."""

    id_tag: str
    account: int
    account_name: str


@record
class Belonging:
    """A tag, a space or a vehicle (`what`) belongs to an account from `since` until `until`, if
    that is known.

    `connector` null is the whole charger. `vehicle` is a vehicle, or the one that a tag names.
    `name` is that of the space or the vehicle. `exclusive` is whether a space is for its household
    only. A period that was wrong is voided; others say what holds instead.
    """

    id: int
    account: int
    what: str
    tag: str | None
    charger: str | None
    connector: int | None
    vehicle: int | None
    name: str | None
    exclusive: bool
    since: str
    until: str | None
    given_at: str
    given_by: str
    reason: Personal[str | None]
    ended_at: str | None
    ended_by: str | None
    end_reason: Personal[str | None]
    voided_at: str | None
    voided_by: str | None
    void_reason: Personal[str | None]


@record
class Exported(Belonging):
    """What belongs to an account, as a line of a file."""

    account_name: str
    vehicle_name: str | None
    plate: str | None
    battery_wh: int | None


_OF_SPACE: Final = "CASE WHEN what = 'space' THEN {} END"
_EXPRESSIONS: Final = {
    "id": "ownership.id",
    "account": "account_id",
    "tag": "id_tag",
    "charger": _OF_SPACE.format("key"),
    "connector": _OF_SPACE.format("nullif(ownership.conn_id, 0)"),
    "vehicle": "ownership.vehicle_id",
    "name": "CASE what WHEN 'space' THEN space.name WHEN 'vehicle' THEN vehicle.name END",
    "exclusive": "is_exclusive",
    "since": "ownership.since",
    "until": "ownership.until",
}
_FROM: Final = (
    "FROM ownership LEFT "
    "JOIN space ON what = 'space' AND space.cp_id = key AND space.conn_id = ownership.conn_id "
    "LEFT JOIN vehicle ON vehicle.id = ownership.vehicle_id"
)
OWN_REASONS: Final = (N_("moved out"), N_("undone"))
"""Reasons of periods that tasks of households give."""
_BELONGING: Final = Shape(Belonging, **_EXPRESSIONS).with_own(
    OWN_REASONS, "end_reason", "void_reason"
)
_UNLISTED: Final = Shape(UnlistedTag, account="account.id", account_name="account.name")
_EXPORTED: Final = Shape(
    Exported,
    **_EXPRESSIONS,
    account_name="account.name",
    vehicle_name="CASE WHEN removed_at IS NULL THEN vehicle.name END",
    plate="vehicle.plate",
)


_IS_SEEN: Final = (
    "NOT EXISTS (SELECT 1 FROM tag WHERE what = 'tag' AND tag.key = ownership.key "
    "AND (same_as IS NOT NULL OR is_phone = 1))"
)
"""Whether it is something that people know: no phone, and no other reading of a card."""


def belongings_of(db: Database, account: int, which: str = _IS_SEEN) -> list[Belonging]:
    """Return what belongs to an account now and did before, the newest first."""
    return _BELONGING.every(
        db, f"{_FROM} WHERE account_id = ? AND {which} ORDER BY ownership.id DESC", (account,)
    )


def periods_of_vehicle(db: Database, vehicle: int) -> list[Belonging]:
    """Return whose a vehicle is and was, the newest first."""
    rest = (
        f"{_FROM} WHERE what = 'vehicle' AND key = ? AND ownership.conn_id = 0 AND voided_at IS "
        "NULL"
    )
    return _BELONGING.every(db, f"{rest} ORDER BY ownership.since DESC", (str(vehicle),))


def belongings(db: Database, what: str) -> list[Exported]:
    """Return the periods of tags, spaces or vehicles that were not voided, in the order of their
    rows."""
    joined = f"{_FROM} JOIN account ON account.id = account_id"
    is_kept = f"voided_at IS NULL AND (what <> 'vehicle' OR removed_at IS NULL) AND {_IS_SEEN}"
    return _EXPORTED.every(
        db, f"{joined} WHERE what = ? AND {is_kept} ORDER BY ownership.id", (what,)
    )


def unlisted_tags(db: Database, now: str, most: int) -> list[UnlistedTag]:
    """Return the tags that belong to accounts now and that nobody added, by their normal forms."""
    is_now = (
        "voided_at IS NULL AND ownership.since <= ?1 AND coalesce(ownership.until, '9999') > ?1"
    )
    is_listed = "EXISTS (SELECT 1 FROM tag WHERE tag.key = ownership.key AND ended_at IS NULL)"
    joined = "FROM ownership JOIN account ON account.id = account_id"
    rest = (
        f"{joined} WHERE what = 'tag' AND {is_now} AND NOT {is_listed} ORDER BY ownership.key "
        "LIMIT ?2"
    )
    return _UNLISTED.every(db, rest, (now, most))


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
