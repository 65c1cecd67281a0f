"""Messages set aside: those that could not be matched or handled, stored raw for the operator.
Repairs, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from levity_trio.events import MessageSetAside
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.site import frames
from levity_trio.told import beside
from levity_trio.wire.texts import cut_payload, digest

_WAITS: Final = (
    "tx_id = NULL, looked_at = NULL, looked_by = NULL, resolution = NULL, resolution_reason = NULL"
)
STOP: Final = "StopTransaction"


def set_aside(
    db: UnitOfWork, origin: Origin, message: Message, reason: str, transaction: int | None = None
) -> int | None:
    """Store a message raw, or count a repetition. Return the transaction that was opened for it, if
    any."""
    at, action, kept = origin.received_at, message.action, cut_payload(message.payload)
    count, known = db.rows(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, "
        "digest, reason, told, tx_id, last_received_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (cp_id, action, digest) DO UPDATE "
        "SET count = set_aside.count + 1, tx_id = coalesce(excluded.tx_id, set_aside.tx_id), "
        "last_received_at = excluded.last_received_at "
        "RETURNING count, tx_id",
        (
            origin.charger,
            origin.session,
            at,
            action,
            message.message_id,
            kept,
            digest(message.payload),
            reason,
        )
        + (beside(reason), transaction, at),
    )[0]
    if count == 1:
        frames.keep(db, origin, message)
        fact = MessageSetAside(
            charger=origin.charger, at=at, action=action, reason=reason, transaction=transaction
        )
        db.record(fact, origin.session)
    return None if known is None else int(known)


def put_back(db: UnitOfWork, origin: Origin, transaction: int, reason: str) -> None:
    """Let the stop that was joined to a transaction wait, or wait again: it belongs elsewhere.
    `origin` is that of the message that shows it."""
    db.execute(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, "  # noqa: S608
        "digest, reason, told, last_received_at) "
        "SELECT ?, session_id, received_at, ?, coalesce(message_id, ''), payload, digest, ?, ?, "
        "last_received_at "
        "FROM tx_event "
        "WHERE id = (SELECT max(id) FROM tx_event WHERE tx_id = ? AND kind = 'stop') "
        f"ON CONFLICT (cp_id, action, digest) DO UPDATE SET {_WAITS}",
        (origin.charger, STOP, reason, beside(reason), transaction),
    )
    fact = MessageSetAside(
        charger=origin.charger, at=origin.received_at, action=STOP, reason=reason, transaction=None
    )
    db.record(fact, origin.session)


def put_back_readings(db: UnitOfWork, transaction: int, since: str) -> None:
    """Let the readings wait again that an operator attached to a transaction, and that were taken
    from it: they are of another one, which began at `since`."""
    db.execute(
        f"UPDATE set_aside SET {_WAITS} "  # noqa: S608 - our own names
        "WHERE tx_id = ? AND action = 'MeterValues' AND EXISTS (SELECT 1 FROM meter_val "
        "WHERE cp_id = set_aside.cp_id AND timestamp >= ? "
        "AND received_at = set_aside.received_at AND session_id = set_aside.session_id "
        "AND tx_id IS NULL)",
        (transaction, since),
    )


Resolution = tuple[str, str, str, str]
"""The time when an operator looked at a message, the name, what became of it, and why."""


def resolve(db: UnitOfWork, message: int, transaction: int | None, resolution: Resolution) -> None:
    """Store what an operator decided about a message, and the transaction to which it was linked,
    if any."""
    db.execute(
        "UPDATE set_aside "
        "SET tx_id = coalesce(?, tx_id), looked_at = ?, looked_by = ?, resolution = ?, "
        "resolution_reason = ? "
        "WHERE id = ?",
        (transaction, *resolution, message),
    )


def resolve_of(db: UnitOfWork, transaction: int, resolution: Resolution) -> None:
    """The same for all messages that wait with a transaction."""
    waiting = "SELECT id FROM set_aside WHERE tx_id = ? AND looked_at IS NULL"
    for (message,) in db.rows(waiting, (transaction,)):
        resolve(db, message, None, resolution)


def count_repairs(db: UnitOfWork, origin: Origin, repairs: Sequence[tuple[str, str]]) -> None:
    """Count repairs, given as (kind, sample), by charger, firmware and kind; store the first sample
    of each."""
    first_samples = dict(reversed(repairs))
    for kind, count in Counter(kind for kind, _ in repairs).items():
        _count(db, origin, kind, first_samples[kind], count)


def count_faults(db: UnitOfWork, origin: Origin, faults: Mapping[str, int]) -> None:
    """Count a session's malformed frames, given by kind, among the repairs."""
    for kind, count in faults.items():
        _count(db, origin, f"frame: {kind}", "", count)


def _count(db: UnitOfWork, origin: Origin, kind: str, sample: str, count: int) -> None:
    at, charger = origin.received_at, origin.charger
    known = (
        "UPDATE repair SET count = count + ?, last_at = ? "
        "WHERE cp_id = ? AND kind = ? AND firmware = (SELECT substr(coalesce(firmware_version, "
        "''), 1, 64) FROM cp WHERE id = ?)"
    )
    if db.changed(known, (count, at, charger, kind, charger)):
        return
    is_kept = db.count_fact(charger, "repair", at)
    if is_kept:
        db.execute(
            "INSERT INTO repair (cp_id, firmware, kind, count, first_at, last_at, sample) "
            "SELECT id, substr(coalesce(firmware_version, ''), 1, 64), ?, ?, ?, ?, ? "
            "FROM cp WHERE id = ?",
            (kind, count, at, at, sample, charger),
        )
