"""How much waits for a person, of each kind, and since when the newest does."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database

NEWEST: Final = 50


@record
class Kind:
    """How many there are. `newest` are the times since when they wait, the newest first, 50 at most."""

    count: int
    newest: tuple[str, ...]


@record
class Counts:
    """What waits for a person, without what hidden chargers left."""

    transactions: Kind
    messages: Kind
    newcomers: Kind
    asked_tags: Kind


_TRANSACTIONS: Final = (
    "SELECT min(opened_at) AS since FROM review INDEXED BY review_open JOIN tx ON tx.id = tx_id"
    " WHERE resolved_at IS NULL AND cp_id NOT IN (SELECT id FROM hidden_cp) GROUP BY tx_id"
)
_MESSAGES: Final = (
    "SELECT received_at AS since FROM set_aside INDEXED BY set_aside_waiting WHERE looked_at IS NULL"
    " AND cp_id NOT IN (SELECT id FROM hidden_cp)"
)
_NEWCOMERS: Final = (
    "SELECT waiting_since AS since FROM cp WHERE registration = 'newcomer' AND waiting_since IS NOT NULL"
    " AND (hidden_at IS NULL OR is_connected = 1)"
)
_ASKED: Final = "SELECT first_at AS since FROM asked_tag"


def counts(db: Database) -> Counts:
    """Return how much waits."""
    db.execute("BEGIN")
    return Counts(
        transactions=_kind(db, _TRANSACTIONS),
        messages=_kind(db, _MESSAGES),
        newcomers=_kind(db, _NEWCOMERS),
        asked_tags=_kind(db, _ASKED),
    )


def _kind(db: Database, waiting: str) -> Kind:
    rows = db.execute(f"SELECT since, count(*) OVER () FROM ({waiting}) ORDER BY since DESC LIMIT {NEWEST}").fetchall()  # noqa: S608 - our own words
    return Kind(count=rows[0][1] if rows else 0, newest=tuple(since for since, _ in rows))
