"""Jumps: a step between two readings that nobody can have charged. They are told at once; the judge decides later."""

from __future__ import annotations

from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.gathering import Told
from levity_trio.charging.power import HOUR

JUMP_WH: Final = 10_000
"""Levity's own limit: a smaller step forward is none."""


def is_jump(rise_wh: int, seconds: float, told: Told) -> bool:
    """Whether a register stepped back, or on by more than its charger can deliver in that time.

    `told` are readings of the transaction until then, with the power that was reported.
    """
    if 0 <= rise_wh <= JUMP_WH:
        return False
    return rise_wh < 0 or rise_wh > _fastest_w(told) * (seconds + tolerances.INTERVAL) / HOUR


def _fastest_w(told: Told) -> float:
    """By the power that was reported; where none was, by what AC delivers, or DC."""
    power = told.power
    if power and power.most >= tolerances.LEAST_CHARGING_W:
        is_dense = len(power.at) > 1 and power.interval <= tolerances.SHORT_GAP
        return power.most * (1 + (tolerances.POWER_SHARE if is_dense else tolerances.LONG_GAP_SHARE))
    return tolerances.FASTEST_W if told.is_dc else tolerances.AC_W
