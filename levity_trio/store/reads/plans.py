"""What operations left at chargers: reservations, charging profiles and local lists, newest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Branch, Listing, Page, Wanted, given, read_page
from levity_trio.store.reads.shapes import Shape
from levity_trio.wire.times import parse_time, stamp


@record
class Reservation:
    """A reservation that a charger accepted.

    `state` is active, or why it ended: used, cancelled, replaced, expired, faulted or unavailable.
    """

    id: int
    charger: str
    reservation: int
    connector: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: str
    state: str
    ended_at: str | None
    transaction: int | None
    command: int
    created_at: str


@record
class ChargingProfile:
    """A charging profile that a charger accepted and should obey while its `state` is active.

    Otherwise `state` is why it ended: replaced, cleared, expired (its validTo), or ended with its transaction.
    Connector 0 is the charger.
    """

    id: int
    charger: str
    connector: int
    profile: int
    purpose: str
    stack_level: int
    transaction: int | None
    content: Any
    state: str
    ended_at: str | None
    command: int
    created_at: str


@record
class LocalList:
    """A version of a charger's local list. `entries` is null where only the version is known, or where the list is kept
    by the server."""

    id: int
    charger: str
    version: int
    entries: Any
    command: int
    created_at: str


TRANSACTION: Final = (
    "coalesce(charging_profile.tx_id, (SELECT outcome_tx_id FROM command"
    " WHERE command.id = charging_profile.command_id AND action = 'RemoteStartTransaction'))"
)
"""The transaction of a profile: the one that it names, or that of the remote start that it came with."""
_STATE: Final = (
    f"coalesce(end_reason, CASE WHEN EXISTS (SELECT 1 FROM tx WHERE tx.id = {TRANSACTION}"  # noqa: S608 - our own text
    " AND tx.status <> 'Active') THEN 'ended' ELSE 'active' END)"
)
_PROFILE: Final = Shape(
    ChargingProfile,
    profile="profile_id",
    content="profile",
    command="command_id",
    transaction=TRANSACTION,
    state=_STATE,
)
_LIST: Final = Shape(LocalList, command="command_id")


def reservations(db: Database, charger: str | None, wanted: Wanted, now: datetime) -> Page[Reservation]:
    """Return a page of reservations as they are now. Raises NoPage."""
    state = f"coalesce(end_reason, CASE WHEN expires_at <= '{stamp(now)}' THEN 'expired' ELSE 'active' END)"
    shape = Shape(Reservation, reservation="reservation_id", command="command_id", state=state)
    return _page(db, "reservation", charger, wanted, shape)


def profiles(db: Database, charger: str | None, wanted: Wanted, now: datetime) -> Page[ChargingProfile]:
    """Return a page of charging profiles as they are now. Raises NoPage."""
    found = _page(db, "charging_profile", charger, wanted, _PROFILE)
    return replace(found, data=[_with_expiry(profile, now) for profile in found.data])


def _with_expiry(profile: ChargingProfile, now: datetime) -> ChargingProfile:
    valid_to = profile.content.get("validTo") if isinstance(profile.content, dict) else None
    until = parse_time(valid_to) if isinstance(valid_to, str) else None
    is_over = profile.state == "active" and until is not None and until <= now
    return replace(profile, state="expired") if is_over else profile


def local_lists(db: Database, charger: str | None, wanted: Wanted) -> Page[LocalList]:
    """Return a page of versions of local lists. Raises NoPage."""
    return _page(db, "local_list", charger, wanted, _LIST)


def _page(db: Database, table: str, charger: str | None, wanted: Wanted, shape: Shape[Any]) -> Page[Any]:
    db.execute("BEGIN")
    return read_page(db, Listing([Branch(table, given(("cp_id = ?", charger)))]), wanted, shape.by_id(db, table))
