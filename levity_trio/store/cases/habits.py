"""The rows of `habit`: what a charger always does, for its judge, and how that is learned (rules.md, Energy)."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.charging.energy import Judgement
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case
from levity_trio.store.cases.transaction import Known
from levity_trio.store.connectors import Rows
from levity_trio.store.engine.unit_of_work import UnitOfWork

CEILING: Final = "ceiling"
"""The kind of the habit whose value is the charger's highest power in W."""
POWER_TOO_HIGH: Final = "power_too_high"
"""The kind of the habit of power that is ten times too high, unless the registers are a tenth of the energy."""
_OF_CHARGER: Final = (
    "SELECT kind, value, transactions FROM habit JOIN cp ON cp.id = habit.cp_id WHERE habit.cp_id = ?1 AND conn_id = ?2"
    " AND firmware = coalesce({}cp.firmware_version, '') AND meter_serial = coalesce({}cp.meter_serial_number, '') AND "
)
_BOOTED: Final = (
    "(SELECT {0} FROM boot WHERE boot.cp_id = ?1 AND received_at <= ?3 AND {0} IS NOT NULL"
    " ORDER BY received_at DESC, id DESC LIMIT 1), "
)
_VALID: Final = _OF_CHARGER.format("", "") + "revoked_at IS NULL"
_VALID_THEN: Final = (
    _OF_CHARGER.format(_BOOTED.format("firmware_version"), _BOOTED.format("meter_serial_number"))
    + "since < ?3 AND (revoked_at IS NULL OR revoked_at > ?3) ORDER BY habit.id"
)
"""For a moment in the past, with the firmware and the meter of that time; it cannot use the index of valid habits."""


class Habits(NamedTuple):
    """The habits of a connector, as a `Case` has them: by code, each with the factor that its registers lack, stored in
    thousandths; `ceiling_w` is the highest power that it is known to deliver."""

    habits: dict[Code, float]
    ceiling_w: int | None
    reports_power: bool
    """Whether reported power confirmed a transaction: without that, nothing shows a habit."""
    has_power_too_high: bool
    """Whether a tenth of the power confirmed a transaction. One suffices: it only tells which of two is wrong."""
    shown_factor: float | None
    """The factor that its registers lacked by power. One transaction suffices to ask it of others, in doubt."""


NO_HABITS: Final = Habits({}, None, reports_power=False, has_power_too_high=False, shown_factor=None)


def habits_of(rows: Rows, charger: str, connector: int, least: int, then: str | None) -> Habits:
    """Return the habits of a connector that at least so many transactions showed, now or at a moment in the past.

    How often a habit was shown by a past moment is not stored, so it counts from its first transaction on.
    """
    found = rows(_VALID, (charger, connector)) if then is None else rows(_VALID_THEN, (charger, connector, then))
    shown = {kind: value for kind, value, transactions in found if transactions >= least}
    values = {Code(kind): _factor(value) for kind, value in shown.items() if kind in set(Code)}
    kinds = {kind: value for kind, value, _ in found}
    reports_power, factor = bool(kinds.keys() - {POWER_TOO_HIGH}), kinds.get(Code.WRONG_FACTOR)
    shown_factor = None if factor is None else _factor(factor)
    return Habits(values, shown.get(CEILING), reports_power, POWER_TOO_HIGH in kinds, shown_factor)


def _factor(thousandths: int | None) -> float:
    return 1 if thousandths is None else thousandths / 1000


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
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, value, transactions, since, last_at)"
        " SELECT id, ?1, coalesce(firmware_version, ''), coalesce(meter_serial_number, ''), ?2, ?3, 1, ?4, ?4 FROM cp"
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
