"""The numbers of statements after a restore: those of the lost time are on paper, and are never
given out again."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.config import EnvironmentProblem
from levity_trio.store.billing.numbering import NEWEST_WITH
from levity_trio.store.engine.database import Database, DatabaseConnection

_LAST: Final = (
    "SELECT next_number - 1, coalesce((SELECT printed_number FROM statement "
    "WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1), '') FROM billing"
)


class LastNumber(NamedTuple):
    """The number of the last statement, and as it is printed; an empty text if there is none."""

    number: int
    printed: str


class Numbers(NamedTuple):
    """The last number that a copy has given out, and the last one that was given out at all."""

    held: int
    last: LastNumber


def last_number(db: Database) -> LastNumber | None:
    """Return the number of the last statement; None if billing has not begun."""
    found = db.execute(_LAST).fetchall()
    return LastNumber(*found[0]) if found else None


def lost_statements(copy: Database, told: str | None, known: LastNumber) -> Numbers | None:
    """Return the numbers of a copy whose owner names the last one, as it is printed; None if
    billing has not begun in it.

    `known` is the last one of the database that it replaces. Raises EnvironmentProblem.
    """
    held = last_number(copy)
    if held is None:
        if told is not None:
            raise EnvironmentProblem(
                "billing has not begun in the backup; restore it without --last-statement"
            )
        return None
    known = max(held, known)
    shown = known.printed or str(known.number)
    if told is None:
        raise EnvironmentProblem(
            "numbers of statements are never used twice, and some may have been closed after the "
            "backup: give the highest one that was closed or printed; the highest that is known "
            f"here is --last-statement {shown}"
        )
    last = LastNumber(_number_of(copy, told, known, held.number), told)
    if last.number < known.number:
        raise EnvironmentProblem(
            f"statement {shown} is known here; give --last-statement {shown} or more"
        )
    return Numbers(held.number, last)


def _number_of(copy: Database, told: str, known: LastNumber, held: int) -> int:
    """Return which number a printed one is. Those that begin as it does follow each other without a
    gap; if none is known, they are taken for the next."""
    prefix, digits = _parted(told)
    if not digits.isdecimal():
        raise EnvironmentProblem(f"{told} is no number of a statement, such as 214 or 2026-214")
    if not prefix:
        return int(digits)
    found = copy.execute(NEWEST_WITH, (prefix,)).fetchall()
    for number, printed in [known, *found]:
        begins, count = _parted(printed)
        if begins == prefix:
            return int(number) + int(digits) - int(count)
    return held + int(digits)


def _parted(printed: str) -> tuple[str, str]:
    prefix = printed.rstrip("0123456789")
    return prefix, printed.removeprefix(prefix)


def skip_statements(connection: DatabaseConnection, numbers: Numbers, at: str) -> None:
    """Let the numbers of statements go on behind the last one, and say which are missing."""
    last = numbers.last
    if last.number > numbers.held:
        connection.execute("UPDATE billing SET next_number = ?", (last.number + 1,))
        connection.execute(
            "INSERT INTO lost_statements (first, last, restored_at, printed) VALUES (?, ?, ?, ?)",
            (numbers.held + 1, last.number, at, last.printed),
        )
