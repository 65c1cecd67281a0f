"""The rows of `tx_event`: every step of a transaction, with the payload as it came.

`tx` is the present reading of these rows. The same payload again is counted in its row, not added.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from levity_trio.charging.moments import Moment
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import frames
from levity_trio.store.writes.origin import Message, Origin


@dataclass(frozen=True, slots=True)
class Step:
    """A row of tx_event to be: what happened, who did it, why."""

    kind: str
    who: str
    moment: Moment
    reason: str | None = None
    message: Message | None = None


def digest(payload: str) -> str:
    """A short name for a payload, to know it again."""
    return hashlib.blake2b(payload.encode(), digest_size=12).hexdigest()


def add_step(db: UnitOfWork, origin: Origin, transaction: int, step: Step) -> bool:
    """Add a row of tx_event; an equal payload of the same kind is counted instead. True where it is new."""
    is_new = insert_step(db, origin.session, origin.received_at, transaction, step)
    if is_new and step.message is not None:
        frames.keep(db, origin, step.message)
    return is_new


def insert_step(db: UnitOfWork, session: int | None, at: str, transaction: int, step: Step) -> bool:
    """Like add_step, for what the system does: perhaps without a session."""
    message = step.message
    count = db.insert(
        "INSERT INTO tx_event (tx_id, kind, who, reason, session_id, received_at, timestamp, sent_timestamp,"
        " message_id, payload, digest, last_received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tx_id, kind, digest) DO UPDATE SET count = tx_event.count + 1,"
        " last_received_at = excluded.last_received_at RETURNING count",
        (transaction, step.kind, step.who, step.reason, session, at, step.moment.understood, step.moment.sent)
        + (message and message.message_id, message and message.payload, message and digest(message.payload), at),
    )
    return count == 1
