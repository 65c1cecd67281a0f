"""Register jumps: steps between two readings that no charging explains.

They are reported at once; the judge decides about the energy later.
"""

from __future__ import annotations

from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.sent.gathering import Measurements
from levity_trio.charging.sent.power import HOUR

JUMP_WH: Final = tolerances.SIGNIFICANT_START_WH
"""The original Levity's limit: a smaller step forward is no jump."""


def is_jump(rise_wh: int, seconds: float, measurements: Measurements) -> bool:
    """Whether a register fell, or rose by more than its charger can deliver in that time.

    `measurements` are the transaction's readings up to then, including any reported power.
    """
    if 0 <= rise_wh <= JUMP_WH:
        return False
    return rise_wh < 0 or rise_wh > _fastest_w(measurements) * (seconds + tolerances.INTERVAL) / HOUR


def _fastest_w(measurements: Measurements) -> float:
    """Return the limit from the reported power, or without any the maximum of AC or DC charging."""
    power = measurements.power
    if power and power.most >= tolerances.LEAST_CHARGING_W:
        is_dense = len(power.at) > 1 and power.interval <= tolerances.SHORT_GAP
        return power.most * (1 + (tolerances.POWER_SHARE if is_dense else tolerances.HALF))
    return tolerances.FASTEST_W if measurements.is_dc else tolerances.AC_W
