"""The progress of the audit: how far Fluentd has acknowledged the log, and how many frames were pruned unsent."""

from __future__ import annotations

from levity_trio.store.engine.unit_of_work import UnitOfWork


def move(db: UnitOfWork, log_id: int, lost: int, lost_told: int) -> None:
    """Store the progress of the audit."""
    db.execute(
        "INSERT INTO audit_cursor (id, log_id, lost, lost_told) VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
        " SET log_id = excluded.log_id, lost = excluded.lost, lost_told = excluded.lost_told",
        (log_id, lost, lost_told),
    )
