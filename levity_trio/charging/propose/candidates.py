"""Candidates: explanations of a transaction's messages, each with the figure that it gives.

A candidate is made only if some evidence supports it; `Bounds` tests whether it can be true. `assumptions` measures
how much it leaves open: a wrong unit or time 0, since all registers then agree; one step or one outlier, which can be
of any size, 1; two of these 2. Candidates with more assumptions count only if none with fewer survives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from levity_trio.charging import tolerances
from levity_trio.charging.propose.ends import between_ends, rounded
from levity_trio.charging.propose.mending import without_step
from levity_trio.charging.propose.units import wrong_factors, wrong_units
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import begins_at_zero
from levity_trio.charging.refute.measured import is_contradicted_at_ends
from levity_trio.charging.refute.neighbours import swaps
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, is_rising
from levity_trio.charging.sent.figures import (
    REGISTER,
    ROLLOVER,
    SEGMENTS,
    SESSION_READINGS,
    Candidate,
    Chain,
    chain_of,
    chain_of_other_counter,
    ends_alone,
    session_chain,
)


def candidates(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield every explanation with some support, except the reported figure."""
    yield from wrong_units(case, bounds)
    yield from _counted_per_session(case, bounds)
    yield from _of_another_counter(case, bounds)
    yield from wrong_factors(case, bounds)
    yield from rounded(case, bounds)
    yield from _without_readings(case, bounds)
    yield from _without_others(case, bounds)
    yield from between_ends(case, bounds)
    if case.start_wh is not None:
        chain = chain_of(case, case.start_wh, case.view, case.stop_wh)
        yield from swapped(case, chain)
        if not is_rising(chain.wh):
            falls = [number for number, (last, now) in enumerate(pairwise(chain.wh), 1) if now < last - chain.digit]
            yield from _rolled_over(case, chain, falls, bounds)
            yield from _reset(case, chain, falls, bounds)


def _counted_per_session(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates whose readings, which begin below the start, count from 0, and perhaps the stop, too."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or stop is None or not begins_at_zero(bounds, view, is_start_garbled=True):
        return
    words = "the readings count from 0 in each transaction"
    if stop < start:
        chain, both = session_chain(case, view, stop), f"{words}, and so does meterStop"
        counts_on = case.after is not None and case.after.begin == stop > 0  # then it was reset or rolled over
        ended = case.ended_before
        assumptions = 1 if ended and ended <= view.wh[0] else 0  # they go on from there: the start is wrong
        until = stop if counts_on else start + stop
        yield Candidate(Code.SESSION_COUNT, both, SESSION_READINGS, chain, assumptions, start, until)
    chain = session_chain(case, view, None)
    yield Candidate(Code.SESSION_COUNT, words, SEGMENTS, chain, 1, start, start + view.wh[-1])


def _of_another_counter(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of start and stop whose readings are those of another counter, which rose no more. That of a
    new meter may begin below the start and end between both."""
    start, stop = case.start_wh, case.stop_wh
    if start is None or stop is None or len(case.view.wh) < tolerances.SEVERAL:
        return
    energy, read = stop - start, case.view
    is_apart = read.wh[0] > stop + read.digit or read.wh[-1] < start - read.digit
    is_possible = is_apart or (read.wh[0] < start - read.digit and bounds.confirms(energy))
    if is_possible and 0 < read.wh[-1] - read.wh[0] <= energy + read.digit:
        chain, words = chain_of_other_counter(case, read, energy), "the readings are those of another counter"
        yield Candidate(Code.STRAY_READING, words, REGISTER, chain, 1, start, stop)


def _without_readings(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidates without the readings, each of which is then supposed to be wrong: of the previous stop and
    this one, if the start is below that; and of start and stop, if power confirms it and the readings do not lead from
    one to the other."""
    start, stop, wrong = case.start_wh, case.stop_wh, len(case.view.wh)
    if stop is None or not wrong:
        return
    ended = case.ended_before
    if ended is not None and (start or 0) < ended < stop:
        words, rest = f"the previous transaction ended at {ended} Wh, without readings", ends_alone(case, stop - ended)
        yield Candidate(Code.START_GARBLED, words, REGISTER, rest, wrong, ended, stop)
    if start is None or not bounds.confirms(stop - start) or is_contradicted_at_ends(case):
        return
    if bounds.impossible_step(chain_of(case, start, case.view, stop)) is not None:
        words, rest = "the readings contradict start, stop and power", ends_alone(case, stop - start)
        yield Candidate(Code.STRAY_READING, words, REGISTER, rest, wrong, start, stop)


def _without_others(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate without what its register counted of transactions on other connectors, if power confirms the
    rest."""
    start, stop = case.start_wh, case.stop_wh
    found = [one for one in counted(case, start, stop) if one.most and not one.is_unlikely]
    if start is None or stop is None or not found:
        return
    energy = stop - start - sum(one.rest for one in found)
    if energy >= 0 and bounds.confirms(energy):
        chain = ends_alone(case, energy)
        yield Candidate(Code.SHARED_REGISTER, found[0].words, SEGMENTS, chain, 0, start, stop)


def swapped(case: Case, chain: Chain) -> Iterator[Candidate]:
    """Yield candidates with another meter since a boot. Energy between the readings of the two meters is lost."""
    for number in swaps(case, chain):
        counted = Chain(chain.at, without_step(chain.wh, number), chain.digit)
        ends = (case.start_wh, (case.start_wh or 0) + chain.wh[-1])
        yield Candidate(Code.METER_SWAPPED, "the meter was swapped", SEGMENTS, counted, 0, *ends, is_partial=True)


def _rolled_over(case: Case, chain: Chain, falls: Sequence[int], bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidates of a register that was nearly full, passed its highest number, and went on from 0."""
    if len(falls) != 1:
        return
    start, (fall,) = case.start_wh or 0, falls
    before, until = chain.wh[fall - 1] + start, chain.wh[-1] + start
    word, long = tolerances.WORD_BITS, tolerances.WORD_BITS << 1
    displayed = max(tolerances.LEAST_DISPLAY_WH, 10 ** len(str(before)))
    for end in (1 << word, displayed, 1 << (long - 1), 1 << long):
        if 0 < until < before < end <= before / (1 - tolerances.POWER_SHARE):
            rolled = Chain(chain.at, [*chain.wh[:fall], *(wh + end for wh in chain.wh[fall:])], chain.digit)
            rise = round((rolled.wh[fall] - rolled.wh[fall - 1]) / tolerances.TWICE)
            assumptions = 0 if bounds.can_have_flowed(rolled, fall, rise) else 1
            words = f"the register continued at 0 after {end - 1}"
            yield Candidate(Code.REGISTER_ROLLED_OVER, words, ROLLOVER, rolled, assumptions, case.start_wh, until)


def _reset(case: Case, chain: Chain, falls: Sequence[int], bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of a register that fell to no more than can have flowed since: it was reset to 0."""
    start = case.start_wh or 0
    if not falls or not all(bounds.can_have_flowed(chain, number, chain.wh[number] + start) for number in falls):
        return
    rises = [now - last if now > last else 0 for last, now in pairwise(chain.wh)]
    for number in falls:
        rises[number - 1] = chain.wh[number] + start
    counted = list(accumulate(rises, initial=0))
    if case.view.wh and counted[-1] > chain.wh[-1]:
        rebuilt, words = Chain(chain.at, counted, chain.digit), "the register was reset to 0"
        ends = (case.start_wh, chain.wh[-1] + start)
        yield Candidate(Code.REGISTER_RESET, words, SEGMENTS, rebuilt, 1, *ends, is_partial=True)
