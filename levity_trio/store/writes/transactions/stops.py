"""How transactions end: StopTransaction finds the one that it refers to and ends it (§4.10), and
one whose own stop does not arrive is closed.

A new start on its connector closes an older transaction. A suspended transaction is closed when its
connector is available, or when its charger was connected for long without a sign of it, since load
management last gave its car too little. Suspended or not, it is closed if its connector was
reported Available after the last sign of it, and nothing of it came for some minutes of connection.
Its readings show the energy, and a review is opened. The charger's own stop, however late, replaces
all of this. The life cycle defines which states are closed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

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
from levity_trio.charging.reviews import Code, Doubt, energy_text, in_wh, minutes
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
from levity_trio.log.output import get_logger
from levity_trio.store.cases.case import (
    CHARGING,
    available_after_readings,
    available_since,
    idle_since_boot,
)
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import (
    COLUMNS,
    SYSTEM,
    StoredTransaction,
    begun_after,
    begun_before,
    by_our_clock,
    readings_of,
    span,
)
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.load_spans import answered_at
from levity_trio.store.reads.chargers.chargers import SERVER_ENDED
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import (
    LOCAL,
    STOP_DATA,
    WITHOUT_ID,
    Opening,
    Origin,
    Stop,
    StopWithData,
)
from levity_trio.store.writes.people.tags import is_stranger, judge_tag
from levity_trio.store.writes.transactions import starts
from levity_trio.store.writes.transactions.judging import (
    JUDGING_SECONDS,
    end,
    judge_by_late_message,
    open_review,
    resolve,
)
from levity_trio.store.writes.transactions.readings import (
    MessageReadings,
    called,
    link_again,
    store_data,
)
from levity_trio.store.writes.transactions.starts import started_before, unlink_since
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    add_event,
    ahead_in_queue,
    begin_by,
    by_the_system,
    load_transaction,
    newest,
    open_ones,
    state,
)
from levity_trio.told import Moment as Stamp
from levity_trio.told import Told
from levity_trio.wire.texts import digest

_CANDIDATES = f"""
    SELECT {COLUMNS} FROM tx WHERE id = ?2 AND cp_id = ?1 AND imported_id IS NULL
    UNION ALL
    SELECT * FROM (
        SELECT {COLUMNS} FROM tx WHERE cp_id = ?1 AND sent_stop_time = ?3 ORDER BY id DESC LIMIT 20
    ) AS nearest
    UNION ALL
    SELECT {COLUMNS} FROM tx INDEXED BY tx_open WHERE cp_id = ?1 AND status = 'Active'
"""  # noqa: S608 - our own names
"""Every transaction that a stop may be of: the one whose id the charger was told, the last ones
that stopped at this time, and those that are open."""


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
    number = request.transaction if LOWEST_ID <= request.transaction <= HIGHEST_ID else None
    rows = db.rows(_CANDIDATES, (origin.charger, number, request.moment.sent))
    candidates = {tx.id: tx for tx in map(StoredTransaction._make, rows)}
    history = ChargerHistory(db.rows, origin.charger)
    match = _find(db, origin, request, readings, policy, candidates, history)
    transaction = match.transaction or starts.begin(db, origin, request, readings)

    if transaction is None:
        reason = Told("no session of this charger fits this stop")
        sessions.set_aside(db, origin, request.message, reason)
    else:
        has_data = False
        for part in [readings] if data is None else data:
            if part:
                store_data(db, origin, transaction, request, part)
                has_data = True
        # What was read above still holds, unless transactionData was stored meanwhile.
        tx = None if has_data else candidates.get(transaction)
        if tx is None:
            tx = load_transaction(db, transaction)
        doubts = [] if match.doubt is None else [match.doubt]
        if request.reason == LOCAL and is_stranger(db, policy, tx, request.id_tag):
            words = Told("it was stopped with a card that is not of the group of its own")
            started_with = Told("started with {1}", tx.id_tag or "")
            stopped_with = Told("stopped with {1}", request.id_tag or "")
            doubts.append(Doubt(Code.STOPPED_BY_STRANGER, words, (started_with, stopped_with)))
        _stop(db, origin, tx, request, doubts, history)
    return (
        None
        if request.id_tag is None
        else judge_tag(db, policy, request.id_tag, origin.received_at)
    )


_UNLINK_DATA = """
    UPDATE meter_val
    SET tx_id = NULL
    WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?
        AND told_id <> tx_id AND source = ?
"""
_NEWEST_CLOSING = """
    SELECT who FROM tx_event WHERE tx_id = ? AND kind = 'close' ORDER BY id DESC LIMIT 1
"""


def _stop(
    db: UnitOfWork,
    origin: Origin,
    tx: StoredTransaction,
    request: Stop,
    doubts: list[Doubt],
    history: ChargerHistory,
) -> None:
    """Close a transaction by its charger's stop."""
    is_joined = request.transaction != tx.id
    cause = Cause.JOINED_STOP if is_joined else Cause.STOP
    was_joined = state(tx) is State.JOINED and not is_joined
    is_possible = TABLE[state(tx), cause].kind is Kind.STOP
    if not is_possible or (is_equal(tx, request) and not was_joined):
        _stop_again(db, origin, tx, request, cause)
        return

    if state(tx) is State.CLOSED:
        closing = db.row(_NEWEST_CLOSING, (tx.id,))
        if closing is not None and closing[0] != SYSTEM:
            operator, figure = closing[0], tx.energy_delivered
            words = Told(
                "{1} had closed it at {2}; its charger's own stop came later",
                operator,
                in_wh(figure),
            )
            evidence = (energy_text(figure), energy_text(request.meter_stop))
            doubts.append(Doubt(Code.OPERATOR_OVERRULED, words, evidence))
    if was_joined and not is_nearly_equal(tx, request):
        # That stop waits again, and the readings that came with it are of no known transaction.
        reason = Told("it was joined to session {1}, whose own stop came later", tx.id)
        sessions.put_back(db, origin, tx.id, reason)
        db.execute(_UNLINK_DATA, (tx.charger, tx.connector, *span(tx), tx.id, STOP_DATA))
    if not is_joined and tx.review is not None:
        answered = (origin.received_at, SYSTEM, Resolution.ANSWERED, Told("its own stop came"))
        resolve(db, tx.id, Code.STOP_WITHOUT_ID, *answered)
        resolve(db, tx.id, Code.STOP_ELSEWHERE, *answered)
    _end(db, origin, origin, tx, request, cause, tuple(doubts), history)
    judge_by_late_message(db, origin, request.moment)


def _end(
    db: UnitOfWork,
    origin: Origin,
    received: Origin,
    tx: StoredTransaction,
    request: Stop,
    cause: Cause,
    doubts: tuple[Doubt, ...],
    history: ChargerHistory,
) -> None:
    """End a transaction by a stop of its charger, and judge it. `received` is the origin of the
    stop."""
    moment = request.moment
    entry = EventEntry(
        Kind.STOP, "charger", moment, request.reason, request.message, state(tx), cause
    )
    is_joined = TABLE[state(tx), cause].state is State.JOINED

    ahead = ahead_in_queue(db, received, moment)
    if ahead is not None:
        # If its start waited, too, and its time was left as it was sent, the same clock sent the
        # stop.
        waited = (tx.start_skew or 0) < -CLOCK_SECONDS
        waited_as_sent = waited and tx.start_time == tx.own_start_time
        if waited_as_sent or _was_set(db, tx, moment):
            ahead = None
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
    end(db, origin, tx, ended, entry, doubts, history=history)


def _was_set(db: UnitOfWork, tx: StoredTransaction, moment: Moment) -> bool:
    """Whether the clock went back during this transaction, so that its earlier skew no longer
    applies."""
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    times = [seconds(tx.own_start_time) if start.own is None else start.own]
    times += [seconds(row[TIMESTAMP]) for row in readings_of(db.rows, tx)]
    times.append(seconds(moment.understood))
    return not is_rising(times)


_SAME_STOP = """
    SELECT kind FROM tx_event WHERE tx_id = ? AND digest = ? AND kind IN (?, ?) ORDER BY id LIMIT 1
"""


def _stop_again(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, request: Stop, cause: Cause
) -> None:
    """Store a stop of a transaction that was stopped before. A different one changes nothing and
    opens a review."""
    payload = digest(request.message.payload)
    same = db.row(_SAME_STOP, (tx.id, payload, Kind.STOP, Kind.CONFLICTING_STOP))
    if same is not None:
        kind = Kind(same[0])
    elif is_equal(tx, request):
        kind = Kind.STOP
    else:
        kind = Kind.CONFLICTING_STOP
    entry = EventEntry(
        kind, "charger", request.moment, request.reason, request.message, state(tx), cause
    )
    added = add_event(db, origin, tx.id, entry)
    if not added.is_new or kind is Kind.STOP:
        return

    first = Told("stop register {1}", in_wh(tx.meter_stop))
    second = Told("then {1}", in_wh(request.meter_stop))
    words = Told("a second stop came with other values")
    doubt = Doubt(Code.SECOND_STOP, words, (first, second))
    open_review(db, tx.id, doubt, added.id, origin.received_at)
    fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=tx.id)
    db.record(fact, origin.session)


def attach(
    db: UnitOfWork, origin: Origin, received: Origin, transaction: int, sent: StopWithData
) -> None:
    """End a transaction by a stop that was set aside and that it was attached to. `received` is the
    stop's origin."""
    connector = load_transaction(db, transaction).connector or 0
    if sent.data:
        store_data(db, received, transaction, sent.stop, sent.data)
        message = MessageReadings(connector, STOP_DATA, sent.data)
        link_again(db, received, transaction, message)
    tx = load_transaction(db, transaction)
    cause = Cause.STOP if sent.stop.transaction == tx.id else Cause.JOINED_STOP
    history = ChargerHistory(db.rows, tx.charger)
    _end(db, origin, received, tx, sent.stop, cause, (), history)


# Which transaction does a stop mean?


def _find(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    data: Sequence[Reading],
    policy: Policy,
    candidates: Mapping[int, StoredTransaction],
    history: ChargerHistory,
) -> Match:
    """Find the transaction that a stop refers to: by its id, by an earlier equal stop, or as the
    only one possible."""
    named = candidates.get(request.transaction)
    if named is not None and is_equal(named, request):
        return Match(named.id, None)
    repeated = _stopped_before(db, origin, request, named, candidates)
    if repeated is not None:
        return Match(repeated, None) if named else joined(repeated, request.transaction, 1)
    if named is None and starts.is_named(db, origin, request):
        return Match(None, None)

    others = _not_yet_stopped(db, origin, request, candidates, history)
    if named is not None:
        others.pop(named.id, None)
        if not others:
            return Match(named.id, None)

    stopping = _stopping(request, data)
    running = (_running(db, origin, request, tx) for tx in others.values())
    if named is None:
        return match_stop(stopping, [*running])
    meant = _running(db, origin, request, named)
    if doubt_of_named(stopping, meant) is not None:
        return match_stop(stopping, [meant, *running])
    if is_stranger(db, policy, named, request.id_tag):
        return match_by_tag(stopping, meant, running)
    return Match(named.id, None)


def _not_yet_stopped(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    candidates: Mapping[int, StoredTransaction],
    history: ChargerHistory,
) -> dict[int, StoredTransaction]:
    """Return the newest transactions at the time of a stop, by id, that their charger has not
    stopped."""
    until = request.moment.understood
    begun = [newest(db, origin.charger, connector, until) for connector in history.connectors]
    others = {tx.id: tx for tx in begun if tx is not None and state(tx) is not State.STOPPED}
    for tx in candidates.values():
        # If its start had no plausible time, it may have begun before, though it seems to be later.
        if tx.status == "Active" and not tx.is_start_timed:
            others.setdefault(tx.id, tx)
    return others


def is_equal(tx: StoredTransaction, request: Stop) -> bool:
    """Whether a stop has the values of the one that ended a transaction."""
    if state(tx) not in (State.STOPPED, State.JOINED):
        return False
    stopped = (tx.sent_stop_time, tx.meter_stop, tx.stop_reason, tx.stop_id_tag)
    return stopped == (request.moment.sent, request.meter_stop, request.reason, request.id_tag)


def is_nearly_equal(tx: StoredTransaction, request: Stop) -> bool:
    """Whether a stop has nearly the time and the register of the one that ended a transaction, so
    that it is probably the same."""
    if is_equal(tx, request):
        return True
    if tx.own_stop_time is None or tx.meter_stop is None:
        return False
    apart = abs(seconds(request.moment.understood) - seconds(tx.own_stop_time))
    return apart <= CLOCK_SECONDS and abs(request.meter_stop - tx.meter_stop) <= REACH_WH


_SAME_MESSAGE = "SELECT 1 FROM tx_event WHERE tx_id = ? AND kind = 'stop' AND digest = ?"
_BEGUN_SINCE = """
    SELECT 1
    FROM tx INDEXED BY tx_open
    WHERE cp_id = ? AND status = 'Active' AND created_at > ?
"""


def _stopped_before(
    db: UnitOfWork,
    origin: Origin,
    request: Stop,
    named: StoredTransaction | None,
    candidates: Mapping[int, StoredTransaction],
) -> int | None:
    """Return the transaction that an equal stop closed."""
    moment = request.moment
    if not moment.sent:
        return None
    for _, tx in sorted(candidates.items(), reverse=True):
        if tx.sent_stop_time != moment.sent or tx.meter_stop != request.meter_stop:
            continue
        if tx.stopped_by == "system":
            continue

        # Some chargers give what they send again the id that they have now: the message must then
        # be the same, or be older than the transaction that it names.
        if named is not None:
            is_older = named.is_start_timed and moment.understood < named.own_start_time
            payload = digest(request.message.payload)
            is_repeated = is_older and is_equal(tx, request)
            if not is_repeated and db.row(_SAME_MESSAGE, (tx.id, payload)) is None:
                continue

        # A clock may return to 1970, and then tell the time of an earlier stop once more.
        if not moment.is_believable:
            begun_since = db.row(_BEGUN_SINCE, (origin.charger, tx.stop_received_at))
            if begun_since is not None:
                return None
        return tx.id
    return None


def _stopping(request: Stop, data: Sequence[Reading]) -> Stopping:
    """Return what matching needs to know of a stop."""
    moment = request.moment
    registers = [reading for reading in data if reading.wh is not None]
    highest = max((reading.wh or 0 for reading in registers), default=None)
    begun = None
    if moment.is_believable:
        begins = [reading for reading in registers if reading.context == AT_BEGIN]
        if begins:
            begun = TransactionBegin(seconds(begins[0].timestamp), begins[0].wh or 0)
    return Stopping(
        request.transaction,
        request.id_tag,
        request.meter_stop,
        seconds(moment.understood),
        moment.is_believable,
        highest,
        begun,
    )


_ENDED_ELSEWHERE = "SELECT 1 FROM review WHERE tx_id = ? AND code = ? AND resolved_at IS NULL"


def _running(db: UnitOfWork, origin: Origin, request: Stop, tx: StoredTransaction) -> Running:
    """Return what matching needs to know of a transaction."""
    is_exchanged = False
    if state(tx) is State.JOINED:
        # If its stop named another transaction, it counts as stopped: only a stop that names this
        # one can still mean it.
        is_exchanged = db.row(_ENDED_ELSEWHERE, (tx.id, Code.STOP_ELSEWHERE)) is not None
    # A start without a plausible time may have been queued for any time. If the charger's clock was
    # ahead at the start, our time is the earlier one.
    begun = -math.inf
    if tx.is_start_timed:
        begun = seconds(min(tx.own_start_time, tx.start_time))
    start_wh = tx.meter_start
    if start_wh is not None and start_wh < 0:
        start_wh = None
    longest = by_receipt = seconds(origin.received_at) - seconds(tx.created_at)
    if request.moment.skew_seconds is not None and tx.start_skew is not None:
        by_its_clock = by_receipt + request.moment.skew_seconds - tx.start_skew
        longest = max(by_receipt, by_its_clock)
    # IDs below that are those that a charger makes itself.
    is_own_id = request.transaction < WITHOUT_ID

    running = Running(
        id=tx.id,
        state=State.STOPPED if is_exchanged else state(tx),
        begun=begun,
        start_wh=start_wh,
        reached_at=begun,
        reached_wh=None,
        power_w=None,
        last_power_w=None,
        digit=1,
        id_tag=tx.id_tag,
        available_at=_free_at(db, origin, request, tx),
        longest=longest,
        ended=None if tx.own_stop_time is None else seconds(tx.own_stop_time),
        ended_wh=tx.meter_stop,
        called=called(db, tx, request.moment.understood),
        is_exchanged=is_exchanged,
        own_id=_own_id(db, tx) if is_own_id else None,
    )
    rows = _in_order(db, origin, request, tx)
    carriers = [row for row in rows if row[WH] is not None]
    carriers = [row for row in carriers if not _has_overtaken(row, request, tx)]
    return _with_readings(origin, request, tx, running, rows, carriers) if carriers else running


def _with_readings(
    origin: Origin,
    request: Stop,
    tx: StoredTransaction,
    running: Running,
    rows: Sequence[Row],
    carriers: Sequence[Row],
) -> Running:
    """Add what the readings of a transaction show: `carriers` are those with a register."""
    watts: list[float] = []
    for row in rows:
        if row[MEASURAND] == POWER and not row[PHASE]:
            power = watts_of(row[VALUE], row[UNIT])
            if power is not None:
                watts.append(power)
    first, last = carriers[0], carriers[-1]

    last_at = seconds(last[TIMESTAMP])
    if tx.own_start_time == last[TIMESTAMP] == request.moment.understood:
        # By a clock that stands still, the receipts show how long before the stop it was.
        last_at -= seconds(origin.received_at) - seconds(last[RECEIVED_AT])
    # If the clock was ahead at the start, the readings may have times of that clock, too. Where
    # their times are not comparable with that of the stop, only the start's is.
    is_ahead = (tx.start_skew or 0) > CLOCK_SECONDS
    is_later = last_at > seconds(request.moment.understood)
    are_comparable = tx.is_start_timed and not is_ahead and not is_later

    # Readings that begin below the start register count from 0 in each transaction.
    start_wh = max(0, tx.meter_start or 0)
    counts_each = _wh(first) < start_wh
    risen = [row for row in carriers if _wh(row) > (tx.meter_start or 0)]
    pace_w = None
    if are_comparable and not counts_each:
        pace_w = _pace(tx, carriers, watts)
    return running._replace(
        reached_at=last_at if are_comparable else running.begun,
        reached_wh=_wh(last) + (start_wh if counts_each else 0),
        power_w=max(watts, default=0.0) or None,
        last_power_w=watts[-1] if watts else None,
        digit=digit_of(last[VALUE], last[UNIT]),
        reported=(_wh(first), _wh(last)),
        rose_at=seconds(risen[0][TIMESTAMP]) if risen else None,
        pace_w=pace_w,
    )


def _wh(row: Row) -> int:
    return row[WH] or 0


def _pace(tx: StoredTransaction, carriers: Sequence[Row], watts: Sequence[float]) -> float:
    """Return the highest pace of the register between two readings, or the highest reported power,
    in W."""
    levels = [(seconds(row[TIMESTAMP]), _wh(row)) for row in carriers]
    if tx.is_start_timed and tx.meter_start is not None:
        levels.insert(0, (seconds(tx.own_start_time), tx.meter_start))
    highest = max(watts, default=0.0)
    for (since, before), (at, wh) in pairwise(levels):
        if at > since:
            pace = (wh - before) * HOUR / (at - since)
            highest = max(highest, pace)
    return max(highest, 0.0)


def _in_order(db: UnitOfWork, origin: Origin, request: Stop, tx: StoredTransaction) -> list[Row]:
    """Return the readings of a transaction by time; in order of receipt if its clock was set back
    meanwhile."""
    rows = readings_of(db.rows, tx)
    moment = request.moment
    start = message_time(tx.own_start_time, tx.sent_start_time, tx.created_at)
    stop = message_time(moment.understood, moment.sent, origin.received_at)
    if is_set_back(start, rows, stop):
        return rows
    return sorted(rows, key=itemgetter(TIMESTAMP))


def _has_overtaken(row: Row, request: Stop, tx: StoredTransaction) -> bool:
    """Whether a reading overtook the queue in which a stop waited: it is later and higher, so it
    belongs to the next transaction, whose start still waits. The stop names this transaction, or
    the reading overtook its start, too."""
    moment = request.moment
    if not moment.is_believable or (moment.skew_seconds or 0) >= -CLOCK_SECONDS:
        return False
    if row[TIMESTAMP] <= moment.understood or _wh(row) <= request.meter_stop:
        return False
    return request.transaction == tx.id or row[RECEIVED_AT] <= tx.created_at


def _free_at(db: UnitOfWork, origin: Origin, request: Stop, tx: StoredTransaction) -> float | None:
    """Return since when a transaction's connector was free before a stop. For a stop with another
    ID than its readings, it was also free if it was idle after a boot."""
    at = request.moment.understood
    available = available_after_readings(db.rows, tx, seconds(at), origin.received_at)
    if available is not None:
        return available
    name = reported_id(request.transaction)
    if name is None or name in (tx.id, called(db, tx, at)):
        return None
    return idle_since_boot(db.rows, tx, at, origin.received_at)


_NAMED = """
    SELECT told_id, timestamp, received_at
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?
        AND source = 'MeterValues'
"""


def _own_id(db: UnitOfWork, tx: StoredTransaction) -> int | None:
    """Return the charger's own ID of a transaction, if it is no ID of the one before on its
    connector."""
    names: list[NamedReading] = []
    for name, at, received_at in db.rows(_NAMED, (tx.charger, tx.connector, *span(tx), tx.id)):
        names.append(NamedReading(name, at, seconds(at) - seconds(received_at)))
    own = own_id(names, tx.start_skew)
    if own is None:
        return None
    for previous in begun_before(db.rows, tx.place):
        if called(db, previous, tx.own_start_time) == own:
            return None
    return own


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
        close(db, origin, load_transaction(db, tx.id), closure)


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
