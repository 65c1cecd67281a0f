"""A transaction whose registers lie above the next start, which goes on where the previous transaction ended.

A register that was set back stands at 0, or lower than before. So no more can have flowed than between these two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from levity_trio.charging.candidate import SEGMENTS, Candidate
from levity_trio.charging.evidence import Case
from levity_trio.charging.power import Chain
from levity_trio.charging.reviews import Code


class Bracket(NamedTuple):
    """The end of the previous transaction and the start of the next one, in Wh."""

    begin: int
    end: int

    def holds(self, begin: float, end: float, digit: float) -> bool:
        """Whether registers lie between the two, but for their last digit."""
        return self.begin - digit <= begin and end <= self.end + digit


def bracket(case: Case) -> Bracket | None:
    """Return what surrounds a transaction that lies above it, and is larger; None if nothing does."""
    before, after, start, stop = case.before, case.after, case.start_wh, case.stop_wh
    if before is None or after is None or not before.end or after.begin is None or start is None or stop is None:
        return None
    is_certain = before.is_end_known and before.is_in_order and after.is_in_order
    is_above = is_certain and before.end <= after.begin < start - case.digit
    return Bracket(before.end, after.begin) if is_above and stop - start > after.begin - before.end else None


def between_neighbours(case: Case) -> Iterator[Candidate]:
    """Yield the candidate of what the neighbours show, if both start and stop contradict them."""
    if (around := bracket(case)) is not None:
        words = f"meterStart is {case.start_wh} Wh, the next transaction began at {around.end} Wh"
        chain = Chain([case.begun, case.ended], [0, around.end - around.begin])
        yield Candidate(Code.START_GARBLED, words, SEGMENTS, chain, 2, around.begin, around.end)
