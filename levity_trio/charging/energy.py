"""How much energy a transaction delivered, in Wh, and whether that is certain.

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
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, islice, pairwise
from operator import sub
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.propose.choosing import propose
from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import reported
from levity_trio.charging.refute.measured import ceiling_w, unusual
from levity_trio.charging.refute.scales import goes_on_by
from levity_trio.charging.refute.table import Refuted, Weight, asked, refute
from levity_trio.charging.reviews import AS_REPORTED, OF_THE_REGISTER, Code, Doubt, in_wh, minutes
from levity_trio.charging.sent.evidence import Beside, Case, Neighbour, View
from levity_trio.charging.sent.figures import SEGMENTS, UNKNOWN, Chain, Chosen, ends_alone
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.tolerances import CLOCK_SECONDS, ROUNDED_WH
from levity_trio.records import record
from levity_trio.told import Told, joined

RULES: Final = 26
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
    """Judge a transaction by all the evidence.

    What its meter signed is the figure, or contradicts it, or settles doubts about the register. A
    key that the charger told settles none: whoever sends the values may have made both.
    """
    judged, signed = _judged(case), case.signed
    if signed is None:
        return judged
    if signed.is_owners and signed.wh is not None and abs(judged.wh - signed.wh) <= 1:
        left = [doubt for doubt in judged.doubts if doubt.code not in OF_THE_REGISTER]
        return replace(judged, doubts=tuple(left))
    if signed.state != DOUBTFUL:
        return judged
    figures, theirs = dict[str, int](), Told("the signed values of its meter")
    if signed.wh is not None:
        figures[Told("as its meter signed it")] = signed.wh
        theirs = Told("{1}, signed", in_wh(signed.wh))
    evidence = (Told("a figure of {1}", in_wh(judged.wh)), theirs)
    doubt = Doubt(Code.SIGNED_VALUES, signed.words, evidence, figures)
    return replace(judged, doubts=(*judged.doubts, doubt))


def _judged(case: Case) -> Judgement:
    # Did the charger confuse the ids of two stops?
    exchange = exchanged(case)
    if exchange is not None:
        judged = min(map(_judged, exchange.cases), key=lambda each: len(each.doubts))
        doubts = (exchange.doubt, *judged.doubts)
        return replace(judged, doubts=doubts, code=Code.STOPS_EXCHANGED, is_sole=False)

    # Are its registers always old?
    if case.lag or (case.before is not None and case.before.is_lagging):
        case, waiting = without_lag(case)
        if case.before is not None:
            case = replace(case, before=case.before._replace(is_lagging=False))
        judged = _judged(case)
        known = {doubt.code for doubt in waiting}
        others = [doubt for doubt in judged.doubts if doubt.code not in known]
        return replace(judged, doubts=(*waiting, *others))

    bounds = Bounds(case)
    figure = reported(case, bounds)
    refuted = Refuted() if figure is None else refute(case, bounds, figure)
    signed_wh = None if case.signed is None else case.signed_wh
    is_refuted = any(refuted)
    if figure is not None and signed_wh is not None:
        is_refuted |= abs(figure.wh - signed_wh) > tolerances.SIGNED_WH
    if figure is None or is_refuted:
        chosen = propose(case, bounds, figure, refuted)
    else:
        chosen = Chosen(figure)
    figure = chosen.figure

    added = list(asked(Weight.ADDS, case, bounds, figure))
    doubts_added = [refutation.doubt(finding) for refutation, finding in added]
    taken = sum(finding.taken for _, finding in added)
    by_code: dict[Code, Doubt] = {}
    for doubt in (*chosen.doubts, *doubts_added):
        by_code.setdefault(doubt.code, doubt)
    if chosen.code is not None and chosen.is_sole and is_habit(case, bounds, chosen):
        by_code.pop(chosen.code, None)

    return Judgement(
        max(0, figure.wh - taken),
        figure.method,
        tuple(by_code.values()),
        figure.begin,
        figure.end,
        code=chosen.code,
        is_confirmed=chosen.is_power_scaled or figure.wh == signed_wh or bounds.confirms(figure.wh),
        is_power_scaled=chosen.is_power_scaled,
        is_sole=chosen.is_sole,
        course=figure.chain,
        factor=chosen.factor,
    )


def is_habit(case: Case, bounds: Bounds, chosen: Chosen) -> bool:
    """Whether this charger always does what a candidate says, by the same factor."""
    figure, factor = chosen.figure, chosen.factor
    # What is put together from parts may lack energy that flowed, so no habit makes it certain.
    if chosen.code is None or figure.method == SEGMENTS or case.habits.get(chosen.code) != factor:
        return False
    if chosen.is_power_scaled or bounds.confirms(figure.wh):
        return True
    # No habit makes a figure certain that power contradicts. Only start and stop are asked, since
    # readings may be too coarse for it.
    ends = ends_alone(case, figure.wh)
    if bounds.conflict(ends) is not None or unusual(case, bounds, ends) is not None:
        return False
    return goes_on_by(case, factor)


class Exchanged(NamedTuple):
    """The evidence with the stop that the next start shows, and the doubt. The first case has its
    own readings, the second one those of the other transaction, as their ids may be exchanged,
    too."""

    cases: tuple[Case, Case]
    doubt: Doubt


def exchanged(case: Case) -> Exchanged | None:
    """Return the evidence with the stop of a transaction on another connector, if the next start
    shows that the charger confused the ids of the two stops; None if nothing shows it."""
    begin, stop, start = case.after and case.after.begin, case.stop_wh, case.start_wh or 0
    if not begin or stop is None or is_about(begin, stop) or begin < start:
        return None
    others = [
        other
        for other in case.beside
        if other.stop is not None and not other.charger and is_about(begin, other.stop)
    ]
    others = [other for other in others if _has_own_register(case, other, begin, stop)]
    if len(others) != 1:
        return None
    (other,) = others

    words = Told(
        "the next session begins at the stop of session {1} on connector {2}",
        other.id,
        other.connector,
    )
    own = Told("stop register {1}", in_wh(stop))
    theirs = Told("the next session began at {1}", in_wh(begin))
    figures: dict[str, int] = {AS_REPORTED: stop - start, Told("by the other stop"): begin - start}
    doubt = Doubt(Code.STOPS_EXCHANGED, words, (own, theirs), figures)

    # A connector that became available at the other stop is no evidence against that stop.
    is_free = case.available_at is not None and case.available_at < other.ended - CLOCK_SECONDS
    ended = replace(
        case,
        ended=other.ended,
        stop_wh=other.stop,
        stop_exact=None,
        beside=[each for each in case.beside if each is not other],
        available_at=case.available_at if is_free else None,
    )
    since = bisect_left(other.view.at, case.begun)
    view = View(other.view.at[since:], other.view.wh[since:], other.view.digit)
    with_readings = replace(ended, views=[view] if view.at else [], power=other.power)
    return Exchanged((ended, with_readings), doubt)


def is_about(one: int, other: int) -> bool:
    """Whether two registers in Wh are one, perhaps rounded in two ways."""
    return abs(one - other) <= ROUNDED_WH


def _has_own_register(case: Case, beside: Beside, begin: int, stop: int) -> bool:
    """Whether a transaction on another connector has a register of its own.

    The next start there is at the stop of this transaction. Or its register fell, in order of time:
    one that both connectors share never falls.
    """
    end = beside.stop or 0
    starts = [level.wh for level in beside.boundaries if level.is_start and level.at > beside.begun]
    if starts and is_about(starts[0], stop) and not is_about(starts[0], end):
        return True
    return begin < stop - ROUNDED_WH or (beside.ended < case.ended and stop < end - ROUNDED_WH)


OLD: Final = Told("its registers are always old")
"""How the words of each doubt about old registers begin."""


def without_lag(case: Case) -> tuple[Case, tuple[Doubt, ...]]:
    """Return the evidence of registers that are always old as if they were live, and doubts about
    what is not known yet."""
    before, after, start = case.before, case.after, case.start_wh
    doubts = list[Doubt]()
    is_after_another = before is not None and before.begin != before.end and _is_soon(case, before)
    if before is not None and start is not None and is_after_another:
        if before.is_doubtful and (case.lag or before.is_lagging):
            words = Told("a part of the previous session may be in this one")
            register = Told("start register {1}", in_wh(start))
            doubts.append(_doubt(case, Code.START_GARBLED, words, register))
        if case.lag and before.end is not None and (before.begin or 0) <= start < before.end:
            start, before = before.end, before._replace(replaced_end=None)

    last = _last_register(case)
    if last is None:
        return replace(case, lag=0.0, before=before, start_wh=start), tuple(doubts)
    end, is_shown = last
    if not is_shown:
        words = Told("what flowed after the last reading until the stop is not known")
        register = Told("stop register {1}", in_wh(case.stop_wh))
        doubts.append(_doubt(case, Code.STOP_GARBLED, words, register))
    next_begin = after and after.begin
    if after is not None and next_begin is not None and next_begin < end and _is_soon(case, after):
        after = after._replace(begin=end, replaced=None)

    views = list[View]()
    for view in case.views:
        kept = sum(at <= case.ended for at in view.at)
        if kept:
            at, wh, exact = view.at[:kept], view.wh[:kept], view.exact[:kept]
            views.append(View(at, wh, view.digit, exact))
    live = replace(case, lag=0.0, views=views, before=before, after=after)
    return replace(live, start_wh=start, stop_wh=end), tuple(doubts)


def _last_register(case: Case) -> tuple[int, bool] | None:
    """Return the register at the end in Wh, and whether a reading shows it; None if the stop is not
    old, or if nothing flowed at last."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    arrived = sum(at + case.lag <= case.ended for at in view.at)
    if start is None or stop is None or not arrived:
        return None
    at, wh = view.at[arrived - 1], view.wh[arrived - 1]
    earlier_at, earlier = case.begun, start
    if arrived > 1:
        earlier_at, earlier = view.at[arrived - 2], view.wh[arrived - 2]

    # A stop that is nearer to the reading that had arrived than to a live register is old, too.
    pace = (wh - earlier) / (at - earlier_at) if at > earlier_at else 0.0
    live = pace * (case.ended - at - tolerances.HALF * case.lag)
    if pace <= 0 or stop < wh or stop - wh > live + view.digit:
        return None

    place = next((number for number, later in enumerate(view.at) if later >= case.ended), None)
    if place is None:
        return max(stop, *view.wh), False
    # What the first reading after the end shows flowed before the next session began.
    after = case.after
    if after is None or after.apart >= view.at[place] - case.ended:
        return max(stop, view.wh[place]), True
    return max(stop, *view.wh[:place]), False


def _is_soon(case: Case, neighbour: Neighbour) -> bool:
    return neighbour.apart < (case.lag or HOUR)


def _doubt(case: Case, code: Code, words: str, register: str) -> Doubt:
    age = Told("as those before")
    if case.lag:
        age = Told("each reading is {1} old when it comes", minutes(case.lag))
    return Doubt(code, joined(": ", (OLD, words)), (register, age))


# The course of a figure: when its energy flowed


def course_of(case: Case, judgement: Judgement) -> Chain:
    """Return the course of the figure of a judgement, in order of time; empty if no register shows
    all of it.

    If an explanation other than the reported registers was chosen, it is that of the source that it
    explains.
    """
    chain = judgement.course
    if judgement.code is not None or not case.views[1:]:
        return chain

    # Each source of readings that shows the same figure adds its points.
    digit, points = chain.digit, set(zip(chain.at, chain.wh, strict=True))
    for view in case.views:
        alone = replace(case, views=[view])
        figure = reported(alone, Bounds(alone))
        if figure is not None and figure.chain.wh[-1] == chain.wh[-1]:
            digit = max(digit, figure.chain.digit)
            points.update(zip(figure.chain.at, figure.chain.wh, strict=True))
    ordered = sorted(points)
    merged = Chain([at for at, _ in ordered], [wh for _, wh in ordered], digit)
    return chain if Bounds(case).refused_step(merged) is not None else merged


def fitting(case: Case, judgement: Judgement, chain: Chain, allowed: Mapping[int, float]) -> Chain:
    """Return a course with what can have flowed in each of its stretches, by the highest power that
    was told or, where none was, by what the charger can deliver; `chain` itself if it is one.

    What does not fit is spread over the shortest stretch around it in which it fits. `allowed` is
    what load management allowed in quarters of an hour since 1970, in W.
    """
    if not case.is_in_order:
        return chain
    power, told_w = case.power, 0.0
    # That of a DC charger tapers, so rare reports show little.
    is_shown = bool(power) and (power.is_close or not case.is_dc)
    if is_shown and power.most >= tolerances.LEAST_AC_W and not judgement.is_power_scaled:
        # Between rare reports, a power that varies may have been higher.
        drawn = [watts for watts in power.high if watts >= tolerances.LEAST_CHARGING_W]
        is_even = len(drawn) > 1 and min(drawn) >= power.most * (1 - tolerances.STEADY_SHARE)
        share = tolerances.POWER_SHARE if is_even or power.is_close else tolerances.VARYING_SHARE
        told_w = power.most * (1 + share)
    spread = spread_by(chain, told_w, allowed)
    if spread is None:  # the power is that of something else
        known_w = tolerances.FASTEST_W if case.is_dc else ceiling_w(case)
        spread = spread_by(chain, known_w, allowed)
    return chain if spread is None else spread


def spread_by(chain: Chain, most_w: float, allowed: Mapping[int, float]) -> Chain | None:
    """Return the same by a power in W; None if not even the whole fits."""
    spare = chain.slack + most_w * tolerances.METER_AGE / HOUR
    while True:
        # By how much the register is ahead of what can have flowed.
        ahead = [0.0]
        for (then, low), (now, high) in pairwise(chain.points):
            watts = [most_w]
            if allowed:
                quarters = range(quarter_of(then), quarter_of(now) + 1)
                watts += [allowed.get(one, 0.0) for one in quarters]
            ahead.append(ahead[-1] + high - low - max(watts) * (now - then) / HOUR)
        if ahead[-1] > spare:
            return None
        excess = list(map(sub, ahead, accumulate(ahead, min)))
        if max(excess) <= spare:
            return chain

        last = excess.index(max(excess))
        first = min(range(last), key=ahead.__getitem__)
        stretches = list[tuple[float, int, int]]()
        for begin in range(first + 1):
            fits = (end for end in range(last, len(ahead)) if ahead[end] <= ahead[begin] + spare)
            for end in islice(fits, 1):
                stretches.append((chain.at[end] - chain.at[begin], begin, end))
        _, begin, end = min(stretches)
        at, wh = ([*each[: begin + 1], *each[end:]] for each in (chain.at, chain.wh))
        chain = Chain(at, wh, chain.digit)
