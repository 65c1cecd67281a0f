"""The habits of a charger that the judge knows: what it always does (rules.md, Energy)."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.charging.reviews import Code
from levity_trio.store.connectors import Rows

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
    """The habits of a connector, by code, each with the factor that its registers lack, stored in thousandths;
    `ceiling_w` is the highest power that it is known to deliver."""

    values: dict[Code, float]
    ceiling_w: int | None
    reports_power: bool
    """Whether reported power confirmed a transaction: without that, nothing shows a habit."""
    has_power_too_high: bool
    """Whether a tenth of the power confirmed a transaction. One suffices: it only tells which of two is wrong."""
    shown_factor: float | None
    """The factor that its registers lacked by power. One transaction suffices to ask it of others, in doubt."""


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
