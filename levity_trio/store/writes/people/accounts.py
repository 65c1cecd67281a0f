"""Accounts: the households that are billed. What belongs to them is in ownership.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from levity_trio.events import AccountChanged
from levity_trio.nouns import Household
from levity_trio.records import noun, personal_in
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import N_, Moment, Told
from levity_trio.wire.times import stamp


class RefusalCode(StrEnum):
    """Why something about accounts is refused."""

    NOT_FOUND = "not_found"
    IN_USE = "in_use"
    INVALID = "invalid"
    NEEDS_REASON = "needs_reason"
    """Time before now would go from one account to another."""
    CONFLICT = "conflict"
    CORRECTS_STATEMENTS = "corrects_statements"
    """Statements that are closed already would be corrected."""


class ChangeRefused(Exception):
    """A change that was not made; nothing was stored. `field` is the name of what is wrong."""

    def __init__(self, code: RefusalCode, words: str, field: str = "") -> None:
        super().__init__(words)
        self.code, self.words, self.field = code, words, field


@noun
class AccountData(Household):
    """An account as an operator gives it. Times are in the database's format."""

    since: str
    until: str | None = None


_ACCOUNT: Final = RecordTable("account", AccountData)


class ChangeResult(NamedTuple):
    """What became of an account or a vehicle: added, changed or same."""

    id: int
    word: str


def add(db: UnitOfWork, data: AccountData, at: str, by: str) -> int:
    """Add an account and return its number; without a language, it gets that of the house. Raises
    ChangeRefused."""
    _check(db, data, None)
    house = db.row("SELECT language FROM biller ORDER BY id DESC LIMIT 1")
    if house is not None:
        data = replace(data, language=data.language or house[0])
    number = _ACCOUNT.add(db, data, created_at=at, created_by=by, updated_at=at)
    _record(db, number, "added", data, at, by)
    return number


def change(
    db: UnitOfWork, number: int, fields: Mapping[str, Any], at: str, by: str
) -> ChangeResult:
    """Change fields of an account, named as in AccountData. Raises ChangeRefused."""
    before = find(db, number)
    after = replace(before, **fields)
    if after == before:
        return ChangeResult(number, "same")
    check_known(db, number)
    _check(db, after, number)
    _ACCOUNT.change(db, after, "id = ?", (number,), updated_at=at)
    _record(db, number, _word(before, after), after, at, by)
    return ChangeResult(number, "changed")


def forget(db: UnitOfWork, number: int, at: str, by: str) -> None:
    """Delete what is marked as personal of an account. Its number stands for it. Raises
    ChangeRefused."""
    change(
        db,
        number,
        {**dict.fromkeys(personal_in(AccountData)), "name": f"household {number}"},
        at,
        by,
    )


def undo(db: UnitOfWork, number: int, at: str, by: str) -> None:
    """Take back that an account was added: it never was one, and its name is free."""
    before = find(db, number)
    name, until = (
        f"{before.name} (undone {number})",
        before.until or max(at, _just_after(before.since)),
    )
    db.execute(
        "UPDATE account SET (name, until, undone_at, updated_at) = (?, ?, ?, ?) WHERE id = ?",
        (name, until, at, at, number),
    )
    _record(db, number, "undone", replace(before, name=name, until=until), at, by)


def find(db: UnitOfWork, number: int) -> AccountData:
    """Return an account. Raises ChangeRefused."""
    found = _ACCOUNT.find(db, "id = ?", (number,))
    if found is None:
        raise ChangeRefused(
            RefusalCode.NOT_FOUND, Told("there is no household {1}", number), "account"
        )
    return found


def check_known(db: UnitOfWork, number: int) -> None:
    """Check that an account was neither deleted nor undone: nothing new is written about it then.
    Raises ChangeRefused."""
    if (
        db.row("SELECT 1 FROM account WHERE id = ? AND undone_at IS NOT NULL", (number,))
        is not None
    ):
        words = Told("household {1} was entered by mistake and undone; add a new household", number)
        raise ChangeRefused(RefusalCode.CONFLICT, words, "account")
    deleted = db.row("SELECT deleted_at FROM personal_deletion WHERE account_id = ?", (number,))
    if deleted is not None:
        words = Told(
            "what was personal of household {1} was deleted at {2}; add a new household",
            number,
            Moment(deleted[0]),
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "account")


# Names, of accounts and of other things


_UNKNOWN: Final = N_(
    {
        "account": "there is no household {1}",
        "meter": "there is no meter {1}",
        "series": "there is no price series {1}",
        "vehicle": "there is no car {1}",
    }
)
_NAMED: Final = N_(
    {
        "account": "household {1} has this name; choose another, or change that one",
        "meter": "meter {1} has this name; choose another, or change that one",
        "series": "price series {1} has this name; choose another, or change that one",
    }
)


def number_of(db: UnitOfWork, table: str, named: str, which: str = "TRUE") -> int:
    """Return the number of a row by its name or, if it is a whole number, by that. Raises
    ChangeRefused.

    `which` is the condition of the rows that count.
    """
    column, key = ("id", int(named)) if is_number(named) else ("name", named)
    row = db.row(f"SELECT id FROM {table} WHERE {column} = ? AND {which}", (key,))  # noqa: S608 - our own names
    if row is None:
        raise ChangeRefused(RefusalCode.NOT_FOUND, Told(_UNKNOWN[table], repr(key)), table)
    return int(row[0])


def is_number(named: str) -> bool:
    """Whether a text is taken for the number of something, not for its name."""
    return named.isascii() and named.isdecimal() and len(named) < 19  # of SQLite's integers


def check_name(name: str) -> None:
    """Check that a name is not taken for a number. Raises ChangeRefused."""
    if name.isdecimal():
        words = Told(
            "{1} would be taken for the number of one; give words, such as 'flat {1}'", name
        )
        raise ChangeRefused(RefusalCode.INVALID, words, "name")


def check_free(db: UnitOfWork, table: str, name: str, number: int | None) -> None:
    """Check that no other row than this one has a name. Raises ChangeRefused."""
    other = db.row(f"SELECT id FROM {table} WHERE name = ? AND id IS NOT ?", (name, number))  # noqa: S608 - our own names
    if other is not None:
        raise ChangeRefused(RefusalCode.IN_USE, Told(_NAMED[table], other[0]), "name")


# Checks and facts


def _just_after(moment: str) -> str:
    return stamp(datetime.fromisoformat(moment) + timedelta(milliseconds=1))


def _word(before: AccountData, after: AccountData) -> str:
    if before.until == after.until:
        return "changed"
    return "closed" if after.until is not None else "reopened"


def _check(db: UnitOfWork, data: AccountData, number: int | None) -> None:
    check_name(data.name)
    if data.until is not None and data.until <= data.since:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("give a time after {1}, since when it is open", Moment(data.since)),
            "until",
        )
    check_free(db, "account", data.name, number)


def _record(db: UnitOfWork, number: int, change: str, data: AccountData, at: str, by: str) -> None:
    db.record(
        AccountChanged(
            charger=None,
            at=at,
            account=number,
            change=change,
            since=data.since,
            until=data.until,
            by=by,
        )
    )
