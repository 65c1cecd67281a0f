"""Starts of transactions. StartTransaction opens one once, however often the message is sent
(§4.8), and links the readings to it that arrived before. A message that is invalid or could not be
handled is stored raw, and answered as if it were valid.

A stop without a start opens its transaction from the first reading that shows energy, for review:
the charger moved to this server while it charged, or the start was lost. Energy is shown by the
stop's transactionData, or by unassigned readings that lead to this stop, on exactly one connector.
Readings with the stop's transactionId belong to the same transaction, those with another to
another.

Transaction messages that are invalid or could not be handled: stored raw, and answered as if
they were valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from math import inf
from typing import NamedTuple

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import TABLE, Cause, Kind
from levity_trio.charging.names import is_id, reported_id
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import is_rising, seconds
from levity_trio.charging.sent.readings import AT_BEGIN, Moment, Reading, corrected, understand
from levity_trio.charging.tolerances import CLOCK_SECONDS, FASTEST_W
from levity_trio.events import TransactionStarted
from levity_trio.store.cases.neighbours import ChargerHistory, is_other_meter
from levity_trio.store.cases.transaction import COLUMNS, LAST_TIME, StoredTransaction
from levity_trio.store.engine.database import UnitOfWork, marks
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.writes.chargers.commands import use_reservation
from levity_trio.store.writes.chargers.hiding import show
from levity_trio.store.writes.chargers.sessions import put_back_readings, set_aside
from levity_trio.store.writes.origin import (
    STOP_DATA,
    Message,
    Opening,
    Origin,
    Start,
    Started,
    Stop,
    number_in,
    raw_in,
    text_in,
)
from levity_trio.store.writes.people.tags import (
    ACCEPTED,
    Judged,
    judge_start,
    record_refusal,
)
from levity_trio.store.writes.transactions.judging import (
    compare_neighbours,
    judge_by_late_message,
    judge_now,
    open_review,
)
from levity_trio.store.writes.transactions.readings import MessageReadings, attach, is_ours
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    Sign,
    add_event,
    ahead_in_queue,
    load_transaction,
    newest,
    open_ones,
    resume,
    state,
    suspend_one,
    wait_again,
)
from levity_trio.told import Told
from levity_trio.wire.texts import digest

STARTS_COMPARED = 50
"""The newest equal starts that are compared. If the clock is never set and the register restarts at
0, all of a tag are equal."""


def start(db: UnitOfWork, origin: Origin, request: Start, policy: Policy = Policy()) -> Started:  # noqa: B008 - immutable
    """Open a transaction, or return the one that this message opened before. A refused tag changes
    only the verdict."""
    entry = EventEntry(Kind.START, "charger", request.moment, None, request.message)
    started = started_before(db, origin, request, request.message)
    if started is not None:
        add_event(db, origin, started.transaction, entry)
        sign = Sign(Cause.START_REPEATED, "StartTransaction", request.moment)
        resume(db, origin, load_transaction(db, started.transaction), sign)
        wait_again(db, origin, started.transaction)
        return started

    judged = judge_start(db, policy, origin, request.connector, request.id_tag)
    fields = StartFields(
        request.connector,
        request.id_tag,
        request.meter_start,
        request.sent_meter_start,
        request.reservation_id,
    )
    tx = insert(db, origin, request.moment, judged, fields)
    add_event(db, origin, tx.id, entry)
    record_start(db, origin, tx, judged)
    use_reservation(db, origin, tx, request.reservation_id, judged.verdict.parent)

    history = ChargerHistory(db.rows, origin.charger)
    if request.moment.is_believable:
        tx = link_earlier(db, origin, tx, history)
    if judge_by_late_message(db, origin, request.moment):
        tx = load_transaction(db, tx.id)
    compare_neighbours(db, origin, tx, history)
    return Started(tx.id, judged.verdict, judged.is_asked)


_EQUAL_STARTS = """
    SELECT id, status = 'Active', created_at, sent_stop_time, stop_received_at,
        stopped_by = 'system' AND last_reading_at IS NULL, is_asked,
        verdict, verdict_expiry, verdict_parent, verdict_reason
    FROM tx
    WHERE cp_id = ? AND conn_id = ? AND id_tag = ? AND sent_start_time = ? AND meter_start = ?
    ORDER BY id DESC
    LIMIT ?
"""
_ANY_LATER = """
    SELECT 1
    FROM tx
    WHERE cp_id = ? AND conn_id = ? AND created_at > ? AND imported_id IS NULL
    LIMIT 1
"""
_SAME_MESSAGE = """
    SELECT 1 FROM tx_event WHERE tx_id = ? AND kind = 'start' AND digest = ? AND message_id = ?
"""


def started_before(
    db: UnitOfWork, origin: Origin, request: Opening, message: Message | None = None
) -> Started | None:
    """Return the transaction that this start opened before, and its verdict.

    A plausible time of a running clock identifies the start permanently. Otherwise the start is a
    repetition if the found transaction is open, if it has only a start and no later transaction
    follows it, or if the same message was received before.
    """
    place = (origin.charger, request.connector)
    same = (request.id_tag, request.moment.sent, request.meter_start)
    for row in db.rows(_EQUAL_STARTS, (*place, *same, STARTS_COMPARED)):
        transaction, is_open, created_at, sent_stop_time, stopped_at, is_start_only = row[:6]
        is_asked, *verdict = row[6:]
        started = Started(transaction, Verdict(*verdict), bool(is_asked))
        if is_open:
            return started

        # A clock stands still if start and stop have one time, though they were received apart.
        stands_still = False
        if stopped_at is not None and sent_stop_time == request.moment.sent:
            stands_still = seconds(stopped_at) - seconds(created_at) > CLOCK_SECONDS
        if request.moment.is_believable and not stands_still:
            return started
        if is_start_only and db.row(_ANY_LATER, (*place, created_at)) is None:
            return started
        if message is not None:
            sent = (digest(message.payload), message.message_id)
            if db.row(_SAME_MESSAGE, (transaction, *sent)) is not None:
                return started
    return None


class StartFields(NamedTuple):
    """The fields of a start that are stored as they are. The register is in Wh; `sent_meter_start`
    is the register as sent."""

    connector: int | None
    id_tag: str | None
    meter_start: int | None
    sent_meter_start: str | None = None
    reservation_id: int | None = None


_INSERT = f"""
    INSERT INTO tx (
        cp_id, session_id, start_time, own_start_time, sent_start_time, start_skew_seconds,
        conn_id, id_tag, meter_start, sent_meter_start, reservation_id,
        verdict, verdict_expiry, verdict_parent, verdict_reason, is_asked,
        created_at, updated_at, told_id
    )
    VALUES ({marks(range(19))})
    RETURNING {COLUMNS}
"""  # noqa: S608 - our own names
_TOUCH = """
    UPDATE cp
    SET last_tx_start_at = max(coalesce(last_tx_start_at, ''), ?), updated_at = ?
    WHERE id = ?
"""


def insert(
    db: UnitOfWork,
    origin: Origin,
    moment: Moment,
    judged: Judged,
    fields: StartFields,
    told_id: int | None = None,
) -> StoredTransaction:
    """Insert a transaction, and store the time of its charger's last start. One whose start never
    came is known again by `told_id`, the id in its stop."""
    at = origin.received_at
    start_time = corrected(moment, at, ahead_in_queue(db, origin, moment))
    times = (start_time, moment.understood, moment.sent, moment.skew_seconds)
    verdict = (*judged.verdict, judged.is_asked)
    values = (origin.charger, origin.session, *times, *fields, *verdict, at, at, told_id)
    ((*row,),) = db.rows(_INSERT, values)
    db.execute(_TOUCH, (start_time, at, origin.charger))
    # A hidden charger that charges is shown again.
    show(db, origin.charger, origin.received_at, origin.session)
    return StoredTransaction(*row)


def record_start(db: UnitOfWork, origin: Origin, tx: StoredTransaction, judged: Judged) -> None:
    """Record that a transaction began, and that its tag was refused, unless somebody is still being
    asked about it."""
    about = tx.about(origin.received_at)
    fact = TransactionStarted(**about, id_tag=tx.id_tag, meter_start_wh=tx.meter_start)
    db.record(fact, origin.session)
    if not judged.is_asked:
        record_refusal(db, origin, tx.id, judged.verdict)


# The readings that arrived before a start

_UNASSIGNED = """
    cp_id = ?2 AND conn_id = ?3 AND timestamp >= ?4 AND timestamp < ?5
    AND tx_id IS NULL AND imported_id IS NULL AND (?7 OR timestamp <> received_at)
"""
_LINK = f"""
    UPDATE meter_val
    SET tx_id = ?1
    WHERE {_UNASSIGNED}
        AND coalesce(told_id, 0) IN (0, -1, coalesce(?6, (
            SELECT told_id
            FROM meter_val
            WHERE {_UNASSIGNED} AND told_id NOT IN (0, -1)
            ORDER BY timestamp, id
            LIMIT 1
        )))
    RETURNING timestamp, wh
"""  # noqa: S608 - our own names
_LAST_READING = "UPDATE tx SET last_reading_at = ?, last_register_wh = ? WHERE id = ?"


def link_earlier(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, history: ChargerHistory
) -> StoredTransaction:
    """Link readings of its connector that arrived before its start, as an offline charger may send
    them. Return it as stored.

    These are unassigned, lie between this start and the next, and have one transactionId: that of
    the stop if the start is unknown, otherwise that of the first such reading. A reading without a
    plausible time that arrived before the start belongs to the previous transaction, even if the
    start has an earlier time.
    """
    begun = tx.own_start_time
    is_without_start = tx.told_id is not None
    before, after = history.around(tx)
    if before and not is_without_start and before[0].own_start_time < begun:
        # A reading without an id of ours that overtook this start was linked to the previous one.
        previous = before[0]
        if unlink_since(db, previous, begun, tx.meter_start):
            previous = load_transaction(db, previous.id)
            # The range of its register bounds that of this one.
            if TABLE[state(previous), Cause.LATER].kind is Kind.REJUDGE:
                judge_now(db, origin, previous, Cause.LATER)
            history.forget()

    ended = after[0].own_start_time if after else LAST_TIME
    place = (tx.charger, tx.connector, begun, ended)
    linked = db.rows(_LINK, (tx.id, *place, reported_id(tx.told_id), is_without_start))
    if not linked:
        return tx
    registers = [reading for reading in linked if reading[1] is not None]
    register = max(registers)[1] if registers else None
    last_at = max(timestamp for timestamp, _ in linked)
    db.execute(_LAST_READING, (last_at, register, tx.id))
    return load_transaction(db, tx.id)


_OVERTAKING = """
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp > ? AND tx_id = ?
        AND source = 'MeterValues' AND timestamp <> received_at
        AND NOT EXISTS (SELECT 1 FROM tx AS named WHERE named.id = meter_val.told_id)
"""
_LOWEST = f"SELECT count(*), min(wh) {_OVERTAKING}"
_HIGHEST_BEFORE = """
    SELECT max(wh)
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? AND tx_id = ?
"""
_UNLINK = f"UPDATE meter_val SET tx_id = NULL WHERE id IN (SELECT id {_OVERTAKING})"  # noqa: S608 - our own names
_LEFT = """
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5
"""
_REACHED = f"""
    UPDATE tx
    SET last_reading_at = (SELECT max(timestamp) {_LEFT}),
        previous_register_wh = NULL,
        last_register_wh = (
            SELECT wh {_LEFT} AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC LIMIT 1
        )
    WHERE id = ?5
"""  # noqa: S608 - our own names


def unlink_since(db: UnitOfWork, tx: StoredTransaction, since: str, begin: int | None) -> bool:
    """Unlink the readings that a transaction has though the next one began before them, at the
    register `begin` in Wh; return whether there are any.

    A charger that comes back may send a reading ahead of its queue, when its last transaction still
    seems open. Without an id of ours nothing else shows what it belongs to.
    """
    if (tx.last_reading_at or "") < since:
        return False
    # A reading up to the time of the charger's stop stays.
    stopped = "" if tx.stopped_by == "system" else tx.own_stop_time or ""
    overtaking = (tx.charger, tx.connector, since, stopped, tx.id)
    ((number, lowest),) = db.rows(_LOWEST, overtaking)
    if not number:
        return False

    # If one is below the start of the next, their clock was set back, so all stay. Not so if it is
    # of a new meter, or below the readings before: then it counts each transaction.
    is_below = lowest is not None and begin is not None and lowest < begin
    if is_below and not is_other_meter(db.rows, tx.charger, tx.created_at, LAST_TIME):
        before = (tx.charger, tx.connector, tx.own_start_time, since, tx.id)
        ((highest,),) = db.rows(_HIGHEST_BEFORE, before)
        if highest is None or lowest >= highest:
            return False

    db.execute(_UNLINK, overtaking)
    put_back_readings(db, tx.id, since)
    place = (tx.charger, tx.connector, tx.own_start_time, tx.last_reading_at)
    db.execute(_REACHED, (*place, tx.id))
    return True


MOST_READINGS = 1_000
"""The maximum number of readings examined per connector, from the stop backwards."""
LONGEST_PAUSE_SECONDS = 4 * 3600
"""Readings before a longer standstill of the register, or before a longer gap, belong to another
transaction, if no transactionId tells."""


class _UnassignedReadings(NamedTuple):
    """Unassigned readings of the billed register on a connector, by time, with at most one
    transactionId (`name`)."""

    connector: int
    name: int | None
    readings: Sequence[tuple[str, int]]


class Shown(NamedTuple):
    """The connector on which readings show the energy of a stop, and since when; None for what is
    unknown."""

    connector: int | None
    began: str | None


def begin(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> int | None:
    """Open a transaction for a stop that matches none; return None if no reading shows its
    energy."""
    _release(db, origin, request, data)
    energy = shown(db, origin, request, data)
    if energy.began is None:
        return None
    moment = Moment(energy.began, None, request.moment.is_believable)
    fields = StartFields(energy.connector, request.id_tag, None)
    tx = insert(db, origin, moment, ACCEPTED, fields, request.transaction)
    entry = EventEntry(Kind.START, "system", moment, Told("its start never came"))
    added = add_event(db, origin, tx.id, entry)
    if is_id(request.transaction):
        words = Told(
            "its stop names session {1}, which this server never gave out: another server's?",
            request.transaction,
        )
        evidence = (f"transactionId {request.transaction}", Told("no such session here"))
        doubt = Doubt(Code.OTHER_SERVER, words, evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
    follow(db, origin, tx)
    return tx.id


_BESIDE_BEGIN = """
    SELECT
        count(CASE WHEN wh > ?6 AND wh <= ?7 AND timestamp < ?8 THEN 1 END),
        count(CASE WHEN timestamp >= ?8 AND (told_id = tx_id OR wh < ?7 OR wh > ?9) THEN 1 END)
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5
        AND wh IS NOT NULL
"""
"""How many readings of a transaction show energy before a Transaction.Begin, and how many after it
are none of that."""


def _release(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> None:
    """Unlink the readings since Transaction.Begin from an open transaction that had charged before
    it, if all of them are without an id of ours and up to this stop: they belong to the transaction
    of the stop."""
    if not request.moment.is_believable:
        return
    begins = [reading for reading in data if reading.context == AT_BEGIN]
    begins = [reading for reading in begins if reading.wh is not None]
    if not begins:
        return
    first = begins[0]
    for tx in open_ones(db, origin.charger):
        span = (tx.own_start_time, request.moment.understood)
        registers = (tx.meter_start or 0, first.wh, first.timestamp, request.meter_stop)
        place = (tx.charger, tx.connector, *span, tx.id)
        ((charged, others),) = db.rows(_BESIDE_BEGIN, (*place, *registers))
        if charged and not others:
            unlink_since(db, tx, first.timestamp, first.wh)


def follow(db: UnitOfWork, origin: Origin, tx: StoredTransaction) -> None:
    """Record that a transaction began, and link the readings that came before."""
    record_start(db, origin, tx, ACCEPTED)
    if tx.connector is not None:
        link_earlier(db, origin, tx, ChargerHistory(db.rows, tx.charger))


def shown(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> Shown:
    """Return on which connector readings show the energy of a stop, and since when."""
    # Readings with its transactionId are its own; without any, those that lead to its register.
    name = reported_id(request.transaction)
    everywhere = list(_unassigned(db, origin, request))
    leading = [one for one in everywhere if one.name is not None and one.name == name]
    is_named = bool(leading)
    if not leading:
        leading = [one for one in everywhere if _leads_to(one.readings[-1], request)]
    if not leading:
        leading = [one for one in everywhere if _counts_up_to(db, origin, one, request)]

    rising: list[tuple[int, str]] = []
    for unassigned in leading:
        # The register of the stop may be older than the last of them.
        last_wh = max(request.meter_stop, unassigned.readings[-1][1])
        until_it = [*unassigned.readings, (request.moment.understood, last_wh)]
        # With its transactionId, they belong to it even if they stood still for long.
        since = _first_of_rise(until_it, inf if is_named else LONGEST_PAUSE_SECONDS)
        if since is not None:
            rising.append((unassigned.connector, since))
    # If there are several, none is the only one possible.
    connector, began = rising[0] if len(rising) == 1 else (None, None)

    registers = [(reading.timestamp, reading.wh) for reading in data if reading.wh is not None]
    registers.append((request.moment.understood, request.meter_stop))
    by_data = _first_of_rise(registers, inf, inf)
    known = [at for at in (began, by_data) if at is not None]
    return Shown(connector, min(known, default=None))


def is_named(db: UnitOfWork, origin: Origin, request: Stop) -> bool:
    """Whether unassigned readings have the transactionId of this stop, which then belongs to no
    other transaction."""
    name = reported_id(request.transaction)
    if name is None:
        return False
    return any(unassigned.name == name for unassigned in _unassigned(db, origin, request))


_REGISTERS = """
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp <= ?3 AND wh IS NOT NULL
"""
_BACKWARDS = "ORDER BY timestamp DESC, id DESC LIMIT ?4"
_EARLIER_READINGS = f"""
    SELECT timestamp, wh, told_id, tx_id, id
    {_REGISTERS}
        AND timestamp >= max(
            coalesce((
                SELECT timestamp
                FROM (SELECT timestamp, tx_id {_REGISTERS} {_BACKWARDS})
                WHERE tx_id IS NOT NULL
                LIMIT 1
            ), ''),
            coalesce((
                SELECT own_stop_time
                FROM tx
                WHERE cp_id = ?1 AND conn_id = ?2 AND own_start_time <= ?3 AND own_stop_time <= ?3
                    AND stopped_by <> 'system'
                ORDER BY own_start_time DESC
                LIMIT 1
            ), '')
        )
    {_BACKWARDS}
"""  # noqa: S608 - our own names
"""The newest readings, back to the last stop and to the first reading of a transaction; of those
with its time, some may be unassigned."""


def _unassigned(db: UnitOfWork, origin: Origin, request: Stop) -> Iterator[_UnassignedReadings]:
    """Yield, for each connector, the newest readings before a stop, back to the first that is
    assigned or has another transactionId than the stop or the readings after it."""
    wanted = reported_id(request.transaction)
    for connector in connector_numbers(db.rows, origin.charger, "meter_val"):
        if connector == 0:  # the charger's main meter
            continue
        place = (origin.charger, connector, request.moment.understood, MOST_READINGS)
        called: int | None = None
        readings: list[tuple[int, str, int]] = []
        for timestamp, wh, told_id, transaction, number in db.rows(_EARLIER_READINGS, place):
            name = reported_id(told_id)
            names = {known for known in (name, called, wanted) if known is not None}
            if transaction is not None or len(names) > 1:
                break
            called = called or name
            readings.append((number, timestamp, wh))
        if readings:
            readings.reverse()
            yield _UnassignedReadings(connector, called, _in_order(readings))


def _in_order(readings: list[tuple[int, str, int]]) -> Sequence[tuple[str, int]]:
    """Return times and registers in Wh in order of time, or of arrival if the register rises only
    in that.

    Queued readings of a clock that was unset have the times of their receipt, and may be older than
    the next one of the clock that was set meanwhile.
    """
    arrived = sorted(readings)
    is_set = is_rising([wh for *_, wh in arrived]) and not is_rising([wh for *_, wh in readings])
    return [(timestamp, wh) for _, timestamp, wh in (arrived if is_set else readings)]


def _leads_to(last: tuple[str, int], request: Stop) -> bool:
    timestamp, wh = last
    lasted = seconds(request.moment.understood) - seconds(timestamp)
    most = FASTEST_W * (lasted + CLOCK_SECONDS) / 3600
    return lasted <= LONGEST_PAUSE_SECONDS and 0 <= request.meter_stop - wh <= most


def _counts_up_to(
    db: UnitOfWork, origin: Origin, unassigned: _UnassignedReadings, request: Stop
) -> bool:
    """Whether readings rise that count from 0 in each transaction, and lead to as much as flowed
    since the previous stop."""
    until = request.moment.understood
    before = newest(db, origin.charger, unassigned.connector, until)
    if before is None or before.status == "Active" or before.billed_until is None:
        return False
    first_wh = unassigned.readings[0][1]
    if first_wh >= before.billed_until or _first_of_rise(unassigned.readings) is None:
        return False
    counted = replace(request, meter_stop=request.meter_stop - before.billed_until)
    return _leads_to(unassigned.readings[-1], counted)


def _first_of_rise(
    readings: Sequence[tuple[str, int]],
    pause: float = LONGEST_PAUSE_SECONDS,
    gap: float = LONGEST_PAUSE_SECONDS,
) -> str | None:
    """Return the time of the reading from which the register rises to the last one, without a
    longer pause or a longer gap between two readings, in seconds; None if it never rises."""
    steady = list(_without_strays(readings))
    steady.reverse()
    still_since, level = steady[0]
    later = still_since
    first: str | None = None
    for timestamp, wh in steady[1:]:
        is_silent = seconds(later) - seconds(timestamp) > gap
        # A full car may stay until its stop.
        is_still = False
        if wh == level and first is not None:
            is_still = seconds(still_since) - seconds(timestamp) > pause
        if wh > level or is_silent or is_still:
            break
        if wh < level:
            first = still_since = timestamp
            level = wh
        later = timestamp
    return first


def _without_strays(readings: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Leave out single readings that are lower or higher than both of their neighbours, which
    rise."""
    last = len(readings) - 1
    for number, (timestamp, wh) in enumerate(readings):
        if 0 < number < last:
            before, after = readings[number - 1][1], readings[number + 1][1]
            is_between = before <= wh <= after
            if before <= after and not is_between:
                continue
        yield timestamp, wh


_OPENED_BEFORE = """
    SELECT tx.id, verdict, verdict_expiry, verdict_parent, verdict_reason
    FROM set_aside
    JOIN tx ON tx.id = set_aside.tx_id AND tx.status = 'Active'
    WHERE set_aside.cp_id = ? AND action = ? AND digest = ?
"""


def start_unreadable(
    db: UnitOfWork,
    origin: Origin,
    message: Message,
    reason: str,
    policy: Policy = Policy(),  # noqa: B008 - immutable
) -> Started:
    """Open a real transaction for a start that is invalid or could not be handled, because its car
    may be charging.

    After an error response the charger would repeat the start forever or discard it, and its energy
    would be lost. Every readable field is stored. The start counts as a repetition only of an open
    transaction: a superfluous transaction costs nothing, but a match with a closed one would lose
    the energy of a new one.
    """
    received = datetime.fromisoformat(origin.received_at)
    moment = understand(text_in(message, "timestamp"), received)
    same = (origin.charger, message.action, digest(message.payload))
    opened = db.row(_OPENED_BEFORE, same)
    if opened is None:
        started = _open(db, origin, message, moment, reason, policy)
    else:
        transaction, *verdict = opened
        started = Started(transaction, Verdict(*verdict))
        sign = Sign(Cause.START_REPEATED, message.action, moment)
        resume(db, origin, load_transaction(db, transaction), sign)
    set_aside(db, origin, message, reason, started.transaction)
    return started


def _open(
    db: UnitOfWork, origin: Origin, message: Message, moment: Moment, reason: str, policy: Policy
) -> Started:
    connector = number_in(message, "connectorId") or None  # 0 is the charger as a whole
    id_tag = text_in(message, "idTag")
    meter_start = number_in(message, "meterStart")
    sent_meter_start = None if meter_start is not None else raw_in(message, "meterStart")
    reservation = number_in(message, "reservationId")
    fields = StartFields(connector, id_tag, meter_start, sent_meter_start, reservation)
    verdict = policy.judge_unreadable()
    if id_tag is not None:
        verdict = judge_start(db, policy, origin, connector, id_tag).verdict
    tx = insert(db, origin, moment, Judged(verdict), fields)
    added = add_event(db, origin, tx.id, EventEntry(Kind.START, "charger", moment, reason, message))
    words = Told("its start could not be read: {1}", reason)
    doubt = Doubt(Code.START_UNREADABLE, words, (reason, Told("kept raw in set_aside")))
    open_review(db, tx.id, doubt, added.id, origin.received_at)
    record_start(db, origin, tx, Judged(verdict))
    if moment.is_believable and connector is not None:
        history = ChargerHistory(db.rows, origin.charger)
        link_earlier(db, origin, tx, history)
        compare_neighbours(db, origin, load_transaction(db, tx.id), history)
    return Started(tx.id, verdict)


def stop_unreadable(
    db: UnitOfWork,
    origin: Origin,
    message: Message,
    reason: str,
    data: Iterable[list[Reading]] = (),
) -> None:
    """Store a stop raw that is invalid or could not be handled, and its transactionData with the
    transaction that it names. That has probably ended, so it is suspended, and is closed by a
    status of its connector or after a time."""
    set_aside(db, origin, message, reason)
    transaction = number_in(message, "transactionId")
    if transaction is None or not is_ours(db, origin.charger, transaction):
        return
    for readings in data:
        part = MessageReadings(0, STOP_DATA, readings, transaction)
        attach(db, origin, origin, transaction, part)
    suspend_one(db, origin, load_transaction(db, transaction), Cause.STOP_UNREADABLE)
