"""A StopTransaction for a transaction that was stopped before (rules.md, Transactions)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from levity_trio.charging.lifecycle import Cause, Kind, State
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.gathering import SOURCE
from levity_trio.charging.sent.moments import Moment
from levity_trio.events import StopConflicted
from levity_trio.store.evidence import evidence_of
from levity_trio.store.transaction import Known, readings
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions import history
from levity_trio.store.writes.transactions.endings import end, ending_by
from levity_trio.store.writes.transactions.finding import FirstStop, is_equal, swapped_with
from levity_trio.store.writes.transactions.history import Entry
from levity_trio.store.writes.transactions.requests import LOCAL, STOP_DATA, Stop
from levity_trio.store.writes.transactions.reviews import open_review
from levity_trio.store.writes.transactions.states import state, step
from levity_trio.wire.texts import digest

_FIRST: Final = (
    "SELECT tx_event.session_id, received_at, payload, tx_event.message_id, coalesce(frame, '')"  # noqa: S608 - ours
    f" FROM tx_event LEFT JOIN {evidence_of('tx_event')}"
    " WHERE tx_id = ? AND kind = 'stop' ORDER BY tx_event.id DESC LIMIT 1"
)


def stop_again(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    """Store a stop of a transaction that was stopped before.

    A different one changes nothing and opens a review. It counts if the first one was the stop of another transaction.
    """
    if step(tx, cause).kind is not Kind.CONFLICTING_STOP:
        _add(db, origin, tx, request, cause)
    elif (first := _first(db, tx)) is not None and (other := swapped_with(db, origin, request, tx, first)) is not None:
        _give_to_other(db, origin, tx, request, first, other)
    else:
        _add(db, origin, tx, request, cause)


def _end_again(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause, code: Code, words: str) -> None:
    """End a transaction by a second stop, in doubt."""
    evidence = (f"meterStop {tx.meter_stop} Wh at {tx.own_stop_time}", f"then {request.meter_stop} Wh")
    start = tx.meter_start or 0
    figures = {"by the first stop": (tx.meter_stop or 0) - start, "by the second stop": request.meter_stop - start}
    ending = ending_by(db, origin, tx, request, cause)
    ending = ending._replace(entry=replace(ending.entry, kind=Kind.CONFLICTING_STOP))
    end(db, origin, tx, ending, (Doubt(code, words, evidence, figures),))


def _first(db: UnitOfWork, tx: Known) -> FirstStop | None:
    """Return the stop that ended a transaction, and where it came from; None if it brought readings, which tell whose
    it is."""
    if state(tx) is not State.STOPPED or tx.own_stop_time is None:
        return None
    if any(row[SOURCE] == STOP_DATA for row in readings(db.rows, tx)):
        return None
    session, received_at, payload, message_id, frame = db.rows(_FIRST, (tx.id,))[0]
    moment = Moment(tx.own_stop_time, tx.sent_stop_time, tx.stop_skew is not None, tx.stop_skew)
    message = Message("StopTransaction", payload, message_id, frame)
    stop = Stop(tx.id, tx.stop_id_tag, tx.meter_stop or 0, moment, tx.stop_reason or LOCAL, message, tx.sent_meter_stop)
    return FirstStop(stop, Origin(tx.charger, session, received_at))


def _give_to_other(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, first: FirstStop, other: Known) -> None:
    """End the other transaction by the first stop, and the named one by the second."""
    words = f"a second stop came, which fits only this transaction; the first one may be that of transaction {other.id}"
    _end_again(db, origin, tx, request, Cause.STOP, Code.STOP_ELSEWHERE, words)
    words = f"the stop names transaction {tx.id}, of which a second stop came that does not fit this transaction"
    doubt = Doubt(Code.STOP_ELSEWHERE, words, (f"transactionId {tx.id}", f"then {request.meter_stop} Wh"))
    end(db, origin, other, ending_by(db, first.received, other, first.stop, Cause.JOINED_STOP), (doubt,))


def _kind_before(db: UnitOfWork, tx: Known, request: Stop) -> Kind | None:
    """Return as what the same message was stored with this transaction before; None if it was not."""
    same = "SELECT kind FROM tx_event WHERE tx_id = ? AND digest = ? AND kind IN (?, ?) ORDER BY id LIMIT 1"
    found = db.row(same, (tx.id, digest(request.message.payload), Kind.STOP, Kind.CONFLICTING_STOP))
    return Kind(found[0]) if found else None


def _add(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    kind = _kind_before(db, tx, request) or (Kind.STOP if is_equal(tx, request) else Kind.CONFLICTING_STOP)
    entry = Entry(kind, "charger", request.moment, request.reason, request.message, state(tx), cause)
    added = history.add(db, origin, tx.id, entry)
    if added.is_new and kind is Kind.CONFLICTING_STOP:
        evidence = (f"meterStop {tx.meter_stop} Wh", f"then {request.meter_stop} Wh")
        doubt = Doubt(Code.SECOND_STOP, "a second stop came with other values", evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
        fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=tx.id)
        db.record(fact, origin.session)
