"""What could not be linked or handled, kept raw for the operator; and repairs, counted by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from levity_trio.events import MessageSetAside
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import frames
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.wire.texts import cut, digest

HIGHEST = 2**31
"""Beyond this a number in a payload that cannot be read is not believed."""


def set_aside(
    db: UnitOfWork, origin: Origin, message: Message, reason: str, transaction: int | None = None
) -> int | None:
    """Keep a message raw; the same one again is counted. Gives the transaction that was opened for it, if any."""
    at, action, payload = origin.received_at, message.action, message.payload
    count, known = db.rows(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, digest, reason, tx_id,"
        " last_received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cp_id, action, digest) DO UPDATE SET"
        " count = set_aside.count + 1, tx_id = coalesce(excluded.tx_id, set_aside.tx_id),"
        " last_received_at = excluded.last_received_at RETURNING count, tx_id",
        (origin.charger, origin.session, at, action, message.message_id, message.kept_payload, digest(payload), reason)
        + (transaction, at),
    )[0]
    if count == 1:
        frames.keep(db, origin, message)
        fact = MessageSetAside(charger=origin.charger, at=at, action=action, reason=reason, transaction=transaction)
        db.record(fact, origin.session)
    return None if known is None else int(known)


def number_in(message: Message, name: str) -> int | None:
    """What can be read of a payload that as a whole cannot: a register, a connector, an id."""
    told = _told_in(message).get(name)
    return told if type(told) is int and 0 <= told < HIGHEST else None


def text_in(message: Message, name: str) -> str | None:
    """A text of a payload that as a whole cannot be read: a tag, a time."""
    told = _told_in(message).get(name)
    return cut(told) if isinstance(told, str) and told.strip() else None


def raw_in(message: Message, name: str) -> str | None:
    """What stands in a field, as it was sent."""
    told = _told_in(message).get(name)
    return None if told is None else cut(told if isinstance(told, str) else orjson.dumps(told).decode())


def _told_in(message: Message) -> dict[str, object]:
    """The payload as an object; empty where it is none."""
    try:
        payload = orjson.loads(message.payload)
    except orjson.JSONDecodeError:
        return {}
    return payload if isinstance(payload, dict) else {}


def count_repairs(db: UnitOfWork, origin: Origin, repairs: Sequence[tuple[str, str]]) -> None:
    """Count repairs, given as (kind, sample), by charger, firmware and kind; the first sample is kept."""
    for kind, sample in repairs:
        _count(db, origin, kind, sample, 1)


def count_faults(db: UnitOfWork, origin: Origin, faults: Mapping[str, int]) -> None:
    """Count a session's frames that were no OCPP-J, given by kind, beside the repairs."""
    for kind, count in faults.items():
        _count(db, origin, f"frame: {kind}", "", count)


def _count(db: UnitOfWork, origin: Origin, kind: str, sample: str, count: int) -> None:
    at = origin.received_at
    db.execute(
        "INSERT INTO repair (cp_id, firmware, kind, count, first_at, last_at, sample)"
        " SELECT id, substr(coalesce(firmware_version, ''), 1, 64), ?, ?, ?, ?, ? FROM cp WHERE id = ?"
        " ON CONFLICT (cp_id, firmware, kind) DO UPDATE SET count = repair.count + excluded.count,"
        " last_at = excluded.last_at",
        (kind, count, at, at, sample, origin.charger),
    )
