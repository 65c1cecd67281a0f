"""The course of a figure: the register since the start, by all sources of readings that agree with it.

The judge tests a figure with the fuller source. A stop may bring only its two ends, and still be the fuller one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from levity_trio.charging.energy import Judgement
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.reported import reported
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.evidence import Case


def course_of(case: Case, judgement: Judgement) -> Chain:
    """Return the course of the figure of a judgement, in order of time; empty if no register shows all of it.

    If an explanation other than the reported registers was chosen, it is that of the source that it explains.
    """
    chain = judgement.course
    if judgement.code is not None or len(case.views) < 2:
        return chain
    every = [chain, *(one for one in _reported(case) if one.wh[-1] == chain.wh[-1])]
    points = sorted({point for one in every for point in zip(one.at, one.wh, strict=True)})
    merged = Chain([at for at, _ in points], [wh for _, wh in points], max(one.digit for one in every))
    return chain if Bounds(case).walk(merged) else merged


def _reported(case: Case) -> Iterator[Chain]:
    """Yield the chain of each source of readings."""
    for view in case.views:
        alone = replace(case, views=[view])
        if (found := reported(alone, Bounds(alone))) is not None:
            yield found.chain
