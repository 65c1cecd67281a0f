"""A chain without what no register does: readings that lie outside all others, and steps that no charger delivers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    """Without readings that lie outside all others; None where there are none, where they are the most, or where one
    beside a start or a stop would go that lies where the others lead.

    From each step that no register makes, all go up to the next point to which it can have come; where there is none,
    those before it. `has_end`: the last reading was told with Transaction.End, and is no stray.
    """
    at, wh = [*chain.at], [*chain.wh]
    rest = Chain(at, wh, chain.digit)
    refused_steps = bounds.refused_steps(rest)
    while (refused := next(refused_steps, None)) is not None:
        first, until = _run_of_strays(rest, bounds, refused)
        is_at_end = until == len(wh) - 1
        if first == until or (has_end and is_at_end):
            return None
        if (first == 1 or is_at_end) and _is_on_pace(rest, first, until):
            return None
        del at[first:until], wh[first:until]
        if first != refused or not bounds.is_told_by_power:  # where steps are compared with others, all are asked again
            rest = Chain(at, wh, chain.digit)
            refused_steps = bounds.refused_steps(rest)
    dropped = len(chain.wh) - len(rest.wh)
    return rest if 0 < dropped <= len(rest.wh) - 2 else None


def _run_of_strays(rest: Chain, bounds: Bounds, refused: int) -> tuple[int, int]:
    """The shorter of the two runs that may go: from the step on, or, where the register fell, up to it."""
    onward = list(_from_it_on(rest, bounds, refused))
    longest = onward[0][1] - refused if onward else refused  # of many strays each would be compared with all before it
    runs = [*_up_to_it(rest, refused, longest), *onward]
    return min(runs, key=lambda run: run[1] - run[0], default=(refused, refused))


def _from_it_on(rest: Chain, bounds: Bounds, refused: int) -> Iterator[tuple[int, int]]:
    at, wh = rest.at[refused - 1], rest.wh[refused - 1]
    for until in range(refused + 1, len(rest.wh)):
        if bounds.can_rise(rest.wh[until] - wh, rest.at[until] - at, rest.digit):
            yield refused, until
            return


def _up_to_it(rest: Chain, refused: int, longest: int) -> Iterator[tuple[int, int]]:
    first = refused
    while first > max(1, refused - longest) and rest.wh[first - 1] > rest.wh[refused] + rest.digit:
        first -= 1
    if first < refused and rest.wh[first - 1] <= rest.wh[refused] + rest.digit:
        yield first, refused


def _is_on_pace(rest: Chain, first: int, until: int) -> bool:
    """Whether a run of readings beside a start or a stop lies where those on its other side lead."""
    before, after = [number for number in (first - 2, first - 1) if number > 0], [until, until + 1]
    if until == len(rest.wh) - 1:
        return _leads_to(rest, before, first)
    return _leads_to(rest, [number for number in after if number < len(rest.wh) - 1], until - 1)


def _leads_to(chain: Chain, two: Sequence[int], here: int) -> bool:
    if len(two) < 2 or chain.at[two[0]] == chain.at[two[1]]:
        return False
    first, second = two
    pace = (chain.wh[second] - chain.wh[first]) / (chain.at[second] - chain.at[first])
    near = second if here > second else first
    step = pace * (chain.at[here] - chain.at[near])
    difference = abs(chain.wh[near] + step - chain.wh[here])
    return step != 0 and difference <= tolerances.ONE_PACE_SHARE * abs(step) + 2 * chain.digit
