"""What could not be linked or handled, kept raw for the operator; and repairs, counted by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from levity_trio.events import MessageSetAside, TransactionStarted
from levity_trio.store.transaction import Transaction
from levity_trio.store.writes import frames
from levity_trio.store.writes.authorization import ACCEPTED
from levity_trio.store.writes.origin import Message, Moment, Origin
from levity_trio.store.writes.starts import Started
from levity_trio.store.writes.steps import Step, add_step, digest
from levity_trio.store.writes.suspensions import resume

HIGHEST = 2**31
"""Beyond this a number in a payload that cannot be read is not believed."""


def set_aside(
    db: Transaction, origin: Origin, message: Message, reason: str, transaction: int | None = None
) -> int | None:
    """Keep a message raw; the same one again is counted. Gives the transaction that was opened for it, if any."""
    at, action, payload = origin.received_at, message.action, message.payload
    count, known = db.rows(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, digest, reason, tx_id,"
        " last_received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cp_id, action, digest) DO UPDATE SET"
        " count = set_aside.count + 1, tx_id = coalesce(excluded.tx_id, set_aside.tx_id),"
        " last_received_at = excluded.last_received_at RETURNING count, tx_id",
        (origin.charger, origin.session, at, action, message.message_id, payload, digest(payload), reason)
        + (transaction, at),
    )[0]
    if count == 1:
        frames.keep(db, origin, message)
        fact = MessageSetAside(charger=origin.charger, at=at, action=action, reason=reason, transaction=transaction)
        db.tell(fact, origin.session)
    return None if known is None else int(known)


def start_raw(db: Transaction, origin: Origin, message: Message, reason: str) -> Started:
    """Answer a start that could not be read or handled with a real transaction: its car may well be charging.

    Refused, the charger would repeat it for ever or throw it away, and the kilowatt-hours with it. Its time cannot be
    believed, so it repeats an open transaction only: a new one costs nothing, a closed one the new one's energy.
    """
    known = db.row(
        "SELECT tx.id FROM set_aside JOIN tx ON tx.id = set_aside.tx_id AND tx.status = 'Active'"
        " WHERE set_aside.cp_id = ? AND action = ? AND digest = ?",
        (origin.charger, message.action, digest(message.payload)),
    )
    transaction = int(known[0]) if known else _open_raw(db, origin, message, reason)
    resume(db, origin, transaction, message.action)
    set_aside(db, origin, message, reason, transaction)
    return Started(transaction, ACCEPTED)


def _open_raw(db: Transaction, origin: Origin, message: Message, reason: str) -> int:
    at, meter_start = origin.received_at, number_in(message, "meterStart")
    connector = number_in(message, "connectorId") or None  # 0 is the charger as a whole
    transaction = db.insert(
        "INSERT INTO tx (cp_id, conn_id, session_id, verdict, start_time, meter_start, review, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (origin.charger, connector, origin.session, ACCEPTED, at, meter_start)
        + (f"its start could not be read: {reason}", at, at),
    )
    add_step(db, origin, transaction, Step("start", "charger", Moment(at, None, False), reason, message))
    fact = TransactionStarted(
        charger=origin.charger,
        at=at,
        transaction=transaction,
        connector=connector,
        id_tag=None,
        meter_start_wh=meter_start,
    )
    db.tell(fact, origin.session)
    return transaction


def number_in(message: Message, name: str) -> int | None:
    """What can be read of a payload that as a whole cannot: a register, a connector, an id."""
    told = _told_in(message).get(name)
    return told if type(told) is int and 0 <= told < HIGHEST else None


def _told_in(message: Message) -> dict[str, object]:
    """The payload as an object; empty where it is none."""
    try:
        payload = orjson.loads(message.payload)
    except orjson.JSONDecodeError:
        return {}
    return payload if isinstance(payload, dict) else {}


def count_repairs(db: Transaction, origin: Origin, repairs: Sequence[tuple[str, str]]) -> None:
    """Count repairs, given as (kind, sample), by charger, firmware and kind; the first sample is kept."""
    for kind, sample in repairs:
        _count(db, origin, kind, sample, 1)


def count_faults(db: Transaction, origin: Origin, faults: Mapping[str, int]) -> None:
    """Count a session's frames that were no OCPP-J, given by kind, beside the repairs."""
    for kind, count in faults.items():
        _count(db, origin, f"frame: {kind}", "", count)


def _count(db: Transaction, origin: Origin, kind: str, sample: str, count: int) -> None:
    at = origin.received_at
    db.execute(
        "INSERT INTO repair (cp_id, firmware, kind, count, first_at, last_at, sample)"
        " SELECT id, substr(coalesce(firmware_version, ''), 1, 64), ?, ?, ?, ?, ? FROM cp WHERE id = ?"
        " ON CONFLICT (cp_id, firmware, kind) DO UPDATE SET count = repair.count + excluded.count,"
        " last_at = excluded.last_at",
        (kind, count, at, at, sample, origin.charger),
    )
