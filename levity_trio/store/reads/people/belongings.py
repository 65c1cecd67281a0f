"""What belongs to accounts, and what did: for the page of an account, and for files."""

from __future__ import annotations

from typing import Final

from levity_trio.records import Personal, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Shape
from levity_trio.told import N_


@record
class UnlistedTag:
    """A tag that belongs to an account now, and that nobody added to the tags: it has no label,
    nothing blocks it."""

    id_tag: str
    account: int
    account_name: str


@record
class Belonging:
    """A tag, a space or a vehicle (`what`) belongs to an account from `since` until `until`, if
    that is known.

    `connector` null is the whole charger. `vehicle` is a vehicle, or the one that a tag names.
    `name` is that of the space or the vehicle. `exclusive` is whether a space is for its household
    only. A period that was wrong is voided; others say what holds instead.
    """

    id: int
    account: int
    what: str
    tag: str | None
    charger: str | None
    connector: int | None
    vehicle: int | None
    name: str | None
    exclusive: bool
    since: str
    until: str | None
    given_at: str
    given_by: str
    reason: Personal[str | None]
    ended_at: str | None
    ended_by: str | None
    end_reason: Personal[str | None]
    voided_at: str | None
    voided_by: str | None
    void_reason: Personal[str | None]


@record
class Exported(Belonging):
    """What belongs to an account, as a line of a file."""

    account_name: str
    vehicle_name: str | None
    plate: str | None
    battery_wh: int | None


_OF_SPACE: Final = "CASE WHEN what = 'space' THEN {} END"
_EXPRESSIONS: Final = {
    "id": "ownership.id",
    "account": "account_id",
    "tag": "id_tag",
    "charger": _OF_SPACE.format("key"),
    "connector": _OF_SPACE.format("nullif(ownership.conn_id, 0)"),
    "vehicle": "ownership.vehicle_id",
    "name": "CASE what WHEN 'space' THEN space.name WHEN 'vehicle' THEN vehicle.name END",
    "exclusive": "is_exclusive",
    "since": "ownership.since",
    "until": "ownership.until",
}
_FROM: Final = (
    "FROM ownership LEFT "
    "JOIN space ON what = 'space' AND space.cp_id = key AND space.conn_id = ownership.conn_id "
    "LEFT JOIN vehicle ON vehicle.id = ownership.vehicle_id"
)
OWN_REASONS: Final = (N_("moved out"), N_("undone"))
"""Reasons of periods that tasks of households give."""
_BELONGING: Final = Shape(Belonging, **_EXPRESSIONS).with_own(
    OWN_REASONS, "end_reason", "void_reason"
)
_UNLISTED: Final = Shape(UnlistedTag, account="account.id", account_name="account.name")
_EXPORTED: Final = Shape(
    Exported,
    **_EXPRESSIONS,
    account_name="account.name",
    vehicle_name="CASE WHEN removed_at IS NULL THEN vehicle.name END",
    plate="vehicle.plate",
)


_IS_SEEN: Final = (
    "NOT EXISTS (SELECT 1 FROM tag WHERE what = 'tag' AND tag.key = ownership.key "
    "AND (same_as IS NOT NULL OR is_phone = 1))"
)
"""Whether it is something that people know: no phone, and no other reading of a card."""


def belongings_of(db: Database, account: int, which: str = _IS_SEEN) -> list[Belonging]:
    """Return what belongs to an account now and did before, the newest first."""
    return _BELONGING.every(
        db, f"{_FROM} WHERE account_id = ? AND {which} ORDER BY ownership.id DESC", (account,)
    )


def periods_of_vehicle(db: Database, vehicle: int) -> list[Belonging]:
    """Return whose a vehicle is and was, the newest first."""
    rest = (
        f"{_FROM} WHERE what = 'vehicle' AND key = ? AND ownership.conn_id = 0 AND voided_at IS "
        "NULL"
    )
    return _BELONGING.every(db, f"{rest} ORDER BY ownership.since DESC", (str(vehicle),))


def belongings(db: Database, what: str) -> list[Exported]:
    """Return the periods of tags, spaces or vehicles that were not voided, in the order of their
    rows."""
    joined = f"{_FROM} JOIN account ON account.id = account_id"
    is_kept = f"voided_at IS NULL AND (what <> 'vehicle' OR removed_at IS NULL) AND {_IS_SEEN}"
    return _EXPORTED.every(
        db, f"{joined} WHERE what = ? AND {is_kept} ORDER BY ownership.id", (what,)
    )


def unlisted_tags(db: Database, now: str, most: int) -> list[UnlistedTag]:
    """Return the tags that belong to accounts now and that nobody added, by their normal forms."""
    is_now = (
        "voided_at IS NULL AND ownership.since <= ?1 AND coalesce(ownership.until, '9999') > ?1"
    )
    is_listed = "EXISTS (SELECT 1 FROM tag WHERE tag.key = ownership.key AND ended_at IS NULL)"
    joined = "FROM ownership JOIN account ON account.id = account_id"
    rest = (
        f"{joined} WHERE what = 'tag' AND {is_now} AND NOT {is_listed} ORDER BY ownership.key "
        "LIMIT ?2"
    )
    return _UNLISTED.every(db, rest, (now, most))
