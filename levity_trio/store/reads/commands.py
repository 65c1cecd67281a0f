"""Commands: what was asked of chargers, what they answered, and what came of it."""

from __future__ import annotations

from typing import Any, Final

from levity_trio.records import record
from levity_trio.store.connectors import Rows
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Branch, Listing, Page, Wanted, given, read_page
from levity_trio.store.reads.shapes import Shape, rows_of


@record
class Command:
    """A CALL of ours. `payload` and `answer` are OCPP's JSON; secrets in them are masked.

    `outcome` is what later facts tell, `outcome_until` is until when they are waited for; `transaction` is the one that
    it began or ended.
    """

    id: int
    charger: str
    session: int | None
    action: str
    payload: Any
    state: str
    asked_by: str | None
    requested_at: str
    sent_at: str | None
    answered_at: str | None
    is_late: bool
    answer: Any
    error_code: str | None
    error_description: str | None
    timeout_seconds: float | None
    deadline_at: str | None
    outcome: str | None
    outcome_words: str | None
    outcome_at: str | None
    outcome_until: str | None
    transaction: int | None


_SHAPE: Final = Shape(Command, transaction="outcome_tx_id")
_COMMAND: Final = f"SELECT {_SHAPE.columns} FROM command WHERE id = ?"  # noqa: S608 - our own names


def commands(db: Database, charger: str | None, wanted: Wanted) -> Page[Command]:
    """Return a page of commands, the newest first. Raises NoPage."""
    db.execute("BEGIN")
    listing = Listing([Branch("command", given(("cp_id = ?", charger)))])
    return read_page(db, listing, wanted, _SHAPE.by_id(db, "command"))


def command(db: Database, number: int) -> Command | None:
    """Return one command."""
    return command_in(rows_of(db), number)


def command_in(rows: Rows, number: int) -> Command | None:
    """Return one command, also within a write."""
    found = rows(_COMMAND, (number,))
    return _SHAPE.read(found[0]) if found else None
