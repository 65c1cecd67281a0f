"""What the state of charge shows about the energy of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from levity_trio.charging import tolerances
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.evidence import Case, Charge
from levity_trio.charging.sent.plain import plain
from levity_trio.charging.sent.power import HOUR


def is_shown(case: Case) -> bool:
    """Whether the state of charge is evidence. One that never changes is not measured, as at many AC outlets.

    Nor is one that falls again and again.
    """
    charges = case.charges
    if len(charges) < tolerances.SEVERAL:
        return len(charges) > 0
    return len(_falls(charges)) <= 1 and len({percent for _, percent in charges}) > 1


def charged(case: Case) -> float:
    """Return the rise of the state of charge in per cent. It counts anew after a fall, as by another car."""
    charges = case.charges
    return max(0.0, charges[-1].percent - charges[0].percent + sum(_falls(charges))) if is_shown(case) else 0.0


def _falls(charges: Sequence[Charge]) -> list[float]:
    """Return what the state of charge fell by, in per cent, each time that it fell."""
    falls = (before.percent - now.percent for before, now in pairwise(charges))
    return [fall for fall in falls if fall > tolerances.CHARGE_STEP]


def fits_no_battery(case: Case, chain: Chain, most_w: float, *, is_partial: bool) -> tuple[str, str] | None:
    """Return the energy of a chain and the state of charge, if no battery can have taken this energy; else None. A
    partial chain may be too little for the smallest one.

    `most_w` is the maximum power before the first and after the last state of charge.
    """
    if not is_shown(case):
        return None
    first, last = case.charges[0], case.charges[-1]
    rise, step = charged(case), tolerances.CHARGE_STEP
    smallest, largest = tolerances.BATTERY_WH
    beside = max(0.0, first.at - chain.at[0]) + max(0.0, chain.at[-1] - last.at)
    beside = beside if case.is_timed else max(beside, case.longest)
    room = largest * (rise + step) / 100 + most_w * beside / HOUR
    wh = chain.wh[-1]
    if not is_partial and (most := _rise_since(chain, first.at)) < smallest * (rise - step) / 100:
        room, wh = -1, most
    return (
        None if wh <= room else (f"{wh} Wh", f"state of charge from {plain(first.percent)} to {plain(last.percent)} %")
    )


def _rise_since(chain: Chain, first: float) -> int:
    """Return the rise of a chain from a time to the stop, at which a register that stood still catches up."""
    return chain.wh[-1] - max((wh for at, wh in zip(chain.at, chain.wh, strict=True) if at <= first), default=0)
