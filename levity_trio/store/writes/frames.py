"""Frames: all of them in the table `log`, until they are pruned; in `evidence`, for ever, those that the rows of a
transaction or of the operator's list name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Message, Origin

FrameRow = tuple[str, int | None, str, str, str | None, str | None, str]
"""A row of the log to be: charger, session, at, direction, message id, action, frame (its secrets masked).

No named tuple: two are made for every call, and one takes six times as long.
"""

INSERTS: Final = tuple(
    (
        size,
        "INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame) VALUES "  # noqa: S608 - places
        + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * size),
    )
    for size in (64, 32, 16, 8, 4, 2, 1)
)
"""Rows at once, and the statement. One a row takes a third longer, and hands the interpreter to and fro each time."""


def keep(db: UnitOfWork, origin: Origin, message: Message) -> None:
    """Keep the frame of a message, once, in the transaction of what it told."""
    db.execute(
        "INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)"
        " VALUES (?, ?, ?, 'recv', ?, ?, ?) ON CONFLICT (session_id, message_id, at) DO NOTHING",
        (origin.charger, origin.session, origin.received_at, message.message_id, message.action, message.frame),
    )


def add(db: UnitOfWork, rows: Sequence[FrameRow]) -> None:
    """Add these to the log, in this order."""
    first = 0
    for size, sql in INSERTS:
        while len(rows) - first >= size:
            db.execute(sql, [*chain.from_iterable(rows[first : first + size])])
            first += size
