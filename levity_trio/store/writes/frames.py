"""Storage of frames: all of them in `log` until they are pruned, and permanently in `evidence` those that rows of
`tx_event` or `set_aside` refer to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Message, Origin

FrameRow = tuple[str, int | None, str, str, str | None, str | None, str]
"""A row for the log: charger, session, at, direction, message id, action, frame (secrets masked).

A plain tuple, because two are created for every CALL and a named tuple takes six times as long.
"""

INSERTS: Final = tuple(
    (
        size,
        "INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame) VALUES "  # noqa: S608 - places
        + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * size),
    )
    for size in (64, 32, 16, 8, 4, 2, 1)
)
"""Statements that insert several rows, by number of rows. A statement for each row takes a third longer, and releases
the interpreter lock each time."""


def keep(db: UnitOfWork, origin: Origin, message: Message) -> None:
    """Store the frame of a message as evidence, once, in the transaction that stores its content."""
    db.execute(
        "INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)"
        " VALUES (?, ?, ?, 'recv', ?, ?, ?) ON CONFLICT (session_id, message_id, at) DO NOTHING",
        (origin.charger, origin.session, origin.received_at, message.message_id, message.action, message.frame),
    )


def add(db: UnitOfWork, rows: Sequence[FrameRow]) -> None:
    """Add rows to the log, in this order."""
    first = 0
    for size, sql in INSERTS:
        while len(rows) - first >= size:
            db.execute(sql, [*chain.from_iterable(rows[first : first + size])])
            first += size
