"""The parts of large messages (wire/large.py): each is stored once, however often its charger sends the message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from levity_trio.access.tags import Policy
from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.readings import Reading
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import frames
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions import stops, unreadable, waiting_stops
from levity_trio.store.writes.transactions.judging import judge_again
from levity_trio.store.writes.transactions.readings import Batch
from levity_trio.store.writes.transactions.requests import StopWithData
from levity_trio.wire.texts import digest


def of_readings(db: UnitOfWork, origin: Origin, message: Message, batch: Batch, claimed: int | None) -> bool:
    """Store a part of a MeterValues; return whether it is new."""
    if _waits(db, origin, message) is not None:
        return False
    waiting_stops.store(db, origin, batch, claimed)
    _note(db, origin, message, waits=False)
    return True


def of_stop(
    db: UnitOfWork, origin: Origin, told: StopWithData, part: Sequence[Reading], policy: Policy, *, is_ended: bool
) -> bool:
    """Store a part of a StopTransaction before its stop; return whether its transaction is known. `is_ended`: after
    its stop, which made a transaction of itself. `told` are the stop and the readings at both ends of its data."""

    def store() -> bool:
        transaction = stops.store_ahead(db, origin, told.stop, told.data, policy, list(part))
        if transaction is not None and is_ended:
            judge_again(db, origin, transaction, Cause.LATER)
        return transaction is not None

    return _once(db, origin, told.stop.message, store)


def of_unreadable(db: UnitOfWork, origin: Origin, message: Message, part: Sequence[Reading]) -> bool:
    """The same for a stop of which another field cannot be read."""
    return _once(db, origin, message, lambda: unreadable.store_data_of_unreadable(db, origin, message, part))


def _once(db: UnitOfWork, origin: Origin, message: Message, store: Callable[[], bool]) -> bool:
    waits = _waits(db, origin, message)
    if waits is False:
        return True
    is_stored = store()
    if waits is None:
        frames.keep(db, origin, message)
        _note(db, origin, message, waits=not is_stored)
    elif is_stored:
        done = "UPDATE message_part SET waits = 0 WHERE cp_id = ? AND digest = ?"
        db.execute(done, (origin.charger, digest(message.payload)))
    return is_stored


def _waits(db: UnitOfWork, origin: Origin, message: Message) -> bool | None:
    """Whether a part waits for its transaction; None if it is not stored yet."""
    key = (origin.charger, digest(message.payload))
    found = db.row("SELECT waits FROM message_part WHERE cp_id = ? AND digest = ?", key)
    return None if found is None else bool(found[0])


def _note(db: UnitOfWork, origin: Origin, message: Message, *, waits: bool) -> None:
    db.execute(
        "INSERT INTO message_part (cp_id, digest, session_id, received_at, message_id, waits)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (origin.charger, digest(message.payload), origin.session, origin.received_at, message.message_id, int(waits)),
    )
