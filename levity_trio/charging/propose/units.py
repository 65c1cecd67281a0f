"""Candidates with registers in another unit than they were sent as, or wrong by a factor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from operator import add
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.propose.candidate import Candidate
from levity_trio.charging.refute.batteries import charged
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.counts import begins_at_zero
from levity_trio.charging.refute.scales import in_kwh, is_scale_known, scale_shown, wrong_by
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.chains import REGISTER, SCALED, SEGMENTS, Chain, chain_of, ends_alone, session_chain
from levity_trio.charging.sent.evidence import Case, View
from levity_trio.charging.sent.plain import plain
from levity_trio.charging.sent.power import HOUR


def wrong_units(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with start, readings or stop in kWh but sent as Wh, or the reverse, and the rest correct."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or not view.wh:
        return
    for of_start, of_view, of_stop, which in _units(case):
        begin, end = _in_unit(start, case.start_exact, of_start), _in_unit(stop, case.stop_exact, of_stop)
        if begin is None or not _is_shown((of_start, of_view, of_stop), begin, end):
            continue
        room = max(case.digit, view.digit * of_view)
        if not -room <= view.last * of_view - begin <= bounds.most_wh + room:
            continue  # no time allows this rise
        scaled = view if of_view == 1 else _up_to_the_next(case, view.scaled(of_view))
        finer = _finer(case, begin, scaled, end, of_start) if of_start == of_stop > 1 else (begin, end)
        is_finer, (begin, end) = finer != (begin, end), finer
        until, is_level = scaled.wh[-1] if end is None else end, begin >= tolerances.SIGNIFICANT_START_WH
        rise, words = scaled.wh[-1] - begin, f"the {which} in another unit than the rest"
        agrees = tolerances.TWICE * rise >= until - begin > 0  # tiny readings would agree with anything
        if agrees or (is_level and until == begin):
            chain = chain_of(case, begin, scaled, end)
            chain = chain if is_finer else _coarser(case, chain, of_start)
            if agrees or all(abs(wh) <= chain.digit for wh in chain.wh):
                is_whole = of_start == of_stop and not is_finer  # a register in kWh lacks its last digits
                method = REGISTER if is_whole else SEGMENTS
                assumptions = 1 if of_view < 1 and _is_too_slow(scaled) else 0
                one = Candidate(Code.READINGS_UNIT, words, method, chain, assumptions, begin, until, factor=of_start)
                yield one
        if stop is not None and of_view != 1 and is_level and rise > 0:
            chain = chain_of(case, begin, scaled, None)
            both = f"{words}, and meterStop is {stop} Wh"
            yield Candidate(Code.READINGS_UNIT, both, SEGMENTS, chain, 1, begin, scaled.wh[-1])


def _finer(case: Case, begin: int, view: View, end: int | None, step: float) -> tuple[int, int | None]:
    """Return start and stop in whole steps, in Wh, with the last digits that the previous stop and the last reading
    have."""
    before, last = case.before, view.wh[-1]
    if case.start_exact is None and before is not None and before.is_end_known:
        begin = before.end if before.end is not None and begin <= before.end < begin + step else begin
    if case.stop_exact is None and end is not None and end <= last < end + step:
        end = last
    return begin, end


def _is_too_slow(course: View | Chain) -> bool:
    """Whether no car charges so slowly as each of several steps."""
    steps = list(zip(pairwise(course.at), pairwise(course.wh), strict=True))
    paces = ((high - low - course.digit) * HOUR / (now - then) for (then, now), (low, high) in steps if now > then)
    return len(steps) >= tolerances.FEW and max(paces, default=0) < tolerances.LEAST_AC_W


def _is_shown(units: tuple[float, float, float], begin: int, end: int | None) -> bool:
    """Whether start and stop are high enough to show these units. What is no unit is shown by both of them only."""
    of_start, of_view, of_stop = units
    is_high = begin >= tolerances.SIGNIFICANT_START_WH or (of_start == 1 and of_view not in _NO_UNITS)
    return is_high and (bool(end) or (of_stop == 1 and of_view not in _NO_UNITS))


def _in_unit(wh: int | None, exact: Decimal | None, factor: float) -> int | None:
    """Return a register multiplied by a factor; in kWh, with its decimals, if that is 1000."""
    return wh if wh is None or factor == 1 else in_kwh(wh, exact) if factor == 1000 else round(wh * factor)


def _coarser(case: Case, chain: Chain, of_start: float) -> Chain:
    """Return a chain with the step of a start in whole kWh."""
    return chain._replace(digit=max(chain.digit, round(of_start))) if case.start_exact is None else chain


def _up_to_the_next(case: Case, view: View) -> View:
    """Replace the last rounded reading by the start of the next transaction, if they agree within the last digit."""
    after = case.after
    if case.stop_wh is not None or after is None or after.begin is None or abs(after.begin - view.wh[-1]) > view.digit:
        return view
    return View(view.at, [*view.wh[:-1], after.begin], view.digit)


_UNITS_OF_ENERGY: Final = (1000, 0.001)
_TENFOLD: Final = (10, 0.1, 100, 0.01)
_EACH_PHASE: Final = 1 / tolerances.PHASES
"""Each phase was sent with the register of all."""
_NO_UNITS: Final = (*_TENFOLD, _EACH_PHASE)
_UNITS: Final[tuple[tuple[float, float, float, str], ...]] = (
    (1, 1000, 1, "readings are"),
    (1, 0.001, 1, "readings are"),
    (1, _EACH_PHASE, 1, "readings are"),
    *((1, factor, 1, "readings are") for factor in _TENFOLD),
    (1, 1000, 1000, "start is"),
    (1000, 1, 1, "start is"),
    (1, 1, 1000, "stop is"),
    *((factor, 1, factor, "start and stop are") for factor in (10, 100, 1000, 0.1, 0.01)),
)


def _units(case: Case) -> Iterator[tuple[float, float, float, str]]:
    """Yield the units of start, readings and stop. If a neighbour or a fraction shows start and stop in kWh, the
    readings are not in less than Wh; and if one of the two is in kWh, the other is if it has a fraction."""
    scale, fractions = scale_shown(case), (case.start_exact is not None, case.stop_exact is not None)
    are_in_kwh = case.has_fraction or (scale is not None and scale.factor == 1000)
    for one in _UNITS:
        factors = (one[0], one[2])
        is_mixed = case.has_fraction and any(
            other > factor and has for factor, other, has in zip(factors, factors[::-1], fractions, strict=True)
        )
        is_by_chance = one[1] == _EACH_PHASE and len(case.view.wh) < tolerances.SEVERAL
        if not (is_mixed or is_by_chance or (are_in_kwh and one[1] < 1)):
            yield one


def exact_numbers(case: Case) -> Iterator[Candidate]:
    """Yield the candidate of start and stop in kWh: whole Wh, which the field requires, have no fraction."""
    if case.start_wh is None or case.stop_wh is None or not case.has_fraction:
        return
    start, stop = in_kwh(case.start_wh, case.start_exact), in_kwh(case.stop_wh, case.stop_exact)
    chain = ends_alone(case, stop - start)
    ends, words = (case.start_wh, case.stop_wh), "the registers are in kWh"
    yield Candidate(Code.WRONG_FACTOR, words, SCALED, chain, 0, *ends, factor=1000)


def wrong_factors(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with all registers wrong by one factor, if another source confirms the corrected figure, or
    confirmed that factor before, or a neighbour continues it, or both neighbours surround it; or if no battery takes
    more, and no AC charger gives more. None if they go on from a neighbour at a charger whose registers power has
    confirmed."""
    if case.start_wh is None or (case.stop_wh is None and not case.view.wh):
        return
    until = case.view.wh[-1] if case.stop_wh is None else case.stop_wh
    if is_scale_known(case) or _holds_a_neighbour(case, until):
        return
    chain = _reported_chain(case, bounds)
    exact = _as_sent(chain, case.view)
    is_refused = charged(case) > tolerances.CHARGE_STEP and bounds.against_charge(chain) is not None
    is_refused |= case.is_ac_shown and bounds.too_much(chain.wh[-1]) is not None
    scale = scale_shown(case)
    for factor in tolerances.FACTORS if chain.wh[-1] > 0 else ():
        if factor == 1000 and case.has_fraction:
            continue  # see `exact_numbers`
        is_continued = scale is not None and factor == scale.factor
        is_shown = is_continued or case.shown_factor == factor or bounds.confirms(round(exact[-1] * factor))
        if not (is_shown or (is_refused and factor < 1)):
            continue
        corrected = Chain(chain.at, [round(wh * factor) for wh in exact], max(1, round(chain.digit * factor)))
        if is_shown or bounds.against_charge(corrected) is None:
            assumptions = int(_fell(case) and not is_continued) if is_shown else 1 + _is_too_slow(corrected)
            ends, words = (case.start_wh, until), wrong_by(factor)
            yield Candidate(Code.WRONG_FACTOR, words, SCALED, corrected, assumptions, *ends, factor=factor)


def is_below_any_car(case: Case, factor: float = 1) -> bool:
    """Whether no car charges at AC with so little as a part of the highest reported power."""
    return bool(case.power) and not case.is_dc and factor * case.power.most < tolerances.LEAST_AC_W


def counted_otherwise(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidates of a register that goes on from a neighbour, on the scale of both, but rose ten or a hundred
    times as fast as power shows, step by step."""
    chain = _reported_chain(case, bounds)
    for factor in (0.1, 0.01) if is_scale_known(case) else ():
        energy = [round(wh * factor) for wh in chain.wh]
        if bounds.is_tracked(factor) and bounds.confirms(energy[-1]):
            words = f"the register counted {plain(1 / factor)} times too fast"
            counted = Chain(chain.at, energy, max(1, round(chain.digit * factor)))
            ends = (case.start_wh, (case.start_wh or 0) + chain.wh[-1])
            yield Candidate(Code.POWER_DISAGREES, words, SCALED, counted, 0, *ends)


def _holds_a_neighbour(case: Case, until: int) -> bool:
    """Whether a neighbour's registers, on the scale as sent, lie between start and stop: one of these is wrong."""
    start, pairs = case.start_wh or 0, ((one.begin, one.end) for one in (case.before, case.after) if one is not None)
    return any(None not in pair and start < (pair[0] or 0) <= (pair[1] or 0) < until for pair in pairs)


def _fell(case: Case) -> bool:
    """Whether the register fell since the previous stop, on the scale as sent: its start may be wrong."""
    before = case.before
    return before is not None and before.is_end_known and (case.start_wh or 0) < (before.end or 0)


def _as_sent(chain: Chain, view: View) -> Sequence[float]:
    """Return the values of a chain with the decimals of its readings."""
    decimals = [exact - wh for exact, wh in zip(view.exact, view.wh, strict=False)]
    return [*chain.wh[:1], *map(add, chain.wh[1:], decimals), *chain.wh[len(decimals) + 1 :]] if decimals else chain.wh


def _reported_chain(case: Case, bounds: Bounds) -> Chain:
    """Return the chain of start, readings and stop as one register, or of readings that count from 0."""
    start, view = case.start_wh or 0, case.view
    if begins_at_zero(bounds, view, is_start_garbled=True):
        return session_chain(case, view, None if case.stop_wh is None else case.stop_wh - start)
    return chain_of(case, start, view, case.stop_wh)
