"""Chains without their outliers (strays) or their implausible steps (leaps)."""

from __future__ import annotations

from collections.abc import Sequence

from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.sent.evidence import is_rising
from levity_trio.charging.sent.figures import Chain


def without_leaps(chain: Chain, bounds: Bounds) -> Chain | None:
    """Remove the implausible steps; None if there are none, or if the register falls.

    None also if such a step is next to the start or stop: then the start or stop is wrong.
    """
    leaps = set[int]()
    while (number := bounds.refused_step(chain)) is not None:
        if chain.wh[number] < chain.wh[number - 1] or number in leaps:
            return None
        chain = Chain(chain.at, without_step(chain.wh, number), chain.digit)
        leaps.add(number)
    return chain if leaps and not leaps & {1, len(chain.wh) - 1} else None


def without_step(wh: Sequence[int], step: int) -> list[int]:
    """Return the values as if the register had stood still during this step."""
    leap = wh[step] - wh[step - 1]
    return [*wh[:step], *(value - leap for value in wh[step:])]


def without_strays(chain: Chain, bounds: Bounds) -> Chain | None:
    """Keep the readings that lead from the start to the stop, or from the stop back to the start if these are more;
    None if none or most are left out.

    None also if outliers next to the start or stop lead to it: the longer step, whose time is less exact, would hide a
    leap.
    """
    every = range(len(chain.wh))
    kept = max(_series(chain, bounds, every), _series(chain, bounds, every[::-1])[::-1], key=len)
    if not 0 < len(every) - len(kept) <= len(kept[1:-1]):
        return None
    if any(last - first > 1 and is_rising(chain.wh[first : last + 1]) for first, last in (kept[:2], kept[-2:])):
        return None
    return Chain([chain.at[one] for one in kept], [chain.wh[one] for one in kept], chain.digit)


def _series(chain: Chain, bounds: Bounds, numbers: Sequence[int]) -> list[int]:
    """Return the numbers of the points of which each leads to the next, from the first to the last; empty if nothing
    leads to the last."""
    kept = [numbers[0]]
    for number in numbers[1:]:
        here, there = sorted((kept[-1], number))
        rise, since, until = chain.wh[there] - chain.wh[here], chain.at[here], chain.at[there]
        is_charged = rise <= chain.slack or rise <= bounds.most_by_charge(since, until)
        if is_charged and bounds.can_rise(rise, until - since, chain.digit):
            kept.append(number)
    return kept if kept[-1] == numbers[-1] else []
