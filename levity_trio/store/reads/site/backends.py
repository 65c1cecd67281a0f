"""Lists the backends that get a copy of what chargers tell, how far each is, and what it
refused."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any, Final

from levity_trio.records import ForOperators, Personal, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Shape


@record
class CopiedChargerRow:
    """A charger of which a backend is told: of what was received since `begins_at`. `behind_since`
    is when the oldest message that waits was received, `refused` how many messages were refused,
    `waiting` how many sessions wait or were set aside."""

    charger: str
    identity: str
    has_password: bool
    without: list[int]
    begins_at: str
    is_connected: bool
    since: str | None
    problem: str | None
    behind_since: str | None
    told: int
    made: int
    told_at: str | None
    refused: int
    waiting: int


@record
class BackendCard:
    """What a card is called at a backend; None: its sessions are not told."""

    card: Personal[str]
    alias: Personal[str] | None


@record
class BackendRow:
    """A backend, without its secrets. `other_cards` is what all cards are called that have no
    alias; None: their sessions are not told. `begins_at` is the beginning of a day, or the same as
    `added_at`: each charger is told from when it was added."""

    id: int
    name: str
    url: str
    has_root: bool
    has_certificate: bool
    certificate_ends_at: str | None
    is_repaired: bool
    tells_authorize: bool
    with_cards: bool
    with_signed: bool
    other_cards: str | None
    begins_at: str
    paused_at: str | None
    added_at: str
    added_by: ForOperators[str]
    chargers: list[CopiedChargerRow]
    cards: ForOperators[list[BackendCard]]


@record
class RefusedRow:
    """A message that a backend refused, that came late for it, or a number that it must not give
    (`kind`: refused, late or number)."""

    id: int
    at: str
    charger: str
    kind: str
    action: str
    transaction: int | None
    payload: Any
    answer: str


_BACKEND: Final = Shape(
    BackendRow,
    has_root="root IS NOT NULL",
    has_certificate="certificate IS NOT NULL",
    chargers="NULL",
    cards="NULL",
)
_CHARGER: Final = Shape(
    CopiedChargerRow,
    has_password="password IS NOT NULL",  # noqa: S106 - SQL
    waiting="(SELECT count(*) FROM backend_waiting JOIN tx ON tx.id = tx_id "
    "WHERE backend_waiting.backend_id = backend_cp.backend_id AND tx.cp_id = backend_cp.cp_id)",
).with_texts("problem", "without")
_REFUSED: Final = Shape(RefusedRow)


def backends(db: Database) -> list[BackendRow]:
    """Return the backends that were not removed, by their names."""
    cards: dict[int, list[BackendCard]] = defaultdict(list)
    for backend, card, alias in db.execute(
        "SELECT backend_id, tag_key, alias FROM backend_card ORDER BY tag_key"
    ).fetchall():
        cards[backend].append(BackendCard(card=card, alias=alias))
    found = _BACKEND.every(db, "FROM backend WHERE removed_at IS NULL ORDER BY name")
    of_one = "FROM backend_cp WHERE backend_id = ? AND ended_at IS NULL ORDER BY cp_id"
    return [
        replace(row, chargers=_CHARGER.every(db, of_one, (row.id,)), cards=cards[row.id])
        for row in found
    ]


def refused(db: Database, backend: int, before: int | None, limit: int) -> list[RefusedRow]:
    """Return what a backend refused, with an id below `before`, the newest first."""
    which = "FROM backend_refused WHERE backend_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return _REFUSED.every(db, which, (backend, 2**62 if before is None else before, limit))
