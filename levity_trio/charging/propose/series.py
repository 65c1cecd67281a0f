"""The longest series of points of a chain that lead to each other: what remains without the outliers."""

from __future__ import annotations

from itertools import repeat

from levity_trio.charging import tolerances
from levity_trio.charging.propose.reach import Reach
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.sent.chains import Chain


def longest(chain: Chain, bounds: Bounds) -> list[int]:
    """Return the numbers of the longest series of points that lead to each other, from the first to the last.

    Empty if nothing leads to the last point.
    """
    series = _Series(chain, bounds)
    while (number := len(series.count)) < len(chain.wh):
        if number - series.reached > tolerances.MOST_STRAYS:
            return []
        if steps := series.plain_steps():
            series.go_on(steps)
        elif points := series.unreachable():
            series.leave_out(points)
        else:
            series.add(*series.best_before(number))
    return series.to_the_last()


class _Series:
    """The longest series that leads to each point: how many points it has (0: none leads there), and the one before.

    `level` is the point since which the register has had its value: when it rises again, it may catch up on the time
    that it stood still.
    """

    def __init__(self, chain: Chain, bounds: Bounds) -> None:
        self._chain, self._reach, self._extended = chain, Reach(chain, bounds), 0
        self.count, self._before, self._level = [1], [0], [0]
        self._most = 1
        self.reached = 0
        """The last point that any series leads to."""

    def plain_steps(self) -> int:
        """Return how many steps of the longest series are next, each possible without a closer look."""
        number = len(self.count)
        is_longest = self.count[-1] == self._most and self._level[-1] == number - 1
        return self._reach.plain_steps(number) if is_longest else 0

    def go_on(self, steps: int) -> None:
        """Add as many points, each of which follows the one before it."""
        number = len(self.count)
        self.count += range(self._most + 1, self._most + steps + 1)
        self._before += range(number - 1, number + steps - 1)
        self._level += range(number, number + steps)
        self._most, self.reached = self._most + steps, number + steps - 1

    def unreachable(self) -> int:
        """Return how many points after a point that was left out have to be left out, too."""
        return 0 if self.count[-1] else self._reach.unreachable(len(self.count))

    def leave_out(self, points: int) -> None:
        """Add as many points that no series leads to."""
        number = len(self.count)
        self.count += repeat(0, points)
        self._before += repeat(0, points)
        self._level += range(number, number + points)

    def best_before(self, number: int) -> tuple[int, int]:
        """Return how many points the longest series has that leads to a point, and its last one; 0 if there is none."""
        last = number - 1
        if self.count[last] == self._most and self._reach.leads(last, number, self._level[last]):
            return self._most, last
        self._extend()
        best, found = 0, last
        if not self._reach.unreachable(number):
            for earlier in range(last, max(-1, last - tolerances.MOST_STRAYS), -1):
                if self.count[earlier] > best and self._reach.leads(earlier, number, self._level[earlier]):
                    best, found = self.count[earlier], earlier
                if best == self._most:
                    break
        return best, found

    def _extend(self) -> None:
        """Tell `Reach` which points were reached since the last time."""
        numbers = [number for number in range(self._extended, len(self.count)) if self.count[number]]
        if numbers:
            self._reach.extend(numbers, self._level)
        self._extended = len(self.count)

    def add(self, count: int, found: int) -> None:
        """Add the next point, to which a series of so many points leads from this one."""
        number, wh = len(self.count), self._chain.wh
        is_still = count > 0 and wh[number] - wh[found] <= self._chain.digit
        self.count.append(count + 1 if count else 0)
        self._before.append(found)
        self._level.append(self._level[found] if is_still else number)
        if count:
            self._most, self.reached = max(self._most, count + 1), number

    def to_the_last(self) -> list[int]:
        """Return the points of the longest series that leads to the last point, in order; empty if there is none."""
        if not self.count[-1]:
            return []
        kept = [len(self._before) - 1]
        while kept[-1]:
            kept.append(self._before[kept[-1]])
        return kept[::-1]
