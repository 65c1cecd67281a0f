"""Closes orphaned transactions, whose own stop does not arrive.

A new start on its connector closes an older transaction. A suspended transaction is closed when its
connector is available, or when its charger was connected for long without a sign of it, since load
management last gave its car too little. Suspended or not, it is closed if its connector was
reported Available after the last sign of it, and nothing of it came for some minutes of connection.
Its readings show the energy, and a review is opened. The charger's own stop, however late, replaces
all of this. The life cycle defines which states are closed.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from levity_trio.charging.lifecycle import TABLE, Cause, Kind
from levity_trio.charging.reviews import in_wh, minutes
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.readings import Moment
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.log.output import get_logger
from levity_trio.store.cases.case import CHARGING, available_since
from levity_trio.store.cases.transaction import SYSTEM, StoredTransaction, begun_after, by_our_clock
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.load_spans import answered_at
from levity_trio.store.reads.chargers.chargers import SERVER_ENDED
from levity_trio.store.writes.origin import Opening, Origin
from levity_trio.store.writes.transactions.judging import JUDGING_SECONDS, end
from levity_trio.store.writes.transactions.starts import started_before, unlink_since
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    by_the_system,
    load,
    open_ones,
    state,
)
from levity_trio.told import Moment as Stamp
from levity_trio.told import Told

log = get_logger("system")

OTHER, REBOOT = "Other", "Reboot"
LONGEST_ABSENCE_SECONDS = 7 * 24 * 3600
FREE_SECONDS = 180
"""Some chargers report Available just before their StopTransaction."""
FREE_WORDS = Told(
    "its connector is available, and nothing of it came in {1} of connection", minutes(FREE_SECONDS)
)


class Closure(NamedTuple):
    """Why a transaction is closed: the cause, the reason as in StopTransaction.req, a text, and the
    latest time of its end. `next_meter` is the start register, in Wh, of the next transaction.
    `ended` is the end that an operator gives."""

    cause: Cause
    reason: str
    words: str
    at: str
    next_meter: int | None = None
    ended: str | None = None


def close_before_start(db: UnitOfWork, origin: Origin, opening: Opening) -> None:
    """Close open transactions on the connector of a start that is about to be stored, unless they
    began after it."""
    if started_before(db, origin, opening) is not None:
        return
    words = Told("a session began on its connector at {1}", in_wh(opening.meter_start))
    at = opening.moment.understood
    closure = Closure(Cause.NEXT_START, OTHER, words, at, opening.meter_start)
    is_ahead = (opening.moment.skew_seconds or 0) > CLOCK_SECONDS
    for tx in open_ones(db, origin.charger, opening.connector):
        # A clock that was ahead may have been set since. If it is still ahead, both starts have its
        # times.
        began = tx.own_start_time if is_ahead else min(tx.own_start_time, tx.start_time)
        if began > at:
            continue
        if opening.moment.is_believable:
            # Readings that overtook this start were taken for those of the earlier one.
            unlink_since(db, tx, at, opening.meter_start)
        close(db, origin, load(db, tx.id), closure)


_STATUS = "SELECT status, status_at FROM cp_conn WHERE cp_id = ? AND conn_id = ?"


def close_available(db: UnitOfWork, origin: Origin, connector: int, moment: Moment) -> None:
    """Close suspended transactions on a connector available since `moment`, if that is after their
    last sign."""
    if not moment.is_believable:
        return
    status = db.row(_STATUS, (origin.charger, connector))
    charging_at = ""
    if status is not None and status[0] in CHARGING:
        charging_at = status[1]
    words = Told("its connector is available")
    closure = Closure(Cause.AVAILABLE, REBOOT, words, moment.understood)
    for tx in open_ones(db, origin.charger, connector):
        last_sign = max(tx.own_start_time, tx.last_reading_at or "", charging_at)
        if moment.understood > last_sign:
            close(db, origin, tx, closure)


_CHARGERS_IN_USE = """
    SELECT DISTINCT tx.cp_id, cp.session_id
    FROM tx
    JOIN cp ON cp.id = tx.cp_id
    WHERE tx.status = 'Active'
"""


def close_silent(db: UnitOfWork, at: str, silent_seconds: float) -> None:
    """Close suspended transactions whose charger has been connected for `silent_seconds` since, or
    absent for a week, and any whose connector has been available for FREE_SECONDS.

    A sign of the transaction would have ended that. Close those, too, that another one followed for
    so long whose start was lost: such a start would have closed them.
    """
    for charger, session in db.rows(_CHARGERS_IN_USE):
        origin = Origin(charger, session, at)
        for tx in open_ones(db, charger):
            closing = partial(_close_orphan, db, origin, tx, silent_seconds)
            error = db.attempt(closing, JUDGING_SECONDS)
            if error is not None:
                log.error(
                    "a transaction could not be closed; it is tried again",
                    transaction=tx.id,
                    exc_info=error,
                )


def _close_orphan(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, silent_seconds: float
) -> None:
    if tx.free_at is not None:
        free_seconds = _connected_seconds(db, origin, tx.session, tx.free_at)
        if free_seconds >= FREE_SECONDS:
            status = db.row(_STATUS, (tx.charger, tx.connector))
            since = tx.free_at
            if status is not None and status[1]:
                since = status[1]  # by its charger's clock
            close(db, origin, tx, Closure(Cause.FREE, OTHER, FREE_WORDS, since))
            return
    if tx.suspended_at is None:
        _close_followed(db, origin, tx, silent_seconds)
        return

    # Some chargers send nothing while a car gets no current, so silence counts from when it gets
    # some again.
    answered = answered_at(db.rows, tx.id)
    since = max(tx.suspended_at, answered)
    words = None
    if _connected_seconds(db, origin, tx.session, since) >= silent_seconds:
        words = Told("no sign of it in {1} of connection", minutes(silent_seconds))
    else:
        absent = seconds(origin.received_at) - seconds(tx.suspended_at)
        if absent >= LONGEST_ABSENCE_SECONDS:
            words = Told("no sign of it in a week")
    if words is not None:
        close(db, origin, tx, Closure(Cause.SILENCE, REBOOT, words, origin.received_at))


def _close_followed(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, silent_seconds: float
) -> None:
    last_at = max(tx.own_start_time, tx.last_reading_at or "")
    for follower in begun_after(db.rows, (tx.charger, tx.connector, last_at, tx.id)):
        since = max(follower.created_at, tx.created_at, by_our_clock(tx, last_at))
        if seconds(origin.received_at) - seconds(since) < silent_seconds:
            continue
        began = follower.own_start_time
        words = Told("a session whose start was lost began on its connector at {1}", Stamp(began))
        closure = Closure(Cause.NEXT_START, OTHER, words, began, follower.meter_start)
        close(db, origin, tx, closure)


_TRUSTED_SESSIONS = """
    SELECT connected_at, coalesce(ended_at, ?)
    FROM session
    WHERE cp_id = ? AND id >= ? AND clock_trusted = 1 AND coalesce(close_reason, '') <> ?
    ORDER BY id
"""


def _connected_seconds(db: UnitOfWork, origin: Origin, first_session: int, since: str) -> float:
    """Return for how many seconds the charger was certainly connected since then.

    Sessions that a crash of the server ended do not count, because their end is unknown; nor do
    sessions during which our clock was not trusted.
    """
    values = (origin.received_at, origin.charger, first_session, SERVER_ENDED)
    total = 0.0
    for begun, ended in db.rows(_TRUSTED_SESSIONS, values):
        first = max(begun, since)
        if ended > first:
            total += seconds(ended) - seconds(first)
            since = ended  # a session that replaces another begins before the other's end
    return total


def close(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, closure: Closure, who: str = SYSTEM
) -> None:
    """Close a transaction, if the table has such a step."""
    if TABLE[state(tx), closure.cause].kind is not Kind.CLOSE:
        return

    # It ended when it was last seen: when its charger was lost, when its connector became available
    # before the next start, when the next one began (even if that start was lost), or at the time
    # of the closing. An operator may give it.
    at = closure.at
    for follower in begun_after(db.rows, tx.place):
        at = min(at, follower.own_start_time)
    if closure.cause is Cause.NEXT_START:
        at = available_since(db.rows, tx, at, origin.received_at) or at
    last_reading_at = tx.last_reading_at or ""
    lost_at = closure.ended or min(tx.suspended_at or at, at)
    own_stop_time = max(tx.own_start_time, last_reading_at, lost_at)

    seen_at = by_our_clock(tx, tx.last_reading_at or tx.own_start_time)
    suspended_at = tx.suspended_at or origin.received_at
    last_at = closure.ended or min(suspended_at, by_our_clock(tx, at))
    closed = tx._replace(
        stopped_by=SYSTEM,
        stop_time=max(tx.start_time, seen_at, last_at),
        own_stop_time=own_stop_time,
        sent_stop_time=None,
        stop_skew=None,
        stop_received_at=origin.received_at,
        meter_stop=None,
        sent_meter_stop=None,
        stop_reason=closure.reason,
        stop_id_tag=None,
    )
    moment = by_the_system(closure.at)
    entry = EventEntry(Kind.CLOSE, who, moment, closure.words, state=state(tx), cause=closure.cause)
    end(db, origin, tx, closed, entry, next_begin=closure.next_meter)
