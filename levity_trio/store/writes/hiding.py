"""Chargers that are hidden: a wrong id, a trial, one that was taken down. What they did stays."""

from __future__ import annotations

from levity_trio.events import ChargerHidden, ChargerShown
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin


class UnknownCharger(Exception):
    """No charger has this identity."""


class StillCharging(Exception):
    """It has an open transaction, which somebody has to see."""


def hide(db: UnitOfWork, charger: str, at: str, retired_on: str | None) -> None:
    """Hide a charger until it charges again; one that was taken down, with the day (YYYY-MM-DD).

    Raises:
        UnknownCharger, StillCharging: nothing was changed.
    """
    if db.row("SELECT 1 FROM cp WHERE id = ?", (charger,)) is None:
        raise UnknownCharger
    if db.row("SELECT 1 FROM tx WHERE cp_id = ? AND status = 'Active'", (charger,)) is not None:
        raise StillCharging
    db.execute(
        "UPDATE cp SET hidden_at = ?, retired_on = ?, updated_at = ? WHERE id = ?", (at, retired_on, at, charger)
    )
    db.record(ChargerHidden(charger=charger, at=at, retired_on=retired_on))


def show_again(db: UnitOfWork, origin: Origin) -> None:
    """A charger charges: if it was hidden, it is no more."""
    charger, at = origin.charger, origin.received_at
    if db.row("SELECT 1 FROM cp WHERE id = ? AND hidden_at IS NOT NULL", (charger,)) is None:
        return
    db.execute("UPDATE cp SET hidden_at = NULL, retired_on = NULL, updated_at = ? WHERE id = ?", (at, charger))
    db.record(ChargerShown(charger=charger, at=at), origin.session)
