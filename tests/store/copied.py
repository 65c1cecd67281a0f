"""Backends in a test's books, with chargers that are told to them."""

from __future__ import annotations

from datetime import datetime

from levity_trio.store.reads.site.receivers import Fresh
from levity_trio.store.writes.site import receivers
from levity_trio.store.writes.site.receivers import CopyOutcome
from tests.store.books import Books

_ADD = (
    "INSERT INTO backend (name, url, certificate_ends_at, is_repaired, tells_authorize, "
    "with_cards, other_cards, begins_at, added_at, added_by) "
    "VALUES (?, 'wss://backend.example', ?, 0, 0, 0, 'OTHER', ?, ?, 'anna')"
)
_COPY = (
    "INSERT INTO backend_cp (backend_id, cp_id, identity, without, begins_at, log_id) "
    "VALUES (?, ?, ?, '[]', ?, 0)"
)


def add(books: Books, name: str, *chargers: str, certificate_ends_at: str | None = None) -> int:
    """Add a backend that is told of these chargers; return its id."""
    books.connection.execute(_ADD, (name, certificate_ends_at, books.at, books.at))
    number = int(books.value("SELECT max(id) FROM backend"))
    for charger in chargers:
        books.connection.execute(_COPY, (number, charger, charger, books.at))
    return number


def link(
    books: Books,
    backend: int,
    charger: str,
    problem: str | None = None,
    behind_since: str | None = None,
    *,
    is_connected: bool = True,
) -> None:
    """Note how the copy of a charger stands."""
    if not is_connected and behind_since is not None:
        # It stays behind while it is away.
        books.run(receivers.note_backend_link, backend, charger, True, None, behind_since, books.at)
    books.run(
        receivers.note_backend_link, backend, charger, is_connected, problem, behind_since, books.at
    )


def refuse(
    books: Books, backend: int, charger: str, kind: str = "refused", at: datetime | None = None
) -> None:
    """Keep a message that the backend refused, or got too late."""
    fresh = Fresh(at=books.at, action="StatusNotification", payload={"connectorId": 1})
    outcome = CopyOutcome(kind=kind, payload={"connectorId": 1}, answer="FormationViolation: no")
    kept_at = books.at if at is None else at.isoformat()
    books.run(receivers.keep_outcome, (backend, charger), fresh, outcome, kept_at)


def call(books: Books, backend: int, card: str, alias: str | None) -> None:
    """Say what a card is called at a backend."""
    books.connection.execute(
        "INSERT INTO backend_card (backend_id, tag_key, alias) VALUES (?, ?, ?) "
        "ON CONFLICT (backend_id, tag_key) DO UPDATE SET alias = excluded.alias",
        (backend, books.policy.key(card), alias),
    )
