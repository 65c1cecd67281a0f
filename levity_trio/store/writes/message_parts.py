"""The parts of large messages (wire/large.py): each is stored once, however often its charger sends the message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

import orjson

from levity_trio.charging.sent.readings import Reading, are_meter_values, read
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes import frames
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.wire.texts import digest
from levity_trio.wire.times import minutes_before

DATA: Final = "transactionData"
LOOK_BACK_MINUTES: Final = 31 * 24 * 60
"""A message that was sent again may have parts from before."""
_KEPT: Final = (
    "SELECT evidence.id FROM message_part JOIN evidence ON evidence.session_id = message_part.session_id"
    " AND evidence.message_id = message_part.message_id AND evidence.at = message_part.received_at"
    " WHERE message_part.cp_id = ? AND received_at BETWEEN ? AND ? AND (around = ? OR around IS NULL)"
    " ORDER BY evidence.id"
)


def once(db: UnitOfWork, origin: Origin, message: Message, store: Callable[[], bool]) -> bool:
    """Store a part of a stop and keep its frame, unless it is stored; return whether its transaction is known.

    `store` returns the same. While it is not known, a repetition of the message tries again.
    """
    waits = _waits(db, origin, message)
    if waits is False:
        return True
    is_known = store()
    if waits is None:
        frames.keep(db, origin, message)
        note(db, origin, message, waits=not is_known)
    elif is_known:
        done = "UPDATE message_part SET waits = 0 WHERE cp_id = ? AND digest = ?"
        db.execute(done, (origin.charger, digest(message.payload)))
    return is_known


def is_stored(db: UnitOfWork, origin: Origin, message: Message) -> bool:
    """Whether a part of readings is stored."""
    return _waits(db, origin, message) is not None


def note(db: UnitOfWork, origin: Origin, message: Message, *, waits: bool) -> None:
    """Note that a part is stored."""
    db.execute(
        "INSERT INTO message_part (cp_id, digest, session_id, received_at, message_id, waits, around)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (origin.charger, digest(message.payload), origin.session, origin.received_at, message.message_id, int(waits))
        + (_around(message.frame),),
    )


def _waits(db: UnitOfWork, origin: Origin, message: Message) -> bool | None:
    """Whether a part waits for its transaction; None if it is not stored yet."""
    key = (origin.charger, digest(message.payload))
    found = db.row("SELECT waits FROM message_part WHERE cp_id = ? AND digest = ?", key)
    return None if found is None else bool(found[0])


def data_before(db: UnitOfWork, received: Origin, stop: Message) -> Iterator[list[Reading]]:
    """Yield the readings of the parts of a large stop before its last one; `stop` is that, `received` its origin.

    Elements that need a repair are left out.
    """
    around = _without_data(stop.frame)
    if not around:
        return
    since = minutes_before(received.received_at, LOOK_BACK_MINUTES)
    for (part,) in db.rows(_KEPT, (received.charger, since, received.received_at, _around(stop.frame))):
        frame, at = _frame(db, part)
        if _without_data(frame) == around:
            data = [one for one in _payload(frame)[DATA] if are_meter_values([one])]
            yield read(data, datetime.fromisoformat(at))


def _frame(db: UnitOfWork, evidence: int) -> tuple[str, str]:
    """Return one frame and its time: those of a month, at once, would be hundreds of megabytes."""
    row = db.row("SELECT frame, at FROM evidence WHERE id = ?", (evidence,))
    return ("", "") if row is None else (row[0], row[1])


def _around(frame: str) -> str:
    """Return a digest of what a stop says beside its readings, which all its parts say; empty for another message."""
    around = _without_data(frame)
    return digest(orjson.dumps(around, option=orjson.OPT_SORT_KEYS).decode()) if around else ""


def _without_data(frame: str) -> dict[str, Any]:
    return {name: value for name, value in _payload(frame).items() if name != DATA}


def _payload(frame: str) -> dict[str, Any]:
    """Return the payload of a stop with data; empty if its text is damaged."""
    try:
        payload = orjson.loads(frame)[3]
    except (orjson.JSONDecodeError, IndexError, TypeError, KeyError):
        return {}
    return payload if isinstance(payload, dict) and isinstance(payload.get(DATA), list) else {}
