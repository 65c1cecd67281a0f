"""Candidates in place of a reported figure that nothing contradicts but that is unusual: lower, and themselves usual."""

from __future__ import annotations

from collections.abc import Iterator

from levity_trio.charging import tolerances
from levity_trio.charging.bounds import Bounds
from levity_trio.charging.candidates import REGISTER, SEGMENTS, Candidate
from levity_trio.charging.evidence import Case
from levity_trio.charging.mending import without_step
from levity_trio.charging.power import HOUR, Chain
from levity_trio.charging.reviews import Code
from levity_trio.charging.unusual import unusual


def lower_candidates(case: Case, bounds: Bounds, reported: Chain) -> Iterator[Candidate]:
    """Yield the candidates that some further evidence supports."""
    yield from _from_previous_stop(case, bounds)
    yield from (one for one in _from_first_reading(case, reported) if _is_usual(case, bounds, one.chain))
    yield from (one for one in _without_leaps_at_rest(case, reported) if _is_usual(case, bounds, one.chain))


def _is_usual(case: Case, bounds: Bounds, chain: Chain) -> bool:
    return bounds.conflict(chain, is_partial=True) is None and unusual(case, bounds, chain) is None


def _from_previous_stop(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield stop − previous stop, if a start of 0 makes the reported figure too fast."""
    before = case.before
    if before is None or before.end is None or case.start_wh != 0 or case.stop_wh is None or case.view.wh:
        return
    wh = case.stop_wh - before.end
    if not 0 < before.end <= case.stop_wh or bounds.too_much(wh) is not None:
        return
    words = f"meterStart is 0, the previous transaction ended at {before.end} Wh"
    chain = Chain([case.begun, case.ended], [0, wh])
    yield Candidate(Code.START_GARBLED, words, REGISTER, chain, 1, before.end, case.stop_wh)


def _from_first_reading(case: Case, reported: Chain) -> Iterator[Candidate]:
    """Yield stop − first reading, if the previous transaction reached beyond this start."""
    before, start, stop, view = case.before, case.start_wh, case.stop_wh, case.view
    if before is None or before.begin is None or before.end is None or start is None or stop is None or not view.wh:
        return
    if before.begin < start < before.end - case.digit and before.end <= view.wh[0]:
        words = f"meterStart is {start} Wh, the first reading is {view.wh[0]} Wh"
        chain = Chain([*view.at, case.ended], [wh - view.wh[0] for wh in (*view.wh, stop)], reported.digit)
        yield Candidate(Code.START_GARBLED, words, SEGMENTS, chain, 1, view.wh[0], stop, is_partial=True)


def _without_leaps_at_rest(case: Case, reported: Chain) -> Iterator[Candidate]:
    """Yield the figure without the steps that no AC charger delivers, from one report of no power to the next."""
    at, wh, places = reported.at, reported.wh, case.power.places
    idle = {time for time, number in places.items() if case.power.high[number] < tolerances.LEAST_CHARGING_W}
    most_w = 0.0 if case.is_dc else tolerances.AC_W
    leaps = [
        number
        for number in range(1, len(at))
        if most_w and {at[number - 1], at[number]} <= idle
        if wh[number] - wh[number - 1] > most_w * (at[number] - at[number - 1] + tolerances.CLOCK) / HOUR
    ]
    for number in leaps:
        wh = without_step(wh, number)
    if leaps and case.start_wh is not None:
        words, end = "the register made an implausible step", case.start_wh + reported.wh[-1]
        rest = Chain(at, wh, reported.digit)
        yield Candidate(Code.REGISTER_LEAPT, words, SEGMENTS, rest, 1, case.start_wh, end, is_partial=True)
