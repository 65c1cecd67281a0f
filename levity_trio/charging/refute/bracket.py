"""What the registers of both neighbours show about a transaction.

If the next one goes on where the previous one ended, the register was not set in between. So no more can have flowed
than between these two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from levity_trio.charging.propose.candidate import Candidate
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.chains import SEGMENTS, ends_alone
from levity_trio.charging.sent.evidence import Case


class Bracket(NamedTuple):
    """The end of the previous transaction and the start of the next one, in Wh."""

    begin: int
    end: int

    def holds(self, begin: float, end: float, digit: float) -> bool:
        """Whether registers lie between the two, but for their last digit."""
        return self.begin - digit <= begin and end <= self.end + digit


def bracket(case: Case) -> Bracket | None:
    """Return what surrounds a transaction that lies above it and is larger, or below it by a factor; None if nothing
    does."""
    before, after, start, stop = case.before, case.after, case.start_wh, case.stop_wh
    if before is None or after is None or not before.end or after.begin is None or start is None or stop is None:
        return None
    around = Bracket(before.end, after.begin)
    if around.end < around.begin or not (before.is_end_known and before.is_in_order and after.is_in_order):
        return None
    is_above = around.end < start - case.digit and stop - start > around.end - around.begin
    is_below = stop < around.begin - case.digit and start < stop
    fits = (around.holds(start * factor, stop * factor, factor) for factor in (10, 100))
    return around if is_above or (is_below and any(fits)) else None


def continues_one(case: Case) -> bool:
    """Whether a transaction begins where the previous one ended, or the next one, which has ended, begins where it
    ends."""
    is_from_before, is_to_after = _continued(case)
    return is_from_before or (is_to_after and case.after is not None and case.after.end is not None)


def is_scale_known(case: Case) -> bool:
    """Whether it goes on from a neighbour at a charger whose registers power has confirmed, never by a factor."""
    return case.reports_power and case.shown_factor is None and continues_one(case)


def continues_both(case: Case) -> bool:
    """Whether a transaction begins where the previous one ended, and the next one begins where it ends."""
    return all(_continued(case))


def _continued(case: Case) -> tuple[bool, bool]:
    before, after, start, stop = case.before, case.after, case.start_wh, case.stop_wh
    is_from_before = before is not None and before.is_end_known and before.factor == 1 and before.end == start
    is_to_after = after is not None and after.factor == 1 and after.begin == stop
    return bool(start) and is_from_before, bool(stop) and is_to_after


def between_neighbours(case: Case) -> Iterator[Candidate]:
    """Yield the candidate of what the neighbours show, if start and stop contradict them."""
    if (around := bracket(case)) is not None:
        words = f"meterStart is {case.start_wh} Wh, the next transaction began at {around.end} Wh"
        chain = ends_alone(case, around.end - around.begin)
        yield Candidate(Code.START_GARBLED, words, SEGMENTS, chain, 2, around.begin, around.end)
