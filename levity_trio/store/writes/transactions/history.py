"""The rows of `tx_event`: the history of each transaction, with payloads as received.

`tx` is derived from these rows. A repeated payload is counted in its row, not added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from levity_trio.charging.lifecycle import Cause, Kind, State
from levity_trio.charging.sent.moments import Moment
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import frames
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.wire.texts import digest


@dataclass(frozen=True, slots=True)
class Entry:
    """A row for tx_event: what happened in which state, who did it, and why."""

    kind: Kind
    who: str
    moment: Moment
    reason: str | None = None
    message: Message | None = None
    state: State | None = None
    cause: Cause | None = None
    counted_on: str | None = None
    """A day: entries beyond the daily ceiling are counted in one row for this day."""
    decision: str | None = None
    """What an operator decided, and what stood before, as JSON."""


class Added(NamedTuple):
    """The row of an entry; not new if the same payload was stored before."""

    id: int
    is_new: bool


def add(db: UnitOfWork, origin: Origin, transaction: int, entry: Entry) -> Added:
    """Add a row of tx_event, and keep the frame of its message as evidence; only count an equal payload of the same
    kind."""
    message = entry.message
    row, count = db.rows(
        "INSERT INTO tx_event (tx_id, kind, who, reason, session_id, received_at, timestamp, sent_timestamp,"
        " message_id, payload, digest, state, cause, last_received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tx_id, kind, digest) DO UPDATE SET count = tx_event.count + 1,"
        " last_received_at = excluded.last_received_at RETURNING id, count",
        (transaction, entry.kind, entry.who, entry.reason, origin.session, origin.received_at)
        + (entry.moment.understood, entry.moment.sent)
        + (message and message.message_id, message.kept_payload if message else entry.decision)
        + (digest(message.payload) if message else entry.counted_on,)
        + (entry.state, entry.cause, origin.received_at),
    )[0]
    if count == 1 and message is not None:
        frames.keep(db, origin, message)
    return Added(row, count == 1)


def by_the_system(at: str) -> Moment:
    """Return the moment of an action of the system."""
    return Moment(at, None, True)
