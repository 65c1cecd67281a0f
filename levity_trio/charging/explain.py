"""Why a figure is what it is: every explanation of a transaction's messages, and what contradicts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from levity_trio.charging.energy import Judgement, is_in_place, judge
from levity_trio.charging.propose.candidate import Candidate
from levity_trio.charging.propose.candidates import candidates
from levity_trio.charging.refute.bounds import Bounds, Conflict
from levity_trio.charging.refute.reported import contradiction, reported
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case

AS_REPORTED: Final = "as reported"


class Weighed(NamedTuple):
    """One explanation, in words, with the figure in Wh that it gives. `code` is None for what was reported.

    The more `assumptions` it makes, the later it counts. `against` is the first evidence that contradicts it.
    """

    words: str
    code: Code | None
    method: str
    wh: int
    assumptions: int
    against: Conflict | None
    is_chosen: bool


def weigh(case: Case) -> tuple[Judgement, list[Weighed]]:
    """Judge a transaction by today's rules; return the judgement with every explanation, the reported one first.

    If nothing contradicts what was reported, no other explanation is tried.
    """
    judgement, bounds = judge(case), Bounds(case)
    found = list(_reported(case, bounds))
    if judgement.code is not None or judgement.doubts:
        found += [_weighed(case, bounds, one) for one in candidates(case, bounds)]
    chosen = next((place for place, one in enumerate(found) if _is_chosen(one, judgement)), None)
    return judgement, [one._replace(is_chosen=place == chosen) for place, one in enumerate(found)]


def _reported(case: Case, bounds: Bounds) -> Iterator[Weighed]:
    found = reported(case, bounds)
    if found is not None:
        against = contradiction(case, bounds, found)
        yield Weighed(AS_REPORTED, None, found.method, found.chain.wh[-1], 0, against, is_chosen=False)


def _weighed(case: Case, bounds: Bounds, one: Candidate) -> Weighed:
    against = _against(case, bounds, one)
    return Weighed(one.words, one.code, one.method, one.wh, one.assumptions, against, is_chosen=False)


def _against(case: Case, bounds: Bounds, one: Candidate) -> Conflict | None:
    if one.wh < 0:
        return Conflict(one.code, "the register would run backwards", (f"{one.begin} Wh", f"{one.end} Wh"))
    if not is_in_place(case, one):
        own, theirs = f"{one.begin} to {one.end} Wh", "the registers of the transactions before and after"
        return Conflict(Code.OVERLAP, "it would overlap a neighbour", (own, theirs))
    return bounds.conflict(one.chain, is_partial=one.is_partial)


def _is_chosen(one: Weighed, judgement: Judgement) -> bool:
    return one.code == judgement.code and one.method == judgement.method and one.against is None
