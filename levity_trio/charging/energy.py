"""How much energy a transaction delivered, in Wh, and whether that is certain (rules.md, Energy).

The reported figure is tried first; if nothing contradicts it, it is certain. Otherwise the
candidates with the fewest assumptions count, and of these the lowest. The figure is then doubtful,
and a review lists these candidates. If none survives, the figure is the part that no evidence
contradicts. If no register supports any part, it is the reported one if some car could have drawn
it in that time, else 0, and the review gives the maximum.

Two things are looked at before: whether the charger confused the ids of two stops, and whether its
registers are always old. One is looked at afterwards: what a charger always does makes a proposed
figure certain.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.propose.choosing import propose
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import reported
from levity_trio.charging.refute.measured import unusual
from levity_trio.charging.refute.scales import goes_on_by
from levity_trio.charging.refute.table import Refuted, Weight, asked, refute
from levity_trio.charging.reviews import AS_REPORTED, Code, Doubt, in_wh, minutes
from levity_trio.charging.sent.evidence import Beside, Case, Neighbour, View
from levity_trio.charging.sent.figures import SEGMENTS, UNKNOWN, Chain, Chosen, Figure, ends_alone
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.tolerances import CLOCK_SECONDS, ROUNDED_WH
from levity_trio.records import record
from levity_trio.told import Told, joined

RULES: Final = 24
"""The version of these rules. Version 1 was a set of thresholds."""
CERTAIN: Final = "certain"
DOUBTFUL: Final = "doubtful"


@record(kw_only=False)
class Judgement:
    """A figure in Wh with its doubts. `billed_from` and `billed_until` are the registers on which
    it is based."""

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
    """The course of the register on which the figure is based, before an overlap took a part of
    it."""
    factor: float = 1
    """The factor that start and stop lacked."""

    @property
    def confidence(self) -> str:
        return DOUBTFUL if self.doubts else CERTAIN


def judge(case: Case) -> Judgement:
    """Judge a transaction by all the evidence."""
    if case.beside and (exchange := exchanged(case)) is not None:
        judged = min(map(judge, exchange.cases), key=lambda one: len(one.doubts))
        return replace(
            judged,
            doubts=(exchange.doubt, *judged.doubts),
            code=Code.STOPS_EXCHANGED,
            is_sole=False,
        )
    if case.lag or (case.before is not None and case.before.is_lagging):
        case, waiting = without_lag(case)
        judged = judge(replace(case, before=case.before and case.before._replace(is_lagging=False)))
        known = {doubt.code for doubt in waiting}
        return replace(
            judged,
            doubts=(*waiting, *(doubt for doubt in judged.doubts if doubt.code not in known)),
        )
    bounds = Bounds(case)
    figure = reported(case, bounds)
    refuted = Refuted() if figure is None else refute(case, bounds, figure)
    chosen = (
        propose(case, bounds, figure, refuted) if any(refuted) or figure is None else Chosen(figure)
    )
    figure = chosen.figure
    added = list(asked(Weight.ADDS, case, bounds, figure))
    doubts: dict[Code, Doubt] = {}
    for doubt in (*chosen.doubts, *(refutation.doubt(finding) for refutation, finding in added)):
        doubts.setdefault(doubt.code, doubt)
    if chosen.code is not None and chosen.is_sole:
        is_scaled = chosen.is_power_scaled
        if is_habit(case, bounds, figure, chosen.code, chosen.factor, is_power_scaled=is_scaled):
            doubts.pop(chosen.code, None)
    wh = max(0, figure.wh - sum(finding.taken for _, finding in added))
    is_confirmed = chosen.is_power_scaled or bounds.confirms(figure.wh)
    grounds = (
        chosen.code,
        is_confirmed,
        chosen.is_power_scaled,
        chosen.is_sole,
        figure.chain,
        chosen.factor,
    )
    return Judgement(wh, figure.method, tuple(doubts.values()), figure.begin, figure.end, *grounds)


class Exchanged(NamedTuple):
    """The evidence with the stop that the next start shows: with its own readings, or with those of
    the other transaction, whose ids may be exchanged, too. And the doubt."""

    cases: tuple[Case, Case]
    doubt: Doubt


def exchanged(case: Case) -> Exchanged | None:
    """Return the evidence with the stop of a transaction on another connector, if the next start
    shows that the charger confused the ids of the two stops; None if nothing shows it."""
    begin, stop = case.after and case.after.begin, case.stop_wh
    if not begin or stop is None or is_about(begin, stop) or begin < (case.start_wh or 0):
        return None
    here = [one for one in case.beside if one.stop is not None and not one.charger]
    found = [one for one in here if is_about(begin, one.stop or 0) and _is_told(case, one)]
    return _by_stop_of(case, found[0], begin, stop) if len(found) == 1 else None


def _by_stop_of(case: Case, beside: Beside, begin: int, stop: int) -> Exchanged:
    """Return the evidence with the stop of another transaction."""
    words = Told(
        "the next session begins at the stop of session {1} on connector {2}",
        beside.id,
        beside.connector,
    )
    evidence = (
        Told("stop register {1}", in_wh(stop)),
        Told("the next session began at {1}", in_wh(begin)),
    )
    start = case.start_wh or 0
    figures: dict[str, int] = {AS_REPORTED: stop - start, Told("by the other stop"): begin - start}
    is_free = case.available_at is not None and case.available_at < beside.ended - CLOCK_SECONDS
    ended = replace(
        case,
        ended=beside.ended,
        stop_wh=beside.stop,
        stop_exact=None,
        beside=[other for other in case.beside if other is not beside],
        available_at=case.available_at if is_free else None,
    )
    since = bisect_left(beside.view.at, case.begun)
    view = View(beside.view.at[since:], beside.view.wh[since:], beside.view.digit)
    with_readings = replace(ended, views=[view] if view.at else [], power=beside.power)
    return Exchanged((ended, with_readings), Doubt(Code.STOPS_EXCHANGED, words, evidence, figures))


def is_about(one: int, other: int) -> bool:
    """Whether two registers in Wh are one, perhaps rounded in two ways."""
    return abs(one - other) <= ROUNDED_WH


def _is_told(case: Case, beside: Beside) -> bool:
    """Whether two registers of their own are told, by the order of time: one that both shared never
    falls. Or the next start on the other connector is at the stop of this transaction, and not at
    the other's."""
    stop, end, begin = case.stop_wh or 0, beside.stop or 0, (case.after and case.after.begin) or 0
    starts = [level.wh for level in beside.boundaries if level.is_start and level.at > beside.begun]
    if starts and is_about(starts[0], stop) and not is_about(starts[0], end):
        return True
    return begin < stop - ROUNDED_WH or (beside.ended < case.ended and stop < end - ROUNDED_WH)


OLD: Final = Told("its registers are always old")
"""The beginning of the words of each doubt about them."""


class _End(NamedTuple):
    """The register at the end of a transaction in Wh, and whether a reading shows it."""

    wh: int
    is_shown: bool


def without_lag(case: Case) -> tuple[Case, tuple[Doubt, ...]]:
    """Return the evidence with the registers of its own begin and end, and doubts about what is not
    known yet."""
    end = _end(case)
    before, after, start = case.before, case.after, case.start_wh
    doubts = []
    if (
        before is not None
        and start is not None
        and _is_soon(case, before)
        and before.begin != before.end
    ):
        if before.is_doubtful and (case.lag or before.is_lagging):
            words = Told("a part of the previous session may be in this one")
            doubts.append(
                _doubt(case, Code.START_GARBLED, words, Told("start register {1}", in_wh(start)))
            )
        if case.lag and before.end is not None and (before.begin or 0) <= start < before.end:
            start, before = before.end, before._replace(replaced_end=None)
    if end is None:
        return replace(case, lag=0.0, before=before, start_wh=start), tuple(doubts)
    if not end.is_shown:
        words = Told("what flowed after the last reading until the stop is not known")
        doubts.append(
            _doubt(case, Code.STOP_GARBLED, words, Told("stop register {1}", in_wh(case.stop_wh)))
        )
    if (
        after is not None
        and after.begin is not None
        and after.begin < end.wh
        and _is_soon(case, after)
    ):
        after = after._replace(begin=end.wh, replaced=None)
    views = [_until(view, case.ended) for view in case.views]
    case = replace(case, lag=0.0, views=[view for view in views if view.at])
    return replace(case, before=before, after=after, start_wh=start, stop_wh=end.wh), tuple(doubts)


def _end(case: Case) -> _End | None:
    """Return the register at the end; None if the stop is not old, or if nothing flowed at last."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    told = sum(at + case.lag <= case.ended for at in view.at)
    if start is None or stop is None or not told:
        return None
    (earlier_at, earlier), (at, wh) = [(case.begun, start), *zip(view.at, view.wh, strict=True)][
        told - 1 : told + 1
    ]
    pace = (wh - earlier) / (at - earlier_at) if at > earlier_at else 0.0
    live = pace * (case.ended - at - tolerances.HALF * case.lag)
    if pace <= 0 or stop < wh or stop - wh > live + view.digit:
        return None
    place = next((number for number, later in enumerate(view.at) if later >= case.ended), None)
    after = case.after
    if place is not None and (after is None or after.apart >= view.at[place] - case.ended):
        return _End(max(stop, view.wh[place]), is_shown=True)
    return _End(max(stop, *view.wh[: len(view.wh) if place is None else place]), is_shown=False)


def _is_soon(case: Case, neighbour: Neighbour) -> bool:
    return neighbour.apart < (case.lag or HOUR)


def _until(view: View, ended: float) -> View:
    kept = sum(at <= ended for at in view.at)
    return replace(view, at=view.at[:kept], wh=view.wh[:kept], exact=view.exact[:kept])


def _doubt(case: Case, code: Code, words: str, told: str) -> Doubt:
    age = (
        Told("each reading is {1} old when it comes", minutes(case.lag))
        if case.lag
        else Told("as those before")
    )
    return Doubt(code, joined(": ", (OLD, words)), (told, age))


def is_habit(
    case: Case, bounds: Bounds, figure: Figure, code: Code, factor: float, *, is_power_scaled: bool
) -> bool:
    """Whether this charger always does so, by the same factor. What is put together from parts may
    lack energy that flowed, so no habit makes it certain; nor one that power contradicts, if coarse
    readings are left out."""
    if case.habits.get(code) != factor or figure.method == SEGMENTS:
        return False
    if is_power_scaled or bounds.confirms(figure.wh):
        return True
    ends = ends_alone(case, figure.wh)
    is_possible = bounds.conflict(ends) is None and unusual(case, bounds, ends) is None
    return is_possible and goes_on_by(case, factor)
