"""What a charger tells that is a fact and nothing more: stored in `event`, for whoever follows it."""

from __future__ import annotations

from levity_trio.events import Fact
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin


def record(db: UnitOfWork, origin: Origin, fact: Fact) -> None:
    """Store a fact of its own."""
    db.record(fact, origin.session)
