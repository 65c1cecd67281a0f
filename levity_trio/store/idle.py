"""When a connector was idle after the last sign of a transaction, so that what comes later belongs to another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.store.cases import available_times, began_at, boots_during
from levity_trio.store.connectors import Rows
from levity_trio.store.transaction import Known


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
    return any(is_available for _, is_available in _believed_times(rows, tx, at, received_at))


def available_until(rows: Rows, tx: Known, at: str, received_at: str) -> str | None:
    """Return since when its connector was available without a sign of charging until this moment, which is a later
    start; None if it was not. The first statuses after a boot are ignored."""
    found: float | None = None
    for moment, is_available in _believed_times(rows, tx, at, received_at):
        if is_available:
            found = moment if found is None else found
        elif moment < seconds(at) - tolerances.AHEAD_SECONDS:
            found = None  # Charging may be reported just before the start that it belongs to
    return None if found is None else timestamp_of(found)


def idle_since_boot(rows: Rows, tx: Known, at: str, received_at: str) -> float | None:
    """Return when its connector first was available or preparing, so without a transaction, after a boot, its last
    reading and before this moment; None if never. Its start may have been queued until after the boot."""
    since = max(tx.own_start_time, tx.last_reading_at or "")
    found = rows(_IDLE, (tx.charger, tx.connector, tx.created_at, received_at, since, at, began_at(tx)))
    return seconds(found[0][0]) if found else None


def _believed_times(rows: Rows, tx: Known, at: str, received_at: str) -> Iterator[tuple[float, bool]]:
    """Yield when its connector was available (True) or showed charging (False) from its last reading to this moment,
    without the first statuses after a boot."""
    received = tx._replace(stop_received_at=received_at)
    since = seconds(max(tx.own_start_time, tx.last_reading_at or ""))
    yield from available_times(rows, received, [at for at, _ in boots_during(rows, received)], since, seconds(at))


_IDLE: Final = (
    "SELECT status.timestamp FROM status WHERE cp_id = ?1 AND conn_id = ?2 AND received_at BETWEEN ?3 AND ?4"
    " AND status IN ('Available', 'Preparing') AND status.timestamp > ?5 AND status.timestamp < ?6"
    " AND EXISTS (SELECT 1 FROM boot WHERE boot.cp_id = ?1 AND boot.received_at"
    " BETWEEN CASE status.status WHEN 'Preparing' THEN ?7 ELSE ?3 END AND status.received_at)"
    " ORDER BY received_at, status.id LIMIT 1"
)
