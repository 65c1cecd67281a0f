"""Drafts: the statements of a month while they are computed, in steps that are short for the chargers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from levity_trio.billing.positions import Kind
from levity_trio.store.billing.drafting import Drafted
from levity_trio.store.billing.statements import FIGURES, OF_POSITION
from levity_trio.store.engine.database import marks
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.transactions.judging import MAKE_DUE

MOST_ROWS: Final = 500
"""That one write deletes."""
_ADD: Final = (
    f"INSERT INTO statement (draft_id, {', '.join(FIGURES)}, content)"  # noqa: S608 - our own names
    f" VALUES (?, {marks(FIGURES)}, ?) RETURNING id"
)
_ADD_POSITION: Final = (
    f"INSERT INTO position (statement_id, account_id, {', '.join(OF_POSITION)})"  # noqa: S608 - our own names
    f" VALUES (?, ?, {marks(OF_POSITION)})"
)
_POSITIONS: Final = (
    "DELETE FROM position WHERE id IN (SELECT position.id FROM statement CROSS JOIN position"
    " ON statement_id = statement.id WHERE draft_id = ? AND number IS NULL LIMIT ?)"
)
_STATEMENTS: Final = (
    "DELETE FROM statement WHERE id IN (SELECT id FROM statement WHERE draft_id = ? AND number IS NULL LIMIT ?)"
)
_JUDGE: Final = (
    f"UPDATE tx SET {MAKE_DUE} WHERE id IN (SELECT tx_id FROM statement CROSS JOIN position"  # noqa: S608 - ours
    f" ON statement_id = statement.id WHERE draft_id = ?2 AND number IS NULL AND position.kind = '{Kind.HELD_BACK}')"
    " AND is_clock_unsure = 1 AND status = 'Completed' AND review IS NULL AND judge_after IS NULL"
)


class Beginning(NamedTuple):
    """What a draft is of, and what it knows."""

    month: str
    account: int | None
    terms: str
    revision: int


def begin(db: UnitOfWork, beginning: Beginning, at: str) -> int:
    """Begin a draft and return its number."""
    return db.insert(
        "INSERT INTO draft (month, account_id, terms, revision, begun_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (*beginning, at),
    )


def discard(db: UnitOfWork, draft: int) -> bool:
    """Delete a part of a draft; return whether more is left of it. A closed statement stays."""
    if db.changed(_POSITIONS, (draft, MOST_ROWS)) or db.changed(_STATEMENTS, (draft, MOST_ROWS)):
        return True
    db.execute("DELETE FROM draft WHERE id = ?", (draft,))
    return False


def store(db: UnitOfWork, draft: int, accounts: Sequence[int], drafted: Iterable[Drafted]) -> None:
    """Store the statements of some accounts, which are computed then, in place of those that the draft has of them."""
    for account in accounts:
        of_account = "SELECT id FROM statement WHERE draft_id = ? AND account_id = ? AND number IS NULL"
        for (number,) in db.rows(of_account, (draft, account)):
            db.execute("DELETE FROM position WHERE statement_id = ?", (number,))
            db.execute("DELETE FROM statement WHERE id = ?", (number,))
    for statement in drafted:
        number = db.insert(_ADD, (draft, *statement.figures, statement.content))
        for row in statement.positions:
            db.execute(_ADD_POSITION, (number, statement.account, *row))
    db.execute("UPDATE draft SET computed_until = max(computed_until, ?) WHERE id = ?", (max(accounts), draft))


def ready(db: UnitOfWork, draft: int, revision: int, at: str) -> None:
    """Say that a draft knows all up to this revision. By a price that came later, times that are not sure may matter:
    then a person is asked."""
    db.execute(_JUDGE, (at, draft))
    db.execute("UPDATE draft SET revision = ?, ready_at = ? WHERE id = ?", (revision, at, draft))
