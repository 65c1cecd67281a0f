"""StopTransaction: finds the transaction that a stop refers to, and ends it (rules.md,
Transactions, Energy; §4.10)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import TABLE, Cause, Kind, Resolution, State
from levity_trio.charging.matching.stops import (
    Match,
    NamedReading,
    Running,
    Stopping,
    TransactionBegin,
    doubt_of_named,
    joined,
    match_by_tag,
    match_stop,
    own_id,
)
from levity_trio.charging.names import HIGHEST_ID, LOWEST_ID, reported_id
from levity_trio.charging.reviews import Code, Doubt, energy_text, in_wh
from levity_trio.charging.sent.evidence import (
    MEASURAND,
    PHASE,
    POWER,
    RECEIVED_AT,
    TIMESTAMP,
    UNIT,
    VALUE,
    WH,
    Row,
    is_rising,
    seconds,
)
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import (
    AT_BEGIN,
    Moment,
    Reading,
    corrected,
    digit_of,
    watts_of,
)
from levity_trio.charging.sent.timeline import is_set_back, message_time
from levity_trio.charging.tolerances import CLOCK_SECONDS, REACH_WH
from levity_trio.events import StopConflicted
from levity_trio.store.cases.case import available_at, idle_since_boot
from levity_trio.store.cases.neighbours import Course
from levity_trio.store.cases.settled import SYSTEM
from levity_trio.store.cases.transaction import COLUMNS, Known, before, readings, span
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.chargers import set_aside
from levity_trio.store.writes.origin import LOCAL, STOP_DATA, WITHOUT_ID, Origin, Stop, StopWithData
from levity_trio.store.writes.people.authorization import is_stranger, judge
from levity_trio.store.writes.transactions import unknown_starts
from levity_trio.store.writes.transactions.judging import end, look_again
from levity_trio.store.writes.transactions.readings import Batch, called, link_again, store_data
from levity_trio.store.writes.transactions.reviews import open_review, resolve
from levity_trio.store.writes.transactions.states import (
    Entry,
    add_event,
    ahead_in_queue,
    begin_by,
    load,
    newest,
    state,
)
from levity_trio.told import Told
from levity_trio.wire.texts import digest


def stop(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    readings: list[Reading],
    policy: Policy = Policy(),  # noqa: B008 - immutable
    data: Iterable[list[Reading]] | None = None,
) -> Verdict | None:
    """Close the transaction that a stop refers to, or set the stop aside; return the verdict on its
    tag, if any.

    `readings` are those of its transactionData. Of a large stop, they are those at both ends, and
    `data` has all.
    """
    every, course = _every(db, origin, request), Course(db.rows, origin.charger)
    match = _find(db, origin, request, readings, policy, every, course)
    transaction = match.transaction or unknown_starts.begin(db, origin, request, readings)
    if transaction is None:
        set_aside.set_aside(
            db, origin, request.message, Told("no session of this charger fits this stop")
        )
    else:
        tx = every.get(transaction) if data is None and not readings else None
        for part in [readings] if data is None else data:
            if part:
                store_data(db, origin, transaction, request, part)
        tx = tx or load(db, transaction)
        doubts = [] if match.doubt is None else [match.doubt]
        if request.reason == LOCAL and is_stranger(db, policy, tx, request.id_tag):
            words = Told("it was stopped with a card that is not of the group of its own")
            evidence = (
                Told("started with {1}", tx.id_tag or ""),
                Told("stopped with {1}", request.id_tag or ""),
            )
            doubts.append(Doubt(Code.STOPPED_BY_STRANGER, words, evidence))
        _stop(db, origin, tx, request, doubts, course)
    return None if request.id_tag is None else judge(db, policy, request.id_tag, origin.received_at)


def _stop(
    db: UnitOfWork, origin: Origin, tx: Known, request: Stop, doubts: list[Doubt], course: Course
) -> None:
    """Close a transaction by its charger's stop."""
    is_joined = request.transaction != tx.id
    cause = Cause.JOINED_STOP if is_joined else Cause.STOP
    following = TABLE[state(tx), cause]
    is_named = state(tx) is State.JOINED and not is_joined
    if following.kind is not Kind.STOP or (is_equal(tx, request) and not is_named):
        _stop_again(db, origin, tx, request, cause)
        return
    if state(tx) is State.CLOSED and (operator := _closing_operator(db, tx)) is not None:
        words = Told(
            "{1} had closed it at {2}; its charger's own stop came later",
            operator,
            in_wh(tx.energy_delivered),
        )
        doubts.append(
            Doubt(
                Code.OPERATOR_OVERRULED,
                words,
                (energy_text(tx.energy_delivered), energy_text(request.meter_stop)),
            )
        )
    if is_named and not is_about(tx, request):
        _undo_joining(db, origin, tx)
    if not is_joined and tx.review is not None:
        for code in (Code.STOP_WITHOUT_ID, Code.STOP_ELSEWHERE):
            resolve(
                db,
                tx.id,
                code,
                origin.received_at,
                SYSTEM,
                Resolution.ANSWERED,
                Told("its own stop came"),
            )
    _end(db, origin, origin, tx, request, cause, tuple(doubts), course)
    look_again(db, origin, request.moment)


def _end(
    db: UnitOfWork,
    origin: Origin,
    received: Origin,
    tx: Known,
    request: Stop,
    cause: Cause,
    doubts: tuple[Doubt, ...],
    course: Course,
) -> None:
    """End a transaction by a stop of its charger, and judge it. `received` is the origin of the
    stop."""
    moment = request.moment
    entry = Entry(Kind.STOP, "charger", moment, request.reason, request.message, state(tx), cause)
    ahead = ahead_in_queue(db, received, moment)
    # If its start waited, too, and its time was left as it was sent, the same clock sent the stop.
    waited_as_sent = (tx.start_skew or 0) < -CLOCK_SECONDS and tx.start_time == tx.own_start_time
    if ahead is not None and (waited_as_sent or _was_set(db, tx, moment)):
        ahead = None
    is_joined = TABLE[state(tx), cause].state is State.JOINED
    tx = begin_by(db, tx, moment.understood)
    ended = tx._replace(
        stopped_by="joined" if is_joined else "charger",
        stop_time=corrected(moment, received.received_at, ahead),
        own_stop_time=moment.understood,
        sent_stop_time=moment.sent,
        stop_skew=moment.skew_seconds,
        stop_received_at=received.received_at,
        meter_stop=request.meter_stop,
        sent_meter_stop=request.sent_meter_stop,
        stop_reason=request.reason,
        stop_id_tag=request.id_tag,
    )
    end(db, origin, tx, ended, entry, doubts, course=course)


def _stop_again(db: UnitOfWork, origin: Origin, tx: Known, request: Stop, cause: Cause) -> None:
    """Store a stop of a transaction that was stopped before. A different one changes nothing and
    opens a review."""
    same = (
        "SELECT kind FROM tx_event "
        "WHERE tx_id = ? AND digest = ? AND kind IN (?, ?) "
        "ORDER BY id LIMIT 1"
    )
    before = db.row(
        same, (tx.id, digest(request.message.payload), Kind.STOP, Kind.CONFLICTING_STOP)
    )
    kind = (
        Kind(before[0]) if before else Kind.STOP if is_equal(tx, request) else Kind.CONFLICTING_STOP
    )
    entry = Entry(
        kind, "charger", request.moment, request.reason, request.message, state(tx), cause
    )
    added = add_event(db, origin, tx.id, entry)
    if added.is_new and kind is Kind.CONFLICTING_STOP:
        evidence = (
            Told("stop register {1}", in_wh(tx.meter_stop)),
            Told("then {1}", in_wh(request.meter_stop)),
        )
        doubt = Doubt(Code.SECOND_STOP, Told("a second stop came with other values"), evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
        fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=tx.id)
        db.record(fact, origin.session)


def _was_set(db: UnitOfWork, tx: Known, moment: Moment) -> bool:
    """Whether the clock went back during this transaction, so that its earlier skew no longer
    applies."""
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    began = seconds(tx.own_start_time) if start.own is None else start.own
    times = [
        began,
        *(seconds(row[TIMESTAMP]) for row in readings(db.rows, tx)),
        seconds(moment.understood),
    ]
    return not is_rising(times)


def _undo_joining(db: UnitOfWork, origin: Origin, tx: Known) -> None:
    """Let the stop that ended a transaction wait again, as its own stop has other values. The
    readings that came with it are of no known transaction."""
    set_aside.put_back(
        db, origin, tx.id, Told("it was joined to session {1}, whose own stop came later", tx.id)
    )
    db.execute(
        "UPDATE meter_val SET tx_id = NULL "
        "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ? "
        "AND told_id <> tx_id AND source = ?",
        (tx.charger, tx.connector, *span(tx), tx.id, STOP_DATA),
    )


def attach(
    db: UnitOfWork,
    origin: Origin,
    received: Origin,
    transaction: int,
    told: StopWithData,
) -> None:
    """End a transaction by a stop that was set aside and that it was attached to. `received` is the
    stop's origin."""
    connector = load(db, transaction).connector or 0
    if told.data:
        store_data(db, received, transaction, told.stop, told.data)
        link_again(db, received, transaction, Batch(connector, STOP_DATA, told.data))
    tx = load(db, transaction)
    cause = Cause.STOP if told.stop.transaction == tx.id else Cause.JOINED_STOP
    _end(db, origin, received, tx, told.stop, cause, (), Course(db.rows, tx.charger))


def _closing_operator(db: UnitOfWork, tx: Known) -> str | None:
    """Return the name of the operator who closed a transaction; None if no operator did."""
    found = db.row(
        "SELECT who FROM tx_event WHERE tx_id = ? AND kind = 'close' ORDER BY id DESC LIMIT 1",
        (tx.id,),
    )
    return str(found[0]) if found and found[0] != SYSTEM else None


NAMED = (
    "SELECT told_id, timestamp, received_at FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ? "
    "AND source = 'MeterValues'"
)


_EVERY = (
    f"SELECT {COLUMNS} FROM tx "  # noqa: S608
    "WHERE id = ?2 AND cp_id = ?1 AND imported_id IS NULL "
    "UNION ALL SELECT * "
    f"FROM (SELECT {COLUMNS} FROM tx WHERE cp_id = ?1 AND sent_stop_time = ?3 ORDER BY id DESC "
    "LIMIT 20) AS nearest "
    f"UNION ALL SELECT {COLUMNS} FROM tx INDEXED BY tx_open "
    "WHERE cp_id = ?1 AND status = 'Active'"
)


def _every(db: UnitOfWork, origin: Origin, request: Stop) -> dict[int, Known]:
    """Return every transaction that a stop may be of, by id: the one whose id the charger was told,
    the last that stopped at this time, and those that are open."""
    number = request.transaction if LOWEST_ID <= request.transaction <= HIGHEST_ID else None
    found = db.rows(_EVERY, (origin.charger, number, request.moment.sent))
    return {tx.id: tx for tx in map(Known._make, found)}


def _find(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    data: Sequence[Reading],
    policy: Policy,
    every: Mapping[int, Known],
    course: Course,
) -> Match:
    """Find the transaction that a stop refers to: by its id, by an earlier equal stop, or as the
    only one possible."""
    named = every.get(request.transaction)
    if named is not None and is_equal(named, request):
        return Match(named.id, None)
    if (repeated := _stopped_before(db, origin, request, named, every)) is not None:
        return Match(repeated, None) if named else joined(repeated, request.transaction, 1)
    if named is None and unknown_starts.is_named(db, origin, request):
        return Match(None, None)
    charger, until = origin.charger, request.moment.understood
    begun = [newest(db, charger, connector, until) for connector in course.connectors]
    waited = [
        tx for tx in every.values() if tx.status == "Active" and not tx.is_start_timed
    ]  # perhaps sent after it
    others = [tx for tx in (*begun, *waited) if tx is not None and state(tx) is not State.STOPPED]
    if named is not None and all(tx.id == named.id for tx in others):
        return Match(named.id, None)
    stopping = _stopping(request, data)
    rest = {tx.id: tx for tx in others if named is None or tx.id != named.id}.values()
    running = (_running(db, origin, request, tx) for tx in rest)
    if named is None:
        return match_stop(stopping, [*running])
    meant = _running(db, origin, request, named)
    if doubt_of_named(stopping, meant) is not None:
        return match_stop(stopping, [meant, *running])
    by_stranger = is_stranger(db, policy, named, request.id_tag)
    return match_by_tag(stopping, meant, running) if by_stranger else Match(named.id, None)


def is_equal(tx: Known, request: Stop) -> bool:
    sent = (request.moment.sent, request.meter_stop, request.reason, request.id_tag)
    is_ended = state(tx) in (State.STOPPED, State.JOINED)
    return is_ended and sent == (tx.sent_stop_time, tx.meter_stop, tx.stop_reason, tx.stop_id_tag)


def is_about(tx: Known, request: Stop) -> bool:
    """Whether a stop tells about what the one told that ended a transaction, so that it is the same
    one."""
    if is_equal(tx, request):
        return True
    if tx.own_stop_time is None or tx.meter_stop is None:
        return False
    apart = abs(seconds(request.moment.understood) - seconds(tx.own_stop_time))
    return apart <= CLOCK_SECONDS and abs(request.meter_stop - tx.meter_stop) <= REACH_WH


def _stopped_before(
    db: UnitOfWork, origin: Origin, request: Stop, named: Known | None, every: Mapping[int, Known]
) -> int | None:
    """Return the transaction that an equal stop closed.

    If this stop names one, the message must be the same, or earlier than the start of the named
    one: some chargers give what they send again the id that they have now.

    Without a plausible time, it counts only if no transaction has started since: a clock may return
    to 1970.
    """
    sent = request.moment.sent
    for _, tx in sorted(every.items(), reverse=True) if sent else ():
        if (
            tx.sent_stop_time == sent
            and tx.meter_stop == request.meter_stop
            and tx.stopped_by != "system"
        ):
            is_of_earlier = named is not None and named.is_start_timed and is_equal(tx, request)
            is_of_earlier = is_of_earlier and request.moment.understood < (
                named.own_start_time if named else ""
            )
            same = "SELECT 1 FROM tx_event WHERE tx_id = ? AND kind = 'stop' AND digest = ?"
            if (
                named
                and not is_of_earlier
                and db.row(same, (tx.id, digest(request.message.payload))) is None
            ):
                continue
            newer = (
                "SELECT 1 FROM tx INDEXED BY tx_open "
                "WHERE cp_id = ? AND status = 'Active' AND created_at > ?"
            )
            if not request.moment.is_believable:
                begun_since = db.row(newer, (origin.charger, tx.stop_received_at))
                if begun_since is not None:
                    return None
            return tx.id
    return None


def _stopping(request: Stop, data: Sequence[Reading]) -> Stopping:
    moment, last = request.moment, max((one.wh for one in data if one.wh is not None), default=None)
    at, is_believable = seconds(moment.understood), moment.is_believable
    begins = [
        TransactionBegin(seconds(one.timestamp), one.wh)
        for one in data
        if one.context == AT_BEGIN and one.wh is not None
    ]
    begun = begins[0] if is_believable and begins else None
    return Stopping(
        request.transaction, request.id_tag, request.meter_stop, at, is_believable, last, begun
    )


def _running(db: UnitOfWork, origin: Origin, request: Stop, tx: Known) -> Running:
    """Return what matching needs to know of a transaction."""
    ended, rows = seconds(request.moment.understood), _in_order(db, origin, request, tx)
    carriers = [row for row in rows if row[WH] is not None and not _has_overtaken(row, request, tx)]
    last_at = _last_at(origin, request, tx, carriers)
    begun = seconds(min(tx.own_start_time, tx.start_time)) if tx.is_start_timed else -math.inf
    powers = (
        watts_of(row[VALUE], row[UNIT])
        for row in rows
        if row[MEASURAND] == POWER and not row[PHASE]
    )
    watts = [power for power in powers if power is not None] if carriers else []
    received = seconds(origin.received_at) - seconds(tx.created_at)
    skews = (request.moment.skew_seconds, tx.start_skew)
    is_ahead = (
        tx.start_skew or 0
    ) > CLOCK_SECONDS  # its readings may have times of that clock, too
    is_set = is_ahead or not tx.is_start_timed or last_at > ended
    by_clock = (
        received + skews[0] - skews[1]
        if skews[0] is not None and skews[1] is not None
        else received
    )
    elsewhere = "SELECT 1 FROM review WHERE tx_id = ? AND code = ? AND resolved_at IS NULL"
    start_wh, is_joined = max(0, tx.meter_start or 0), state(tx) is State.JOINED
    # a stop that named another transaction has ended this one
    is_exchanged = is_joined and db.row(elsewhere, (tx.id, Code.STOP_ELSEWHERE)) is not None
    return Running(
        id=tx.id,
        state=State.STOPPED if is_exchanged else state(tx),
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
        rose_at=next(
            (seconds(row[TIMESTAMP]) for row in carriers if _wh(row) > (tx.meter_start or 0)), None
        ),
        pace_w=_pace(tx, carriers, watts)
        if carriers and not is_set and _wh(carriers[0]) >= start_wh
        else None,
        called=called(db, tx, request.moment.understood),
        is_exchanged=is_exchanged,
        own_id=_own_id(db, tx) if request.transaction < WITHOUT_ID else None,
    )


def _own_id(db: UnitOfWork, tx: Known) -> int | None:
    """Return the charger's own ID of a transaction, if it is no ID of the one before on its
    connector."""
    place = (tx.charger, tx.connector, *span(tx), tx.id)
    told = [
        NamedReading(name, at, seconds(at) - seconds(received_at))
        for name, at, received_at in db.rows(NAMED, place)
    ]
    found = own_id(told, tx.start_skew)
    earlier = [] if found is None else before(db.rows, tx.place)
    return None if any(called(db, one, tx.own_start_time) == found for one in earlier) else found


def _last_at(origin: Origin, request: Stop, tx: Known, carriers: Sequence[Row]) -> float:
    """Return the time of the last reading or else of the start, in seconds; by a clock that stands
    still, the receipts show how long before the stop it was."""
    last = carriers[-1] if carriers else None
    if last is None or not tx.own_start_time == last[TIMESTAMP] == request.moment.understood:
        return seconds(tx.own_start_time if last is None else last[TIMESTAMP])
    return seconds(last[TIMESTAMP]) - (seconds(origin.received_at) - seconds(last[RECEIVED_AT]))


def _free_at(db: UnitOfWork, origin: Origin, request: Stop, tx: Known) -> float | None:
    """Return since when a transaction's connector was free before a stop. For a stop with another
    ID than its readings, it was also free if it was idle after a boot."""
    at, name = request.moment.understood, reported_id(request.transaction)
    available = available_at(db.rows, tx, seconds(at), origin.received_at)
    if available is not None or name is None or name in (tx.id, called(db, tx, at)):
        return available
    return idle_since_boot(db.rows, tx, at, origin.received_at)


def _in_order(db: UnitOfWork, origin: Origin, request: Stop, tx: Known) -> list[Row]:
    """Return the readings of a transaction by time; in order of receipt if its clock was set back
    meanwhile."""
    rows, moment = readings(db.rows, tx), request.moment
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    is_back = is_set_back(
        start, rows, message_time(moment.understood, moment.sent, origin.received_at)
    )
    return rows if is_back else sorted(rows, key=itemgetter(TIMESTAMP))


def _has_overtaken(row: Row, request: Stop, tx: Known) -> bool:
    """Whether a reading overtook the queue in which a stop waited: it is later and higher, so it
    belongs to the next transaction, whose start still waits. The stop names this transaction, or
    the reading overtook its start, too."""
    is_queued = request.moment.is_believable and (request.moment.skew_seconds or 0) < -CLOCK_SECONDS
    is_beyond = row[TIMESTAMP] > request.moment.understood and _wh(row) > request.meter_stop
    return (
        is_queued
        and is_beyond
        and (request.transaction == tx.id or row[RECEIVED_AT] <= tx.created_at)
    )


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


def _pace(tx: Known, carriers: Sequence[Row], watts: Sequence[float]) -> float:
    """Return the highest pace of the register up to a reading, or the highest reported power, in
    W."""
    levels = [(seconds(row[TIMESTAMP]), _wh(row)) for row in carriers]
    if tx.is_start_timed and tx.meter_start is not None:
        levels.insert(0, (seconds(tx.own_start_time), tx.meter_start))
    steps = pairwise(levels)
    paces = [
        (wh - before) * HOUR / (at - since) for (since, before), (at, wh) in steps if at > since
    ]
    return max(*paces, *watts, 0.0, 0.0)
