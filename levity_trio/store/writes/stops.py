"""StopTransaction: which transaction it means, and what was delivered (rules.md, Transactions, Energy; §4.10)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from levity_trio.events import StopConflicted, TransactionStopped
from levity_trio.store.energy import Energy, Span, delivered
from levity_trio.store.transaction import Row, Transaction
from levity_trio.store.writes.origin import Message, Moment, Origin
from levity_trio.store.writes.steps import Step, add_step, repeat_step

FIRST_TRANSACTION_ID = 1
HIGHEST_TRANSACTION_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Stop:
    """A StopTransaction.req (§6.49): register in Wh. Its transactionData is stored apart."""

    transaction: int
    id_tag: str | None
    meter_stop: int
    moment: Moment
    reason: str
    message: Message


def find(db: Transaction, origin: Origin, request: Stop) -> int | None:
    """The transaction that a stop means: by its id, by an equal stop before, or the only one that fits.

    A stop closes only a transaction of its own charger. Without a usable id, time, register and tag must leave
    exactly one open transaction; else it is for the operator to say.
    """
    if is_ours(db, origin.charger, request.transaction):
        return request.transaction
    repeated = db.row(
        "SELECT id FROM tx WHERE cp_id = ? AND sent_stop_time = ? AND meter_stop = ? AND stopped_by = 'charger'",
        (origin.charger, request.moment.sent, request.meter_stop),
    )
    if repeated:
        return int(repeated[0])
    fitting = db.rows(
        "SELECT id FROM tx WHERE cp_id = ? AND status = 'Active' AND start_time <= ? AND meter_start <= ?"
        " AND (? IS NULL OR id_tag = ?)",
        (origin.charger, request.moment.understood, request.meter_stop, request.id_tag, request.id_tag),
    )
    return int(fitting[0][0]) if len(fitting) == 1 else None


def is_ours(db: Transaction, charger: str, transaction: int | None) -> bool:
    """Whether this charger was given this transactionId. 0, -1 and what no server gives out are no ids."""
    if transaction is None or not FIRST_TRANSACTION_ID <= transaction <= HIGHEST_TRANSACTION_ID:
        return False
    return db.row("SELECT 1 FROM tx WHERE id = ? AND cp_id = ?", (transaction, charger)) is not None


def stop(db: Transaction, origin: Origin, transaction: int, request: Stop) -> None:
    """Close a transaction as its charger says; a second, different stop changes nothing and is flagged.

    The charger's own stop wins over a close by the system. Readings of its transactionData must be stored before.
    """
    found = db.row(
        "SELECT stopped_by, sent_stop_time, meter_stop, stop_reason, conn_id, start_time, meter_start, review"
        " FROM tx WHERE id = ?",
        (transaction,),
    )
    if found is None:
        raise LookupError(transaction)
    if found[0] == "charger":
        _stop_again(db, origin, transaction, request, found)
        return
    span = Span(found[5], request.moment.understood, found[6], request.meter_stop)
    energy = _energy(db, origin, transaction, found[4], span)
    review = "; ".join(filter(None, (found[7], energy.review))) or None
    _complete(db, origin, transaction, request, energy, review)
    step = Step("stop", "charger", request.moment, request.reason, request.message)
    add_step(db, origin, transaction, step)
    db.tell(
        TransactionStopped(
            charger=origin.charger,
            at=origin.received_at,
            transaction=transaction,
            connector=found[4],
            energy_wh=energy.wh,
            method=energy.method,
            reason=request.reason,
            review=review,
        )
    )


def _energy(db: Transaction, origin: Origin, transaction: int, connector: int | None, span: Span) -> Energy:
    readings = db.rows(
        "SELECT timestamp, wh FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ?"
        " AND tx_id = ? AND wh IS NOT NULL ORDER BY timestamp, id",
        (origin.charger, connector, span.start_time, span.stop_time, transaction),
    )
    return delivered(span, readings, _mean_power_w(db, origin, connector, span))


def _mean_power_w(db: Transaction, origin: Origin, connector: int | None, span: Span) -> float | None:
    told = db.rows(
        "SELECT value, unit FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ?"
        " AND measurand = 'Power.Active.Import' AND phase = ''",
        (origin.charger, connector, span.start_time, span.stop_time),
    )
    watts: list[float] = []
    for value, unit in told:
        with suppress(ValueError):
            watts.append(float(value) * (1000 if unit == "kW" else 1))
    return sum(watts) / len(watts) if watts else None


def _complete(
    db: Transaction, origin: Origin, transaction: int, request: Stop, energy: Energy, review: str | None
) -> None:
    at, moment = origin.received_at, request.moment
    db.execute(
        "UPDATE tx SET status = 'Completed', stopped_by = 'charger', suspended_at = NULL, stop_time = ?,"
        " sent_stop_time = ?, meter_stop = ?, stop_reason = ?, stop_id_tag = ?, energy_delivered = ?,"
        " energy_method = ?, confidence = ?, review = ?, updated_at = ? WHERE id = ?",
        (moment.understood, moment.sent, request.meter_stop, request.reason, request.id_tag, energy.wh)
        + (energy.method, energy.confidence, review, at, transaction),
    )
    touch = "UPDATE cp SET last_tx_stop_at = ?, updated_at = ? WHERE id = ?"
    db.execute(touch, (moment.understood, at, origin.charger))


def _stop_again(db: Transaction, origin: Origin, transaction: int, request: Stop, found: Row) -> None:
    if (request.moment.sent, request.meter_stop, request.reason) == tuple(found[1:4]):
        repeat_step(db, origin, transaction, "stop")
        return
    step = Step("conflicting stop", "charger", request.moment, request.reason, request.message)
    if add_step(db, origin, transaction, step):
        review = "; ".join(filter(None, (found[7], "a second stop came with other values")))
        db.execute("UPDATE tx SET review = ? WHERE id = ?", (review, transaction))
        db.tell(StopConflicted(charger=origin.charger, at=origin.received_at, transaction=transaction))


