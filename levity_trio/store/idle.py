"""When a connector was idle after the last sign of a transaction, so that what comes later belongs to another one."""

from __future__ import annotations

from typing import Final

from levity_trio.charging.evidence import seconds
from levity_trio.store.cases import Known, available_times, boots_during
from levity_trio.store.connectors import Rows


def available_at(rows: Rows, tx: Known, ended: float, received_at: str) -> float | None:
    """Return when its connector first became available after its last reading and before `ended`. Charging there after
    this moment belongs to another transaction."""
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    received = tx._replace(stop_received_at=received_at)
    times = available_times(rows, received, (), since, ended)
    return next((at for at, is_available in times if is_available), None)


def was_available(rows: Rows, tx: Known, at: str, received_at: str) -> bool:
    """Whether its connector became available between its last reading and this moment, so that a reading then without
    a transactionId belongs to another transaction. The first statuses after a boot are ignored."""
    received = tx._replace(stop_received_at=received_at)
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    times = available_times(rows, received, [at for at, _ in boots_during(rows, received)], since, seconds(at))
    return any(is_available for _, is_available in times)


def idle_since_boot(rows: Rows, tx: Known, at: str, received_at: str) -> float | None:
    """Return when its connector first was available or preparing, so without a transaction, after a boot, its last
    reading and before this moment; None if never."""
    since = max(tx.own_start_time, tx.last_reading_at or "")
    found = rows(_IDLE, (tx.charger, tx.connector, tx.created_at, received_at, since, at))
    return seconds(found[0][0]) if found else None


_IDLE: Final = (
    "SELECT status.timestamp FROM status WHERE cp_id = ?1 AND conn_id = ?2 AND received_at BETWEEN ?3 AND ?4"
    " AND status IN ('Available', 'Preparing') AND status.timestamp > ?5 AND status.timestamp < ?6"
    " AND EXISTS (SELECT 1 FROM boot WHERE boot.cp_id = ?1 AND boot.received_at BETWEEN ?3 AND status.received_at)"
    " ORDER BY received_at LIMIT 1"
)
