"""Readings: stores each sampled value once, as sent, and links it to its transaction (§4.7, §7.33).

Some chargers send the right transactionId, but connector 0 or 1 for each connector; others confuse
the ids of two connectors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, NamedTuple

from levity_trio.charging.lifecycle import TABLE, Cause, Kind, State
from levity_trio.charging.matching.readings import Covering, Reached, is_of_named, match_readings
from levity_trio.charging.names import reported_id
from levity_trio.charging.sent.evidence import CURRENT, POWER, TIMESTAMP, WH, gather, seconds
from levity_trio.charging.sent.evidence import Row as Sample
from levity_trio.charging.sent.power import JUMP_WH, is_jump
from levity_trio.charging.sent.readings import (
    AT_END,
    REGISTER,
    Moment,
    Reading,
    ahead_when_sent,
    is_register,
    with_register,
)
from levity_trio.charging.tolerances import CLOCK_SECONDS, FASTEST_W, FEW, LATE_SECONDS, MOST_LAG
from levity_trio.events import EnergyJumped
from levity_trio.store.cases.case import idle_since_boot, was_available
from levity_trio.store.cases.transaction import (
    SAMPLED,
    StoredTransaction,
    begun_after,
    begun_before,
    by_our_clock,
)
from levity_trio.store.engine.database import Row, UnitOfWork, marks, parts
from levity_trio.store.writes.origin import STOP_DATA, Origin, Stop
from levity_trio.store.writes.transactions.judging import (
    is_settled,
    judge_again,
    judge_now,
    resolve_doubts,
    tell_neighbours,
)
from levity_trio.store.writes.transactions.runs import (
    IS_MANAGED,
    READING_COLUMNS,
    MessageColumns,
    advance,
    outside,
)
from levity_trio.store.writes.transactions.states import (
    Sign,
    assigned,
    begin_by,
    begin_unset,
    load_transaction,
    newest,
    open_ones,
    resume,
    skew,
    state,
    wait_again,
)
from levity_trio.wire.numbers import number
from levity_trio.wire.times import STATUS_AHEAD, shifted_stamp

ROWS_AT_ONCE = 16
"""Rows per statement. Fewer statements compete less often with the event loop for the interpreter
lock."""
ROWS_COMPARED = 1_000
"""The newest rows of one timestamp that are compared with a reading. If the clock stands still, all
rows have it."""
PLACES_AMONG = 100
"""The newest rows of a connector, which show what registers it sends."""
TIMES_AT_ONCE = 125
TIMES_COMPARED = 20
"""Messages of a charger that show how far ahead its clock is."""
MOST_SENT = 50
"""So many of the newest readings of a connector are searched for one sent with a connectorId."""
ROWS: Final = 60
"""The newest rows of a connector, which include the previous register and recent power."""
FLOWS = (POWER, CURRENT)
SENT = slice(1, 9)
"""The fields of a reading as sent, which identify a repetition."""
AS_SENT = "sent_timestamp, measurand, value, unit, context, location, phase, format"


class MessageReadings(NamedTuple):
    """The readings of one message: `source` is MeterValues or transactionData, `told_id` its
    transactionId.

    `sent_connector` is its connectorId; None in transactionData, which has none.
    """

    connector: int
    source: str
    readings: Sequence[Reading]
    told_id: int | None = None
    sent_connector: int | None = None


_ANY_OF_CHARGER = "SELECT 1 FROM tx WHERE cp_id = ? LIMIT 1"
_ANY_OF_CONNECTOR = "SELECT 1 FROM tx WHERE cp_id = ? AND conn_id = ? LIMIT 1"


def store(db: UnitOfWork, origin: Origin, message: MessageReadings, claimed: int | None) -> bool:
    """Store a MeterValues; `claimed` is its transactionId, if it has one. Return whether any of its
    readings belongs to no known transaction.

    An id of another charger is ignored: the readings go to the transaction of that connector and
    time. Nearly all readings name a running transaction and are newer than all earlier ones; these
    take two statements.
    """
    message = message._replace(told_id=claimed, sent_connector=message.connector)
    groups = _by_time(message.readings)

    # Where nothing has charged yet, a charger may still report its meter, many times in one
    # message.
    if len(groups) > 1 and all(map(_is_plain, groups)):
        charger, connector = origin.charger, message.connector
        if claimed is None:
            possible = db.row(_ANY_OF_CONNECTOR, (charger, connector))
        else:
            possible = db.row(_ANY_OF_CHARGER, (charger,))
        if possible is None:
            insert_each(db, origin, message, None, groups)
            return True

    is_unassigned = False
    while groups:
        readings = _with_register(db, origin, message, groups[0])
        groups = groups[1:]

        # A time ahead of receipt, or that of receipt in place of an implausible one, would make a
        # repetition look newer.
        progress = None
        if claimed is not None and readings[0].timestamp < origin.received_at:
            progress = _move(db, origin, message.connector, claimed, readings)
        if progress is None:
            tx = _store_closely(db, origin, message, readings)
            is_unassigned = is_unassigned or tx is None
            continue

        rising = groups[: _count_rising(origin, readings, groups)]
        groups = groups[len(rising) :]
        _move_through(db, origin, message.connector, claimed, rising)
        readings = [*readings, *chain(*rising)]
        goes_on = bool(progress.is_managed and not rising)
        _insert(db, origin, message, claimed, readings, goes_on=goes_on)
    return is_unassigned


def _by_time(readings: Sequence[Reading]) -> list[list[Reading]]:
    return [list(group) for _, group in groupby(readings, attrgetter("timestamp"))]


def _is_plain(readings: Sequence[Reading]) -> bool:
    """Whether the register that counts need not be looked for among readings of one time."""
    return register_of(readings) is not None or not any(map(is_register, readings))


def register_of(readings: Sequence[Reading]) -> int | None:
    """Return the register in Wh among readings of one time; None if there is none."""
    for reading in readings:
        if reading.wh is not None:
            return reading.wh
    return None


_REGISTER_PLACES = """
    SELECT DISTINCT location, phase
    FROM (
        SELECT measurand, location, phase, format
        FROM meter_val
        WHERE cp_id = ? AND conn_id = ? AND timestamp <= ?
        ORDER BY timestamp DESC, id DESC
        LIMIT ?
    )
    WHERE format = 'Raw' AND measurand = ?
"""


def _with_register(
    db: UnitOfWork, origin: Origin, message: MessageReadings, readings: list[Reading]
) -> list[Reading]:
    """Return readings of one time with the register that counts, if it is one with a location or
    phase of its own, and the only one that the charger sends."""
    if _is_plain(readings):
        return readings
    places = {(reading.location, reading.phase) for reading in readings if is_register(reading)}
    at = readings[0].timestamp
    newest_rows = (origin.charger, message.connector, at, PLACES_AMONG)
    places |= set(db.rows(_REGISTER_PLACES, (*newest_rows, REGISTER)))
    return with_register(readings, places)


def _count_rising(origin: Origin, before: list[Reading], groups: Sequence[list[Reading]]) -> int:
    """Return how many groups simply go on after readings that moved a running transaction on: each
    is newer than the one before, and past, and its register neither falls nor jumps."""
    at = before[0].timestamp
    wh = register_of(before)
    if wh is None:
        return 0
    for count, group in enumerate(groups):
        now = group[0].timestamp
        if not at < now < origin.received_at or not _is_plain(group):
            return count
        reached = register_of(group)
        if reached is None:
            reached = wh
        if not 0 <= reached - wh <= JUMP_WH:
            return count
        at, wh = now, reached
    return len(groups)


def _move_through(
    db: UnitOfWork,
    origin: Origin,
    connector: int,
    transaction: int | None,
    rising: Sequence[list[Reading]],
) -> None:
    """Move a running transaction on through groups that rise, as if through each.

    It takes two steps at most: up to the one before the last, whose register is then the previous
    one, and to the last.
    """
    for count in range(max(1, len(rising) - 1), len(rising) + 1):
        at = rising[count - 1][0].timestamp
        registers = map(register_of, rising[:count])
        known = [wh for wh in registers if wh is not None]
        wh = known[-1] if known else None
        db.row(MOVE, (at, wh, origin.received_at, transaction, origin.charger, connector))


_REACH_LATER = "UPDATE tx SET last_reading_at = ? WHERE id = ? AND last_reading_at < ?"


def _store_closely(
    db: UnitOfWork, origin: Origin, message: MessageReadings, readings: list[Reading]
) -> StoredTransaction | None:
    """Store readings of one time that may not simply go on. Return their transaction, if one is
    known."""
    at = readings[0].timestamp
    named = _begun(db, origin, message, readings)
    if named is not None and named.connector:
        # It may have been sent as 0, or as 1 for each connector.
        message = message._replace(connector=named.connector)
    is_named = named is not None
    latest = _newest(db, origin, message.connector, readings[0], is_named=is_named)
    tx = _match(db, origin, message, named, latest, readings)
    if tx is None:
        insert(db, origin, message, None, readings)
        return None

    # A repeated message may lie within a run, which stands for it.
    is_ahead = _note_ahead(db, origin, tx, at)
    last_at = tx.last_reading_at or ""
    missing = readings
    if at < last_at:
        missing = outside(db, (origin.charger, message.connector, message.source), readings)
    is_open = state(tx) is State.OPEN
    goes_on = last_at < at != origin.received_at and is_open and not is_ahead
    is_new = bool(missing) and insert(db, origin, message, tx.id, missing, goes_on=goes_on)

    _note_early(db, tx, readings, message.told_id)
    if state(tx) not in (State.OPEN, State.SUSPENDED):
        _judge_with(db, origin, tx, message, readings, is_ahead=is_ahead, is_new=is_new)
    elif tx.id == message.told_id or _is_flowing(db, tx, readings):
        if tx.suspended_at is None or _is_since(db, origin, tx, at, tx.suspended_at):
            resume(db, origin, tx, _sign(message, readings, Cause.SIGN))
        else:
            # They were taken before it was suspended, but are its last ones all the same.
            _move(db, origin, message.connector, tx.id, readings, MOVE_SUSPENDED)

    # Power and register of one moment may arrive in two messages.
    if not is_ahead:
        moved = _move(db, origin, message.connector, tx.id, readings, MOVE_OR_STAY)
        if moved is None:
            db.execute(_REACH_LATER, (at, tx.id, at))
            wait_again(db, origin, tx.id)
    return tx


_LAST_REGISTER = "SELECT last_register_wh, meter_start FROM tx WHERE id = ?"
_REACH = "UPDATE tx SET last_reading_at = max(coalesce(last_reading_at, ''), ?) WHERE id = ?"


def _is_flowing(db: UnitOfWork, tx: StoredTransaction, readings: list[Reading]) -> bool:
    """Whether readings without a transactionId show charging: a risen register, or power or current
    if there is none. Chargers also send such readings while no car charges."""
    wh = register_of(readings)
    if wh is None:
        flows = [number(reading.value) for reading in readings if reading.measurand in FLOWS]
        return any((flow or 0.0) > 0 for flow in flows)

    ((last_wh, start_wh),) = db.rows(_LAST_REGISTER, (tx.id,))
    if last_wh is None:
        last_wh = start_wh
    return last_wh is not None and wh > last_wh


def _judge_with(
    db: UnitOfWork,
    origin: Origin,
    tx: StoredTransaction,
    message: MessageReadings,
    readings: list[Reading],
    *,
    is_ahead: bool,
    is_new: bool,
) -> None:
    """Judge an ended transaction again by readings that came later, or reopen one that the system
    closed too early."""
    at = readings[0].timestamp
    wh = register_of(readings)
    is_outside = False
    if not is_ahead:
        # The judge reads no further than the last reading that is noted, so a later one moves that.
        db.execute(_REACH_LATER, (at, tx.id, at))
        is_outside = wh is not None and _is_outside(db, tx, wh)
    if wh is None or not is_outside:
        if is_new:
            judge_again(db, origin, tx.id, Cause.LATER)
        return

    # It goes on if more flowed after its end, unless another one followed on its connector, or a
    # person settled its figure.
    cause = Cause.LATE_RISE
    has_followers = bool(begun_after(db.rows, tx.place))
    if _is_more(tx, wh) and not has_followers and not is_settled(db, tx.id):
        ended_at = by_our_clock(tx, tx.own_stop_time or "")
        if _is_since(db, origin, tx, at, ended_at):
            cause = Cause.RISE

    kind = TABLE[state(tx), cause].kind
    if kind is Kind.REOPEN:
        resume(db, origin, tx, _sign(message, readings, cause))
        resolve_doubts(db, tx.id, origin.received_at)
        tell_neighbours(db, origin, tx, tx.id)
    elif kind is Kind.REJUDGE:
        db.execute(_REACH, (at, tx.id))
        judge_again(db, origin, tx.id, cause)


def _is_outside(db: UnitOfWork, tx: StoredTransaction, wh: int) -> bool:
    """Whether a register is outside the range that an ended transaction was billed for, and beyond
    the billed energy if it counts from 0 in each transaction, as the last one did."""
    if tx.billed_from is None or tx.billed_until is None:
        return True
    if tx.billed_from <= wh <= tx.billed_until:
        return False
    ((last_wh, _),) = db.rows(_LAST_REGISTER, (tx.id,))
    if last_wh is None or last_wh >= tx.billed_from:
        return True
    return wh > (tx.energy_delivered or 0)


def _is_more(tx: StoredTransaction, wh: int) -> bool:
    """Whether a register shows more than was billed: above the billed end or, counted from 0, above
    the energy."""
    if tx.billed_from is None or tx.billed_until is None:
        return True
    if wh >= tx.billed_from:
        return wh > tx.billed_until
    return wh > (tx.energy_delivered or 0)


def _sign(message: MessageReadings, readings: list[Reading], cause: Cause) -> Sign:
    first = readings[0]
    return Sign(cause, message.source, Moment(first.timestamp, first.sent_timestamp, True))


_NEWEST_STATUS = """
    SELECT last_received_at
    FROM status
    WHERE cp_id = ? AND conn_id = ?
    ORDER BY id DESC
    LIMIT 1
"""
_EARLIER_READINGS = """
    SELECT timestamp, received_at
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ?
        AND tx_id = ? AND received_at < ? AND timestamp <> received_at
    ORDER BY timestamp DESC, id DESC
    LIMIT ?
"""


def _is_since(db: UnitOfWork, origin: Origin, tx: StoredTransaction, at: str, moment: str) -> bool:
    """Whether a reading was taken after a moment at which its transaction was suspended or ended,
    by our clock."""
    # Only a status that came after the moment shows the clock as it is now: it may have been set in
    # between.
    clock_ahead = None
    for connector in {tx.connector, 0}:
        status = db.row(_NEWEST_STATUS, (tx.charger, connector))
        if status is not None and status[0] >= moment:
            clock_ahead = skew(db, tx.charger)
            break

    # Messages may also have waited in the charger. A clock is never less ahead than its most
    # punctual message shows.
    span = (tx.own_start_time, tx.last_reading_at or "")
    earlier_ones = (tx.charger, tx.connector, *span, tx.id, moment, TIMES_COMPARED)
    ahead_before = [_ahead(*earlier) for earlier in db.rows(_EARLIER_READINGS, earlier_ones)]
    if tx.start_skew is not None:
        ahead_before.append(tx.start_skew)
    most_punctual = max(ahead_before, default=0.0)

    ahead = ahead_when_sent(_ahead(at, origin.received_at), clock_ahead, most_punctual)
    taken_at = seconds(at) - ahead
    return taken_at > seconds(moment)


def _ahead(at: str, received_at: str) -> float:
    return seconds(at) - seconds(received_at)


_NOTE_AHEAD = "UPDATE tx SET ahead_reading_at = max(coalesce(ahead_reading_at, ''), ?) WHERE id = ?"


def _note_ahead(db: UnitOfWork, origin: Origin, tx: StoredTransaction, at: str) -> bool:
    """Note a reading that is ahead of its receipt by more than the known skew, so that it never
    becomes the last one; return whether it is."""
    if at <= origin.received_at:
        return False
    ahead = _ahead(at, origin.received_at) - CLOCK_SECONDS
    # The start may have been delayed by as much as a status, and then seems less far ahead.
    start_ahead = (tx.start_skew or 0) + STATUS_AHEAD.total_seconds()
    if ahead <= max(0, start_ahead) or ahead <= (skew(db, origin.charger) or 0):
        return False
    db.execute(_NOTE_AHEAD, (at, tx.id))
    return True


_NOTE_EARLY = """
    UPDATE tx
    SET early_reading_at = min(coalesce(early_reading_at, ?1), ?1)
    WHERE id = ?2
"""


def _note_early(
    db: UnitOfWork, tx: StoredTransaction, readings: Sequence[Reading], named: int | None
) -> None:
    """Note readings of a transaction with a time before its start that show energy since: their
    clock is behind. The register is above the start; or it counts each transaction, and they name
    this one."""
    if tx.meter_start is None:
        return
    begun = shifted_stamp(tx.own_start_time, timedelta(seconds=-CLOCK_SECONDS))
    registers = [
        (reading.timestamp, reading.wh)
        for reading in readings
        if reading.wh is not None and reading.timestamp < begun
    ]
    if not registers:
        return

    shown = [timestamp for timestamp, wh in registers if wh > tx.meter_start]
    first_wh = registers[0][1]
    if not shown and named == tx.id and 0 < first_wh < tx.meter_start:
        # One within the register of the previous transaction may be of that one, sent again with a
        # new id.
        previous = begun_before(db.rows, tx.place)
        if all(first_wh < (earlier.meter_start or 0) for earlier in previous):
            shown = [timestamp for timestamp, _ in registers]
    if shown:
        earliest = min(shown)
        if tx.early_reading_at is None or earliest < tx.early_reading_at:
            db.execute(_NOTE_EARLY, (earliest, tx.id))


# Which transaction readings belong to


def _begun(
    db: UnitOfWork, origin: Origin, message: MessageReadings, readings: Sequence[Reading]
) -> StoredTransaction | None:
    """Return the transaction that readings name, if it is their charger's, and its connector theirs
    or a wrong one. Correct its start time, or that of the one they follow, if needed."""
    at = readings[0].timestamp
    connector = message.connector
    named = None
    if message.told_id is not None:
        named = assigned(db, origin.charger, message.told_id)
    if named is not None:
        if connector <= 0 or named.connector in (None, connector):
            own_connector = connector_for(db, named, connector) or named.connector
            named = named._replace(connector=own_connector)
        elif not _is_rather_of(db, named, connector, readings):
            named = None
    if named is not None:
        return begin_by(db, named, at)
    begin_unset(db, origin.charger, connector, at, register_of(readings))
    return None


_SENT_CONNECTORS = """
    SELECT sent_conn_id
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp <= ?
    ORDER BY timestamp DESC, id DESC
    LIMIT ?
"""


def _is_rather_of(
    db: UnitOfWork, named: StoredTransaction, connector: int, readings: Sequence[Reading]
) -> bool:
    """Whether readings belong to the transaction that they name rather than to the one on the
    connector that they name: the former ran then, and its register fits."""
    at = readings[0].timestamp
    wh = register_of(readings)
    if not _covers(named, at):
        return False
    reached = _reached(db, named, at)
    here = newest(db, named.charger, connector, at)
    if here is None or not _covers(here, at):
        return is_of_named(wh, reached, None)

    # Some chargers send 0 or 1 for each connector, unless the last reading came with its own
    # number.
    is_told = connector > 1
    if not is_told and named.connector is not None and named.connector > 1:
        newest_rows = db.rows(_SENT_CONNECTORS, (named.charger, named.connector, at, MOST_SENT))
        sent = [number for (number,) in newest_rows if number is not None]
        is_told = sent[:1] == [named.connector]
    return is_of_named(wh, reached, _reached(db, here, at), is_connector_told=is_told)


def _covers(tx: StoredTransaction, at: str) -> bool:
    """Whether a transaction ran at this time, as far as its charger told its end."""
    if at < tx.own_start_time:
        return False
    is_ended = state(tx) in (State.STOPPED, State.JOINED)
    return not is_ended or at <= (tx.own_stop_time or "")


_LAST_READING = """
    SELECT told_id, wh, timestamp
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ?
        AND tx_id = ? AND wh IS NOT NULL
    ORDER BY timestamp DESC, id DESC
    LIMIT 1
"""


def _reached(db: UnitOfWork, tx: StoredTransaction, at: str) -> Reached:
    last = db.row(_LAST_READING, (tx.charger, tx.connector, tx.own_start_time, at, tx.id))
    name, wh, since = (None, None, tx.own_start_time) if last is None else last
    return Reached(tx.id, tx.meter_start, wh, seconds(at) - seconds(since), reported_id(name))


def _newest(
    db: UnitOfWork, origin: Origin, connector: int, reading: Reading, *, is_named: bool
) -> StoredTransaction | None:
    """Return the newest transaction of a connector at the time of a reading; None for connector 0,
    the charger's main meter.

    After its connector was Available, an open transaction gets no more readings without its id.
    """
    if connector <= 0:
        return None
    at = reading.timestamp
    tx = newest(db, origin.charger, connector, at)
    if is_named or (tx is None and reading.wh is None):
        return tx

    if tx is None or at <= (tx.own_stop_time or ""):
        # A reading from before the start of an open one belongs to it if it shows more than that
        # start and than the transaction before: the clock of such readings is behind. One from
        # between the two may be of neither.
        wh = reading.wh or 0
        ended_wh = 0 if tx is None else tx.billed_until or 0
        running = open_ones(db, origin.charger, connector)
        last = max(running, key=attrgetter("id"), default=None)
        if last is not None and last.meter_start is not None and last.own_start_time > at:
            lasted = seconds(origin.received_at) - seconds(last.created_at)
            most = FASTEST_W / 3600 * lasted
            if wh > max(last.meter_start, ended_wh) and wh - last.meter_start <= most:
                at, tx = origin.received_at, last
    if tx is None or tx.status != "Active":
        return tx
    return None if was_available(db.rows, tx, at, origin.received_at) else tx


def _match(
    db: UnitOfWork,
    origin: Origin,
    message: MessageReadings,
    named: StoredTransaction | None,
    latest: StoredTransaction | None,
    readings: Sequence[Reading],
) -> StoredTransaction | None:
    """Return the transaction of readings of one time, if one is known: `named`, which they name, or
    `latest`, the newest of their connector."""
    reading = readings[0]
    if named is not None and _is_of_end(named, readings):
        return named
    if named is not None and latest is not None and _is_lagging(db, origin, latest, named, reading):
        return latest

    # An id that this server did not assign is the charger's own one.
    foreign = None
    if named is None and not is_ours(db, origin.charger, message.told_id):
        foreign = reported_id(message.told_id)
    covering = None if named is None else _covering(named)
    running = None
    if latest is not None:
        running = _covering(latest)
    if latest is not None and running is not None and foreign is not None:
        at = reading.timestamp
        idle_since = idle_since_boot(db.rows, latest, at, origin.received_at)
        last_id = called(db, latest, at)
        running = running._replace(reported_id=last_id, was_idle=idle_since is not None)

    # A reading with the time of the stop as sent was taken with the stop, whenever it was received,
    # unless that clock stands still.
    taken_at = reading.timestamp
    if latest is not None and latest.own_stop_time is not None:
        stands_still = latest.sent_stop_time == latest.sent_start_time
        if reading.sent_timestamp == latest.sent_stop_time and not stands_still:
            taken_at = latest.own_stop_time
    transaction = match_readings(seconds(taken_at), covering, running, foreign)
    return latest if latest is not None and latest.id == transaction else named


def _is_of_end(named: StoredTransaction, readings: Sequence[Reading]) -> bool:
    """Whether readings are those with which the transaction that they name ended. They may come
    after the next one has begun, and are no evidence about that."""
    if named.own_stop_time is None or AT_END not in {reading.context for reading in readings}:
        return False
    late = seconds(readings[0].timestamp) - seconds(named.own_stop_time)
    return late <= LATE_SECONDS and (register_of(readings) or 0) <= (named.meter_stop or 0)


def _covering(tx: StoredTransaction) -> Covering:
    ended = None if tx.own_stop_time is None else seconds(tx.own_stop_time)
    return Covering(tx.id, state(tx), ended)


_LAST_AGES = """
    SELECT timestamp, received_at
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND tx_id = ? AND timestamp >= ? AND wh IS NOT NULL
    ORDER BY timestamp DESC, id DESC
    LIMIT ?
"""


def _is_lagging(
    db: UnitOfWork,
    origin: Origin,
    latest: StoredTransaction,
    named: StoredTransaction,
    reading: Reading,
) -> bool:
    """Whether a reading, taken before the transaction that it names began, is as old as the last
    ones of the previous one: the registers of such a meter are always old, and it is of that
    one."""
    at = reading.timestamp
    is_early = seconds(at) < seconds(named.own_start_time) - CLOCK_SECONDS
    if latest.id == named.id or latest.stop_received_at is None or not is_early:
        return False
    skews = [abs(named.start_skew or 0), abs(latest.stop_skew or 0)]
    if max(skews) > CLOCK_SECONDS or state(latest) is not State.STOPPED:
        return False

    age = -_ahead(at, origin.received_at)
    place = (latest.charger, latest.connector, latest.id, latest.own_start_time)
    last_ages = [-_ahead(*row) for row in db.rows(_LAST_AGES, (*place, FEW))]
    if not LATE_SECONDS < age <= MOST_LAG or len(last_ages) < FEW:
        return False
    return all(abs(age - last_age) <= CLOCK_SECONDS for last_age in last_ages)


def is_ours(db: UnitOfWork, charger: str, transaction: int | None) -> bool:
    """Whether this transactionId was assigned to this charger."""
    return transaction is not None and assigned(db, charger, transaction) is not None


_LAST_NAME = """
    SELECT told_id
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?
    ORDER BY timestamp DESC, id DESC
    LIMIT 1
"""


def called(db: UnitOfWork, tx: StoredTransaction, at: str) -> int | None:
    """Return the transactionId that the last reading of a transaction before this time had."""
    until = min(at, tx.last_reading_at or "")
    place = (tx.charger, tx.connector, tx.own_start_time, until, tx.id)
    last_name = db.row(_LAST_NAME, place)
    return None if last_name is None else reported_id(last_name[0])


def connector_for(db: UnitOfWork, tx: StoredTransaction, sent: int) -> int:
    """Return the connector of a transaction; one whose start was unreadable takes that of its
    readings."""
    if tx.connector is not None:
        return tx.connector
    if sent > 0:
        db.execute("UPDATE tx SET conn_id = ? WHERE id = ?", (sent, tx.id))
    return sent


# The last time and the last register of a running transaction

_MOVE = """
    UPDATE tx
    SET last_reading_at = ?1,
        previous_register_wh = last_register_wh,
        last_register_wh = coalesce(?2, last_register_wh),
        updated_at = ?3,
        free_at = CASE
            WHEN free_at IS NULL OR ?1 > (
                SELECT status_at FROM cp_conn WHERE cp_conn.cp_id = ?5 AND cp_conn.conn_id = ?6
            )
            THEN NULL
            ELSE ?3
        END
    WHERE id = ?4 AND cp_id = ?5 AND conn_id = ?6 AND status = 'Active' {which}
        AND coalesce(last_reading_at, '') {older} ?1 AND coalesce(ahead_reading_at, '') < ?1
    RETURNING previous_register_wh, {is_managed}
"""
_IS_MANAGED = IS_MANAGED.format("?5")
_RUNS = "AND suspended_at IS NULL"
MOVE = _MOVE.format(which=f"{_RUNS} AND own_start_time <= ?1", older="<", is_managed=_IS_MANAGED)
MOVE_OR_STAY = _MOVE.format(which=_RUNS, older="<=", is_managed=_IS_MANAGED)
MOVE_SUSPENDED = _MOVE.format(which="", older="<=", is_managed=_IS_MANAGED)


class _Progress(NamedTuple):
    """The register in Wh before the one that a transaction was moved to, and whether load
    management limits it."""

    before_wh: int | None
    is_managed: int


def _move(
    db: UnitOfWork,
    origin: Origin,
    connector: int,
    transaction: int,
    readings: list[Reading],
    statement: str = MOVE,
) -> _Progress | None:
    """Store the newest time and register of a running transaction, and record a jump, if any.

    Return None if the transaction is not running or the readings are not newer than all earlier
    ones; newer readings cannot be a repetition.
    """
    at = readings[0].timestamp
    wh = register_of(readings)
    values = (at, wh, origin.received_at, transaction, origin.charger, connector)
    row = db.row(statement, values)
    if row is None:
        return None
    progress = _Progress(*row)
    if wh is not None and progress.before_wh is not None:
        _record_jump(db, origin, connector, transaction, progress.before_wh, wh, readings)
    return progress


_NEWEST_SAMPLES: Final = f"""
    SELECT {SAMPLED}
    FROM (
        SELECT *
        FROM meter_val
        WHERE cp_id = ? AND conn_id = ? AND timestamp <= ?
        ORDER BY timestamp DESC, id DESC
        LIMIT ?
    )
    WHERE tx_id = ?
"""  # noqa: S608 - our own names

_UNEVEN: Final = "UPDATE tx SET uneven_at = coalesce(uneven_at, ?) WHERE id = ?"


def _record_jump(
    db: UnitOfWork,
    origin: Origin,
    connector: int,
    transaction: int,
    before_wh: int,
    wh: int,
    readings: Sequence[Reading],
) -> None:
    """Record a jump from the previous register of a transaction to that of readings of one time, if
    any."""
    if 0 <= wh - before_wh <= JUMP_WH:  # the usual case, without a query
        return
    at = readings[0].timestamp
    db.execute(_UNEVEN, (at, transaction))
    samples: list[Sample] = db.rows(
        _NEWEST_SAMPLES, (origin.charger, connector, at, ROWS, transaction)
    )
    earlier = [sample for sample in samples if sample[TIMESTAMP] < at]
    since = min((sample[TIMESTAMP] for sample in earlier), default=at)
    since = max((row[TIMESTAMP] for row in earlier if row[WH] is not None), default=since)
    for reading in readings:
        what = (reading.measurand, reading.value, reading.unit, reading.phase, reading.context)
        samples.append(("", at, *what, reading.wh, "", reading.location, 0))
    if is_jump(wh - before_wh, seconds(at) - seconds(since), gather(samples)):
        jump = EnergyJumped(
            charger=origin.charger,
            at=origin.received_at,
            transaction=transaction,
            connector=connector,
            from_wh=before_wh,
            to_wh=wh,
        )
        db.record(jump, origin.session)


# Readings that came with a stop, or were set aside


def store_data(
    db: UnitOfWork, origin: Origin, transaction: int, request: Stop, readings: Sequence[Reading]
) -> None:
    """Store the transactionData of a stop, which is not empty, with its transaction."""
    tx = load_transaction(db, transaction)
    message = MessageReadings(tx.connector or 0, STOP_DATA, readings, request.transaction)
    _note_early(db, tx, readings, request.transaction)
    insert_each(db, origin, message, transaction, _by_time(readings))


def attach(
    db: UnitOfWork, origin: Origin, received: Origin, transaction: int, message: MessageReadings
) -> None:
    """Store readings that were set aside with the transaction that an operator attached them to,
    and judge it again if it has ended. They are old, so they are no sign that it goes on.
    `received` is their origin."""
    connector = connector_for(db, load_transaction(db, transaction), message.connector)
    message = message._replace(connector=connector, sent_connector=message.connector)
    for group in _by_time(message.readings):
        readings = _with_register(db, origin, message, group)
        insert(db, received, message, transaction, readings)
        moved = _move(db, origin, connector, transaction, readings, MOVE_OR_STAY)
        if moved is None:
            db.execute(_REACH, (readings[0].timestamp, transaction))
    link_again(db, received, transaction, message)
    tx = load_transaction(db, transaction)
    if TABLE[state(tx), Cause.LATER].kind is Kind.REJUDGE:
        judge_now(db, origin, tx, Cause.LATER)


_LINK_AGAIN = """
    UPDATE meter_val
    SET tx_id = ?
    WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id IS NULL
        AND source = ? AND session_id = ? AND received_at = ?
"""


def link_again(
    db: UnitOfWork, received: Origin, transaction: int, message: MessageReadings
) -> None:
    """Link the readings of an attached message that were taken from the transaction to which it was
    joined before."""
    times = [reading.timestamp for reading in message.readings]
    if times:
        place = (received.charger, message.connector, min(times), max(times))
        sent = (message.source, received.session, received.received_at)
        db.execute(_LINK_AGAIN, (transaction, *place, *sent))


# The rows of meter_val, each stored once

_STORED_AT = f"""
    SELECT {AS_SENT}
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp = ? AND source = ?
    ORDER BY id DESC
    LIMIT ?
"""  # noqa: S608 - our own names
_STORED_AT_EACH = f"""
    SELECT timestamp, {AS_SENT}
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND source = ? AND timestamp IN ({marks(range(TIMES_AT_ONCE))})
    LIMIT ?
"""  # noqa: S608 - our own names
_TIMES_BEFORE = """
    SELECT timestamp, sent_timestamp
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp <= ? AND imported_id IS NULL
    ORDER BY timestamp DESC, id DESC
    LIMIT ?
"""


def insert(
    db: UnitOfWork,
    origin: Origin,
    message: MessageReadings,
    transaction: int | None,
    readings: list[Reading],
    *,
    goes_on: bool = False,
) -> bool:
    """Insert readings of one timestamp, except those already stored from the same source; return
    whether any is new. If it `goes_on`, the transaction is running and has no later ones, and these
    may go on with a run.

    If the clock stands still, all have one timestamp: another register then shows another message,
    stored as a whole.
    """
    at = readings[0].timestamp
    sent_at = readings[0].sent_timestamp
    if at == origin.received_at:
        # They have no plausible time of their own. A repetition follows the original directly, or
        # its time as sent is older than that of the newest one.
        place = (origin.charger, message.connector, at)
        original = db.row(_TIMES_BEFORE, (*place, 1))
        if original is not None and sent_at is not None and sent_at < (original[1] or ""):
            earlier = db.rows(_TIMES_BEFORE, (*place, ROWS_COMPARED))
            original = next((row for row in earlier if row[1] == sent_at), None)
        if original is not None:
            at = original[0]

    same_time = (origin.charger, message.connector, at, message.source)
    new = _new(readings, db.rows(_STORED_AT, (*same_time, ROWS_COMPARED)))
    _insert(db, origin, message, transaction, new, goes_on=goes_on)
    return bool(new)


def insert_each(
    db: UnitOfWork,
    origin: Origin,
    message: MessageReadings,
    transaction: int | None,
    groups: Sequence[list[Reading]],
) -> None:
    """Insert readings of several timestamps, as `insert` does. What is stored of them is read at
    once, unless a time comes twice, or is that of the receipt, in place of an implausible one."""
    most = 2 * ROWS_COMPARED
    for some in parts(groups, TIMES_AT_ONCE):
        times = [group[0].timestamp for group in some]
        is_simple = len(set(times)) == len(times) and origin.received_at not in times
        stored: list[Row] = []
        if is_simple:
            # The statement has a fixed number of times, so that it is prepared once.
            filler = times[:1] * (TIMES_AT_ONCE - len(times))
            place = (origin.charger, message.connector, message.source)
            stored = db.rows(_STORED_AT_EACH, (*place, *times, *filler, most))
        if not is_simple or len(stored) == most:
            for group in some:
                insert(db, origin, message, transaction, group)
            continue

        stored_at = defaultdict[str, list[Row]](list)
        for at, *sent in stored:
            stored_at[at].append(tuple(sent))
        new: list[Reading] = []
        for at, group in zip(times, some, strict=True):
            new += _new(group, stored_at[at])
        _insert(db, origin, message, transaction, new)


def _new(readings: list[Reading], stored: Sequence[Row]) -> list[Reading]:
    """Return the readings of one timestamp that are to be stored beside those that are."""
    stored_kinds = {_kind(row) for row in stored}
    stored_rows = set(stored)
    new = [reading for reading in readings if tuple(reading)[SENT] not in stored_rows]
    for reading in new:
        if reading.wh is not None and _kind(tuple(reading)[SENT]) in stored_kinds:
            return readings
    return new


def _kind(sent: Sequence[object]) -> tuple[object, ...]:
    """Return what a reading as sent is of, without its time and its value."""
    _, measurand, _, *rest = sent
    return measurand, *rest


def _insert(
    db: UnitOfWork,
    origin: Origin,
    message: MessageReadings,
    transaction: int | None,
    readings: Sequence[Reading],
    *,
    goes_on: bool = False,
) -> None:
    columns = MessageColumns(
        transaction,
        message.told_id,
        origin.charger,
        message.connector,
        message.sent_connector,
        origin.session,
        origin.received_at,
        message.source,
    )
    if goes_on and readings:
        readings = advance(db, columns, readings)
    for rows in parts(readings, ROWS_AT_ONCE):
        values: list[object] = []
        for reading in rows:
            values += columns
            values += reading
        db.execute(_insert_of(len(rows)), values)


@cache
def _insert_of(rows: int) -> str:
    one_row = f"({marks(READING_COLUMNS.split(','))})"
    return f"INSERT INTO meter_val ({READING_COLUMNS}) VALUES {', '.join([one_row] * rows)}"  # noqa: S608
