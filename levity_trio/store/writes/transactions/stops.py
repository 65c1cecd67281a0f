"""StopTransaction: ends the transaction that a stop refers to (rules.md, Transactions, Energy; §4.10)."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import Cause, Kind, State
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import TIMESTAMP, is_rising, seconds
from levity_trio.charging.sent.readings import Moment, Reading, corrected
from levity_trio.charging.sent.timeline import message_time
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.events import StopConflicted
from levity_trio.store.settled import SYSTEM
from levity_trio.store.transaction import Known, ReadAhead, readings, span
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import message_parts, set_aside
from levity_trio.store.writes.authorization import judge
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions import unknown_starts
from levity_trio.store.writes.transactions.dating import look_again
from levity_trio.store.writes.transactions.finding import find, is_about, is_equal, is_stranger
from levity_trio.store.writes.transactions.judging import Ending, end, judge_again
from levity_trio.store.writes.transactions.readings import Batch, link_again, store_data
from levity_trio.store.writes.transactions.requests import LOCAL, STOP_DATA, Stop, StopWithData
from levity_trio.store.writes.transactions.reviews import open_review, resolve
from levity_trio.store.writes.transactions.states import Entry, add_event, begin_by, load, revised_skew, state, step
from levity_trio.wire.texts import digest


def store_ahead(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    found: list[Reading],
    policy: Policy,
    part: list[Reading],
    known: int | None = None,
) -> int | None:
    """Store a part of a long transactionData before its stop; return its transaction, None if none is known.

    If the stop does not follow, its repetition finds it. `known` is the transaction of the parts before.
    """
    transaction = find(db, origin, request, found, policy).transaction if known is None else known
    if transaction is not None:
        store_data(db, origin, transaction, request, part)
    return transaction


class Stored(NamedTuple):
    """A part of a large stop: whether its transaction is known, and which it is, if it was stored just now."""

    is_known: bool
    transaction: int | None


def store_part(
    db: UnitOfWork,
    origin: Origin,
    told: StopWithData,
    part: list[Reading],
    policy: Policy,
    known: int | None,
    *,
    is_ended: bool,
) -> Stored:
    """Store one part of a large stop before its last one.

    `told` are the stop, whose message is this part, and the readings at both ends of its data; `known` is as in
    `store_ahead`. `is_ended`: its transaction became known by the stop itself, so it is judged again.
    """
    transaction: int | None = None

    def store() -> bool:
        nonlocal transaction
        transaction = store_ahead(db, origin, told.stop, told.data, policy, part, known)
        if transaction is not None and is_ended:
            judge_again(db, origin, transaction, Cause.LATER)
        return transaction is not None

    return Stored(message_parts.once(db, origin, told.stop.message, store), transaction)


def read_ahead(
    db: UnitOfWork,
    origin: Origin,  # noqa: ARG001 - of each write
    transaction: int,
    request: Stop,
    before: ReadAhead | None,
) -> ReadAhead:
    """Read what the judge will need after a stop: what follows on that which was read `before`."""
    return ReadAhead.of(db.rows, load(db, transaction)._replace(own_stop_time=request.moment.understood), before)


def stop(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    found: list[Reading],
    policy: Policy = Policy(),  # noqa: B008 - immutable
    left: list[Reading] | None = None,
    read: ReadAhead | None = None,
) -> Verdict | None:
    """Close the transaction that a stop refers to, or set the stop aside; return the verdict on its tag, if any. `left`
    are the readings of its transactionData that are not stored yet, if it was stored in parts, `read` those that an
    earlier write has read."""
    if read is not None:
        db.evidence = read.rows(db.rows)
    match = find(db, origin, request, found, policy)
    transaction = match.transaction or unknown_starts.begin(db, origin, request, found)
    if transaction is None:
        set_aside.set_aside(db, origin, request.message, "no transaction of this charger fits this stop")
    else:
        store_data(db, origin, transaction, request, found if match.transaction is None or left is None else left)
        tx = load(db, transaction)
        stranger = _stranger(db, policy, tx, request)
        _stop(db, origin, tx, request, [doubt for doubt in (match.doubt, stranger) if doubt is not None])
    return None if request.id_tag is None else judge(db, policy, request.id_tag, origin.received_at)


def _stop(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, doubts: list[Doubt]) -> None:
    """Close a transaction by its charger's stop."""
    is_joined = request.transaction != tx.id
    cause = Cause.JOINED_STOP if is_joined else Cause.STOP
    following = step(tx, cause)
    is_named = state(tx) is State.JOINED and not is_joined
    if following.kind is not Kind.STOP or (is_equal(tx, request) and not is_named):
        _stop_again(db, origin, tx, request, cause)
        return
    if (operator := _closed_by_operator(db, tx)) is not None:
        words = f"{operator} had closed it at {tx.energy_delivered} Wh; its charger's own stop came later"
        doubts.append(Doubt(Code.OPERATOR_OVERRULED, words, (f"{tx.energy_delivered} Wh", f"{request.meter_stop} Wh")))
    if is_named and not is_about(tx, request):
        _undo_joining(db, origin, tx)
    if not is_joined and tx.review is not None:
        for code in (Code.STOP_WITHOUT_ID, Code.STOP_ELSEWHERE):
            resolve(db, tx.id, code, origin.received_at, SYSTEM, "answered", "its own stop came")
    look_again(db, origin, request.moment, tx.id)
    _end(db, origin, origin, tx, request, cause, tuple(doubts))


def _end(
    db: UnitOfWork, origin: Origin, received: Origin, tx: Known, request: Stop, cause: Cause, doubts: tuple[Doubt, ...]
) -> None:
    """End a transaction by a stop of its charger, and judge it. `received` is the origin of the stop."""
    ending = _ending_by(db, received, tx, request, cause)
    end(db, origin, begin_by(db, tx, ending.own_stop_time), ending, doubts)


def _stop_again(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    """Store a stop of a transaction that was stopped before. A different one changes nothing and opens a review."""
    same = "SELECT kind FROM tx_event WHERE tx_id = ? AND digest = ? AND kind IN (?, ?) ORDER BY id LIMIT 1"
    before = db.row(same, (tx.id, digest(request.message.payload), Kind.STOP, Kind.CONFLICTING_STOP))
    kind = Kind(before[0]) if before else Kind.STOP if is_equal(tx, request) else Kind.CONFLICTING_STOP
    entry = Entry(kind, "charger", request.moment, request.reason, request.message, state(tx), cause)
    added = add_event(db, origin, tx.id, entry)
    if added.is_new and kind is Kind.CONFLICTING_STOP:
        evidence = (f"meterStop {tx.meter_stop} Wh", f"then {request.meter_stop} Wh")
        doubt = Doubt(Code.SECOND_STOP, "a second stop came with other values", evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
        fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=tx.id)
        db.record(fact, origin.session)


def _ending_by(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> Ending:
    """Return the end that a stop tells. `origin` is that of the stop."""
    moment = request.moment
    entry = Entry(Kind.STOP, "charger", moment, request.reason, request.message, state(tx), cause)
    ahead = revised_skew(db, origin, moment)
    # If its start waited, too, and its time was left as it was sent, the same clock sent the stop.
    waited_as_sent = (tx.start_skew or 0) < -CLOCK_SECONDS and tx.start_time == tx.own_start_time
    if ahead is not None and ahead > CLOCK_SECONDS and (waited_as_sent or _was_set(db, tx, moment)):
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


def _was_set(db: UnitOfWork, tx: Known, moment: Moment) -> bool:
    """Whether the clock went back during this transaction, so that its earlier skew no longer applies."""
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    began = seconds(tx.own_start_time) if start.own is None else start.own
    times = [began, *(seconds(row[TIMESTAMP]) for row in readings(db.rows, tx)), seconds(moment.understood)]
    return not is_rising(times)


def _undo_joining(db: UnitOfWork, origin: Origin, tx: Known) -> None:
    """Let the stop that ended a transaction wait again, as its own stop has other values. The readings that came with
    it are of no known transaction."""
    set_aside.put_back(db, origin, tx.id, f"it was joined to transaction {tx.id}, whose own stop came later")
    db.execute(
        "UPDATE meter_val SET tx_id = NULL WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?"
        " AND told_id <> tx_id AND source = ?",
        (tx.charger, tx.connector, *span(tx), tx.id, STOP_DATA),
    )


def attach(
    db: UnitOfWork,
    origin: Origin,
    received: Origin,
    transaction: int,
    told: StopWithData,
) -> None:
    """End a transaction by a stop that was set aside and that it was attached to. `received` is the stop's origin."""
    connector = load(db, transaction).connector or 0
    for data in (*message_parts.data_before(db, received, told.stop.message), told.data):
        store_data(db, received, transaction, told.stop, data)
        link_again(db, received, transaction, Batch(connector, STOP_DATA, data))
    tx = load(db, transaction)
    cause = Cause.STOP if told.stop.transaction == tx.id else Cause.JOINED_STOP
    _end(db, origin, received, tx, told.stop, cause, ())


def _stranger(db: UnitOfWork, policy: Policy, tx: Known, request: Stop) -> Doubt | None:
    """Return a doubt if somebody else's tag stopped a transaction at the charger."""
    if request.reason != LOCAL or not is_stranger(db, policy, tx, request):
        return None
    words = f"it was stopped with the tag {request.id_tag}, which is not of the group of {tx.id_tag}"
    evidence = (f"started with {tx.id_tag}", f"stopped with {request.id_tag}")
    return Doubt(Code.STOPPED_BY_STRANGER, words, evidence)


def _closed_by_operator(db: UnitOfWork, tx: Known) -> str | None:
    """Return the name of the operator who closed a transaction; None if no operator did."""
    if state(tx) is not State.CLOSED:
        return None
    found = db.row("SELECT who FROM tx_event WHERE tx_id = ? AND kind = 'close' ORDER BY id DESC LIMIT 1", (tx.id,))
    return str(found[0]) if found and found[0] != SYSTEM else None
