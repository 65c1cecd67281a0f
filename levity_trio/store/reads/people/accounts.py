"""Accounts and vehicles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.nouns import Car, Household
from levity_trio.records import in_order, noun, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import (
    ListPage,
    Shape,
    Sort,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)


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
