"""The audit's place in the log: how far Fluentd has acknowledged it, and what pruning took before it was sent."""

from __future__ import annotations

from levity_trio.store.unit_of_work import UnitOfWork


def move(db: UnitOfWork, log_id: int, lost: int, lost_told: int) -> None:
    """Keep how far the audit has come."""
    db.execute(
        "INSERT INTO audit_cursor (id, log_id, lost, lost_told) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
        " SET log_id = excluded.log_id, lost = excluded.lost, lost_told = excluded.lost_told",
        (log_id, lost, lost_told),
    )
