"""The rows of those who are turned away."""

from __future__ import annotations

from typing import Final

from levity_trio.access.turned_away import MOST, OUTLASTING, TOLD_FOR, Refusal
from levity_trio.events import ChargerTurnedAway
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.told import stored
from levity_trio.wire.times import shifted_stamp

# Chargers that have charged or were adopted stay longest, then those with a row, then strangers;
# then the newest.
_ORDER: Final = (
    "SELECT subject FROM turned_away LEFT "
    "JOIN cp ON cp.id = identity ORDER BY CASE "
    "WHEN cp.id IS NULL THEN 2 "
    "WHEN registration = 'adopted' OR EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id) THEN 0 "
    "ELSE 1 END, last_at DESC, subject"
)


def note(db: UnitOfWork, refusal: Refusal) -> None:
    """Note that a peer was turned away. For a known charger with which that begins, it is a
    fact."""
    known = db.row("SELECT last_connect_at FROM cp WHERE id = ?", (refusal.identity,))
    connected_at = known[0] if known is not None and refusal.kind not in OUTLASTING else None
    oldest = shifted_stamp(refusal.at, -TOLD_FOR)
    # it was let in before this could be written
    if connected_at is not None and connected_at > refusal.at:
        return
    since = max(oldest, connected_at or "")
    before = db.row(
        "SELECT first_at FROM turned_away WHERE subject = ? AND kind = ? AND last_at >= ?",
        (refusal.subject, refusal.kind, since),
    )
    db.execute(
        "INSERT INTO turned_away (subject, identity, remote_address, kind, reason, first_at, "
        "last_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subject) "
        "DO UPDATE "
        "SET remote_address = excluded.remote_address, kind = excluded.kind, "
        "reason = excluded.reason, first_at = excluded.first_at, last_at = excluded.last_at",
        (refusal.subject, refusal.identity, refusal.address, refusal.kind, stored(refusal.reason))
        + (refusal.at if before is None else before[0], refusal.at),
    )
    db.execute("DELETE FROM turned_away WHERE last_at < ?", (oldest,))
    for (subject,) in db.rows(_ORDER)[MOST:]:
        db.execute("DELETE FROM turned_away WHERE subject = ?", (subject,))
    if known is not None and before is None:
        address, kind, reason = refusal.address, refusal.kind, refusal.reason
        fact = ChargerTurnedAway(
            charger=refusal.identity,
            at=refusal.at,
            remote_address=address,
            kind=kind,
            reason=reason,
        )
        db.record(fact)
