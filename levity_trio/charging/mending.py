"""Chains without their outliers (strays) or their implausible steps (leaps)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from levity_trio.charging import tolerances
from levity_trio.charging.bounds import Bounds
from levity_trio.charging.power import Chain
from levity_trio.charging.reach import Reach


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


def without_mistimed(chain: Chain, bounds: Bounds) -> Chain | None:
    """Leave out a reading next to the first impossible step, if only its time is wrong; None if there is none.

    Its register is then between the two around it, and power agrees with the rise from the one to the other.
    """
    step, last = bounds.refused_step(chain), len(chain.wh) - 1
    for number in () if step is None else (step - 1, step):
        if not 0 < number < last or not chain.wh[number - 1] <= chain.wh[number] <= chain.wh[number + 1]:
            continue
        around = _of(chain, (number - 1, number + 1))
        is_shown = any(gap.low for gap in bounds.gaps(around)) and bounds.agreement(around) == (1, 0)
        if is_shown and bounds.refused_step(rest := _of(chain, {*range(last + 1)} - {number})) is None:
            return rest
    return None


def _of(chain: Chain, numbers: Collection[int]) -> Chain:
    kept = sorted(numbers)
    return Chain([chain.at[one] for one in kept], [chain.wh[one] for one in kept], chain.digit)


def without_strays(chain: Chain, bounds: Bounds, *, has_end: bool) -> Chain | None:
    """Keep the most readings that lead from the start to the stop; None if nothing or too much would be left out.

    None also if outliers next to the start or stop are in line with the readings on their other side. With `has_end`,
    the last reading has context Transaction.End and is not an outlier.
    """
    kept = _longest(chain, bounds)
    last = len(chain.wh) - 1
    if not 0 < len(chain.wh) - len(kept) <= len(kept) - 2 or (has_end and last - 1 not in kept):
        return None
    if _is_on_pace(chain, kept, 1, kept[1]) or _is_on_pace(chain, kept, kept[-2] + 1, last):
        return None
    return _of(chain, kept)


def _longest(chain: Chain, bounds: Bounds) -> list[int]:
    """Return the numbers of the longest series of points that lead to each other, from the first to the last.

    Empty if nothing leads to the last point. `level` is the point since which the register has had its value: when it
    rises again, it may catch up on the time that it stood still.
    """
    count, before, level, most, reach, last, reached = [1], [0], [0], 1, Reach(chain, bounds), 0, 0
    for number in range(1, len(chain.wh)):
        if number - reached > tolerances.MOST_STRAYS:
            return []
        best, found = 0, number - 1
        if count[found] == most and reach.from_previous(number, level[found]):
            best = most
        else:
            last = _extend(reach, count, level, last)
            best, found = _best_before(number, count, level, most, reach)
        stands = best and chain.wh[number] - chain.wh[found] <= chain.digit
        count.append(best + 1 if best else 0)
        before.append(found)
        level.append(level[found] if stands else number)
        if best:
            most, reached = max(most, best + 1), number
    return _traced(before) if count[-1] else []


def _extend(reach: Reach, count: Sequence[int], level: Sequence[int], first: int) -> int:
    """Add the points since the first one to those that were reached; return the number of the next one."""
    for number in range(first, len(count)):
        if count[number]:
            reach.extend(number, level[number])
    return len(count)


def _best_before(number: int, count: Sequence[int], level: Sequence[int], most: int, reach: Reach) -> tuple[int, int]:
    """Return the longest series that leads to a point, and the number of its last point; 0 if there is none."""
    best, found = 0, 0
    if reach.includes(number):
        for earlier in range(number - 1, max(-1, number - 1 - tolerances.MOST_STRAYS), -1):
            if count[earlier] > best and reach.leads(earlier, number, level[earlier]):
                best, found = count[earlier], earlier
            if best == most:
                break
    return best, found


def _traced(before: Sequence[int]) -> list[int]:
    """Follow the points back from the last to the first, and return them in order."""
    kept = [len(before) - 1]
    while kept[-1]:
        kept.append(before[kept[-1]])
    return kept[::-1]


def _is_on_pace(chain: Chain, kept: Sequence[int], first: int, until: int) -> bool:
    """Whether readings left out next to the start or stop are in line with those on their other side."""
    readings = kept[1:-1]
    if first == until:
        return False
    if first == 1:
        return _is_in_line(chain, readings[:2], until - 1)
    return _is_in_line(chain, readings[-2:], first)


def _is_in_line(chain: Chain, two: Sequence[int], here: int) -> bool:
    if len(two) < 2 or chain.at[two[0]] == chain.at[two[1]]:
        return False
    first, second = two
    pace = (chain.wh[second] - chain.wh[first]) / (chain.at[second] - chain.at[first])
    near = second if here > second else first
    step = pace * (chain.at[here] - chain.at[near])
    difference = abs(chain.wh[near] + step - chain.wh[here])
    return step != 0 and difference <= tolerances.ONE_PACE_SHARE * abs(step) + 2 * chain.digit
