"""Why a figure is what it is: every explanation of a transaction's messages, what contradicts it,
and its course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from levity_trio.charging.energy import Judgement, judge
from levity_trio.charging.propose.candidates import candidates
from levity_trio.charging.propose.choosing import is_in_place
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import reported
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
    interpretations: list[Interpretation] = []
    if (figure := reported(case, bounds)) is not None:
        interpretations.append(
            _explained(AS_REPORTED, None, figure, 0, refute(case, bounds, figure).contradiction)
        )
    if judgement.code is not None or judgement.doubts:
        every = candidates(case, bounds)
        interpretations += [
            _explained(one.words, one.code, one, one.assumptions, _against(case, bounds, one))
            for one in every
        ]
    wanted = (judgement.code, judgement.method, None)
    chosen = next(
        (one for one in interpretations if (one.code, one.method, one.against) == wanted), None
    )
    return judgement, [replace(one, is_chosen=one is chosen) for one in interpretations]


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
    if candidate.wh < 0:
        return Doubt(
            candidate.code,
            Told("the register would run backwards"),
            (energy_text(candidate.begin), energy_text(candidate.end)),
        )
    if not is_in_place(case, candidate):
        own, theirs = (
            Told("{1} to {2}", in_wh(candidate.begin), in_wh(candidate.end)),
            Told("the registers of the sessions before and after"),
        )
        return Doubt(Code.OVERLAP, Told("it would overlap a neighbour"), (own, theirs))
    evidence = bounds.conflict(candidate.chain, is_partial=candidate.is_partial)
    if evidence is None:
        return None
    against = asked(Weight.CONTRADICTS, case, bounds, candidate.figure)
    told = (entry.doubt(found) for entry, found in against if found.evidence == evidence)
    return next(told, Doubt(Code.POWER_DISAGREES, Told("the energy fits no battery"), evidence))


def course_of(case: Case, judgement: Judgement) -> Chain:
    """Return the course of the figure of a judgement, in order of time; empty if no register shows
    all of it.

    If an explanation other than the reported registers was chosen, it is that of the source that it
    explains.
    """
    chain = judgement.course
    if judgement.code is not None or len(case.views) < 2:
        return chain
    every = [chain, *(one for one in _by_source(case) if one.wh[-1] == chain.wh[-1])]
    points = sorted({point for one in every for point in zip(one.at, one.wh, strict=True)})
    merged = Chain(
        [at for at, _ in points], [wh for _, wh in points], max(one.digit for one in every)
    )
    return chain if Bounds(case).impossible_step(merged) else merged


def _by_source(case: Case) -> Iterator[Chain]:
    """Yield the chain of each source of readings."""
    for view in case.views:
        alone = replace(case, views=[view])
        if (found := reported(alone, Bounds(alone))) is not None:
            yield found.chain
