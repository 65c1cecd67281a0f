"""Why a figure is what it is: every explanation of a transaction's messages, and what contradicts
it."""

from __future__ import annotations

from dataclasses import replace

from levity_trio.charging.energy import Judgement, judge
from levity_trio.charging.propose.candidates import candidates
from levity_trio.charging.propose.choosing import is_in_place
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import reported
from levity_trio.charging.refute.table import Weight, asked, refute
from levity_trio.charging.reviews import AS_REPORTED, Code, Doubt, energy_text, in_wh
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.figures import Candidate, Figure
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
