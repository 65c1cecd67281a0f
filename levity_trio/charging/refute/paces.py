"""The pace of each step of a register while a car charged, with which an implausible step is compared.

Every fast step of a chain is compared with all others. The paces are therefore sorted once; leaving one out then takes
logarithmic time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.sent.figures import Chain
from levity_trio.charging.sent.power import HOUR


class Spread(NamedTuple):
    """Statistics of paces in W; all 0 without any."""

    steps: int
    least: float
    median: float
    most: float

    @property
    def is_one_pace(self) -> bool:
        """Whether there are many paces, none much above the median."""
        is_close = self.most <= (1 + tolerances.STEADY_SHARE) * self.median and self.least > 0
        return self.steps >= tolerances.MANY and is_close


class Paces:
    """The paces of one chain. The times of the steps in `ends` are exact to one `interval`, in seconds."""

    def __init__(self, chain: Chain, interval: float, ends: tuple[int, int]) -> None:
        self.chain = chain
        self._by_step = dict(_paces(chain, interval, ends))
        self._in_order = sorted(self._by_step.values())

    @property
    def most(self) -> float:
        return self._in_order[-1] if self._in_order else 0.0

    def spread(self, without: int = -1) -> Spread:
        """Return the statistics of all steps, or of all but one."""
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
        margin = interval if number in ends else 0.0
        if now - before > tolerances.HALF * margin and high > low:  # a shorter end shows no pace
            pace = (high - low) * HOUR / (now - before + margin)
            if pace >= tolerances.LEAST_AC_W:
                yield number, pace
