"""Chains without their outliers (strays) or their implausible steps (leaps)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress, count
from operator import lt

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.gathering import is_rising


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


def without_spikes(chain: Chain) -> Chain | None:
    """Leave out each reading that alone is above or below those around it; None if there is none."""
    falls = compress(count(1), map(lt, chain.wh[1:], chain.wh))
    spikes = {number for fall in falls for number in (fall - 1, fall) if _is_spike(chain, number)}
    return _of(chain, {*range(len(chain.wh))} - spikes) if spikes else None


def _is_spike(chain: Chain, number: int) -> bool:
    if not 0 < number < len(chain.wh) - 1:
        return False
    before, value, after = chain.wh[number - 1 : number + 2]
    return before <= after + chain.digit and not before - chain.digit <= value <= after + chain.digit


def without_step(wh: Sequence[int], step: int) -> list[int]:
    """Return the values as if the register had stood still during this step."""
    leap = wh[step] - wh[step - 1]
    return [*wh[:step], *(value - leap for value in wh[step:])]


def _of(chain: Chain, numbers: Collection[int]) -> Chain:
    kept = sorted(numbers)
    return Chain([chain.at[one] for one in kept], [chain.wh[one] for one in kept], chain.digit)


def without_strays(chain: Chain, bounds: Bounds, *, has_end: bool) -> Chain | None:
    """Keep the most readings that lead from the start to the stop; None if nothing or too much would be left out.

    None also if outliers next to the start or stop are in line with the readings on their other side, or lead to that
    start or stop: the longer step, whose time is less exact, would hide a leap. With `has_end`, the last reading has
    context Transaction.End and is not an outlier.
    """
    kept = _longest(chain, bounds)
    last = len(chain.wh) - 1
    if not 0 < len(chain.wh) - len(kept) <= len(kept) - 2 or (has_end and last - 1 not in kept):
        return None
    if _is_on_pace(chain, kept, 1, kept[1]) or _is_on_pace(chain, kept, kept[-2] + 1, last):
        return None
    if _leads_on(chain, 0, kept[1]) or _leads_on(chain, kept[-2], last):
        return None
    return _of(chain, kept)


def _longest(chain: Chain, bounds: Bounds) -> list[int]:
    """Return the numbers of the longest series of points that lead to each other, from the first to the last; empty if
    nothing leads to the last one, or over more than MOST_STRAYS outliers. So it takes linear time.

    `level` is the point since which the register has had its value: when it rises again, it may catch up on the time
    that it stood still.
    """
    wh, digit, last = chain.wh, chain.digit, len(chain.wh) - 1
    count, before, level, most, reached = [1], [0], [0], 1, 0
    for number in range(1, last + 1):
        if number - reached > tolerances.MOST_STRAYS:
            return []
        best, found = 0, 0
        for earlier in range(number - 1, max(-1, number - 1 - tolerances.MOST_STRAYS), -1):
            if count[earlier] > best and _leads(chain, bounds, earlier, number, level[earlier]):
                best, found = count[earlier], earlier
                if best == most:
                    break
        count.append(best + 1 if best else 0)
        before.append(found)
        level.append(level[found] if best and wh[number] - wh[found] <= digit else number)
        if best:
            most, reached = max(most, best + 1), number
    kept = [last] if count[last] else []
    while kept and kept[-1]:
        kept.append(before[kept[-1]])
    return kept[::-1]


def _leads(chain: Chain, bounds: Bounds, here: int, there: int, level: int) -> bool:
    """Whether a point can be reached from an earlier one."""
    rise, until = chain.wh[there] - chain.wh[here], chain.at[there]
    if not bounds.can_rise(rise, until - chain.at[level], chain.digit):
        return False
    return rise <= chain.slack or rise <= bounds.most_by_charge(chain.at[here], until)


def _leads_on(chain: Chain, first: int, last: int) -> bool:
    """Whether readings were left out between two points, though the register rises over them from one to the other."""
    return last - first > 1 and is_rising(chain.wh[first : last + 1])


def _is_on_pace(chain: Chain, kept: Sequence[int], first: int, until: int) -> bool:
    """Whether readings left out next to the start or stop are in line with those on their other side."""
    readings = kept[1:-1]
    if first == until:
        return False
    if first == 1:
        return _is_in_line(chain, readings[:2], until - 1)
    return _is_in_line(chain, readings[-2:], first)


def _is_in_line(chain: Chain, two: Sequence[int], here: int) -> bool:
    if not two[1:] or chain.at[two[0]] == chain.at[two[1]]:
        return False
    first, second = two
    pace = (chain.wh[second] - chain.wh[first]) / (chain.at[second] - chain.at[first])
    near = second if here > second else first
    step = pace * (chain.at[here] - chain.at[near])
    difference = abs(chain.wh[near] + step - chain.wh[here])
    return step != 0 and difference <= tolerances.STEADY_SHARE * abs(step) + chain.slack
