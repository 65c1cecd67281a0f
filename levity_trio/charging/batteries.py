"""What the state of charge shows about the energy of a transaction."""

from __future__ import annotations

from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.evidence import Case

LEAST_STEPS: Final = 2


def wh_per_percent(case: Case, least: int = LEAST_STEPS) -> float | None:
    """Return the energy in Wh that charges one per cent of the battery, usually: the lower median of the steps of the
    register; None with fewer than `least`. A step lasts as long as the register stands still, to its next rise."""
    percents, shown = {charge.at: charge.percent for charge in case.charges}, list[float]()
    told = [(wh, percents[at]) for at, wh in zip(case.view.at, case.view.wh, strict=True) if at in percents]
    level, since = told[0] if told else (0, 0.0)
    for wh, percent in told:
        if wh > level + case.digit and percent - since >= tolerances.LEAST_CHARGE_RISE:
            shown.append((wh - level) / (percent - since))
        if abs(wh - level) > case.digit:
            level, since = wh, percent
    return sorted(shown)[(len(shown) - 1) // 2] if len(shown) >= least else None
