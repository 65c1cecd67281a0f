"""A chain without what no register does: readings that lie outside all others, and steps that no charger delivers."""

from __future__ import annotations

from collections.abc import Sequence

from levity_trio.charging import tolerances
from levity_trio.charging.bounds import Bounds
from levity_trio.charging.power import Chain


def without_leaps(chain: Chain, bounds: Bounds) -> Chain | None:
    """Without the steps that no charger delivers; None where there are none, or where the register falls.

    A leap beside the start or the stop is a wrong start or stop, and none of these.
    """
    leaps = set[int]()
    while (number := bounds.refused_step(chain)) is not None:
        if chain.wh[number] < chain.wh[number - 1] or number in leaps:
            return None
        chain = Chain(chain.at, without_step(chain.wh, number), chain.digit)
        leaps.add(number)
    return chain if leaps and not leaps & {1, len(chain.wh) - 1} else None


def without_step(wh: Sequence[int], step: int) -> list[int]:
    """As if the register had stood still during this step."""
    leap = wh[step] - wh[step - 1]
    return [*wh[:step], *(value - leap for value in wh[step:])]


def without_strays(chain: Chain, bounds: Bounds, *, has_end: bool) -> Chain | None:
    """The most readings that lead from the start to the stop; None where none are left out, where too few are left, or
    where one beside a start or a stop would go that lies where the others lead.

    `has_end`: the last reading was told with Transaction.End, and is no stray.
    """
    kept = _longest(chain, bounds)
    last = len(chain.wh) - 1
    if not 0 < len(chain.wh) - len(kept) <= len(kept) - 2 or (has_end and last - 1 not in kept):
        return None
    if _is_on_pace(chain, kept, 1, kept[1]) or _is_on_pace(chain, kept, kept[-2] + 1, last):
        return None
    return Chain([chain.at[one] for one in kept], [chain.wh[one] for one in kept], chain.digit)


def _longest(chain: Chain, bounds: Bounds) -> list[int]:
    """The numbers of the most points of which each leads to the next, from the first to the last; none where nothing
    leads to the last.

    `level` is since when the register stood at a point: what it did not tell meanwhile it may catch up.
    """
    count, before, level, most = [1], [0], [0], 1
    for number in range(1, len(chain.wh)):
        best, found = 0, 0
        for earlier in range(number - 1, max(-1, number - 1 - tolerances.MOST_STRAYS), -1):
            if count[earlier] > best and bounds.can_reach(chain, earlier, number, level[earlier]):
                best, found = count[earlier], earlier
            if best == most:
                break
        stands = best and chain.wh[number] - chain.wh[found] <= chain.digit
        count.append(best + 1 if best else 0)
        before.append(found)
        level.append(level[found] if stands else number)
        most = max(most, count[number])
    return _traced(before) if count[-1] else []


def _traced(before: Sequence[int]) -> list[int]:
    """From the last point back to the first, in order."""
    kept = [len(before) - 1]
    while kept[-1]:
        kept.append(before[kept[-1]])
    return kept[::-1]


def _is_on_pace(chain: Chain, kept: Sequence[int], first: int, until: int) -> bool:
    """Whether a run of readings beside a start or a stop, that would go, lies where those on its other side lead."""
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
