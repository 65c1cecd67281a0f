"""Honest courses of the corpus whose price is asked about: what the bill spreads, though nothing of
it is a lie.

A course is asked about if a price that changes each hour, at whichever quarter, is more than a cent
off what the charger told. What load management allowed is not kept in the corpus. Sessions of which
something came late are counted for themselves, too: between the receipts of start and stop lies
another time than between their own times.

A register that stands still and catches up (charger 11 of the months does so) is no lie about the
energy, but one about the course: it is left out.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

from levity_trio.charging.energy import course_of, fitting, judge
from levity_trio.charging.sent.figures import Chain
from tests.tools.corpus.kept import Kept

HOUR: Final = 3600
CENTS: Final = (10, 40)
"""Of a kWh, hour by hour in turn."""
MINUTES: Final = (0, 15, 30, 45)
LATE_SECONDS: Final = 60.0
OF_LIES: Final = re.compile(r"(stands?|stood).still|(catche?s?|caught).up|SIM-011")
"""In the sources of courses that are lies."""


def compare(found: Iterable[Kept]) -> tuple[Counter[str], list[str]]:
    """Return how many honest sessions are certain and how many of them are asked about, of all and
    of late ones, and those that are asked about."""
    counts, asked = Counter[str](), list[str]()
    for kept in found:
        if OF_LIES.search(kept.source):
            continue
        case = kept.case
        judgement = judge(case)
        if kept.truth.is_lie or judgement.doubts or not case.is_in_order:
            continue
        lasted = case.ended - case.begun
        kinds = ["certain"]
        if abs(case.received_seconds - lasted) > LATE_SECONDS:
            kinds.append("late")
        counts.update(kinds)
        told = course_of(case, judgement)
        fits = fitting(case, judgement, told, {})
        cents = max(abs(_cents(fits, one) - _cents(told, one)) for one in MINUTES)
        if cents > 1:
            counts.update(f"{kind} and asked about" for kind in kinds)
            asked.append(f"{kept.source}: {cents:.0f} cents of {kept.said.wh} Wh, {kinds[-1]}")
    return counts, asked


def _cents(chain: Chain, minute: int) -> float:
    """Return the price of a course, if it changes at this minute of each hour."""
    if not chain.at:
        return 0.0
    first, last = (int((at - minute * 60) // HOUR) for at in (chain.at[0], chain.at[-1]))
    seams = [chain.at[0], *((one * HOUR + minute * 60) for one in range(first + 1, last + 1))]
    levels = [_level(chain, at) for at in (*seams, chain.at[-1])]
    return sum(
        (levels[place + 1] - levels[place]) / 1000 * CENTS[(first + place) % 2]
        for place in range(len(seams))
    )


def _level(chain: Chain, at: float) -> float:
    """Return the register at a time, between two readings in proportion."""
    after = bisect_left(chain.at, at)
    if after == 0 or after == len(chain.at):
        return chain.wh[min(after, len(chain.at) - 1)]
    since, until = chain.at[after - 1], chain.at[after]
    risen = chain.wh[after] - chain.wh[after - 1]
    return chain.wh[after - 1] + risen * (at - since) / (until - since)
