"""Frames: all of them in the table `log`, until they are pruned; in `evidence`, for ever, those that the rows of a
transaction or of the operator's list name."""

from __future__ import annotations

from collections.abc import Sequence

from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.origin import Message, Origin

FrameRow = tuple[str, int | None, str, str, str | None, str | None, str]
"""A row of the log to be: charger, session, at, direction, message id, action, frame (its secrets masked).

No named tuple: two are made for every call, and one takes six times as long.
"""


def keep(db: Transaction, origin: Origin, message: Message) -> None:
    """Keep the frame of a message, once, in the transaction of what it told."""
    db.execute(
        "INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)"
        " VALUES (?, ?, ?, 'recv', ?, ?, ?) ON CONFLICT (session_id, message_id, at) DO NOTHING",
        (origin.charger, origin.session, origin.received_at, message.message_id, message.action, message.frame),
    )


def add(db: Transaction, rows: Sequence[FrameRow]) -> None:
    """Add these to the log, in this order."""
    db.execute_many(
        "INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame) VALUES (?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
