"""The numbers of statements after a restore: those of the lost time are on paper, and are never
given out again."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.database import Database, DatabaseConnection


class Numbers(NamedTuple):
    """The last number that a copy has given out, and the last one that was given out at all."""

    held: int
    last: int


def last_number(db: Database) -> int | None:
    """Return the number of the last statement; None if billing has not begun."""
    found = db.execute("SELECT next_number - 1 FROM billing").fetchall()
    return int(found[0][0]) if found else None


def lost_statements(copy: Database, told: int | None, known: int) -> Numbers | None:
    """Return the numbers of a copy whose owner names the last one; None if billing has not begun in
    it.

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
    if told is None:
        raise EnvironmentProblem(
            "numbers of statements are never used twice, and some may have been closed after the "
            "backup: give the highest one that was closed or printed; the highest that is known "
            f"here is --last-statement {known}"
        )
    if told < known:
        raise EnvironmentProblem(
            f"statement {known} is known here; give --last-statement {known} or more"
        )
    return Numbers(held, told)


def skip_statements(connection: DatabaseConnection, numbers: Numbers, at: str) -> None:
    """Let the numbers of statements go on behind the last one, and say which are missing."""
    if numbers.last > numbers.held:
        connection.execute("UPDATE billing SET next_number = ?", (numbers.last + 1,))
        connection.execute(
            "INSERT INTO lost_statements (first, last, restored_at) VALUES (?, ?, ?)",
            (numbers.held + 1, numbers.last, at),
        )
