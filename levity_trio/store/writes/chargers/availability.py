"""Stores our intent of availability, and tells when a connector reports a status against it:
a charger may forget it, or not obey."""

from __future__ import annotations

from levity_trio.events import AvailabilityDiffers
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.connectors import differs
from levity_trio.store.writes.chargers import outcomes
from levity_trio.store.writes.origin import Origin


def intend(db: UnitOfWork, origin: Origin, command: int, connector: int, availability: str) -> None:
    """Store that a charger has accepted to make a connector Operative or Inoperative; 0 means all
    connectors.

    Earlier commands about it are followed no more.
    """
    db.execute(
        "DELETE FROM availability WHERE cp_id = ? AND ? IN (0, conn_id)",
        (origin.charger, connector),
    )
    db.execute(
        (
            "INSERT INTO availability (cp_id, conn_id, type, command_id, accepted_at) "
            "VALUES (?, ?, ?, ?, ?)"
        ),
        (origin.charger, connector, availability, command, origin.received_at),
    )
    outcomes.replace(
        db, origin, command, lambda earlier: 0 in (connector, earlier) or earlier == connector
    )


def compare(db: UnitOfWork, origin: Origin, connector: int) -> None:
    """Record that a connector, whose status has just changed, differs from our intent."""
    difference = differs(db.rows, origin.charger, connector)
    if difference is not None:
        fact = AvailabilityDiffers(
            charger=origin.charger,
            at=origin.received_at,
            connector=connector,
            wanted=difference.wanted,
            status=difference.status,
        )
        db.record(fact, origin.session)
