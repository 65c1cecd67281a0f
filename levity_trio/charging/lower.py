"""Lower candidates in place of a reported figure that nothing contradicts but that is unusual."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from levity_trio.charging import tolerances
from levity_trio.charging.bounds import Bounds, Conflict
from levity_trio.charging.candidates import REGISTER, SEGMENTS, Candidate, swapped
from levity_trio.charging.evidence import Case
from levity_trio.charging.mending import without_step
from levity_trio.charging.power import HOUR, Chain
from levity_trio.charging.reviews import Code
from levity_trio.charging.unusual import unusual


def lower_candidates(case: Case, bounds: Bounds, reported: Chain) -> Iterator[Candidate]:
    """Yield the candidates that some further evidence supports."""
    yield from sorted((one for one in swapped(case, reported) if one.wh < reported.wh[-1]), key=attrgetter("wh"))
    yield from _from_previous_stop(case, bounds)
    yield from (one for one in _between_readings(case, reported) if _is_usual(case, bounds, one.chain))
    yield from (one for one in _without_leaps_at_rest(case, reported) if _is_usual(case, bounds, one.chain))


def across_a_swap(case: Case, reported: Chain) -> Conflict | None:
    """Return the conflict of a register that rose between the readings of two meters: their difference is no energy."""
    counted = min((one.wh for one in swapped(case, reported)), default=reported.wh[-1])
    if counted >= reported.wh[-1]:
        return None
    rise = f"{reported.wh[-1] - counted} Wh from the last register of one to the first of the other"
    return Conflict(Code.METER_SWAPPED, "the meter was swapped", (rise, "another meter's serial number in a boot"))


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


def _between_readings(case: Case, reported: Chain) -> Iterator[Candidate]:
    """Yield stop − first reading and last reading − start, if the step next to that start or stop is far too fast by
    power, or if the previous transaction reached beyond this start."""
    start, stop, view = case.start_wh, case.stop_wh, case.view
    if start is None or stop is None or not view.wh or not start <= view.wh[0] <= view.wh[-1] <= stop:
        return
    at, wh = reported.at, reported.wh
    if _is_far_faster(case, wh[1], at[1] - at[0]) or _is_overlapping(case, start):
        words = f"meterStart is {start} Wh, the first reading is {view.wh[0]} Wh"
        rest = Chain(at[1:], [value - wh[1] for value in wh[1:]], reported.digit)
        yield Candidate(Code.START_GARBLED, words, SEGMENTS, rest, 1, view.wh[0], stop, is_partial=True)
    if _is_far_faster(case, wh[-1] - wh[-2], at[-1] - at[-2]):
        words = f"meterStop is {stop} Wh, the last reading is {view.wh[-1]} Wh"
        rest = Chain(at[:-1], wh[:-1], reported.digit)
        yield Candidate(Code.STOP_GARBLED, words, SEGMENTS, rest, 1, start, view.wh[-1], is_partial=True)


def _is_far_faster(case: Case, rise: int, seconds: float) -> bool:
    if not case.power or case.power.most < tolerances.LEAST_CHARGING_W:
        return False
    most = tolerances.FASTER_STOP * case.power.most * (max(0.0, seconds) + tolerances.INTERVAL) / HOUR
    return rise > most + tolerances.REACH_WH


def _is_overlapping(case: Case, start: int) -> bool:
    """Whether the previous transaction reached beyond this start, and this one's first reading beyond that."""
    before = case.before
    if before is None or before.begin is None or before.end is None:
        return False
    return before.begin < start < before.end - case.digit and before.end <= case.view.wh[0]


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
