"""Lower candidates in place of a reported figure that nothing contradicts but that is unusual; and the part of one that
every candidate contradicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter, sub

from levity_trio.charging import tolerances
from levity_trio.charging.propose.candidates import swapped
from levity_trio.charging.propose.units import wrong_units
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.impossible import abrupt_steps
from levity_trio.charging.refute.measured import unusual
from levity_trio.charging.refute.neighbours import claimed_after, claimed_before
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.figures import REGISTER, SEGMENTS, Candidate, Chain, chain_of
from levity_trio.charging.sent.power import HOUR


def lower_candidates(case: Case, bounds: Bounds, reported: Chain) -> Iterator[Candidate]:
    """Yield the candidates that some further evidence supports."""
    yield from sorted((one for one in swapped(case, reported) if one.wh < reported.wh[-1]), key=attrgetter("wh"))
    yield from (
        one for one in wrong_units(case, bounds) if one.wh <= reported.wh[-1] and _is_usual(case, bounds, one.chain)
    )
    yield from (one for one in _between_readings(case, reported) if _is_usual(case, bounds, one.chain))
    yield from _undisputed(case, bounds, reported)


def _is_usual(case: Case, bounds: Bounds, chain: Chain) -> bool:
    return bounds.conflict(chain, is_partial=True) is None and unusual(case, bounds, chain) is None


def _between_readings(case: Case, reported: Chain) -> Iterator[Candidate]:
    """Yield stop − first reading and last reading − start, if the step next to that start or stop is far too fast by
    power, or for the others."""
    start, stop, view = case.start_wh, case.stop_wh, case.view
    if start is None or stop is None or not view.wh or not start <= view.wh[0] <= view.wh[-1] <= stop:
        return
    at, wh, abrupt = reported.at, reported.wh, abrupt_steps(case, reported)
    if 1 in abrupt or _is_far_faster(case, wh[1], at[1] - at[0]):
        words = f"meterStart is {start} Wh, the first reading is {view.wh[0]} Wh"
        rest = Chain(at[1:], [value - wh[1] for value in wh[1:]], reported.digit)
        yield Candidate(Code.START_GARBLED, words, SEGMENTS, rest, 1, view.wh[0], stop, is_partial=True)
    if abrupt[-1:] == [len(wh) - 1] or _is_far_faster(case, wh[-1] - wh[-2], at[-1] - at[-2]):
        words = f"meterStop is {stop} Wh, the last reading is {view.wh[-1]} Wh"
        rest = Chain(at[:-1], wh[:-1], reported.digit)
        yield Candidate(Code.STOP_GARBLED, words, SEGMENTS, rest, 1, start, view.wh[-1], is_partial=True)


def _is_far_faster(case: Case, rise: int, seconds: float) -> bool:
    """Whether a step is far faster than the power with which a car charged, or than none, if that is reported."""
    power = case.power
    if not power or 0 < round(power.most) < tolerances.LEAST_CHARGING_W or not (case.reports_power or power.most):
        return False
    most = tolerances.TWICE * power.most * (max(0.0, seconds) + tolerances.INTERVAL) / HOUR
    return rise > most + tolerances.REACH_WH


def part_of(case: Case, bounds: Bounds) -> int:
    """Return the energy in Wh that no evidence contradicts: the sum of the possible steps of the readings."""
    if not case.view.wh:
        return 0
    begin = case.view.wh[0] if case.start_wh is None else case.start_wh
    chain = chain_of(case, begin, case.view, case.stop_wh)
    steps: Iterable[tuple[int, float]] = zip(
        map(sub, chain.wh[1:], chain.wh), map(sub, chain.at[1:], chain.at), strict=True
    )
    fast = bounds.fast_w / HOUR  # nearly all steps are slower, and need no closer look
    possible = sum(
        rise
        for number, (rise, seconds) in enumerate(steps, 1)
        if rise > 0 and (rise <= fast * seconds or bounds.is_possible(chain, number))
    )
    return min(possible, chain.wh[-1]) if min(chain.wh) >= 0 and case.stop_wh is not None else possible


def range_of(case: Case, bounds: Bounds, wh: int) -> tuple[int | None, int | None]:
    """Return the range of the register on which an uncontradicted part is based: up to the stop, if the last reading
    leads to it, else from the start. If no part is left, it is as sent: any register may be the wrong one."""
    begin, stop = case.view.wh[0] if case.start_wh is None and case.view.wh else case.start_wh, case.stop_wh
    if begin is None or stop is None or stop < begin:
        return begin, None if begin is None else begin + wh
    if wh == 0:
        return begin, stop
    chain = chain_of(case, begin, case.view, stop)
    is_led_to = stop - wh >= begin and bool(case.view.wh) and bounds.is_possible(chain, len(chain.wh) - 1)
    return (stop - wh, stop) if is_led_to else (begin, begin + wh)


def _undisputed(case: Case, bounds: Bounds, chain: Chain) -> Iterator[Candidate]:
    """Yield the candidate of what no neighbour claims."""
    start, stop = case.start_wh, case.stop_wh
    if start is None or stop is None or bounds.confirms(chain.wh[-1]):
        return
    until, since = claimed_before(case), claimed_after(case)
    begin, end = start if until is None else until, stop if since is None else since
    if (begin, end) != (start, stop) and begin <= end:
        least, most = begin - start, end - start
        rest = Chain(chain.at, [min(max(wh, least), most) - least for wh in chain.wh], chain.digit)
        code = Code.STOP_GARBLED if until is None else Code.START_GARBLED
        yield Candidate(code, "what no neighbour claims", REGISTER, rest, 1, begin, end)
