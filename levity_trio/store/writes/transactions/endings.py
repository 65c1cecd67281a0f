"""What a StopTransaction says about the end of a transaction (rules.md, Time)."""

from __future__ import annotations

from levity_trio.charging.lifecycle import Cause, Kind
from levity_trio.charging.reviews import Doubt
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.gathering import TIMESTAMP, is_rising
from levity_trio.charging.sent.moments import Moment, corrected
from levity_trio.charging.sent.timeline import message_time
from levity_trio.charging.tolerances import AHEAD_SECONDS
from levity_trio.events import TransactionStopped
from levity_trio.store.transaction import Known, readings
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.conclusion import conclude
from levity_trio.store.writes.transactions.history import Entry
from levity_trio.store.writes.transactions.judging import Ending
from levity_trio.store.writes.transactions.requests import Stop
from levity_trio.store.writes.transactions.states import begin_by, revised_skew, state, step


def end(db: UnitOfWork, origin: Origin, tx: Known, ending: Ending, doubts: tuple[Doubt, ...]) -> None:
    """End a transaction by a stop of its charger, and judge it."""
    conclude(db, origin, begin_by(db, tx, ending.own_stop_time), ending, TransactionStopped, doubts)


def ending_by(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> Ending:
    """Return the end that a stop tells. `origin` is that of the stop."""
    moment = request.moment
    entry = Entry(Kind.STOP, "charger", moment, request.reason, request.message, state(tx), cause)
    ahead = revised_skew(db, origin, moment)
    if ahead is not None and ahead > AHEAD_SECONDS and (_waited_as_sent(tx) or _was_set(db, tx, moment)):
        ahead = None
    return Ending(
        state=step(tx, cause).state,
        stop_time=corrected(moment, origin.received_at, ahead),
        own_stop_time=moment.understood,
        received_at=origin.received_at,
        reason=request.reason,
        entry=entry,
        sent_stop_time=moment.sent,
        skew=moment.skew_seconds,
        meter_stop=request.meter_stop,
        sent_meter_stop=request.sent_meter_stop,
        id_tag=request.id_tag,
    )


def _waited_as_sent(tx: Known) -> bool:
    """Whether its start waited, too, and its time was left as it was sent: then the same clock sent the stop."""
    return tx.start_skew is not None and tx.start_skew < -AHEAD_SECONDS and tx.start_time == tx.own_start_time


def _was_set(db: UnitOfWork, tx: Known, moment: Moment) -> bool:
    """Whether the clock went back during this transaction, so that its earlier skew no longer applies."""
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    began = seconds(tx.own_start_time) if start.own is None else start.own
    times = [began, *(seconds(row[TIMESTAMP]) for row in readings(db.rows, tx)), seconds(moment.understood)]
    return not is_rising(times)
