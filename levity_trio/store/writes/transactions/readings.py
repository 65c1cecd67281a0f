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
from levity_trio.store.cases.transaction import SAMPLED, Known, after, before, by_our_clock
from levity_trio.store.engine.database import marks, parts
from levity_trio.store.engine.unit_of_work import Row, UnitOfWork
from levity_trio.store.writes.origin import STOP_DATA, Origin, Stop
from levity_trio.store.writes.transactions.judging import judge_again, judge_now, tell_neighbours
from levity_trio.store.writes.transactions.reviews import is_settled, resolve_doubts
from levity_trio.store.writes.transactions.runs import COLUMNS, IS_MANAGED, Head, advance, outside
from levity_trio.store.writes.transactions.states import (
    Sign,
    begin_by,
    begin_unset,
    load,
    newest,
    open_ones,
    resume,
    skew,
    state,
    told,
    wait_again,
)
from levity_trio.wire.numbers import number
from levity_trio.wire.times import STATUS_AHEAD, shifted_stamp

INSERT = f"INSERT INTO meter_val ({COLUMNS}) VALUES"
ROW = " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ROWS_COMPARED = 1_000
"""The newest rows of one timestamp that are compared with a reading. If the clock stands still, all
rows have it."""
BEFORE = (
    "SELECT timestamp, sent_timestamp FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp <= ? AND imported_id IS NULL "
    "ORDER BY timestamp DESC, id DESC LIMIT ?"
)
PLACES = (
    "SELECT DISTINCT location, phase "
    "FROM (SELECT measurand, location, phase, format FROM meter_val WHERE cp_id = ? "
    "AND conn_id = ? AND timestamp <= ? ORDER BY timestamp DESC, id DESC LIMIT ?) "
    "WHERE format = 'Raw' AND measurand = ?"
)
PLACES_AMONG = 100
"""The newest rows of a connector, which show what registers it sends."""
TIMES_AT_ONCE = 125
AS_SENT = "sent_timestamp, measurand, value, unit, context, location, phase, format"
_REACH = "UPDATE tx SET last_reading_at = max(coalesce(last_reading_at, ''), ?) WHERE id = ?"
STORED = (
    f"SELECT timestamp, {AS_SENT} FROM meter_val WHERE cp_id = ? AND conn_id = ? AND source = ?"  # noqa: S608 - ours
    f" AND timestamp IN ({marks(range(TIMES_AT_ONCE))}) LIMIT ?"
)
ANY_TRANSACTION = "SELECT 1 FROM tx WHERE cp_id = ? LIMIT 1"
ANY_OF_CONNECTOR = "SELECT 1 FROM tx WHERE cp_id = ? AND conn_id = ? LIMIT 1"
ROWS_AT_ONCE = 16
"""Rows per statement. Fewer statements compete less often with the event loop for the interpreter
lock."""


_MOVE = (
    "UPDATE tx "  # noqa: S608 - our own names
    "SET last_reading_at = ?1, previous_register_wh = last_register_wh, "
    "last_register_wh = coalesce(?2, last_register_wh), updated_at = ?3, free_at = CASE "
    "WHEN free_at IS NULL OR ?1 > (SELECT status_at FROM cp_conn WHERE cp_conn.cp_id = ?5 "
    "AND cp_conn.conn_id = ?6) THEN NULL ELSE ?3 END "
    "WHERE id = ?4 AND cp_id = ?5 AND conn_id = ?6 AND status = 'Active'{} "
    "AND coalesce(last_reading_at, '') {} ?1 AND coalesce(ahead_reading_at, '') < ?1{} "
    f"RETURNING previous_register_wh, {IS_MANAGED.format('?5')}"
)
_RUNS = " AND suspended_at IS NULL"
MOVE, MOVE_OR_STAY = (
    _MOVE.format(_RUNS, "<", " AND own_start_time <= ?1"),
    _MOVE.format(_RUNS, "<=", ""),
)
MOVE_SUSPENDED = _MOVE.format("", "<=", "")
NEWEST_STATUS = (
    "SELECT last_received_at FROM status WHERE cp_id = ? AND conn_id = ? ORDER BY id DESC LIMIT 1"
)
EARLIER = (
    "SELECT timestamp, received_at FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ? "
    "AND received_at < ? AND timestamp <> received_at "
    "ORDER BY timestamp DESC, id DESC LIMIT ?"
)
TIMES_COMPARED = 20
"""Messages of a charger that show how far ahead its clock is."""
LAST_READINGS = (
    "SELECT timestamp, received_at FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND tx_id = ? AND timestamp >= ? AND wh IS NOT NULL "
    "ORDER BY timestamp DESC, id DESC LIMIT ?"
)
REACH = "UPDATE tx SET last_reading_at = ? WHERE id = ? AND last_reading_at < ?"
FLOWS = (POWER, CURRENT)

SENT = slice(1, 9)
"""The fields of a reading as sent, which identify a repetition."""
NAME = (
    "SELECT told_id FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ? "
    "ORDER BY timestamp DESC, id DESC LIMIT 1"
)
LAST = (
    "SELECT told_id, wh, timestamp FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ? "
    "AND wh IS NOT NULL "
    "ORDER BY timestamp DESC, id DESC LIMIT 1"
)
_SENT = (
    "SELECT sent_conn_id FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp <= ?"
    " ORDER BY timestamp DESC, id DESC LIMIT ?"
)
MOST_SENT = 50
"""So many of the newest readings of a connector are searched for one that was sent with a
connectorId."""
ROWS: Final = 60
"""The newest rows of a connector, which include the previous register and recent power."""
_NEWEST: Final = (
    f"SELECT {SAMPLED} FROM (SELECT * FROM meter_val"  # noqa: S608
    " WHERE cp_id = ? AND conn_id = ? AND timestamp <= ? ORDER BY timestamp DESC, id DESC LIMIT ?)"
    " WHERE tx_id = ?"
)


class Batch(NamedTuple):
    """The readings of one message: `source` is MeterValues or transactionData, `told_id` its
    transactionId.

    `sent_connector` is its connectorId; None in transactionData, which has none.
    """

    connector: int
    source: str
    readings: Sequence[Reading]
    told_id: int | None = None
    sent_connector: int | None = None


def store(db: UnitOfWork, origin: Origin, batch: Batch, claimed: int | None) -> bool:
    """Store a MeterValues; `claimed` is its transactionId, if it has one. Return whether any of its
    readings belongs to no known transaction.

    An id of another charger is ignored: the readings go to the transaction of that connector and
    time. Nearly all readings name a running transaction and are newer than all earlier ones; these
    take two statements. That short way is not used for a time ahead of receipt, or for the time of
    receipt in place of an implausible one, because a repetition would look newer.
    """
    batch, is_unassigned = batch._replace(told_id=claimed, sent_connector=batch.connector), False
    groups = [list(group) for _, group in groupby(batch.readings, attrgetter("timestamp"))]
    if len(groups) > 1 and all(map(_is_plain, groups)) and not _may_be_linked(db, origin, batch):
        insert_each(db, origin, batch, None, groups)
        return True
    while groups:
        readings, *groups = groups
        readings, is_past = (
            _counted(db, origin, batch, readings),
            readings[0].timestamp < origin.received_at,
        )
        moved = (
            _moved(db, origin, batch.connector, claimed, readings)
            if is_past and claimed is not None
            else None
        )
        if moved is not None and claimed is not None:
            rising = groups[: _count_rising(origin, readings, groups)]
            _move_through(db, origin, batch.connector, claimed, rising)
            every, goes_on = [*readings, *chain(*rising)], bool(moved.is_managed and not rising)
            _insert(db, origin, batch, claimed, every, goes_on=goes_on)
            groups = groups[len(rising) :]
        else:
            is_unassigned |= _store_closely(db, origin, batch, claimed, readings) is None
    return is_unassigned


def _may_be_linked(db: UnitOfWork, origin: Origin, batch: Batch) -> bool:
    """Whether there is a transaction to which readings could belong: of their connector, or any if
    they name one."""
    if batch.told_id is None:
        return db.row(ANY_OF_CONNECTOR, (origin.charger, batch.connector)) is not None
    return db.row(ANY_TRANSACTION, (origin.charger,)) is not None


def _is_plain(readings: Sequence[Reading]) -> bool:
    """Whether the register that counts need not be looked for among readings of one time."""
    return register_of(readings) is not None or not any(map(is_register, readings))


def _count_rising(origin: Origin, before: list[Reading], groups: Sequence[list[Reading]]) -> int:
    """Return how many groups simply go on after readings that moved a running transaction on: each
    is newer than the one before, and past, and its register neither falls nor jumps."""
    at, wh = before[0].timestamp, register_of(before)
    for count, group in enumerate(groups):
        reached = wh if (told := register_of(group)) is None else told
        is_newer = at < group[0].timestamp < origin.received_at
        if (
            wh is None
            or reached is None
            or not is_newer
            or not _is_plain(group)
            or not 0 <= reached - wh <= JUMP_WH
        ):
            return count
        at, wh = group[0].timestamp, reached
    return len(groups)


def _move_through(
    db: UnitOfWork,
    origin: Origin,
    connector: int,
    transaction: int,
    rising: Sequence[list[Reading]],
) -> None:
    """Move a running transaction on through groups that rise, as if through each: up to the one
    before the last, whose register is then the previous one, and to the last."""
    for count in range(max(1, len(rising) - 1), len(rising) + 1):
        registers = [wh for group in rising[:count] if (wh := register_of(group)) is not None]
        at, wh = rising[count - 1][0].timestamp, registers[-1] if registers else None
        db.row(MOVE, (at, wh, origin.received_at, transaction, origin.charger, connector))


def _counted(
    db: UnitOfWork, origin: Origin, batch: Batch, readings: list[Reading]
) -> list[Reading]:
    """Return readings of one time with the register that counts, if it is one with a location or
    phase of its own, and the only one that the charger sends."""
    own = {(one.location, one.phase) for one in readings if is_register(one)}
    if not own or register_of(readings) is not None:
        return readings
    where = origin.charger, batch.connector, readings[0].timestamp, PLACES_AMONG, REGISTER
    return with_register(readings, own | set(db.rows(PLACES, where)))


def _store_closely(
    db: UnitOfWork, origin: Origin, batch: Batch, claimed: int | None, readings: list[Reading]
) -> int | None:
    """Store readings of one time that may not simply go on. Return their transaction, if one is
    known."""
    named = begun(db, origin, batch.connector, claimed, readings)
    if named is not None and named.connector:
        batch = batch._replace(
            connector=named.connector
        )  # it may have been sent as 0, or as 1 for each connector
    latest = _newest(db, origin, batch.connector, readings[0], is_named=named is not None)
    at, transaction = readings[0].timestamp, _match(db, origin, batch, named, latest, readings[0])
    if transaction is None:
        insert(db, origin, batch, None, readings)
        return None
    tx = next((one for one in (latest, named) if one is not None and one.id == transaction), None)
    tx = load(db, transaction) if tx is None else tx
    is_ahead = _is_ahead(db, origin, tx, at)
    is_new = _insert_beside_runs(db, origin, batch, tx, readings, is_ahead=is_ahead)
    _note_early(db, tx, readings, claimed)
    if state(tx) in (State.OPEN, State.SUSPENDED):
        if transaction == claimed or _is_flowing(db, tx, readings):
            _go_on(db, origin, tx, batch, readings)
    else:
        _judge_with(db, origin, tx, batch, readings, is_ahead=is_ahead, is_new=is_new)
    # Power and register of one moment may arrive in two messages.
    if (
        not is_ahead
        and _moved(db, origin, batch.connector, transaction, readings, MOVE_OR_STAY) is None
    ):
        db.execute(REACH, (at, transaction, at))
        wait_again(db, origin, transaction)
    return transaction


def _insert_beside_runs(
    db: UnitOfWork,
    origin: Origin,
    batch: Batch,
    tx: Known,
    readings: list[Reading],
    *,
    is_ahead: bool,
) -> bool:
    """Insert readings of one time, except those that are stored already, or that a run stands for.
    Newer ones go on with it, if the transaction is running. Return whether any is new."""
    at, last = readings[0].timestamp, tx.last_reading_at or ""
    if at < last:
        readings = outside(db, (origin.charger, batch.connector, batch.source), readings)
    goes_on = last < at != origin.received_at and state(tx) is State.OPEN and not is_ahead
    return bool(readings) and insert(db, origin, batch, tx.id, readings, goes_on=goes_on)


def _judge_with(
    db: UnitOfWork,
    origin: Origin,
    tx: Known,
    batch: Batch,
    readings: list[Reading],
    *,
    is_ahead: bool,
    is_new: bool,
) -> None:
    """Judge an ended transaction again, or reopen it, by readings that came later. The judge goes
    by those up to its last one."""
    at, register = readings[0].timestamp, register_of(readings)
    if not is_ahead:
        db.execute(REACH, (at, tx.id, at))
    if not is_ahead and _is_outside(db, tx, register):
        _go_beyond(db, origin, tx, _sign(batch, readings, Cause.RISE), register)
    elif is_new:
        judge_again(db, origin, tx.id, Cause.LATER)


def _go_on(
    db: UnitOfWork, origin: Origin, tx: Known, batch: Batch, readings: list[Reading]
) -> None:
    """Resume a suspended transaction, unless these readings were taken before; they are its last
    ones all the same."""
    if tx.suspended_at is None or _is_since(db, origin, tx, readings[0].timestamp, tx.suspended_at):
        resume(db, origin, tx, _sign(batch, readings, Cause.SIGN))
    else:
        _moved(db, origin, batch.connector, tx.id, readings, MOVE_SUSPENDED)


def _is_since(db: UnitOfWork, origin: Origin, tx: Known, at: str, since: str) -> bool:
    """Whether a reading was taken after a moment at which its transaction was suspended or ended,
    by our clock."""
    statuses = (db.row(NEWEST_STATUS, (tx.charger, number)) for number in {tx.connector, 0})
    told = (
        skew(db, tx.charger)
        if any(status is not None and status[0] >= since for status in statuses)
        else None
    )
    own = (
        tx.charger,
        tx.connector,
        tx.own_start_time,
        tx.last_reading_at or "",
        tx.id,
        since,
        TIMES_COMPARED,
    )
    before = [
        *(_ahead(*row) for row in db.rows(EARLIER, own)),
        *([] if tx.start_skew is None else [tx.start_skew]),
    ]
    ahead = ahead_when_sent(_ahead(at, origin.received_at), told, max(before, default=0.0))
    return seconds(at) - ahead > seconds(since)


def _ahead(at: str, received_at: str) -> float:
    return seconds(at) - seconds(received_at)


def _match(
    db: UnitOfWork,
    origin: Origin,
    batch: Batch,
    named: Known | None,
    latest: Known | None,
    reading: Reading,
) -> int | None:
    """Return the transaction of readings of one time, if one is known. `named` is the one that they
    name, `latest` the newest of their connector."""
    if named is not None and latest is not None and _is_lagging(db, origin, latest, named, reading):
        return latest.id
    is_foreign = named is None and not is_ours(db, origin.charger, batch.told_id)
    foreign = reported_id(batch.told_id) if is_foreign else None
    running = None
    if latest is not None:
        running = _covering(latest)
    if running is not None and latest is not None and foreign is not None:
        at = reading.timestamp
        was_idle = idle_since_boot(db.rows, latest, at, origin.received_at) is not None
        running = running._replace(reported_id=called(db, latest, at), was_idle=was_idle)
    covering = None if named is None else _covering(named)
    return match_readings(_moment(latest, reading), covering, running, foreign)


def _is_lagging(
    db: UnitOfWork, origin: Origin, latest: Known, named: Known, reading: Reading
) -> bool:
    """Whether a reading, taken before the transaction that it names began, is as old as the last
    ones of the previous one: the registers of such a meter are always old, and it is of that
    one."""
    at, ended = reading.timestamp, latest.stop_received_at
    if (
        latest.id == named.id
        or ended is None
        or seconds(at) >= seconds(named.own_start_time) - CLOCK_SECONDS
    ):
        return False
    if (
        max(abs(named.start_skew or 0), abs(latest.stop_skew or 0)) > CLOCK_SECONDS
        or state(latest) is not State.STOPPED
    ):
        return False
    last = db.rows(
        LAST_READINGS, (latest.charger, latest.connector, latest.id, latest.own_start_time, FEW)
    )
    age, ages = -_ahead(at, origin.received_at), [-_ahead(*row) for row in last]
    is_as_old = all(abs(age - one) <= CLOCK_SECONDS for one in ages)
    return LATE_SECONDS < age <= MOST_LAG and len(ages) == FEW and is_as_old


def _moment(latest: Known | None, reading: Reading) -> float:
    """Return the time of a reading in seconds. A reading with the time of the stop as sent was
    taken with the stop, whenever it was received, unless that clock stands still."""
    if (
        latest is None
        or latest.own_stop_time is None
        or latest.sent_stop_time == latest.sent_start_time
    ):
        return seconds(reading.timestamp)
    return seconds(
        latest.own_stop_time
        if reading.sent_timestamp == latest.sent_stop_time
        else reading.timestamp
    )


def _is_ahead(db: UnitOfWork, origin: Origin, tx: Known, at: str) -> bool:
    """Whether a reading is ahead of its receipt by more than the known skew, so that it never
    becomes the last one."""
    ahead = (
        0.0
        if at <= origin.received_at
        else seconds(at) - seconds(origin.received_at) - CLOCK_SECONDS
    )
    on_its_way = (
        STATUS_AHEAD.total_seconds()
    )  # the start may have been delayed by this, and then seems less far ahead
    if ahead <= max(0, (tx.start_skew or 0) + on_its_way):
        return False
    if ahead <= (skew(db, origin.charger) or 0):
        return False
    db.execute(
        "UPDATE tx SET ahead_reading_at = max(coalesce(ahead_reading_at, ''), ?) WHERE id = ?",
        (at, tx.id),
    )
    return True


def _note_early(db: UnitOfWork, tx: Known, readings: Sequence[Reading], named: int | None) -> None:
    """Note readings of a transaction with a time before its start that show energy since: their
    clock is behind. The register is above the start; or it counts each transaction, and they name
    this one."""
    if tx.meter_start is None:
        return
    begun = shifted_stamp(tx.own_start_time, timedelta(seconds=-CLOCK_SECONDS))
    early = [one for one in readings if one.wh is not None and one.timestamp < begun]
    shown = [one.timestamp for one in early if (one.wh or 0) > tx.meter_start]
    wh = 0 if shown or not early or named != tx.id else early[0].wh or 0
    # One within the register of the previous transaction may be of that one, sent again with a new
    # id.
    if 0 < wh < tx.meter_start and all(
        wh < (one.meter_start or 0) for one in before(db.rows, tx.place)
    ):
        shown = [one.timestamp for one in early]
    if shown and min(shown) < (tx.early_reading_at or "~"):
        note = "UPDATE tx SET early_reading_at = min(coalesce(early_reading_at, ?), ?) WHERE id = ?"
        db.execute(note, (min(shown), min(shown), tx.id))


def _sign(batch: Batch, readings: list[Reading], cause: Cause) -> Sign:
    first = readings[0]
    return Sign(cause, batch.source, Moment(first.timestamp, first.sent_timestamp, True))


def _is_flowing(db: UnitOfWork, tx: Known, readings: list[Reading]) -> bool:
    """Whether readings without a transactionId show charging: a risen register, or power or current
    if there is none. Chargers also send such readings while no car charges."""
    register = register_of(readings)
    if register is None:
        return any(one.measurand in FLOWS and (number(one.value) or 0.0) > 0 for one in readings)
    ((last,),) = db.rows(
        "SELECT coalesce(last_register_wh, meter_start) FROM tx WHERE id = ?", (tx.id,)
    )
    return last is not None and register > last


def _is_outside(db: UnitOfWork, tx: Known, register: int | None) -> bool:
    """Whether a reading is outside the range of the register that an ended transaction was billed
    for, and of the billed energy if it counts from 0 in each transaction, as the last one did."""
    if register is None or tx.billed_from is None or tx.billed_until is None:
        return register is not None
    if tx.billed_from <= register <= tx.billed_until:
        return False
    ((last,),) = db.rows("SELECT last_register_wh FROM tx WHERE id = ?", (tx.id,))
    return last is None or last >= tx.billed_from or register > (tx.energy_delivered or 0)


def _is_above(tx: Known, register: int | None) -> bool:
    """Whether a reading shows more than was billed: above the billed end or, counted from 0, above
    the energy."""
    if register is None:
        return False
    if tx.billed_from is None or tx.billed_until is None:
        return True
    return register > (tx.billed_until if register >= tx.billed_from else tx.energy_delivered or 0)


def _go_beyond(db: UnitOfWork, origin: Origin, tx: Known, sign: Sign, register: int | None) -> None:
    """Reopen a transaction that the system closed too early, if no other followed on its connector
    and no person settled its figure; otherwise judge it again."""
    goes_on = _is_above(tx, register) and not after(db.rows, tx.place) and not is_settled(db, tx.id)
    goes_on = goes_on and _is_since(
        db, origin, tx, sign.moment.understood, by_our_clock(tx, tx.own_stop_time or "")
    )
    cause = Cause.RISE if goes_on else Cause.LATE_RISE
    following = TABLE[state(tx), cause]
    if following.kind is Kind.REOPEN:
        reopened = resume(db, origin, tx, Sign(cause, sign.reason, sign.moment))
        resolve_doubts(db, reopened.id, origin.received_at)
        tell_neighbours(db, origin, tx, tx.id)
    elif following.kind is Kind.REJUDGE:
        db.execute(_REACH, (sign.moment.understood, tx.id))
        judge_again(db, origin, tx.id, cause)


class _Moved(NamedTuple):
    """The register in Wh before the one that a transaction was moved to, and whether load
    management limits it."""

    before_wh: int | None
    is_managed: int


def _moved(
    db: UnitOfWork,
    origin: Origin,
    connector: int,
    transaction: int,
    readings: list[Reading],
    move: str = MOVE,
) -> _Moved | None:
    """Store the newest time and register of a running transaction, and record a jump, if any.

    Return None if the transaction is not running or the readings are not newer than all earlier
    ones; newer readings cannot be a repetition.
    """
    at, wh = readings[0].timestamp, register_of(readings)
    row = db.row(move, (at, wh, origin.received_at, transaction, origin.charger, connector))
    if row is None:
        return None
    moved = _Moved(*row)
    if wh is not None and moved.before_wh is not None:
        record_jump(db, origin, connector, transaction, moved.before_wh, readings)
    return moved


def store_data(
    db: UnitOfWork, origin: Origin, transaction: int, request: Stop, readings: Sequence[Reading]
) -> None:
    """Store the transactionData of a stop, which is not empty, with its transaction."""
    tx = load(db, transaction)
    batch = Batch(tx.connector or 0, STOP_DATA, readings, request.transaction)
    _note_early(db, tx, readings, request.transaction)
    groups = [list(group) for _, group in groupby(readings, attrgetter("timestamp"))]
    insert_each(db, origin, batch, transaction, groups)


def attach(
    db: UnitOfWork, origin: Origin, received: Origin, transaction: int, batch: Batch
) -> None:
    """Store readings that were set aside with the transaction that an operator attached them to,
    and judge it again if it has ended. They are old, so they are no sign that it goes on.
    `received` is their origin."""
    connector = connector_for(db, load(db, transaction), batch.connector)
    batch = batch._replace(connector=connector, sent_connector=batch.connector)
    for at, group in groupby(batch.readings, attrgetter("timestamp")):
        readings = _counted(db, origin, batch, list(group))
        insert(db, received, batch, transaction, readings)
        if _moved(db, origin, batch.connector, transaction, readings, MOVE_OR_STAY) is None:
            db.execute(_REACH, (at, transaction))
    link_again(db, received, transaction, batch)
    tx = load(db, transaction)
    if TABLE[state(tx), Cause.LATER].kind is Kind.REJUDGE:
        judge_now(db, origin, tx, Cause.LATER)


def link_again(db: UnitOfWork, received: Origin, transaction: int, batch: Batch) -> None:
    """Link the readings of an attached message that were taken from the transaction to which it was
    joined before."""
    times = [reading.timestamp for reading in batch.readings]
    if times:
        db.execute(
            "UPDATE meter_val SET tx_id = ? "
            "WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id IS NULL "
            "AND source = ? AND session_id = ? AND received_at = ?",
            (
                transaction,
                received.charger,
                batch.connector,
                min(times),
                max(times),
                batch.source,
                received.session,
            )
            + (received.received_at,),
        )


def insert(
    db: UnitOfWork,
    origin: Origin,
    batch: Batch,
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
    known = db.rows(
        f"SELECT {AS_SENT} FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp = ?"  # noqa: S608 - ours
        " AND source = ? ORDER BY id DESC LIMIT ?",
        (
            origin.charger,
            batch.connector,
            _known_since(db, origin, batch, readings),
            batch.source,
            ROWS_COMPARED,
        ),
    )
    new = _new(readings, known)
    _insert(db, origin, batch, transaction, new, goes_on=goes_on)
    return bool(new)


def insert_each(
    db: UnitOfWork,
    origin: Origin,
    batch: Batch,
    transaction: int | None,
    groups: Sequence[list[Reading]],
) -> None:
    """Insert readings of several timestamps, as `insert` does. What is stored of them is read at
    once, unless a time comes twice, or is that of the receipt, in place of an implausible one."""
    for some in parts(groups, TIMES_AT_ONCE):
        times = [group[0].timestamp for group in some]
        where = (
            origin.charger,
            batch.connector,
            batch.source,
            *times,
            *(times[:1] * (TIMES_AT_ONCE - len(times))),
        )
        is_simple = len(set(times)) == len(times) and origin.received_at not in times
        stored = db.rows(STORED, (*where, 2 * ROWS_COMPARED)) if is_simple else []
        if not is_simple or len(stored) == 2 * ROWS_COMPARED:
            for group in some:
                insert(db, origin, batch, transaction, group)
            continue
        known = defaultdict[str, list[Row]](list)
        for at, *sent in stored:
            known[at].append(tuple(sent))
        _insert(
            db,
            origin,
            batch,
            transaction,
            [*chain(*(_new(group, known[group[0].timestamp]) for group in some))],
        )


def _new(readings: list[Reading], known: Sequence[Row]) -> list[Reading]:
    """Return the readings of one timestamp that are to be stored beside those that are."""
    stored, kinds = set(known), {_kind(row) for row in known}
    new = [reading for reading in readings if tuple(reading)[SENT] not in stored]
    if any(reading.wh is not None and _kind(tuple(reading)[SENT]) in kinds for reading in new):
        return readings
    return new


def _kind(sent: Sequence[object]) -> tuple[object, ...]:
    """Return what a reading as sent is of, without its value."""
    _, measurand, _, *rest = sent
    return measurand, *rest


def _insert(
    db: UnitOfWork,
    origin: Origin,
    batch: Batch,
    transaction: int | None,
    readings: Sequence[Reading],
    *,
    goes_on: bool = False,
) -> None:
    place = origin.charger, batch.connector, batch.sent_connector
    head = Head(
        transaction, batch.told_id, *place, origin.session, origin.received_at, batch.source
    )
    if goes_on and readings:
        readings = advance(db, head, readings)
    for rows in parts(readings, ROWS_AT_ONCE):
        values = [value for reading in rows for value in (*head, *reading)]
        db.execute(_insert_of(len(rows)), values)


@cache
def _insert_of(rows: int) -> str:
    return INSERT + ",".join([ROW] * rows)


def _known_since(db: UnitOfWork, origin: Origin, batch: Batch, readings: list[Reading]) -> str:
    """Return the time under which a repetition would be stored.

    Readings without a plausible time of their own have that of their receipt. A repetition follows
    the original directly, or its time as sent is older than that of the newest one.
    """
    timestamp, sent = readings[0].timestamp, readings[0].sent_timestamp
    if timestamp != origin.received_at:
        return timestamp
    found = db.rows(BEFORE, (origin.charger, batch.connector, timestamp, 1))
    if found and sent is not None and sent < (found[0][1] or ""):
        before = db.rows(BEFORE, (origin.charger, batch.connector, timestamp, ROWS_COMPARED))
        found = [row for row in before if row[1] == sent]
    return found[0][0] if found else timestamp


def _newest(
    db: UnitOfWork, origin: Origin, connector: int, reading: Reading, *, is_named: bool
) -> Known | None:
    """Return the newest transaction of a connector at the time of a reading; None for connector 0,
    the charger's main meter.

    After its connector was Available, an open transaction gets no more readings without its id.
    """
    if connector <= 0:
        return None
    at, tx = reading.timestamp, newest(db, origin.charger, connector, reading.timestamp)
    if is_named or (tx is None and reading.wh is None):
        return tx
    if tx is None or tx.status != "Active":
        ended_wh = 0 if tx is None else tx.billed_until or 0
        open_one = _begun_below(db, origin, connector, reading, ended_wh)
        at, tx = (at, tx) if open_one is None else (origin.received_at, open_one)
    if tx is None or tx.status != "Active":
        return tx
    return None if was_available(db.rows, tx, at, origin.received_at) else tx


def _begun_below(
    db: UnitOfWork, origin: Origin, connector: int, reading: Reading, ended_wh: int
) -> Known | None:
    """Return the open transaction that a reading from before its start belongs to, because it shows
    more than that start and than the transaction before: the clock of such readings is behind."""
    tx = max(open_ones(db, origin.charger, connector), key=attrgetter("id"), default=None)
    wh = reading.wh or 0
    if tx is None or tx.own_start_time <= reading.timestamp:
        return None
    if tx.meter_start is None or wh <= max(tx.meter_start, ended_wh):
        return None
    most = FASTEST_W / 3600 * (seconds(origin.received_at) - seconds(tx.created_at))
    return tx if wh - tx.meter_start <= most else None


def _covering(tx: Known) -> Covering:
    ended = None if tx.own_stop_time is None else seconds(tx.own_stop_time)
    return Covering(tx.id, state(tx), ended)


def begun(
    db: UnitOfWork, origin: Origin, connector: int, claimed: int | None, readings: Sequence[Reading]
) -> Known | None:
    """Return the transaction that readings name. Correct its start time, or that of the one they
    follow, if needed."""
    at, named = readings[0].timestamp, _named(db, origin, connector, claimed, readings)
    if named is not None:
        return begin_by(db, named, at)
    begin_unset(db, origin.charger, connector, at, register_of(readings))
    return None


def _named(
    db: UnitOfWork, origin: Origin, connector: int, claimed: int | None, readings: Sequence[Reading]
) -> Known | None:
    """Return the transaction that readings name, if it is their charger's, and its connector theirs
    or a wrong one."""
    tx = told(db, origin.charger, claimed) if claimed is not None else None
    if tx is None or (connector > 0 and tx.connector not in (None, connector)):
        return tx if tx is not None and _is_rather_of(db, tx, connector, readings) else None
    return tx._replace(connector=connector_for(db, tx, connector) or tx.connector)


def _is_rather_of(
    db: UnitOfWork, named: Known, connector: int, readings: Sequence[Reading]
) -> bool:
    """Whether readings belong to the transaction that they name rather than to the one on the
    connector that they name: the former ran then, and its register fits."""
    at = readings[0].timestamp
    here = newest(db, named.charger, connector, at)
    if not _covers(named, at):
        return False
    if here is None or not _covers(here, at):
        return is_of_named(register_of(readings), _reached(db, named, at), None)
    is_told = connector > 1 or _is_sent(db, named, at)
    return is_of_named(
        register_of(readings),
        _reached(db, named, at),
        _reached(db, here, at),
        is_connector_told=is_told,
    )


def _is_sent(db: UnitOfWork, tx: Known, at: str) -> bool:
    """Whether the last reading of a transaction's connector came with the number of this
    connector."""
    if tx.connector is None or tx.connector <= 1:  # some chargers send 0 or 1 for each connector
        return False
    sent = (number for (number,) in db.rows(_SENT, (tx.charger, tx.connector, at, MOST_SENT)))
    return next((number for number in sent if number is not None), None) == tx.connector


def _covers(tx: Known, at: str) -> bool:
    """Whether a transaction ran at this time, as far as its charger told its end."""
    is_ended = state(tx) in (State.STOPPED, State.JOINED)
    return tx.own_start_time <= at and not (is_ended and (tx.own_stop_time or "") < at)


def _reached(db: UnitOfWork, tx: Known, at: str) -> Reached:
    last = db.row(LAST, (tx.charger, tx.connector, tx.own_start_time, at, tx.id))
    name, wh, since = (None, None, tx.own_start_time) if last is None else last
    return Reached(tx.id, tx.meter_start, wh, seconds(at) - seconds(since), reported_id(name))


def is_ours(db: UnitOfWork, charger: str, transaction: int | None) -> bool:
    """Whether this transactionId was assigned to this charger."""
    return transaction is not None and told(db, charger, transaction) is not None


def called(db: UnitOfWork, tx: Known, at: str) -> int | None:
    """Return the transactionId that the last reading of a transaction before this time had."""
    reading = db.row(
        NAME,
        (tx.charger, tx.connector, tx.own_start_time, min(at, tx.last_reading_at or ""), tx.id),
    )
    return reported_id(reading[0]) if reading is not None else None


def connector_for(db: UnitOfWork, tx: Known, sent: int) -> int:
    """Return the connector of a transaction; one whose start was unreadable takes that of its
    readings."""
    if tx.connector is None and sent > 0:
        db.execute("UPDATE tx SET conn_id = ? WHERE id = ?", (sent, tx.id))
    return sent if tx.connector is None else tx.connector


def register_of(readings: Sequence[Reading]) -> int | None:
    """Return the register in Wh among readings of one time; None if there is none."""
    return next((reading.wh for reading in readings if reading.wh is not None), None)


def record_jump(
    db: UnitOfWork,
    origin: Origin,
    connector: int,
    transaction: int,
    before_wh: int,
    readings: Sequence[Reading],
) -> None:
    """Record a jump from the previous register of a transaction to that in these readings of one
    timestamp, if any."""
    at, wh = (
        readings[0].timestamp,
        next(reading.wh for reading in readings if reading.wh is not None),
    )
    if 0 <= wh - before_wh <= JUMP_WH:  # the usual case, without a query
        return
    rows: list[Sample] = db.rows(_NEWEST, (origin.charger, connector, at, ROWS, transaction))
    earlier = [row for row in rows if row[TIMESTAMP] < at]
    registers = [row[TIMESTAMP] for row in earlier if row[WH] is not None]
    since = max(registers, default=min((row[TIMESTAMP] for row in earlier), default=at))
    rows += [
        (
            "",
            at,
            one.measurand,
            one.value,
            one.unit,
            one.phase,
            one.context,
            one.wh,
            "",
            one.location,
            0,
        )
        for one in readings
    ]
    if is_jump(wh - before_wh, seconds(at) - seconds(since), gather(rows)):
        jump = EnergyJumped(
            charger=origin.charger,
            at=origin.received_at,
            transaction=transaction,
            connector=connector,
            from_wh=before_wh,
            to_wh=wh,
        )
        db.record(jump, origin.session)
