"""Messages of a charger that change no state: stored only as facts in `event`, for observers."""

from __future__ import annotations

from levity_trio.events import Fact
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin


def record(db: UnitOfWork, origin: Origin, fact: Fact) -> None:
    """Store a fact with the session that caused it."""
    db.record(fact, origin.session)
