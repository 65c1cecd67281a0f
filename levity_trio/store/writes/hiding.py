"""Hidden chargers: a wrong identity, a trial, or a removed charger. Their data stays."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from levity_trio.events import ChargerHidden, ChargerShown
from levity_trio.store.engine.unit_of_work import UnitOfWork

CHARGED: Final = "EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id)"
NEVER_CHARGED: Final = f"registration <> 'adopted' AND NOT {CHARGED}"
NOT_LIMITED: Final = "cp.id NOT IN (SELECT cp_id FROM load_charger)"
STRANGERS: Final = f"SELECT id FROM cp WHERE hidden_at IS NULL AND {NEVER_CHARGED} AND {NOT_LIMITED} ORDER BY id"  # noqa: S608 - our own words


class UnknownCharger(Exception):
    """No charger has this identity."""


class StillUsed(Exception):
    """A charger cannot be hidden yet; the argument says why, and what to do first."""


def check_known(db: UnitOfWork, charger: str) -> None:
    """Raise UnknownCharger for a charger without a row."""
    if db.row("SELECT 1 FROM cp WHERE id = ?", (charger,)) is None:
        raise UnknownCharger(charger)


def hide(
    db: UnitOfWork, charger: str, at: str, retired_on: str | None = None, made_room_for: str | None = None
) -> None:
    """Hide a charger until it charges again. `retired_on` is the day of its removal (YYYY-MM-DD), if it was removed.

    Raises:
        UnknownCharger, StillUsed: nothing was changed.
    """
    check_known(db, charger)
    if db.row("SELECT 1 FROM tx WHERE cp_id = ? AND status = 'Active'", (charger,)) is not None:
        raise StillUsed(f"{charger} has an open transaction; hide it after that has ended")
    if db.row("SELECT 1 FROM load_charger WHERE cp_id = ? AND state = 'managed'", (charger,)) is not None:
        raise StillUsed(f"load management limits {charger}; hide it after: levity-trio load off {charger}")
    db.execute(
        "UPDATE cp SET hidden_at = ?, retired_on = ?, updated_at = ? WHERE id = ?", (at, retired_on, at, charger)
    )
    db.record(ChargerHidden(charger=charger, at=at, retired_on=retired_on, made_room_for=made_room_for))


def hide_each(
    db: UnitOfWork, chargers: Sequence[str], pattern: str | None, at: str, retired_on: str | None = None
) -> list[str]:
    """Hide these chargers, and the strangers whose identities fit a shell pattern; return which.

    A pattern is for strangers only: they never charged, and nobody adopted them. Raises as `hide` does, for one that
    was named; then the whole write is rolled back.
    """
    fitting = [] if pattern is None else [one for (one,) in db.rows(STRANGERS) if fnmatchcase(one, pattern)]
    named = list(dict.fromkeys([*chargers, *fitting]))
    for charger in named:
        hide(db, charger, at, retired_on)
    return named


def show(db: UnitOfWork, charger: str, at: str, session: int | None = None) -> None:
    """Show a charger again, if it is hidden."""
    if db.row("SELECT 1 FROM cp WHERE id = ? AND hidden_at IS NOT NULL", (charger,)) is None:
        return
    db.execute("UPDATE cp SET hidden_at = NULL, retired_on = NULL, updated_at = ? WHERE id = ?", (at, charger))
    db.record(ChargerShown(charger=charger, at=at), session)
