"""How much energy a transaction delivered, in Wh, and whether that is certain (rules.md, Energy).

The reported figure is tried first; if nothing contradicts it, it is certain. Otherwise the candidates with the fewest
assumptions count, and of these the lowest. The figure is then doubtful, and a review lists these candidates. If none
survives, the figure is the part that no evidence contradicts. If no register supports any part, it is the reported one
if some car could have drawn it in that time, else 0, and the review gives the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from levity_trio.charging.propose.choosing import as_reported, propose
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.exchanged import exchanged
from levity_trio.charging.refute.figure import reported
from levity_trio.charging.refute.habits import is_habit
from levity_trio.charging.refute.lag import without_lag
from levity_trio.charging.refute.refutation import Weight
from levity_trio.charging.refute.table import Refuted, asked, refute
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.chains import UNKNOWN, Chain
from levity_trio.charging.sent.evidence import Case

RULES: Final = 23
"""The version of these rules. Version 1 was a set of thresholds."""
CERTAIN: Final = "certain"
DOUBTFUL: Final = "doubtful"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A figure in Wh with its doubts. `billed_from` and `billed_until` are the registers on which it is based."""

    wh: int
    method: str
    doubts: tuple[Doubt, ...]
    billed_from: int | None
    billed_until: int | None
    code: Code | None = None
    """That of the chosen candidate; None for the reported figure."""
    is_confirmed: bool = False
    """A source other than the register confirms the figure."""
    is_power_scaled: bool = False
    """Power confirms it on another scale only."""
    is_sole: bool = False
    """It was the only candidate that nothing contradicted."""
    course: Chain = UNKNOWN
    """The course of the register on which the figure is based, before an overlap took a part of it."""
    factor: float = 1
    """The factor that start and stop lacked."""

    @property
    def confidence(self) -> str:
        return DOUBTFUL if self.doubts else CERTAIN


def judge(case: Case) -> Judgement:
    """Judge a transaction by all the evidence."""
    if (exchange := exchanged(case)) is not None:
        judged = min(map(judge, exchange.cases), key=lambda one: len(one.doubts))
        return replace(judged, doubts=(exchange.doubt, *judged.doubts), code=Code.STOPS_EXCHANGED, is_sole=False)
    if case.lag or (case.before is not None and case.before.is_lagging):
        case, waiting = without_lag(case)
        judged = judge(replace(case, before=case.before and case.before._replace(is_lagging=False)))
        known = {doubt.code for doubt in waiting}
        return replace(judged, doubts=(*waiting, *(doubt for doubt in judged.doubts if doubt.code not in known)))
    bounds = Bounds(case)
    figure = reported(case, bounds)
    refuted = Refuted() if figure is None else refute(case, bounds, figure)
    chosen = propose(case, bounds, figure, refuted) if refuted or figure is None else as_reported(figure)
    found = list(asked(Weight.ADDS, case, bounds, chosen.figure))
    doubts: dict[Code, Doubt] = {}
    for doubt in (*chosen.doubts, *(refutation.doubt(one) for refutation, one in found)):
        doubts.setdefault(doubt.code, doubt)
    if chosen.code is not None and chosen.is_sole:
        is_scaled = chosen.is_power_scaled
        if is_habit(case, bounds, chosen.figure, chosen.code, chosen.factor, is_power_scaled=is_scaled):
            doubts.pop(chosen.code, None)
    wh = max(0, chosen.wh - sum(one.taken for _, one in found))
    is_confirmed = chosen.is_power_scaled or bounds.confirms(chosen.wh)
    grounds = (chosen.code, is_confirmed, chosen.is_power_scaled, chosen.is_sole, chosen.chain, chosen.factor)
    return Judgement(wh, chosen.method, tuple(doubts.values()), chosen.begin, chosen.end, *grounds)
