"""Lists the backends that get a copy of what chargers tell, how far each is, and what it
refused."""

from __future__ import annotations

from typing import Any

from levity_trio.records import ForOperators, Personal, record


@record
class CopiedChargerRow:
    """A charger of which a backend is told. `behind_since` is when the oldest message that waits
    was received, `refused` how many messages were refused."""

    charger: str
    identity: str
    has_password: bool
    without: list[int]
    is_connected: bool
    since: str | None
    problem: str | None
    behind_since: str | None
    told: int
    made: int
    told_at: str | None
    refused: int


@record
class BackendCard:
    """What a card is called at a backend; None: its sessions are not told."""

    card: Personal[str]
    alias: Personal[str] | None


@record
class BackendRow:
    """A backend, without its secrets. `other_cards` is what all cards are called that have no
    alias; None: their sessions are not told."""

    id: int
    name: str
    url: str
    has_root: bool
    has_certificate: bool
    certificate_ends_at: str | None
    is_repaired: bool
    tells_authorize: bool
    with_cards: bool
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
