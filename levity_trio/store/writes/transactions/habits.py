"""The habits of chargers: learned from sessions that another source confirms, ended by a contradiction, and kept from
billing unasked where a person wants to be asked (rules.md, Energy).

A habit that a person wants to be asked about stays known: what it puts in doubt, such as a factor that power has shown,
stays in doubt. So a person's decision never makes a figure certain that would be doubtful with the habit.
"""

from __future__ import annotations

from levity_trio.charging.energy import Judgement
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case
from levity_trio.store.cases.case import CEILING, POWER_TOO_HIGH
from levity_trio.store.cases.transaction import Known
from levity_trio.store.engine.unit_of_work import UnitOfWork

_LAST_ASKED = (
    "(SELECT {0} FROM habit WHERE cp_id = ?5 AND conn_id = ?1 AND firmware = coalesce(cp.firmware_version, '')"
    " AND meter_serial = coalesce(cp.meter_serial_number, '') AND kind = ?2 ORDER BY id DESC LIMIT 1)"
)
"""One that is learned again, after a contradiction ended it, is asked about like the one before."""

_AVOIDS_REVIEWS = f"id = ? AND revoked_at IS NULL AND kind NOT IN ('{CEILING}', '{POWER_TOO_HIGH}')"


def ask_about(db: UnitOfWork, habit: int, at: str, by: str) -> bool:
    """Ask a person again about each session that shows a habit; return False if no such habit avoids a review. A
    repetition changes nothing."""
    ask = "asks_since = coalesce(asks_since, ?), asks_by = coalesce(asks_by, ?)"
    return db.changed(f"UPDATE habit SET {ask} WHERE {_AVOIDS_REVIEWS}", (at, by, habit)) > 0  # noqa: S608 - our own words


def stop_asking(db: UnitOfWork, habit: int) -> bool:
    """Let a habit make figures certain again; return False if no such habit avoids a review."""
    return db.changed(f"UPDATE habit SET asks_since = NULL, asks_by = NULL WHERE {_AVOIDS_REVIEWS}", (habit,)) > 0  # noqa: S608


def learn(db: UnitOfWork, tx: Known, case: Case, judgement: Judgement, at: str) -> None:
    """Learn from a transaction whose figure is confirmed by another source than its register."""
    if not judgement.is_confirmed:
        return
    if judgement.code is not None and judgement.is_sole:
        factor = None if judgement.factor == 1 else round(judgement.factor * 1000)
        other = (judgement.code, factor or 1000)
        _revoke(db, tx, "lacks another factor", at, "kind = ? AND coalesce(value, 1000) <> ?", other)
        _show(db, tx, judgement.code, factor, at)
    elif judgement.is_power_scaled:
        _show(db, tx, POWER_TOO_HIGH, None, at)
    elif not judgement.doubts:
        if case.power:
            _show(db, tx, CEILING, round(case.power.most), at)
        # One whose start and stop are rounded does not contradict that this charger rounds them.
        kept = (CEILING, Code.ENDS_ROUNDED if case.ends_digit > 1 else CEILING)
        _revoke(db, tx, "is certain as reported", at, "kind NOT IN (?, ?)", kept)


def learn_confirmed(db: UnitOfWork, tx: Known, case: Case, found: Judgement, at: str) -> None:
    """Learn the highest power from a doubtful transaction that an operator confirms, if two sources show it."""
    if found.is_confirmed and found.doubts and found.wh == tx.energy_delivered and case.power:
        _show(db, tx, CEILING, round(case.power.most), at)


def _show(db: UnitOfWork, tx: Known, kind: str, value: int | None, at: str) -> None:
    """Count a transaction for a habit; once only, where it was closed before its own stop arrived."""
    db.execute(
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, value, transactions, since, last_at,"  # noqa: S608
        " asks_since, asks_by)"
        " SELECT id, ?1, coalesce(firmware_version, ''), coalesce(meter_serial_number, ''), ?2, ?3, 1, ?4, ?4,"
        f" {_LAST_ASKED.format('asks_since')}, {_LAST_ASKED.format('asks_by')} FROM cp"
        " WHERE id = ?5 ON CONFLICT (cp_id, conn_id, firmware, meter_serial, kind) WHERE revoked_at IS NULL"
        " DO UPDATE SET last_at = excluded.last_at, transactions = habit.transactions + CASE WHEN"
        " (SELECT count(*) FROM tx_event WHERE tx_id = ?6 AND kind IN ('close', 'stop')) > 1 THEN 0 ELSE 1 END,"
        " value = CASE WHEN habit.value > excluded.value THEN habit.value ELSE excluded.value END",
        (tx.connector or 0, kind, value, at, tx.charger, tx.id),
    )


def _revoke(db: UnitOfWork, tx: Known, why: str, at: str, which: str, values: tuple[object, ...]) -> None:
    db.execute(
        "UPDATE habit SET revoked_at = ?, revoked_by = 'system', reason = ? WHERE cp_id = ? AND conn_id = ?"  # noqa: S608
        f" AND revoked_at IS NULL AND {which}",
        (at, f"transaction {tx.id} {why}", tx.charger, tx.connector or 0, *values),
    )
