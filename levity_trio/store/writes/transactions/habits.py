"""The rows of `habit`: the doubts that a charger always causes, and its highest power (rules.md, Energy)."""

from __future__ import annotations

from levity_trio.charging.energy import Judgement, judge
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case
from levity_trio.store.cases import case_of
from levity_trio.store.habits import CEILING, POWER_TOO_HIGH
from levity_trio.store.transaction import Known
from levity_trio.store.unit_of_work import UnitOfWork


def learn(db: UnitOfWork, tx: Known, case: Case, judgement: Judgement, at: str) -> None:
    """Learn from a transaction whose figure is confirmed by another source than its register."""
    if not judgement.is_confirmed:
        return
    if judgement.code is not None and judgement.is_sole:
        factor = None if judgement.factor == 1 else round(judgement.factor * 1000)
        _revoke_other_factor(db, tx, judgement.code, factor, at)
        _show(db, tx, judgement.code, factor, at)
    elif judgement.is_power_scaled:
        _show(db, tx, POWER_TOO_HIGH, None, at)
    elif not judgement.doubts:
        if case.power:
            _show(db, tx, CEILING, round(case.power.most), at)
        _revoke_others(db, tx, Code.ENDS_ROUNDED if case.ends_digit > 1 else CEILING, at)


def learn_confirmed(db: UnitOfWork, tx: Known, at: str) -> None:
    """Learn the highest power from a doubtful transaction that an operator confirms, if two sources show it."""
    case = case_of(db.rows, tx)
    found = judge(case)
    if found.is_confirmed and found.doubts and found.wh == tx.energy_delivered and case.power:
        _show(db, tx, CEILING, round(case.power.most), at)


def _show(db: UnitOfWork, tx: Known, kind: str, value: int | None, at: str) -> None:
    """Count a transaction for a habit; once only, where it was closed before its own stop arrived."""
    db.execute(
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, value, transactions, since, last_at)"
        " SELECT id, ?1, coalesce(firmware_version, ''), coalesce(meter_serial_number, ''), ?2, ?3, 1, ?4, ?4 FROM cp"
        " WHERE id = ?5 ON CONFLICT (cp_id, conn_id, firmware, meter_serial, kind) WHERE revoked_at IS NULL"
        " DO UPDATE SET last_at = excluded.last_at, transactions = habit.transactions + CASE WHEN"
        " (SELECT count(*) FROM tx_event WHERE tx_id = ?6 AND kind IN ('close', 'stop')) > 1 THEN 0 ELSE 1 END,"
        " value = CASE WHEN habit.value > excluded.value THEN habit.value ELSE excluded.value END",
        (tx.connector or 0, kind, value, at, tx.charger, tx.id),
    )


def _revoke_other_factor(db: UnitOfWork, tx: Known, kind: str, factor: int | None, at: str) -> None:
    """Revoke a habit of the same kind whose registers lack another factor."""
    db.execute(
        "UPDATE habit SET revoked_at = ?, revoked_by = 'system', reason = ? WHERE cp_id = ? AND conn_id = ?"
        " AND kind = ? AND revoked_at IS NULL AND coalesce(value, 1000) <> ?",
        (at, f"transaction {tx.id} lacks another factor", tx.charger, tx.connector or 0, kind, factor or 1000),
    )


def _revoke_others(db: UnitOfWork, tx: Known, kept: str, at: str) -> None:
    """Revoke all habits but the power ceiling and `kept`: a transaction that is certain as reported contradicts them.

    One whose start and stop are rounded does not contradict that this charger rounds them.
    """
    db.execute(
        "UPDATE habit SET revoked_at = ?, revoked_by = 'system', reason = ? WHERE cp_id = ? AND conn_id = ?"
        " AND kind NOT IN (?, ?) AND revoked_at IS NULL",
        (at, f"transaction {tx.id} is certain as reported", tx.charger, tx.connector or 0, CEILING, kept),
    )
