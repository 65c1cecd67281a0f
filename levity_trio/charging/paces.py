"""How fast a register rose while a car charged, step by step: what a step that is no part of the others shows against.

Each chain is asked for every step that is faster than most. So its paces are put in order once, and a look at all but
one of them takes no longer for many.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.power import HOUR, Chain


class Spread(NamedTuple):
    """Of so many paces in W; all 0 where there are none."""

    steps: int
    least: float
    median: float
    most: float

    @property
    def is_one_pace(self) -> bool:
        """Whether many rise at one pace."""
        is_close = self.most <= (1 + tolerances.ONE_PACE_SHARE) * self.median and self.least > 0
        return self.steps >= tolerances.MANY_STEPS and is_close


class Paces:
    """The paces of one chain. At the steps of its `ends` times are exact to one `interval`."""

    def __init__(self, chain: Chain, interval: float, ends: tuple[int, int]) -> None:
        self.chain = chain
        self._by_step = dict(_paces(chain, interval, ends))
        self._in_order = sorted(self._by_step.values())

    def spread(self, without: int = -1) -> Spread:
        """Of all steps, or of all but one."""
        place, count = len(self._in_order), len(self._in_order)
        if without in self._by_step:
            place, count = bisect_left(self._in_order, self._by_step[without]), count - 1
        if count == 0:
            return Spread(0, 0.0, 0.0, 0.0)
        least, lower, upper, most = (
            self._in_order[number + (number >= place)] for number in (0, (count - 1) // 2, count // 2, count - 1)
        )
        return Spread(count, least, lower if count % 2 else (lower + upper) / 2, most)


def _paces(chain: Chain, interval: float, ends: tuple[int, int]) -> Iterator[tuple[int, float]]:
    for number, ((before, low), (now, high)) in enumerate(pairwise(zip(chain.at, chain.wh, strict=True)), 1):
        if now > before and high > low:
            pace = (high - low) * HOUR / (now - before + (interval if number in ends else 0.0))
            if pace >= tolerances.SIGNIFICANT_W:
                yield number, pace
