"""Why a figure is what it is: every explanation of a transaction's messages, what contradicts it,
and its course."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, islice, pairwise
from operator import sub

from levity_trio.charging import tolerances
from levity_trio.charging.energy import Judgement, judge
from levity_trio.charging.propose.candidates import candidates
from levity_trio.charging.propose.choosing import is_in_place
from levity_trio.charging.quarters import HOUR, quarter_of
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import reported
from levity_trio.charging.refute.measured import ceiling_w
from levity_trio.charging.refute.table import Weight, asked, refute
from levity_trio.charging.reviews import AS_REPORTED, Code, Doubt, energy_text, in_wh
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.figures import Candidate, Chain, Figure
from levity_trio.records import record
from levity_trio.told import Told


@record
class Interpretation:
    """One explanation of the messages: its figure in Wh, and the two pieces of evidence that
    contradict it, if any do.

    `code` is None for what was reported. The more `assumptions` it makes, the later it counts.
    """

    words: str
    code: str | None
    method: str
    wh: int
    assumptions: int
    is_chosen: bool = False
    against: str | None
    evidence: tuple[str, str] | None


def weigh(case: Case) -> tuple[Judgement, list[Interpretation]]:
    """Judge a transaction by today's rules; return the judgement with every explanation, the
    reported one first.

    If nothing contradicts what was reported, no other explanation is tried.
    """
    judgement, bounds = judge(case), Bounds(case)
    interpretations = list[Interpretation]()
    figure = reported(case, bounds)
    if figure is not None:
        contradiction = refute(case, bounds, figure).contradiction
        interpretations.append(_explained(AS_REPORTED, None, figure, 0, contradiction))
    if judgement.code is not None or judgement.doubts:
        for candidate in candidates(case, bounds):
            words, code, assumptions = candidate.words, candidate.code, candidate.assumptions
            against = _against(case, bounds, candidate)
            interpretations.append(_explained(words, code, candidate, assumptions, against))

    wanted = (judgement.code, judgement.method, None)
    for place, found in enumerate(interpretations):
        if (found.code, found.method, found.against) == wanted:
            interpretations[place] = replace(found, is_chosen=True)
            break
    return judgement, interpretations


def _explained(
    words: str,
    code: Code | None,
    figure: Figure | Candidate,
    assumptions: int,
    against: Doubt | None,
) -> Interpretation:
    return Interpretation(
        words=words,
        code=code,
        method=figure.method,
        wh=figure.wh,
        assumptions=assumptions,
        against=None if against is None else against.words,
        evidence=None if against is None else against.evidence,
    )


def _against(case: Case, bounds: Bounds, candidate: Candidate) -> Doubt | None:
    """Return what contradicts a candidate, in the words of the refutation that finds it."""
    if candidate.wh < 0:
        words = Told("the register would run backwards")
        begin, end = energy_text(candidate.begin), energy_text(candidate.end)
        return Doubt(candidate.code, words, (begin, end))
    if not is_in_place(case, candidate):
        own = Told("{1} to {2}", in_wh(candidate.begin), in_wh(candidate.end))
        theirs = Told("the registers of the sessions before and after")
        return Doubt(Code.OVERLAP, Told("it would overlap a neighbour"), (own, theirs))
    evidence = bounds.conflict(candidate.chain, is_partial=candidate.is_partial)
    if evidence is None:
        return None
    for entry, finding in asked(Weight.CONTRADICTS, case, bounds, candidate.figure):
        if finding.evidence == evidence:
            return entry.doubt(finding)
    return Doubt(Code.POWER_DISAGREES, Told("the energy fits no battery"), evidence)


def course_of(case: Case, judgement: Judgement) -> Chain:
    """Return the course of the figure of a judgement, in order of time; empty if no register shows
    all of it.

    If an explanation other than the reported registers was chosen, it is that of the source that it
    explains.
    """
    chain = judgement.course
    if judgement.code is not None or len(case.views) < 2:
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
    known_w = tolerances.FASTEST_W if case.is_dc else ceiling_w(case)
    # Where it does not fit as a whole, the power is that of something else.
    for most_w in (told_w, known_w):
        spread = spread_by(chain, most_w, allowed)
        if spread is not None:
            return spread
    return chain


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
