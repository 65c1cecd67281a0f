"""StopTransaction: finds the transaction that a stop refers to, and ends it (rules.md, Transactions, Energy; §4.10)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.evidence import POWER, digit_of, seconds, watts_of
from levity_trio.charging.gathering import MEASURAND, PHASE, RECEIVED_AT, TIMESTAMP, UNIT, VALUE, WH, Row, is_rising
from levity_trio.charging.lifecycle import Cause, Kind, State
from levity_trio.charging.matching import (
    Match,
    Running,
    Stopping,
    against_named,
    against_tag,
    is_id,
    joined,
    match_stop,
    reported_id,
)
from levity_trio.charging.moments import Moment, corrected
from levity_trio.charging.readings import Reading
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.timeline import is_set_back, message_time
from levity_trio.charging.tolerances import AHEAD_SECONDS
from levity_trio.events import StopConflicted, TransactionStopped
from levity_trio.store.connectors import connectors
from levity_trio.store.idle import available_at, idle_since_boot
from levity_trio.store.settled import SYSTEM
from levity_trio.store.transaction import COLUMNS, Known, readings
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.authorization import judge, may_stop
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.set_aside import set_aside
from levity_trio.store.writes.transactions import history, unknown_starts
from levity_trio.store.writes.transactions.conclusion import conclude
from levity_trio.store.writes.transactions.history import Entry
from levity_trio.store.writes.transactions.judging import Ending
from levity_trio.store.writes.transactions.naming import called
from levity_trio.store.writes.transactions.readings import store_data
from levity_trio.store.writes.transactions.requests import LOCAL, Stop, StopWithData
from levity_trio.store.writes.transactions.reviews import open_review, resolve
from levity_trio.store.writes.transactions.states import (
    OPEN_ONES,
    begin_by,
    load,
    newest,
    skew_of,
    state,
    step,
    told,
)
from levity_trio.wire.texts import digest


def store_ahead(db: UnitOfWork, origin: Origin, request: Stop, found: list[Reading]) -> None:
    """Store a part of a long transactionData before its stop. If the stop does not follow, its repetition finds it."""
    match = find(db, origin, request, found)
    if match.transaction is not None:
        store_data(db, origin, match.transaction, request, found)


def stop(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    found: list[Reading],
    policy: Policy = Policy(),  # noqa: B008 - immutable
) -> Verdict | None:
    """Close the transaction that a stop refers to, or set the stop aside; return the verdict on its tag, if any."""
    match = find(db, origin, request, found)
    transaction = match.transaction or unknown_starts.begin(db, origin, request, found)
    if transaction is None:
        set_aside(db, origin, request.message, "no transaction of this charger fits this stop")
    else:
        store_data(db, origin, transaction, request, found)
        tx = load(db, transaction)
        stranger = _stranger(db, policy, tx, request)
        _stop(db, origin, tx, request, [doubt for doubt in (match.doubt, stranger) if doubt is not None])
    return None if request.id_tag is None else judge(db, policy, request.id_tag, origin.received_at)


# Matching


def find(db: UnitOfWork, origin: Origin, request: Stop, found: Sequence[Reading] = ()) -> Match:
    """Find the transaction that a stop refers to: by its id, by an earlier equal stop, or as the only one possible."""
    named = _named(db, origin.charger, request.transaction)
    if named is not None and _is_equal(named, request):
        return Match(named.id, None)
    if (repeated := _stopped_before(db, origin, request, named)) is not None:
        return Match(repeated, None) if named else joined(repeated, request.transaction, 1)
    if named is None and unknown_starts.is_named(db, origin, request):
        return Match(None, None)
    others = [tx for tx in _newest(db, origin, request) if state(tx) is not State.STOPPED]
    if named is not None and all(tx.id == named.id for tx in others):
        return Match(named.id, None)
    stopping, means = _stopping(request, found), [_running(db, origin, request, named)] if named else []
    rest = {tx.id: tx for tx in others if named is None or tx.id != named.id}.values()
    running = (_running(db, origin, request, tx) for tx in rest)
    if means and against_named(stopping, *means) is None:
        return Match(means[0].id, against_tag(stopping, means[0], running))
    return match_stop(stopping, [*means, *running])


def _named(db: UnitOfWork, charger: str, transaction: int) -> Known | None:
    """Return the transaction of this charger with this id."""
    return told(db, charger, transaction) if is_id(transaction) else None


def _is_equal(tx: Known, request: Stop) -> bool:
    sent = (request.moment.sent, request.meter_stop, request.reason, request.id_tag)
    is_ended = state(tx) in (State.STOPPED, State.JOINED)
    return is_ended and sent == (tx.sent_stop_time, tx.meter_stop, tx.stop_reason, tx.stop_id_tag)


def _stopped_before(db: UnitOfWork, origin: Origin, request: Stop, named: Known | None) -> int | None:
    """Return the transaction that an equal stop closed. If this stop names a transaction, the message must be the same,
    or it has the id of one that began only after it: some chargers send the last stop again with the id that they have.

    Without a plausible time, it counts only if no transaction has started since: a clock may return to 1970.
    """
    for row in db.rows(
        f"SELECT {COLUMNS} FROM tx WHERE cp_id = ? AND sent_stop_time = ? ORDER BY id DESC LIMIT 20",  # noqa: S608
        (origin.charger, request.moment.sent),
    ):
        tx = Known(*row)
        if tx.meter_stop == request.meter_stop and tx.stopped_by != "system":
            if named is not None and not (_came_before(db, tx, request) or _is_older(named, tx, request)):
                continue
            newer = "SELECT 1 FROM tx INDEXED BY tx_open WHERE cp_id = ? AND status = 'Active' AND created_at > ?"
            is_back = db.row(newer, (origin.charger, tx.stop_received_at)) is not None
            return None if is_back and not request.moment.is_believable else tx.id
    return None


def _is_older(named: Known, stopped: Known, request: Stop) -> bool:
    """Whether a stop is in all but its id the one that stopped another transaction, before the named one began."""
    is_before = request.moment.is_believable and request.moment.understood < named.own_start_time
    return is_before and _is_equal(stopped, request)


def _came_before(db: UnitOfWork, tx: Known, request: Stop) -> bool:
    same = "SELECT 1 FROM tx_event WHERE tx_id = ? AND kind = 'stop' AND digest = ?"
    return db.row(same, (tx.id, digest(request.message.payload))) is not None


def _kind_before(db: UnitOfWork, tx: Known, request: Stop) -> Kind | None:
    """Return as what the same message was stored with this transaction before; None if it was not."""
    same = "SELECT kind FROM tx_event WHERE tx_id = ? AND digest = ? AND kind IN (?, ?) ORDER BY id LIMIT 1"
    found = db.row(same, (tx.id, digest(request.message.payload), Kind.STOP, Kind.CONFLICTING_STOP))
    return Kind(found[0]) if found else None


def _has_begun_again(db: UnitOfWork, tx: Known) -> bool:
    """Whether a start was repeated after a stop at 0 Wh, so that a later stop with this id is no surprise."""
    if tx.meter_start is None or tx.meter_stop != tx.meter_start or state(tx) is not State.STOPPED:
        return False
    later = "SELECT 1 FROM tx_event WHERE tx_id = ? AND kind = 'start' AND last_received_at > ? LIMIT 1"
    return db.row(later, (tx.id, tx.stop_received_at)) is not None


def _newest(db: UnitOfWork, origin: Origin, request: Stop) -> Sequence[Known]:
    """Return the newest transaction of each connector that began before this stop, and open ones without a start time.

    The start of the latter may have been queued until after the stop.
    """
    until = request.moment.understood
    found = [newest(db, origin.charger, connector, until) for connector in connectors(db.rows, origin.charger, "tx")]
    waited = [tx for row in db.rows(OPEN_ONES, (origin.charger,)) if not (tx := Known(*row)).is_start_timed]
    return [*(tx for tx in found if tx is not None), *waited]


def _stopping(request: Stop, found: Sequence[Reading]) -> Stopping:
    moment, registers = request.moment, [reading.wh for reading in found if reading.wh is not None]
    data = (min(registers), max(registers)) if registers else None
    at, is_believable = seconds(moment.understood), moment.is_believable
    return Stopping(request.transaction, request.id_tag, request.meter_stop, at, is_believable, data)


def _running(db: UnitOfWork, origin: Origin, request: Stop, tx: Known) -> Running:
    """Return what matching needs to know of a transaction."""
    ended, rows = seconds(request.moment.understood), _in_order(db, origin, request, tx)
    carriers = [row for row in rows if row[WH] is not None and not _has_overtaken(row, request, tx)]
    last_at = seconds(carriers[-1][TIMESTAMP] if carriers else tx.own_start_time)
    begun = seconds(min(tx.own_start_time, tx.start_time)) if tx.is_start_timed else -math.inf
    watts = _watts(rows) if carriers else []
    received = seconds(origin.received_at) - seconds(tx.created_at)
    skews = (request.moment.skew_seconds, tx.start_skew)
    is_ahead = (tx.start_skew or 0) > AHEAD_SECONDS  # its readings may have times of that clock, too
    is_set = is_ahead or not tx.is_start_timed or last_at > ended
    by_clock = received + skews[0] - skews[1] if skews[0] is not None and skews[1] is not None else received
    return Running(
        id=tx.id,
        state=State.CLOSED if _has_begun_again(db, tx) else state(tx),
        begun=begun,
        start_wh=tx.meter_start if tx.meter_start is None or tx.meter_start >= 0 else None,
        reached_at=begun if not carriers or is_set else last_at,
        reached_wh=_reached(tx, carriers),
        power_w=max(watts, default=0.0) or None,
        last_power_w=watts[-1] if watts else None,
        digit=digit_of(carriers[-1][VALUE], carriers[-1][UNIT]) if carriers else 1,
        id_tag=tx.id_tag,
        available_at=_free_at(db, origin, request, tx),
        longest=max(received, by_clock),
        ended=None if tx.own_stop_time is None else seconds(tx.own_stop_time),
        ended_wh=tx.meter_stop,
        reported=(_wh(carriers[0]), _wh(carriers[-1])) if carriers else None,
    )


def _free_at(db: UnitOfWork, origin: Origin, request: Stop, tx: Known) -> float | None:
    """Return since when a transaction's connector was free before a stop. For a stop with another ID than its readings,
    it was also free if it was idle after a boot."""
    at, name = request.moment.understood, reported_id(request.transaction)
    available = available_at(db.rows, tx, seconds(at), origin.received_at)
    if available is not None or name is None or name in (tx.id, called(db, tx, at)):
        return available
    return idle_since_boot(db.rows, tx, at, origin.received_at)


def _in_order(db: UnitOfWork, origin: Origin, request: Stop, tx: Known) -> list[Row]:
    """Return the readings of a transaction by time; in order of receipt if its clock was set back meanwhile."""
    rows, moment = readings(db.rows, tx), request.moment
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    is_back = is_set_back(start, rows, message_time(moment.understood, moment.sent, origin.received_at))
    return rows if is_back else sorted(rows, key=itemgetter(TIMESTAMP))


def _has_overtaken(row: Row, request: Stop, tx: Known) -> bool:
    """Whether a reading overtook the queue in which a stop waited: it is later and higher, so it belongs to the next
    transaction, whose start still waits. The stop names this transaction, or the reading overtook its start, too."""
    is_queued = request.moment.is_believable and (request.moment.skew_seconds or 0) < -AHEAD_SECONDS
    is_beyond = row[TIMESTAMP] > request.moment.understood and _wh(row) > request.meter_stop
    return is_queued and is_beyond and (request.transaction == tx.id or row[RECEIVED_AT] <= tx.created_at)


def _wh(row: Row) -> int:
    return row[WH] or 0


def _reached(tx: Known, carriers: Sequence[Row]) -> int | None:
    """Return the register, in Wh, that the readings of a transaction have reached.

    Readings that begin below the start register count from 0 in each transaction.
    """
    if not carriers:
        return None
    start, first, last = max(0, tx.meter_start or 0), _wh(carriers[0]), _wh(carriers[-1])
    return last + (start if first < start else 0)


def _watts(rows: Sequence[Row]) -> list[float]:
    """Return the power in readings, in W and in their order."""
    powers = (watts_of(row[VALUE], row[UNIT]) for row in rows if row[MEASURAND] == POWER and not row[PHASE])
    return [watts for watts in powers if watts is not None]


# Ending


def _stop(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, doubts: list[Doubt]) -> None:
    """Close a transaction by its charger's stop.

    A second, different stop changes nothing and opens a review. After one at 0 Wh, a later and higher one counts.
    """
    is_elsewhere = any(doubt.code is Code.STOP_ELSEWHERE for doubt in doubts)
    is_joined = request.transaction != tx.id and not is_elsewhere
    cause = Cause.JOINED_STOP if is_joined else Cause.STOP
    following = step(tx, cause)
    is_named = state(tx) is State.JOINED and not is_joined
    if following.kind is not Kind.STOP or (_is_equal(tx, request) and not is_named):
        again = _go_on if following.kind is Kind.CONFLICTING_STOP and _has_gone_on(db, tx, request) else _stop_again
        again(db, origin, tx, request, cause)
        return
    if (operator := _closed_by_operator(db, tx)) is not None:
        words = f"{operator} had closed it at {tx.energy_delivered} Wh; its charger's own stop came later"
        doubts.append(Doubt(Code.OPERATOR_OVERRULED, words, (f"{tx.energy_delivered} Wh", f"{request.meter_stop} Wh")))
    if not is_joined and tx.review is not None:
        resolve(db, tx.id, Code.STOP_WITHOUT_ID, origin.received_at, SYSTEM, "answered", "its own stop came")
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
    is_local = request.reason == LOCAL
    if not is_local or not tx.id_tag or not request.id_tag or may_stop(db, policy, tx.id, tx.id_tag, request.id_tag):
        return None
    words = f"it was stopped with the tag {request.id_tag}, which is not of the group of {tx.id_tag}"
    evidence = (f"started with {tx.id_tag}", f"stopped with {request.id_tag}")
    return Doubt(Code.STOPPED_BY_STRANGER, words, evidence)


def _ending(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> Ending:
    moment = request.moment
    entry = Entry(Kind.STOP, "charger", moment, request.reason, request.message, state(tx), cause)
    ahead = skew_of(db, origin, moment)
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
    if tx.connector is None or tx.meter_start is None or tx.own_stop_time is None or not _has_begun_again(db, tx):
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


def _stop_again(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    kind = _kind_before(db, tx, request) or (Kind.STOP if _is_equal(tx, request) else Kind.CONFLICTING_STOP)
    entry = Entry(kind, "charger", request.moment, request.reason, request.message, state(tx), cause)
    added = history.add(db, origin, tx.id, entry)
    if added.is_new and kind is Kind.CONFLICTING_STOP:
        evidence = (f"meterStop {tx.meter_stop} Wh", f"then {request.meter_stop} Wh")
        doubt = Doubt(Code.SECOND_STOP, "a second stop came with other values", evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
        fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=tx.id)
        db.record(fact, origin.session)
