"""Habits: what a charger always does makes a proposed figure certain (rules.md, Energy: Habits).

That is the one case in which a proposal needs no person. So it belongs to refuting, and uses only its evidence.
"""

from __future__ import annotations

from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.measured import unusual
from levity_trio.charging.refute.scales import goes_on_by
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.chains import SEGMENTS, Figure, ends_alone
from levity_trio.charging.sent.evidence import Case


def is_habit(case: Case, bounds: Bounds, figure: Figure, code: Code, factor: float, *, is_power_scaled: bool) -> bool:
    """Whether this charger always does so, by the same factor. What is put together from parts may lack energy that
    flowed, so no habit makes it certain; nor one that power contradicts, if coarse readings are left out."""
    if case.habits.get(code) != factor or figure.method == SEGMENTS:
        return False
    if is_power_scaled or bounds.confirms(figure.wh):
        return True
    ends = ends_alone(case, figure.wh)
    is_possible = bounds.conflict(ends) is None and unusual(case, bounds, ends) is None
    return is_possible and goes_on_by(case, factor)
