"""The course of a connector's lifetime register: how much it had risen at any time, as bounds.

A course consists of stretches: transactions, and what lies between two of them. What the register
rose by in a transaction is what the judge found; a step between two transactions is judged by the
same rules, so that a reset, a rollover, a replaced meter or a leap is never taken for energy.
Nothing is interpolated: between two readings it is only known that the energy lies between theirs.

Times are UTC text in the database's format, so that text order is time order. Energy is whole Wh.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple

from levity_trio.charging.energy import judge
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, seconds
from levity_trio.charging.sent.figures import ROLLOVER, SCALED, SEGMENTS


class StepGround(StrEnum):
    """Why a step between two transactions is not simply the difference of two registers."""

    REPLACED = "another meter"
    FELL = "fell"
    """The register was reset, or its meter was replaced without a word. What flowed meanwhile is
    not known."""
    COUNTS_ANEW = "counts anew"
    """The register begins at 0 again. What flows between transactions of such a charger is not
    seen."""
    ROLLED_OVER = "rolled over"
    LEAPT = "leapt"
    """More than can have flowed in the time is not counted."""
    OVERLAP = "overlap"
    """The transaction began below the end of the one before; what both cover counts once."""


LEAST_SHARED: Final = 2


class Metered(NamedTuple):
    """A transaction: its times, the range of the register that its figure is based on, and the
    figure.

    One without `ended` is open: its energy is what has flowed until `seen`, the time of its last
    register.
    """

    id: int
    began: str
    ended: str | None
    begin_wh: int | None
    end_wh: int | None
    energy_wh: int
    method: str | None = None
    seen: str = ""


class CourseStretch(NamedTuple):
    """A transaction, or (`transaction` None) the time between two. `base_wh` is all that the
    register rose by before.

    `begin_wh` and `end_wh` are what it showed; `is_plain` is whether a reading can be placed
    between these.
    """

    since: str
    until: str
    base_wh: int
    wh: int
    begin_wh: int | None
    end_wh: int | None
    transaction: int | None = None
    ground: StepGround | None = None
    is_doubtful: bool = False
    is_plain: bool = True


class RiseBounds(NamedTuple):
    """What a register had risen by at a time: by the last reading before, and by the first one
    after."""

    low: int
    high: int


class RegisterEnergy(NamedTuple):
    """Energy between two times: as the last readings before each of them say, and the least and the
    most possible."""

    wh: int
    least: int
    most: int


class CoursePoint(NamedTuple):
    at: str
    wh: int


IsReplaced = Callable[[str, str], bool]
"""Returns whether the meter was replaced between two times."""


def stretches(
    transactions: Iterable[Metered], is_replaced: IsReplaced = lambda *_: False
) -> list[CourseStretch]:
    """Return the stretches of one register; its transactions are given in order of their
    beginning."""
    course: list[CourseStretch] = []
    before: Metered | None = None
    for now in transactions:
        if before is not None and now.begin_wh is not None and course[-1].end_wh is not None:
            # Without both registers, nothing is known of what flowed between.
            gap = _between(course[-1], course[-1].end_wh, before, now, now.begin_wh)
            if (gap.wh or gap.ground is not None) and is_replaced(before.began, now.began):
                gap = gap._replace(
                    wh=0, ground=StepGround.REPLACED, is_plain=False, end_wh=now.begin_wh
                )
            course.append(gap)
        course.append(_of_transaction(course[-1] if course else None, now))
        before = now
    return course


def share_register(connectors: Sequence[Sequence[Metered]]) -> bool:
    """Whether the connectors of a charger tell one register: where it stood at the end of one,
    another goes on.

    Then it counts what flows through all of them. Only a start while no car charges shows it; the
    whole kWh of two registers may be the same once by chance.
    """
    transactions = list[tuple[Metered, int]]()
    for number, known in enumerate(connectors):
        transactions += [(metered, number) for metered in known]
    transactions.sort(key=lambda pair: (pair[0].began, pair[0].id))

    # Each that begins while no other is under way, after one on another connector, is a handover.
    handovers = same = 0
    last: tuple[Metered, int] | None = None
    for now, number in transactions:
        ended = ""
        if last is not None:
            before, last_number = last
            ended = before.ended or _NEVER
            if last_number != number and ended <= now.began:
                handovers += 1
                same += before.end_wh == now.begin_wh is not None and now.begin_wh != 0
        if (now.ended or _NEVER) >= ended:
            last = now, number
    return same >= LEAST_SHARED and 2 * same > handovers


_NEVER: Final = "9999"


def risen(metered: Metered) -> int:
    """Return what the register rose by in a transaction, as the judge understands it."""
    begin, end, method = metered.begin_wh, metered.end_wh, metered.method
    if begin is None or end is None or end < begin or method in (ROLLOVER, SCALED):
        return metered.energy_wh
    # A register that was reset within rose by more.
    least = metered.energy_wh if method == SEGMENTS else 0
    return max(end - begin, least)


def _between(
    last: CourseStretch, level: int, before: Metered, now: Metered, begin: int
) -> CourseStretch:
    """Return the stretch from the end of a transaction, where the register showed `level`, to the
    next one, which begins at `begin`."""
    until = max(last.until, now.began)
    gap = CourseStretch(
        since=last.until,
        until=until,
        base_wh=last.base_wh + last.wh,
        wh=0,
        begin_wh=level,
        end_wh=begin,
    )
    if begin == level:
        return gap
    if before.begin_wh is not None and 0 < begin < level and before.begin_wh <= begin:
        return gap._replace(ground=StepGround.OVERLAP, end_wh=level, is_plain=False)

    # The judge knows whether so much can have flowed.
    lasted = seconds(until) - seconds(last.until)
    verdict = judge(Case(begun=0.0, ended=lasted, start_wh=level, stop_wh=begin, longest=lasted))
    if verdict.code is None and not verdict.doubts:
        return gap._replace(wh=verdict.wh)
    unclear = gap._replace(is_plain=False)
    if verdict.code is Code.REGISTER_ROLLED_OVER:
        return unclear._replace(wh=verdict.wh, ground=StepGround.ROLLED_OVER, is_doubtful=True)
    if begin > level:
        return unclear._replace(ground=StepGround.LEAPT)
    return unclear._replace(ground=StepGround.FELL if begin else StepGround.COUNTS_ANEW)


def _of_transaction(previous: CourseStretch | None, metered: Metered) -> CourseStretch:
    """Return the stretch of a transaction. It goes on where `previous` (a gap, or the transaction
    before) ended."""
    since = metered.began
    begin, end = metered.begin_wh, metered.end_wh
    wh = risen(metered)
    base_wh = 0
    if previous is not None:
        since = max(since, previous.until)
        base_wh = previous.base_wh + previous.wh
        if begin is None:
            # Without registers it goes on from the one before, so that the gap behind it is seen.
            begin = previous.end_wh
        elif previous.ground is StepGround.OVERLAP and previous.end_wh is not None:
            counted_twice = previous.end_wh - begin
            wh = max(0, wh - counted_twice)
            begin = previous.end_wh
            end = begin if end is None else max(begin, end)
    if end is None and begin is not None:
        end = begin + wh

    # A reading shows its place only where the register rose by exactly what counts: not over a
    # reset, a rollover or another scale.
    is_plain = begin is not None and end is not None and end - begin == wh
    return CourseStretch(
        since=since,
        until=max(since, metered.ended or metered.seen),
        base_wh=base_wh,
        wh=wh,
        begin_wh=begin,
        end_wh=end,
        transaction=metered.id,
        is_plain=is_plain,
    )


def placed(
    stretch: CourseStretch, at: str, wh: int, *, is_lifetime: bool = True
) -> CoursePoint | None:
    """Return a reading as a point of the course; None if it cannot belong there.

    A reading that is not `is_lifetime` counts from the beginning of its transaction.
    """
    begin = stretch.begin_wh if is_lifetime else 0
    if not stretch.is_plain or begin is None or not 0 <= wh - begin <= stretch.wh:
        return None
    return CoursePoint(at, stretch.base_wh + wh - begin)


class RegisterCourse:
    """The course of one register: its stretches, and points within them."""

    def __init__(
        self, stretches: Sequence[CourseStretch], points: Iterable[CoursePoint] = ()
    ) -> None:
        self.stretches = stretches
        ordered = [*points]
        for stretch in stretches:
            ordered.append(CoursePoint(stretch.since, stretch.base_wh))
            ordered.append(CoursePoint(stretch.until, stretch.base_wh + stretch.wh))
        ordered.sort()
        self._at = [point.at for point in ordered]
        # What had risen never falls, in whatever order the points came.
        self._wh = list(accumulate((point.wh for point in ordered), max))

    def bounds(self, at: str) -> RiseBounds:
        """Return what the register had risen by since the beginning of the course. After its end,
        nothing is known to have flowed yet."""
        behind = bisect_right(self._at, at)
        low = self._wh[behind - 1] if behind else 0
        not_before = bisect_left(self._at, at)
        high = self._wh[not_before] if not_before < len(self._wh) else low
        # Of several points at this very time, the last one counts for both bounds.
        return RiseBounds(low, max(low, high))

    @property
    def ends_at(self) -> str | None:
        """The time of its last register."""
        return self._at[-1] if self._at else None


def energy(since: RiseBounds, until: RiseBounds) -> RegisterEnergy:
    """Return the energy between two times."""
    # Both ends are by their last reading before, so that neighbouring months add up.
    wh = until.low - since.low
    least = max(0, until.low - since.high)
    return RegisterEnergy(wh=wh, least=least, most=until.high - since.low)


def total(bounds: Iterable[RiseBounds]) -> RiseBounds:
    """Return the sum of the bounds of several courses."""
    bounds = list(bounds)
    return RiseBounds(sum(each.low for each in bounds), sum(each.high for each in bounds))


def share(stretch: CourseStretch, since: RiseBounds, until: RiseBounds) -> int:
    """Return how much of a stretch lies between two times. The shares of all stretches add up to
    the `wh` of their energy."""
    begin, end = stretch.base_wh, stretch.base_wh + stretch.wh
    return max(0, min(end, until.low) - max(begin, since.low))
