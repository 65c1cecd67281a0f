"""Hidden chargers: a wrong identity, a trial, or a removed charger. Their data stays."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from levity_trio.events import ChargerHidden, ChargerShown
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.told import Told

CHARGED: Final = "EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id)"
NEVER_CHARGED: Final = f"registration <> 'adopted' AND NOT {CHARGED}"
OPEN: Final = "EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id AND status = 'Active')"
NOT_LIMITED: Final = "cp.id NOT IN (SELECT cp_id FROM load_charger)"
STRANGERS: Final = (
    f"registration <> 'adopted' AND cp.id IN (SELECT id FROM bare_cp) AND {NOT_LIMITED}"  # noqa: S608 - our own words
)
"""One transaction to which nothing shows energy is no proof: anybody in the network can send a
StartTransaction."""
_FITTING: Final = (
    "SELECT id FROM cp "  # noqa: S608 - our own words
    f"WHERE hidden_at IS NULL AND {STRANGERS} AND (? = 1 OR NOT {OPEN}) "
    "ORDER BY id"
)


class UnknownIdentity(Exception):
    """No charger has this identity."""


class StillUsed(Exception):
    """A charger cannot be hidden yet; the argument says why, and what to do first."""


def check_known(db: UnitOfWork, charger: str) -> None:
    """Raise UnknownIdentity for a charger without a row."""
    if db.row("SELECT 1 FROM cp WHERE id = ?", (charger,)) is None:
        raise UnknownIdentity(charger)


def hide(
    db: UnitOfWork,
    charger: str,
    at: str,
    retired_on: str | None = None,
    made_room_for: str | None = None,
    *,
    is_forced: bool | None = None,
) -> None:
    """Hide a charger until it charges again. `retired_on` is the day of its removal (YYYY-MM-DD),
    if it was removed.

    If this `is_forced`, its transaction may be open; while that has energy, the charger is shown
    all the same. None: whoever asks cannot force it.

    Raises:
        UnknownIdentity, StillUsed: nothing was changed.
    """
    check_known(db, charger)
    if not is_forced and db.row(f"SELECT 1 FROM cp WHERE id = ? AND {OPEN}", (charger,)):  # noqa: S608 - our own words
        if is_forced is None:
            raise StillUsed(Told("{1} has an open session; hide it after that has ended", charger))
        raise StillUsed(
            Told("{1} has an open session; hide it after that has ended, or with force", charger)
        )
    if (
        db.row("SELECT 1 FROM load_charger WHERE cp_id = ? AND state = 'managed'", (charger,))
        is not None
    ):
        raise StillUsed(
            Told("load management limits {1}; hide it after: levity-trio load off {1}", charger)
        )
    db.execute(
        "UPDATE cp SET hidden_at = ?, retired_on = ?, updated_at = ? WHERE id = ?",
        (at, retired_on, at, charger),
    )
    db.record(
        ChargerHidden(charger=charger, at=at, retired_on=retired_on, made_room_for=made_room_for)
    )


def hide_each(
    db: UnitOfWork,
    chargers: Sequence[str],
    pattern: str | None,
    at: str,
    retired_on: str | None = None,
    *,
    is_forced: bool = False,
) -> list[str]:
    """Hide these chargers, and the strangers whose identities fit a shell pattern; return which.

    A pattern is for strangers only: nothing shows that they charged, and nobody adopted them. Those
    with an open transaction fit only if this `is_forced`. Raises as `hide` does, for one that was
    named; then the whole write is rolled back.
    """
    strangers = [] if pattern is None else db.rows(_FITTING, (int(is_forced),))
    fitting = [one for (one,) in strangers if fnmatchcase(one, str(pattern))]
    named = list(dict.fromkeys([*chargers, *fitting]))
    for charger in named:
        hide(db, charger, at, retired_on, is_forced=is_forced)
    return named


def show(db: UnitOfWork, charger: str, at: str, session: int | None = None) -> None:
    """Show a charger again, if it is hidden."""
    if db.row("SELECT 1 FROM cp WHERE id = ? AND hidden_at IS NOT NULL", (charger,)) is None:
        return
    db.execute(
        "UPDATE cp SET hidden_at = NULL, retired_on = NULL, replaced_by = NULL, updated_at = ? "
        "WHERE id = ?",
        (at, charger),
    )
    db.record(ChargerShown(charger=charger, at=at), session)
