"""State changes of transactions. Only this module applies the table of
levity_trio.charging.lifecycle; each change adds a row of tx_event and a fact.

`tx` is derived from the rows of `tx_event`, which have payloads as received. A repeated payload is
counted in its row, not added.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final, NamedTuple

from levity_trio.charging.lifecycle import TABLE, Cause, Kind, State, state_of
from levity_trio.charging.names import HIGHEST_ID, LOWEST_ID
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.readings import Moment
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.events import TransactionResumed, TransactionSuspended
from levity_trio.records import record
from levity_trio.store.cases.case import AVAILABLE, LONGEST_BURST_SECONDS, LONGEST_SECONDS
from levity_trio.store.cases.transaction import (
    COLUMNS,
    LAST_ID,
    StoredTransaction,
    begun_after,
    begun_before,
    find_transaction,
)
from levity_trio.store.engine.database import DATE, UnitOfWork, marks
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.site import frames
from levity_trio.told import beside
from levity_trio.wire.texts import cut_payload, digest

_NOTICED_SECONDS: Final = 600
"""A lost connection is noticed within this time."""


def state(tx: StoredTransaction) -> State:
    """Return the state of a transaction."""
    return state_of(tx.status, tx.suspended_at is not None, tx.stopped_by)


# Which transactions there are


def load_transaction(db: UnitOfWork, transaction: int) -> StoredTransaction:
    """Load a transaction. Raises LookupError."""
    tx = find_transaction(db.rows, transaction)
    if tx is None:
        raise LookupError(transaction)
    return tx


def assigned(db: UnitOfWork, charger: str, transaction: int) -> StoredTransaction | None:
    """Return the transaction whose id this charger was told. It was told no id of an imported
    one."""
    if not LOWEST_ID <= transaction <= HIGHEST_ID:
        return None
    tx = find_transaction(db.rows, transaction)
    if tx is None or tx.charger != charger or state(tx) is State.IMPORTED:
        return None
    return tx


_OPEN_ONES: Final = f"""
    SELECT {COLUMNS}
    FROM tx INDEXED BY tx_open
    WHERE cp_id = ?1 AND status = 'Active' AND (CAST(?2 AS INTEGER) IS NULL OR conn_id = ?2)
    ORDER BY own_start_time, id
"""  # noqa: S608 - our own names
"""Without INDEXED BY, SQLite would scan all transactions of a charger."""


def open_ones(
    db: UnitOfWork, charger: str, connector: int | None = None
) -> list[StoredTransaction]:
    """Return the open transactions of a charger, or of one of its connectors, by their start."""
    return [StoredTransaction(*row) for row in db.rows(_OPEN_ONES, (charger, connector))]


_STARTED_SINCE: Final = f"""
    SELECT {COLUMNS}
    FROM tx
    WHERE cp_id = ? AND conn_id = ? AND own_start_time BETWEEN ? AND ? AND id > ?
        AND abs(start_skew_seconds) <= ?
    ORDER BY own_start_time DESC, id DESC
    LIMIT 1
"""  # noqa: S608 - our own names
"""Later transactions that began by a clock that is right."""


def newest(db: UnitOfWork, charger: str, connector: int, at: str) -> StoredTransaction | None:
    """Return the newest transaction of a connector that had begun by this time.

    Where the charger's clock was ahead and has been set since, the order of receipt counts.
    """
    earlier = begun_before(db.rows, (charger, connector, at, LAST_ID))
    tx = latest = earlier[0] if earlier else None
    if tx is None or tx.status != "Active":
        # One that began by a clock that was ahead seems to begin only later.
        begun = [
            running
            for running in open_ones(db, charger, connector)
            if (running.start_skew or 0) > CLOCK_SECONDS
            and running.start_time <= at < running.own_start_time
        ]
        latest = max(begun, key=attrgetter("id"), default=tx)
    if tx is not None and (tx.start_skew or 0) > CLOCK_SECONDS:
        span = (tx.start_time, at, tx.id)
        since = db.row(_STARTED_SINCE, (charger, connector, *span, CLOCK_SECONDS))
        if since is not None:
            latest = StoredTransaction(*since)
    return latest


# When did it begin?

_SKEW: Final = "SELECT clock_skew_seconds FROM cp WHERE id = ?"
_FORGET_SKEW: Final = "UPDATE cp SET clock_skew_seconds = NULL WHERE id = ?"
_CONNECTED: Final = """
    SELECT connected_at, (
            SELECT CASE close_reason WHEN ?3 THEN connected_at ELSE ended_at END
            FROM session
            WHERE cp_id = ?1 AND id < ?2 AND ended_at IS NOT NULL AND imported_from IS NULL
            ORDER BY id DESC
            LIMIT 1
        )
    FROM session
    WHERE id = ?2
"""
"""Since when a connection lasts, and when the one before was lost: if its server was killed, after
it began."""


def skew(db: UnitOfWork, charger: str) -> int | None:
    """Return by how many seconds the clock of a charger is ahead of ours at present."""
    ((seconds,),) = db.rows(_SKEW, (charger,))
    return None if seconds is None else int(seconds)


def ahead_in_queue(db: UnitOfWork, origin: Origin, moment: Moment) -> int | None:
    """Return by how many seconds the clock was ahead that dated a message which waited for a
    connection; None if it did not wait by the clock that is known, or that has been set since."""
    ahead = skew(db, origin.charger) or 0
    own = moment.skew_seconds
    if own is None or not moment.is_believable or min(ahead, ahead - own) <= CLOCK_SECONDS:
        return None
    place = (origin.charger, origin.session, Cause.SERVER_ENDED.value)
    ((connected_at, lost_at),) = db.rows(_CONNECTED, place)

    # A queued message was created after the loss of the previous connection, or it would have been
    # sent over that.
    created = seconds(moment.understood) - ahead
    early = 0.0 if lost_at is None else seconds(lost_at) - created
    if early > _NOTICED_SECONDS:
        # No later message of the queue was created by that clock, either.
        db.execute(_FORGET_SKEW, (origin.charger,))
        return None

    if own > CLOCK_SECONDS:
        # It is still ahead of its receipt, so the clock was not set. It waited if it was created
        # before the queue was sent.
        has_waited = created <= seconds(connected_at) + LONGEST_BURST_SECONDS
        return ahead if has_waited else None
    # If it was created before the loss, the clock may have been set, or the loss was noticed late.
    return ahead if early <= 0 and own < -CLOCK_SECONDS else None


_BEGIN: Final = """
    UPDATE tx SET own_start_time = ?, start_time = ?, start_behind_seconds = 0 WHERE id = ?
"""


def begin_by(db: UnitOfWork, tx: StoredTransaction, at: str) -> StoredTransaction:
    """Move an unreliable start time back by `at`, the time of a later message; return the
    transaction as stored.

    A start time is unreliable if it was implausible, ahead of receipt, or queued: the clock may
    have been set since. If only the start was ahead, it began when received.
    """
    is_right = tx.is_start_timed and abs(tx.start_skew or 0) <= CLOCK_SECONDS
    if is_right or at >= tx.own_start_time:
        return tx
    at = min(at, tx.created_at)
    moved = seconds(min(tx.own_start_time, tx.created_at)) - seconds(at)
    if moved > LONGEST_SECONDS:
        return tx
    start_time = min(tx.start_time, at)
    db.execute(_BEGIN, (at, start_time, tx.id))
    return tx._replace(own_start_time=at, start_time=start_time, start_behind=0)


def begin_unset(
    db: UnitOfWork, charger: str, connector: int, at: str, register: int | None
) -> None:
    """Move back the start of a transaction whose clock was unset, if a reading without an id
    belongs to it.

    A charger sends everything in order. A reading received after such a start, with a higher
    register, belongs to its transaction, even if the reading's time precedes the receipt of the
    start.
    """
    for tx in begun_after(db.rows, (charger, connector, at, LAST_ID)):
        if tx.is_start_timed or tx.meter_start is None or register is None:
            continue
        if register > tx.meter_start:
            begin_by(db, tx, at)


# Suspended and resumed


@record(kw_only=False)
class Sign:
    """A sign that a transaction goes on: the cause, the reason in the charger's words, and the
    time."""

    cause: Cause
    reason: str
    moment: Moment


def suspend(db: UnitOfWork, origin: Origin, cause: Cause) -> int:
    """Suspend the open transactions of a charger that this cause suspends; return their number."""
    return sum(suspend_one(db, origin, tx, cause) for tx in open_ones(db, origin.charger))


_SUSPEND: Final = "UPDATE tx SET suspended_at = ?, updated_at = ? WHERE id = ?"


def suspend_one(db: UnitOfWork, origin: Origin, tx: StoredTransaction, cause: Cause) -> bool:
    """Suspend a transaction; return False if the table has no such step."""
    if TABLE[state(tx), cause].kind is not Kind.SUSPEND:
        return False
    at = origin.received_at
    db.execute(_SUSPEND, (at, at, tx.id))
    fact = TransactionSuspended(**tx.about(at), reason=cause)
    day = None if db.record(fact, origin.session) else at[DATE]
    moment = by_the_system(at)
    entry = EventEntry(Kind.SUSPEND, "system", moment, cause, None, state(tx), cause, day)
    add_event(db, origin, tx.id, entry)
    return True


_RESUME: Final = """
    UPDATE tx
    SET status = 'Active', suspended_at = NULL, stopped_by = NULL, stop_time = NULL,
        own_stop_time = NULL, stop_received_at = NULL, meter_stop = NULL, stop_reason = NULL,
        energy_delivered = NULL, energy_method = NULL, confidence = NULL, billed_from_wh = NULL,
        billed_until_wh = NULL, judge_after = NULL, stop_behind_seconds = 0, is_clock_unsure = 0,
        updated_at = ?
    WHERE id = ?
"""


def resume(db: UnitOfWork, origin: Origin, tx: StoredTransaction, sign: Sign) -> StoredTransaction:
    """Resume or reopen a transaction, if the table has such a step; return it as stored.

    Reopening a transaction that the system closed removes its stop and figure until it ends.
    """
    kind = TABLE[state(tx), sign.cause].kind
    if kind not in (Kind.RESUME, Kind.REOPEN):
        return tx
    at = origin.received_at
    db.execute(_RESUME, (at, tx.id))
    fact = TransactionResumed(**tx.about(at), reason=sign.reason)
    day = None if db.record(fact, origin.session) else at[DATE]
    what = (kind, "charger", sign.moment, sign.reason)
    entry = EventEntry(*what, None, state(tx), sign.cause, day)
    add_event(db, origin, tx.id, entry)
    return load_transaction(db, tx.id)


def resume_connector(db: UnitOfWork, origin: Origin, connector: int, sign: Sign) -> None:
    """Resume the newest open transaction of a connector that reports charging."""
    running = open_ones(db, origin.charger, connector)
    if running:
        resume(db, origin, running[-1], sign)


_FREE_AT: Final = "UPDATE tx SET free_at = ? WHERE id = ?"
_WAIT_AGAIN: Final = "UPDATE tx SET free_at = ? WHERE id = ? AND free_at IS NOT NULL"


def follow_free(db: UnitOfWork, origin: Origin, connector: int, status: str) -> None:
    """Note since when the connector of an open transaction is Available; any other status ends
    that."""
    is_free = status == AVAILABLE
    for tx in open_ones(db, origin.charger, connector):
        if is_free is not (tx.free_at is not None):
            db.execute(_FREE_AT, (origin.received_at if is_free else None, tx.id))


def wait_again(db: UnitOfWork, origin: Origin, transaction: int) -> None:
    """Let the wait for the end of a transaction beside Available begin again: a message of it
    came."""
    db.execute(_WAIT_AGAIN, (origin.received_at, transaction))


# The rows of tx_event


@record(kw_only=False)
class EventEntry:
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


class AddedEvent(NamedTuple):
    """The row of an entry; not new if the same payload was stored before."""

    id: int
    is_new: bool


_ADD: Final = f"""
    INSERT INTO tx_event (
        tx_id, kind, who, reason, told, session_id, received_at, timestamp, sent_timestamp,
        message_id, payload, digest, state, cause, last_received_at
    )
    VALUES ({marks(range(15))})
    ON CONFLICT (tx_id, kind, digest) DO UPDATE
    SET count = tx_event.count + 1, last_received_at = excluded.last_received_at
    RETURNING id, count
"""  # noqa: S608 - our own names


def add_event(db: UnitOfWork, origin: Origin, transaction: int, entry: EventEntry) -> AddedEvent:
    """Add a row of tx_event, and keep the frame of its message as evidence; only count an equal
    payload of the same kind."""
    at, message = origin.received_at, entry.message
    content: tuple[str | None, str | None, str | None]
    if message is None:
        content = (None, entry.decision, entry.counted_on)
    else:
        payload = message.payload
        content = (message.message_id, cut_payload(payload), digest(payload))
    what = (transaction, entry.kind, entry.who, entry.reason, beside(entry.reason))
    times = (at, entry.moment.understood, entry.moment.sent)
    step = (entry.state, entry.cause, at)
    ((event, count),) = db.rows(_ADD, (*what, origin.session, *times, *content, *step))
    if count == 1 and message is not None:
        frames.keep(db, origin, message)
    return AddedEvent(event, count == 1)


def by_the_system(at: str) -> Moment:
    """Return the moment of an action of the system."""
    return Moment(at, None, True)
