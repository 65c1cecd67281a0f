"""StopTransaction: ends the transaction that a stop refers to (rules.md, Transactions, Energy; §4.10)."""

from __future__ import annotations

from dataclasses import replace

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.evidence import seconds
from levity_trio.charging.gathering import TIMESTAMP, is_rising
from levity_trio.charging.lifecycle import Cause, Kind, State
from levity_trio.charging.moments import Moment, corrected
from levity_trio.charging.readings import Reading
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.timeline import message_time
from levity_trio.charging.tolerances import AHEAD_SECONDS
from levity_trio.events import StopConflicted, TransactionStopped
from levity_trio.store.settled import SYSTEM
from levity_trio.store.transaction import Known, readings
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.authorization import judge
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.set_aside import set_aside
from levity_trio.store.writes.transactions import history, unknown_starts
from levity_trio.store.writes.transactions.conclusion import conclude
from levity_trio.store.writes.transactions.finding import find, has_begun_again, is_equal, is_stranger
from levity_trio.store.writes.transactions.history import Entry
from levity_trio.store.writes.transactions.judging import Ending
from levity_trio.store.writes.transactions.readings import store_data
from levity_trio.store.writes.transactions.requests import LOCAL, Stop, StopWithData
from levity_trio.store.writes.transactions.reviews import open_review, resolve
from levity_trio.store.writes.transactions.states import (
    begin_by,
    load,
    newest,
    revised_skew,
    state,
    step,
)
from levity_trio.wire.texts import digest


def store_ahead(
    db: UnitOfWork, origin: Origin, request: Stop, found: list[Reading], policy: Policy, part: list[Reading]
) -> None:
    """Store a part of a long transactionData before its stop. If the stop does not follow, its repetition finds it."""
    match = find(db, origin, request, found, policy)
    if match.transaction is not None:
        store_data(db, origin, match.transaction, request, part)


def stop(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    found: list[Reading],
    policy: Policy = Policy(),  # noqa: B008 - immutable
    left: list[Reading] | None = None,
) -> Verdict | None:
    """Close the transaction that a stop refers to, or set the stop aside; return the verdict on its tag, if any. `left`
    are the readings of its transactionData that are not stored yet, if it was stored in parts."""
    match = find(db, origin, request, found, policy)
    transaction = match.transaction or unknown_starts.begin(db, origin, request, found)
    if transaction is None:
        set_aside(db, origin, request.message, "no transaction of this charger fits this stop")
    else:
        store_data(db, origin, transaction, request, found if match.transaction is None or left is None else left)
        tx = load(db, transaction)
        stranger = _stranger(db, policy, tx, request)
        _stop(db, origin, tx, request, [doubt for doubt in (match.doubt, stranger) if doubt is not None])
    return None if request.id_tag is None else judge(db, policy, request.id_tag, origin.received_at)


def _stop(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, doubts: list[Doubt]) -> None:
    """Close a transaction by its charger's stop.

    A second, different stop changes nothing and opens a review. After one at 0 Wh, a later and higher one counts.
    """
    is_joined = request.transaction != tx.id
    cause = Cause.JOINED_STOP if is_joined else Cause.STOP
    following = step(tx, cause)
    is_named = state(tx) is State.JOINED and not is_joined
    if following.kind is not Kind.STOP or (is_equal(tx, request) and not is_named):
        again = _go_on if following.kind is Kind.CONFLICTING_STOP and _has_gone_on(db, tx, request) else _stop_again
        again(db, origin, tx, request, cause)
        return
    if (operator := _closed_by_operator(db, tx)) is not None:
        words = f"{operator} had closed it at {tx.energy_delivered} Wh; its charger's own stop came later"
        doubts.append(Doubt(Code.OPERATOR_OVERRULED, words, (f"{tx.energy_delivered} Wh", f"{request.meter_stop} Wh")))
    if not is_joined and tx.review is not None:
        for code in (Code.STOP_WITHOUT_ID, Code.STOP_ELSEWHERE):
            resolve(db, tx.id, code, origin.received_at, SYSTEM, "answered", "its own stop came")
    _end(db, origin, tx, _ending(db, origin, tx, request, cause), tuple(doubts))


def attach(
    db: UnitOfWork,
    origin: Origin,
    received: Origin,
    transaction: int,
    told: StopWithData,
    doubts: tuple[Doubt, ...] = (),
) -> None:
    """End a transaction by a stop that was set aside and that it was attached to. `received` is the stop's origin."""
    store_data(db, received, transaction, told.stop, told.data)
    tx = load(db, transaction)
    cause = Cause.STOP if told.stop.transaction == tx.id else Cause.JOINED_STOP
    _end(db, origin, tx, _ending(db, received, tx, told.stop, cause), doubts)


def _end(db: UnitOfWork, origin: Origin, tx: Known, ending: Ending, doubts: tuple[Doubt, ...]) -> None:
    conclude(db, origin, begin_by(db, tx, ending.own_stop_time), ending, TransactionStopped, doubts)


def _stranger(db: UnitOfWork, policy: Policy, tx: Known, request: Stop) -> Doubt | None:
    """Return a doubt if somebody else's tag stopped a transaction at the charger."""
    if request.reason != LOCAL or not is_stranger(db, policy, tx, request):
        return None
    words = f"it was stopped with the tag {request.id_tag}, which is not of the group of {tx.id_tag}"
    evidence = (f"started with {tx.id_tag}", f"stopped with {request.id_tag}")
    return Doubt(Code.STOPPED_BY_STRANGER, words, evidence)


def _ending(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> Ending:
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


def _closed_by_operator(db: UnitOfWork, tx: Known) -> str | None:
    """Return the name of the operator who closed a transaction; None if no operator did."""
    if state(tx) is not State.CLOSED:
        return None
    found = db.row("SELECT who FROM tx_event WHERE tx_id = ? AND kind = 'close' ORDER BY id DESC LIMIT 1", (tx.id,))
    return str(found[0]) if found and found[0] != SYSTEM else None


def _has_gone_on(db: UnitOfWork, tx: Known, request: Stop) -> bool:
    """Whether a later stop with a higher register came after one at 0 Wh and a repeated start, before another
    transaction began there.

    The two sessions of a charger that starts again within the resolution of its clock have the same start, and so one
    id. If the clock stands still, both stops have its time, too.
    """
    if tx.connector is None or tx.meter_start is None or tx.own_stop_time is None or not has_begun_again(db, tx):
        return False
    if request.meter_stop <= tx.meter_start or request.moment.understood < tx.own_stop_time:
        return False
    last = newest(db, tx.charger, tx.connector, request.moment.understood)
    return last is not None and last.id == tx.id


def _go_on(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    """End a transaction again, by a later stop that counts instead of one at 0 Wh."""
    words = "it was stopped at 0 Wh, and then again with a higher register: two sessions may have this id"
    evidence = (f"meterStop {tx.meter_stop} Wh at {tx.own_stop_time}", f"then {request.meter_stop} Wh")
    figures = {"by the first stop": 0, "by the second stop": request.meter_stop - (tx.meter_start or 0)}
    doubt = Doubt(Code.BEGUN_AGAIN, words, evidence, figures)
    ending = _ending(db, origin, tx, request, cause)
    ending = ending._replace(entry=replace(ending.entry, kind=Kind.CONFLICTING_STOP))
    _end(db, origin, tx, ending, (doubt,))


def _kind_before(db: UnitOfWork, tx: Known, request: Stop) -> Kind | None:
    """Return as what the same message was stored with this transaction before; None if it was not."""
    same = "SELECT kind FROM tx_event WHERE tx_id = ? AND digest = ? AND kind IN (?, ?) ORDER BY id LIMIT 1"
    found = db.row(same, (tx.id, digest(request.message.payload), Kind.STOP, Kind.CONFLICTING_STOP))
    return Kind(found[0]) if found else None


def _stop_again(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    kind = _kind_before(db, tx, request) or (Kind.STOP if is_equal(tx, request) else Kind.CONFLICTING_STOP)
    entry = Entry(kind, "charger", request.moment, request.reason, request.message, state(tx), cause)
    added = history.add(db, origin, tx.id, entry)
    if added.is_new and kind is Kind.CONFLICTING_STOP:
        evidence = (f"meterStop {tx.meter_stop} Wh", f"then {request.meter_stop} Wh")
        doubt = Doubt(Code.SECOND_STOP, "a second stop came with other values", evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
        fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=tx.id)
        db.record(fact, origin.session)
