"""Which points of a chain lead to which: whether a register can have come from one to a later one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise, repeat
from math import inf
from operator import sub

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.gathering import is_strictly_rising
from levity_trio.charging.sent.power import HOUR, slack


class Reach:
    """The points of a chain that were reached so far, and which point they can lead to.

    `level` is the number of the point since which the register has had the value of a point.
    """

    def __init__(self, chain: Chain, bounds: Bounds) -> None:
        self._chain, self._bounds, self._case = chain, bounds, bounds.case
        self._spare = slack(self._case.power, chain.digit) if bounds.is_tracked_by_power else inf
        self._plain = [] if bounds.percents else self._plain_steps()
        is_timed = self._case.is_timed and not self._case.is_instant
        self._is_exact = is_timed and is_strictly_rising(chain.at)
        self._lowest, self._highest = inf, -inf

    def _plain_steps(self) -> list[bool]:
        """Return for each step whether it is possible without a closer look; at last False, for no step."""
        at, wh, digit = self._chain
        fast, double = self._bounds.fast_w / HOUR, 2 * digit
        steps = zip(map(sub, wh[1:], wh), map(sub, at[1:], at), self._most_by_power_of_steps(), strict=True)
        plain = [
            digit < rise <= fast * apart + double and (rise <= double or rise <= most) for rise, apart, most in steps
        ]
        return [*plain, False]

    def _most_by_power_of_steps(self) -> Iterable[float]:
        """Return `_most_by_power` for each step."""
        if self._spare == inf:
            return repeat(inf, len(self._chain.at) - 1)
        most, spare = self._case.power.sums.most, self._spare
        places = map(self._case.power.places.get, self._chain.at, repeat(-1))
        reached = [most[place] if place >= 0 else None for place in places]
        return [inf if one is None or other is None else other - one + spare for one, other in pairwise(reached)]

    def plain_steps(self, number: int) -> int:
        """Return how many steps from this one on are possible without a closer look."""
        return self._plain.index(False, number - 1) - (number - 1) if self._plain else 0

    def leads(self, here: int, there: int, level: int) -> bool:
        """Whether a point can be reached from an earlier one."""
        chain, bounds = self._chain, self._bounds
        rise, since, until = chain.wh[there] - chain.wh[here], chain.at[level], chain.at[there]
        if not bounds.can_rise(rise, until - since, chain.digit):
            return False
        if rise <= 2 * chain.digit:
            return True
        return rise <= min(bounds.most_by_charge(chain.at[here], until), self._most_by_power(since, until))

    def _most_by_power(self, since: float, until: float) -> float:
        """Return the maximum energy in Wh between two times with power; inf if power does not track the register."""
        places = self._case.power.places
        if self._spare == inf or since not in places or until not in places:
            return inf
        most = self._case.power.sums.most
        return most[places[until]] - most[places[since]] + self._spare

    def extend(self, numbers: Sequence[int], level: Sequence[int]) -> None:
        """Add points that were reached."""
        at, wh, pace = self._chain.at, self._chain.wh, self._bounds.refused_w / HOUR
        self._lowest = min(self._lowest, *(wh[number] for number in numbers))
        highest = (wh[number] - pace * at[level[number]] for number in numbers) if self._is_exact else [inf]
        self._highest = max(self._highest, *highest)

    def unreachable(self, number: int) -> int:
        """Return how many points from this one on none of these points can lead to: a cheap test before a close one.

        With more than MOST_STRAYS, the rest does not matter.
        """
        at, wh, digit = self._chain
        pace, spare = self._bounds.refused_w / HOUR, tolerances.METER_AGE + self._case.interval
        lowest, highest, slack = self._lowest - digit, self._highest, 2 * digit + 1
        until = min(len(at), number + tolerances.MOST_STRAYS + 1)
        for later in range(number, until):
            if lowest <= wh[later] <= highest + pace * (at[later] + spare) + slack:
                return later - number
        return until - number
