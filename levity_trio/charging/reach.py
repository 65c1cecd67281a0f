"""Which points of a chain lead to which: whether a register can have come from one to a later one."""

from __future__ import annotations

from itertools import islice, pairwise
from math import inf
from operator import lt, sub

from levity_trio.charging import tolerances
from levity_trio.charging.bounds import Bounds
from levity_trio.charging.power import HOUR, Chain, slack


class Reach:
    """The points of a chain that were reached so far, and which point they can lead to.

    `level` is the number of the point since which the register has had the value of a point, `levels` those of all.
    """

    def __init__(self, chain: Chain, bounds: Bounds) -> None:
        self._chain, self._bounds, self._case = chain, bounds, bounds.case
        self._spare = slack(self._case.power, chain.digit) if bounds.is_tracked_by_power else inf
        self._plain = [] if bounds.percents else self._plain_steps()
        is_timed = self._case.is_timed and not self._case.is_instant
        self._is_exact = is_timed and all(map(lt, chain.at, islice(chain.at, 1, None)))
        self._lowest, self._highest = inf, -inf

    def _plain_steps(self) -> list[bool]:
        """Return for each step whether it is possible without a closer look."""
        at, wh, digit = self._chain
        fast, double = self._bounds.fast_w / HOUR, 2 * digit
        places, most = self._case.power.places, self._case.power.sums.most
        limits = (
            inf if self._spare == inf or min(one, other) < 0 else most[other] - most[one] + self._spare
            for one, other in pairwise(places.get(time, -1) for time in at)
        )
        steps = zip(map(sub, at[1:], at), map(sub, wh[1:], wh), limits, strict=True)
        return [0 < rise <= fast * apart + double and (rise <= double or rise <= limit) for apart, rise, limit in steps]

    def from_previous(self, number: int, level: int) -> bool:
        """Whether a point can be reached from the one before it."""
        is_plain = bool(self._plain) and level == number - 1 and self._plain[level]
        return is_plain or self.leads(number - 1, number, level)

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

    def extend(self, number: int, level: int) -> None:
        """Add a point that was reached."""
        pace, wh = self._bounds.refused_w / HOUR, self._chain.wh[number]
        self._lowest = min(self._lowest, wh)
        self._highest = max(self._highest, wh - pace * self._chain.at[level] if self._is_exact else inf)

    def includes(self, number: int) -> bool:
        """Whether any of these points may lead to a later one: a cheap test before a close one."""
        at, wh, digit = self._chain.at[number], self._chain.wh[number], self._chain.digit
        pace, spare = self._bounds.refused_w / HOUR, tolerances.CLOCK + self._case.interval
        return self._lowest - digit <= wh <= self._highest + pace * (at + spare) + 2 * digit + 1
