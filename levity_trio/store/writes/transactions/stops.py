"""StopTransaction: which transaction it means, and what was delivered (rules.md, Transactions, Energy; §4.10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from levity_trio.charging.energy import (
    AGREEMENT_WH,
    DOUBTFUL,
    FASTEST_W,
    Energy,
    Reading,
    Span,
    begun_at,
    delivered,
    most_told_wh,
    most_wh,
    seconds_between,
)
from levity_trio.charging.moments import Moment
from levity_trio.events import StopConflicted, TransactionStopped
from levity_trio.store.unit_of_work import Row, UnitOfWork
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions.history import Step, add_step
from levity_trio.store.writes.transactions.neighbours import compare_neighbours, following, preceding
from levity_trio.store.writes.transactions.suspensions import without_closing

LOWEST_ID = 1
HIGHEST_ID = 2**31 - 1
LONGEST_SECONDS = 31 * 24 * 3600
"""No transaction goes on for longer; where times tell so, a clock was set on the way."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A StopTransaction.req (§6.49): register in Wh. Its transactionData is stored apart."""

    transaction: int
    id_tag: str | None
    meter_stop: int
    moment: Moment
    reason: str
    message: Message


class _Standing(NamedTuple):
    """The transaction that is being stopped, as it stands."""

    stop: Row
    """Time as sent, register, reason and tag of the stop that it had."""
    connector: int | None
    sent_start_time: str | None
    start_time: str
    start_skew: int | None
    created_at: str
    meter_start: int | None
    review: str | None
    stopped_by: str | None


def find(db: UnitOfWork, origin: Origin, request: Stop) -> int | None:
    """The transaction that a stop means: by its id, by an equal stop before, or the only one that fits.

    A stop closes only a transaction of its own charger. Without a usable id, time, register and tag must leave
    exactly one transaction; else it is for the operator to say.
    """
    if is_ours(db, origin.charger, request.transaction):
        return request.transaction
    return _stopped_before(db, origin, request) or _fitting(db, origin, request)


def is_ours(db: UnitOfWork, charger: str, transaction: int | None) -> bool:
    """Whether this charger was given this transactionId. 0, -1 and what no server gives out are no ids."""
    if transaction is None or not LOWEST_ID <= transaction <= HIGHEST_ID:
        return False
    return db.row("SELECT 1 FROM tx WHERE id = ? AND cp_id = ?", (transaction, charger)) is not None


def _stopped_before(db: UnitOfWork, origin: Origin, request: Stop) -> int | None:
    """What an equal stop closed. Without a believable time only while nothing was started since: 1970 comes back."""
    repeated = db.row(
        "SELECT id FROM tx WHERE cp_id = ? AND sent_stop_time = ? AND meter_stop = ? AND stopped_by = 'charger'"
        " AND (? OR NOT EXISTS (SELECT 1 FROM tx AS newer WHERE newer.cp_id = tx.cp_id"
        " AND newer.status = 'Active' AND newer.created_at > tx.stop_time)) ORDER BY id DESC LIMIT 1",
        (origin.charger, request.moment.sent, request.meter_stop, request.moment.is_believable),
    )
    return int(repeated[0]) if repeated else None


def _fitting(db: UnitOfWork, origin: Origin, request: Stop) -> int | None:
    """The only transaction that time, register and tag leave; an open one before one that the system closed.

    On its connector no other may have begun between it and the stop.
    """
    found = db.rows(
        "SELECT id, status, start_time, start_skew_seconds, created_at, meter_start FROM tx WHERE cp_id = ?"
        " AND (status = 'Active' OR stopped_by = 'system') AND start_time <= ? AND meter_start <= ?"
        " AND coalesce(last_register_wh, 0) <= ? AND (? IS NULL OR id_tag = ?)"
        " AND NOT EXISTS (SELECT 1 FROM tx AS later WHERE later.cp_id = tx.cp_id AND later.conn_id = tx.conn_id"
        " AND (later.start_time, later.id) > (tx.start_time, tx.id) AND later.start_time <= ?)",
        (origin.charger, request.moment.understood, request.meter_stop, request.meter_stop)
        + (request.id_tag, request.id_tag, request.moment.understood),
    )
    fitting = [
        (transaction, status)
        for transaction, status, *start, meter_start in found
        if request.meter_stop - meter_start <= most_wh(longest_seconds(origin, request.moment, *start))
    ]
    fitting = [(transaction, status) for transaction, status in fitting if _is_in_reach(db, transaction, request)]
    still_open = [transaction for transaction, status in fitting if status == "Active"]
    candidates = still_open or [transaction for transaction, _ in fitting]
    return int(candidates[0]) if len(candidates) == 1 else None


def _is_in_reach(db: UnitOfWork, transaction: int, request: Stop) -> bool:
    """Whether the power told with its last reading leads to that stop; where none was told, nothing speaks against."""
    last = db.row(
        "SELECT tx.last_register_wh, tx.last_reading_at, value, unit FROM tx JOIN meter_val ON tx_id = tx.id"
        " AND meter_val.cp_id = tx.cp_id AND meter_val.conn_id = tx.conn_id AND timestamp = tx.last_reading_at"
        " WHERE tx.id = ? AND measurand = 'Power.Active.Import' AND phase = ''",
        (transaction,),
    )
    if last is None or last[0] is None or (power_w := _watts(*last[2:])) is None:
        return True
    wh: int = request.meter_stop - last[0]
    return wh <= most_told_wh(power_w, seconds_between(last[1], request.moment.understood))


def stop(db: UnitOfWork, origin: Origin, transaction: int, request: Stop) -> None:
    """Close a transaction as its charger says; a second, different stop changes nothing and is flagged.

    The charger's own stop wins over a close by the system. Readings of its transactionData must be stored before.
    """
    found = _look(db, transaction)
    if found.stopped_by == "charger":
        _stop_again(db, origin, transaction, request, found)
        return
    energy = _energy(db, origin, transaction, request, found)
    overlap = _overlap(db, transaction, found.meter_start, request.meter_stop)
    review = "; ".join(filter(None, (without_closing(found.review), energy.review, overlap))) or None
    _complete(db, origin, transaction, request, energy, review)
    step = Step("stop", "charger", request.moment, request.reason, request.message)
    add_step(db, origin, transaction, step)
    fact = TransactionStopped(
        charger=origin.charger,
        at=origin.received_at,
        transaction=transaction,
        connector=found.connector,
        energy_wh=energy.wh,
        method=energy.method,
        reason=request.reason,
        review=review,
    )
    db.tell(fact, origin.session)
    compare_neighbours(db, origin, transaction)


def _overlap(db: UnitOfWork, transaction: int, meter_start: int | None, meter_stop: int) -> str | None:
    """What a late stop may bill a second time: its register lies beyond the one at which the next transaction began."""
    _, next_meter = following(db, transaction) or (None, None)
    if next_meter is None or meter_start is None or next_meter <= meter_start:  # a register that begins anew
        return None
    overlap_wh = meter_stop - next_meter
    return f"{overlap_wh} Wh of it are in the next transaction, too" if overlap_wh > AGREEMENT_WH else None


def _look(db: UnitOfWork, transaction: int) -> _Standing:
    found = db.row(
        "SELECT sent_stop_time, meter_stop, stop_reason, stop_id_tag, conn_id, sent_start_time, start_time,"
        " start_skew_seconds, created_at, meter_start, review, stopped_by FROM tx WHERE id = ?",
        (transaction,),
    )
    if found is None:
        raise LookupError(transaction)
    return _Standing(found[:4], *found[4:])


def _energy(db: UnitOfWork, origin: Origin, transaction: int, request: Stop, found: _Standing) -> Energy:
    longest = longest_seconds(origin, request.moment, found.start_time, found.start_skew, found.created_at)
    is_timed = request.moment.is_believable or request.moment.sent != found.sent_start_time
    if not is_timed:
        longest = max(longest, _seconds_since_last(db, origin, transaction))
    stop_time = request.moment.understood
    where = (origin.charger, found.connector or 0, transaction, min(found.start_time, found.created_at))
    span = Span(
        found.start_time,
        stop_time,
        register(found.meter_start),
        register(request.meter_stop),
        longest,
        is_timed,
        power_w(db, where),
    )
    registers = told_registers(db, where)
    believed = begun_at(span, registers, _previous(db, transaction))
    energy = delivered(believed, registers)
    if believed is span:
        return energy
    review = f"it began at {span.meter_start} Wh and the last one ended at {believed.meter_start} Wh"
    return replace(energy, confidence=DOUBTFUL, review="; ".join(filter(None, (review, energy.review))))


def _previous(db: UnitOfWork, transaction: int) -> tuple[int, int] | None:
    """The registers, in Wh, at which the last transaction on its connector began and ended."""
    began, ended, _ = preceding(db, transaction) or (None, None, None)
    return None if began is None or ended is None else (began, ended)


def told_registers(db: UnitOfWork, where: tuple[str, int, int, str]) -> list[Reading]:
    """The readings of the billed register, in the order in which they came.

    `where` is the charger, the connector, the transaction and the time since which. The fuller of two tellings, never
    both: a Grizzl-E counts per session in one and for life in the other.
    """
    series: dict[str, list[Reading]] = {"MeterValues": [], "transactionData": []}
    for source, timestamp, wh in db.rows(
        "SELECT source, timestamp, wh FROM meter_val WHERE cp_id = ? AND conn_id = ? AND tx_id = ?"
        " AND timestamp >= ? AND wh IS NOT NULL ORDER BY id",
        where,
    ):
        series[source].append((timestamp, wh))
    return max(series.values(), key=len)


def longest_seconds(origin: Origin, moment: Moment, start_time: str, start_skew: int | None, created_at: str) -> float:
    """How long it can have lasted: by the times understood, by those of receipt, by the charger's own clock.

    A charger without a clock that was offline sends all in one second, with its own times hours apart.
    """
    received = seconds_between(created_at, origin.received_at)
    told = [seconds_between(start_time, moment.understood)]
    if moment.skew_seconds is not None and start_skew is not None:
        told.append(received + moment.skew_seconds - start_skew)
    return max([0.0, min(received, LONGEST_SECONDS), *(seconds for seconds in told if seconds <= LONGEST_SECONDS)])


def _seconds_since_last(db: UnitOfWork, origin: Origin, transaction: int) -> float:
    """Seconds since the charger told of an earlier transaction on that connector, over an earlier connection."""
    told = db.row(
        "SELECT max(earlier.created_at) FROM tx JOIN tx AS earlier ON earlier.cp_id = tx.cp_id"
        " AND earlier.conn_id = tx.conn_id AND earlier.id < tx.id AND earlier.session_id <> tx.session_id"
        " WHERE tx.id = ?",
        (transaction,),
    )
    since = told[0] if told and told[0] else _first_seen(db, origin.charger)
    return min(LONGEST_SECONDS, seconds_between(since, origin.received_at))


def _first_seen(db: UnitOfWork, charger: str) -> str:
    found = db.row("SELECT created_at FROM cp WHERE id = ?", (charger,))
    if found is None:
        raise LookupError(charger)
    return str(found[0])


def register(wh: int | None) -> int | None:
    """A register below zero is none."""
    return None if wh is None or wh < 0 else wh


def power_w(db: UnitOfWork, where: tuple[str, int, int, str]) -> dict[str, float]:
    """What the charger told of its power, in W, by the times of its readings."""
    told = db.rows(
        "SELECT timestamp, value, unit FROM meter_val WHERE cp_id = ? AND conn_id = ? AND tx_id = ?"
        " AND timestamp >= ? AND measurand = 'Power.Active.Import' AND phase = ''",
        where,
    )
    power_w = {timestamp: _watts(value, unit) for timestamp, value, unit in told}
    return {timestamp: power for timestamp, power in power_w.items() if power is not None}


def _watts(value: str, unit: str) -> float | None:
    """A power in W; None where that is no number, or none that a charger delivers."""
    try:
        watts = float(value) * (1000 if unit == "kW" else 1)
    except ValueError:
        return None
    return watts if 0 <= watts <= FASTEST_W else None


def _complete(
    db: UnitOfWork, origin: Origin, transaction: int, request: Stop, energy: Energy, review: str | None
) -> None:
    at, moment = origin.received_at, request.moment
    db.execute(
        "UPDATE tx SET status = 'Completed', stopped_by = 'charger', suspended_at = NULL, stop_time = ?,"
        " sent_stop_time = ?, meter_stop = ?, stop_reason = ?, stop_id_tag = ?, energy_delivered = ?,"
        " energy_method = ?, confidence = ?, review = ?, updated_at = ? WHERE id = ?",
        (moment.understood, moment.sent, request.meter_stop, request.reason, request.id_tag, energy.wh)
        + (energy.method, energy.confidence, review, at, transaction),
    )
    touch = "UPDATE cp SET last_tx_stop_at = max(coalesce(last_tx_stop_at, ''), ?), updated_at = ? WHERE id = ?"
    db.execute(touch, (moment.understood, at, origin.charger))


def _stop_again(db: UnitOfWork, origin: Origin, transaction: int, request: Stop, found: _Standing) -> None:
    told = (request.moment.sent, request.meter_stop, request.reason, request.id_tag)
    kind = "stop" if told == found.stop else "conflicting stop"
    is_new = add_step(db, origin, transaction, Step(kind, "charger", request.moment, request.reason, request.message))
    if is_new and kind == "conflicting stop":
        review = "; ".join(filter(None, (found.review, "a second stop came with other values")))
        db.execute("UPDATE tx SET review = ?, updated_at = ? WHERE id = ?", (review, origin.received_at, transaction))
        fact = StopConflicted(charger=origin.charger, at=origin.received_at, transaction=transaction)
        db.tell(fact, origin.session)
