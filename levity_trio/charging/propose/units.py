"""Candidates with registers in another unit than they were sent as, or wrong by a factor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, charged
from levity_trio.charging.refute.figure import begins_at_zero
from levity_trio.charging.refute.scales import in_kwh, is_scale_known, scale_shown, wrong_by
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, View
from levity_trio.charging.sent.figures import (
    REGISTER,
    SCALED,
    SEGMENTS,
    Candidate,
    Chain,
    chain_of,
    ends_alone,
    session_chain,
)
from levity_trio.charging.sent.power import HOUR

_TENFOLD: Final = (10, 0.1, 100, 0.01)
_NO_UNITS: Final = (*_TENFOLD, 1 / tolerances.PHASES)
"""Each phase may be sent with the register of all."""
_UNITS: Final[tuple[tuple[float, float, float, str], ...]] = (
    *((1, factor, 1, "readings are") for factor in (1000, 0.001, *_NO_UNITS)),
    (1, 1000, 1000, "start is"),
    (1000, 1, 1, "start is"),
    (1, 1, 1000, "stop is"),
    *((factor, 1, factor, "start and stop are") for factor in (1000, *_TENFOLD)),
)
"""The factors that start, readings and stop lack, if some of them are in another unit."""


def wrong_units(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with start, readings or stop in kWh but sent as Wh, or the reverse, and the rest correct."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or not view.wh:
        return
    for of_start, of_view, of_stop, which in _UNITS:
        begin, end = _in_unit(start, case.start_exact, of_start), _in_unit(stop, case.stop_exact, of_stop)
        is_high = begin is not None and begin >= tolerances.SIGNIFICANT_START_WH
        is_shown = is_high or (of_start == 1 and of_view not in _NO_UNITS)
        is_told = case.start_exact is None if of_start < of_stop else case.stop_exact is None or of_start == of_stop
        if begin is None or not is_shown or not is_told or (stop is None and of_stop > 1):
            continue  # a low start is close to any reading
        scaled = view if of_view == 1 else view.scaled(of_view)
        rise, room = scaled.wh[-1] - begin, max(case.digit, view.digit * of_view)
        if not -room <= rise <= bounds.most_wh + room:
            continue  # no time allows this rise
        until, words = scaled.wh[-1] if end is None else end, f"the {which} in another unit than the rest"
        agrees = tolerances.TWICE * rise >= until - begin > 0  # tiny readings would agree with anything
        if agrees or (is_high and until == begin):
            method = REGISTER if of_start == of_stop else SEGMENTS
            chain, assumptions = chain_of(case, begin, scaled, end), int(of_view < 1 and _is_too_slow(scaled))
            chain = chain._replace(digit=max(chain.digit, round(of_start))) if case.start_exact is None else chain
            yield Candidate(Code.READINGS_UNIT, words, method, chain, assumptions, begin, until, factor=of_start)
        if stop is not None and of_view != 1 and is_high and rise > 0:
            chain, both = chain_of(case, begin, scaled, None), f"{words}, and meterStop is {stop} Wh"
            yield Candidate(Code.READINGS_UNIT, both, SEGMENTS, chain, 1, begin, scaled.wh[-1])


def _in_unit(wh: int | None, exact: Decimal | None, factor: float) -> int | None:
    """Return a register multiplied by a factor; in kWh, with its decimals, if that is 1000."""
    return wh if wh is None or factor == 1 else in_kwh(wh, exact) if factor == 1000 else round(wh * factor)


def _is_too_slow(course: View | Chain) -> bool:
    """Whether no car charges so slowly as each of several steps."""
    steps = zip(pairwise(course.at), pairwise(course.wh), strict=True)
    paces = [(high - low - course.digit) * HOUR / (now - then) for (then, now), (low, high) in steps if now > then]
    return len(paces) >= tolerances.FEW and max(paces) < tolerances.LEAST_AC_W


def wrong_factors(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with all registers wrong by one factor, if another source confirms the corrected figure, or
    confirmed that factor before, or a neighbour continues it; if whole Wh, which the field requires, have a fraction;
    or if no battery takes more, and no AC charger gives more. If they go on from a neighbour at a charger whose
    registers power has confirmed, power must show it step by step."""
    until = case.stop_wh if case.stop_wh is not None or not case.view.wh else case.view.wh[-1]
    if case.start_wh is None or until is None or _holds_a_neighbour(case, until):
        return
    chain, is_known = _reported_chain(case, bounds), is_scale_known(case)
    is_refused = charged(case) > tolerances.CHARGE_STEP and bounds.against_charge(chain) is not None
    is_refused |= case.is_ac_shown and bounds.too_much(chain.wh[-1]) is not None
    scale = scale_shown(case)
    for factor in tolerances.FACTORS:
        corrected = _corrected(case, chain, factor)
        is_shown = bounds.confirms(corrected.wh[-1])
        if corrected.wh[-1] <= 0 or (is_known and not (factor < 1 and is_shown and bounds.is_tracked(factor))):
            continue
        is_shown |= (
            (scale is not None and factor == scale.factor)
            or case.shown_factor == factor
            or (factor == 1000 and case.has_fraction)
        )
        if is_shown or (is_refused and factor < 1 and bounds.against_charge(corrected) is None):
            assumptions = 0 if is_shown else 1 + _is_too_slow(corrected)
            one = Candidate(
                *(Code.WRONG_FACTOR, wrong_by(factor), SCALED, corrected, assumptions, case.start_wh, until),
                factor=factor,
            )
            yield replace(one, code=Code.POWER_DISAGREES, factor=1) if is_known else one


def _corrected(case: Case, chain: Chain, factor: float) -> Chain:
    """Return a chain multiplied by a factor; of start and stop alone, with their decimals, if these are in kWh."""
    if factor == 1000 and case.has_fraction and case.start_wh is not None and case.stop_wh is not None:
        return ends_alone(case, in_kwh(case.stop_wh, case.stop_exact) - in_kwh(case.start_wh, case.start_exact))
    return Chain(chain.at, [round(wh * factor) for wh in chain.wh], max(1, round(chain.digit * factor)))


def _holds_a_neighbour(case: Case, until: int) -> bool:
    """Whether a neighbour's registers, on the scale as sent, lie between start and stop: one of these is wrong."""
    start, pairs = case.start_wh or 0, ((one.begin, one.end) for one in (case.before, case.after) if one is not None)
    return any(None not in pair and start < (pair[0] or 0) <= (pair[1] or 0) < until for pair in pairs)


def _reported_chain(case: Case, bounds: Bounds) -> Chain:
    """Return the chain of start, readings and stop as one register, or of readings that count from 0."""
    start, view = case.start_wh or 0, case.view
    if begins_at_zero(bounds, view, is_start_garbled=True):
        return session_chain(case, view, None if case.stop_wh is None else case.stop_wh - start)
    return chain_of(case, start, view, case.stop_wh)
