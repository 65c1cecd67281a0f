"""Choosing: the figure that a person could confirm, if the reported one is in doubt.

The candidates with the fewest assumptions count, and of these the lowest. If none survives, the
figure is the part that no evidence contradicts. If no register supports any part, it is the
reported one if some car could have drawn it in that time, else 0, and the review gives the maximum.
A lower candidate may stand in place of a reported figure that nothing contradicts but that is
unusual.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter, sub

from levity_trio.charging import tolerances
from levity_trio.charging.propose.candidates import candidates, swapped, wrong_factors, wrong_units
from levity_trio.charging.refute.bounds import Bounds, Finding
from levity_trio.charging.refute.ending import most_possible
from levity_trio.charging.refute.impossible import abrupt_steps
from levity_trio.charging.refute.measured import unusual
from levity_trio.charging.refute.scales import continues_both, is_scale_known
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.refute.table import (
    Refutation,
    Refuted,
    Weight,
    asked,
    power_in_kilowatts,
    undoubted,
    with_power,
)
from levity_trio.charging.reviews import AS_REPORTED, Code, Doubt, energy_text, in_wh
from levity_trio.charging.sent.evidence import Case, Power
from levity_trio.charging.sent.figures import (
    REGISTER,
    SEGMENTS,
    Candidate,
    Chain,
    Chosen,
    Figure,
    chain_of,
    ends_alone,
)
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Figure as Number
from levity_trio.told import Quantity, Told, joined


def propose(case: Case, bounds: Bounds, figure: Figure | None, refuted: Refuted) -> Chosen:
    """Choose a figure in place of a reported one that is in doubt, or that there is not."""
    if figure is not None and refuted.contradiction is None:
        return _missing(bounds, refuted.lacks) or _in_question(case, bounds, figure, refuted)
    if figure is not None:
        whole = _missing(bounds, list(asked(Weight.LACKS, case, bounds, figure)))
        if whole is not None:
            return whole
    chosen = _power_on_another_scale(case, bounds, figure)
    return chosen or _by_candidates(case, bounds, figure, refuted)


def _in_question(case: Case, bounds: Bounds, figure: Figure, refuted: Refuted) -> Chosen:
    """Choose the reported figure, with its doubts, or a lower one that some further evidence
    supports."""
    lower = next(lower_candidates(case, bounds, figure.chain), None) if refuted.questions else None
    if lower is None:
        questions = [
            one.doubt(found._replace(figures={AS_REPORTED: figure.wh}))
            for one, found in refuted.questions
        ]
        return Chosen(
            figure, None, tuple(questions or [one.doubt(found) for one, found in refuted.lacks])
        )
    figures = {AS_REPORTED: figure.wh, lower.words: lower.wh}
    doubt = Doubt(lower.code, lower.words, refuted.questions[0][1].evidence, figures)
    return Chosen(lower.figure, lower.code, (doubt,))


def _missing(bounds: Bounds, lacks: Sequence[tuple[Refutation, Finding]]) -> Chosen | None:
    """Choose the figure with what flowed before a late start or after an old stop, if power shows
    it."""
    if len(lacks) != 1:
        return None
    refutation, found = lacks[0]
    if found.whole is None or bounds.conflict(found.whole.chain) is not None:
        return None
    doubt = refutation.doubt(found)
    return Chosen(found.whole._replace(is_reported=False), doubt.code, (doubt,))


def _by_candidates(case: Case, bounds: Bounds, figure: Figure | None, refuted: Refuted) -> Chosen:
    """Choose the candidate with the fewest assumptions that nothing contradicts.

    Each gap in which power disagrees counts as an assumption. Of several, the candidate with which
    power agrees in most gaps wins, then the one that most neighbours continue, then the lowest
    figure.
    """
    every = list(candidates(case, bounds))
    survivors = _survivors(case, bounds, every)
    if not survivors and (
        figure is None or bounds.conflict(figure.chain, is_partial=True) is not None
    ):
        survivors = _survivors(case, bounds, [replace(one, is_partial=True) for one in every])
    if not survivors:
        return _uncontradicted_part(case, bounds, figure, refuted, every)
    ranked = sorted(((_rank(case, bounds, one), one) for one in survivors), key=itemgetter(0))
    (least, *_), chosen = ranked[0]
    simplest = [one for (assumptions, *_), one in ranked if assumptions == least]
    conflict = _against(case, refuted)
    figures = {one.words: one.wh for one in simplest} | ({AS_REPORTED: figure.wh} if figure else {})
    doubt = Doubt(chosen.code, chosen.words, conflict.evidence, figures)
    is_sole = len({one.wh for one in simplest}) == 1
    return Chosen(chosen.figure, chosen.code, (doubt,), is_sole, factor=chosen.factor)


def _rank(case: Case, bounds: Bounds, one: Candidate) -> tuple[int, int, int, int]:
    agreeing, against = bounds.agreement(one.chain)
    return one.assumptions + against, -agreeing, -_touched(case, one), one.wh


def _touched(case: Case, candidate: Candidate) -> int:
    """Return how many neighbours end where it begins, as judged or as sent, or begin where it
    ends."""
    before, after = case.before, case.after
    pairs = (
        (candidate.begin, (case.ended_before, before and before.replaced_end)),
        (candidate.end, (after and after.begin,)),
    )
    return sum(bool(own) and own in others for own, others in pairs)


def _survivors(case: Case, bounds: Bounds, every: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that nothing contradicts."""
    placed = (one for one in every if one.wh >= 0 and is_in_place(case, one))
    return [one for one in placed if bounds.conflict(one.chain, is_partial=one.is_partial) is None]


def _power_on_another_scale(case: Case, bounds: Bounds, figure: Figure | None) -> Chosen | None:
    """Choose the reported figure if it agrees with the power multiplied by a factor.

    Registers that are a tenth of what they should be agree with a tenth of the power, too, but give
    the higher figure.
    """
    if len(case.power.at) < tolerances.SEVERAL:
        return None
    for factor in _scales_of_power(case, bounds, figure):
        if (choice := undoubted(with_power(case, factor))) is not None:
            others = (
                {one.words: one.wh for one in wrong_factors(case, bounds)} if factor < 1 else {}
            )
            evidence = (energy_text(choice.wh), Told("at most {1}", Quantity(case.power.most, "W")))
            doubt = Doubt(
                Code.READINGS_UNIT,
                _wrong_power(factor),
                evidence,
                {AS_REPORTED: choice.wh, **others},
            )
            figure = choice._replace(is_reported=False)
            return Chosen(
                figure, Code.READINGS_UNIT, (doubt,), is_sole=not others, is_power_scaled=True
            )
    return None


def _scales_of_power(case: Case, bounds: Bounds, figure: Figure | None) -> Iterator[float]:
    """Yield the factors that power may lack.

    It may be in kW. A tenth may be right if no AC charger delivers as much. If the readings track
    it multiplied by 2 or 3, it is that of one phase; not if a transaction beside it tells the same
    register, which may have counted both. If they track it multiplied by 10 or 100, no car charges
    with so little. A car can charge by a part of it, if the register goes on from a neighbour: its
    scale was confirmed by power before. At a charger whose power was too high before, it still is.
    """
    if figure is not None and power_in_kilowatts(case, bounds, figure) is not None:
        yield 1000
    if figure is not None and case.power.most > tolerances.AC_W and not case.is_dc_shown:
        yield from (0.1,) if bounds.confirms(10 * figure.wh) else ()
    is_alone = case.power.high == case.power.low and not counted(case, case.start_wh, case.stop_wh)
    phases = (tolerances.PHASES - 1, tolerances.PHASES) if is_alone else ()
    too_low = (10, 100) if _is_below_any_car(case) else ()
    is_too_high = (is_scale_known(case) or case.has_power_too_high) and not _is_below_any_car(
        case, 0.1
    )
    too_high = (0.1,) if is_too_high else ()
    yield from (
        factor for factor in (*phases, *too_low, *too_high) if bounds.is_tracked(1 / factor)
    )


def _wrong_power(factor: float) -> str:
    if factor in (tolerances.PHASES - 1, tolerances.PHASES):
        return Told("the power is that of one of {1} phases", round(factor))
    if factor > 1:
        return Told("the power is too low by a factor of {1}", Number(factor))
    return Told("the power is too high by a factor of {1}", Number(1 / factor))


def _is_below_any_car(case: Case, factor: float = 1) -> bool:
    """Whether no car charges at AC with so little as a part of the highest reported power."""
    return bool(case.power) and not case.is_dc and factor * case.power.most < tolerances.LEAST_AC_W


def is_in_place(case: Case, candidate: Candidate) -> bool:
    """Whether a replaced start or stop, or a leap, leaves room for the neighbours: the register
    does not fall between two. An unknown end is no bound: it may be a reading of this one, or of
    another register."""
    if candidate.code not in (
        Code.START_GARBLED,
        Code.STOP_GARBLED,
        Code.UNKNOWN_START,
        Code.REGISTER_LEAPT,
    ):
        return True
    digit, after = case.digit, case.after
    before = case.before if case.before is not None and case.before.is_end_known else None
    begin, end = candidate.begin or 0, candidate.end or 0
    falls_after = (
        after is not None and after.begin is not None and begin < after.begin < end - digit
    )
    lowest = (before and before.begin) or 0
    falls_before = before is not None and begin > 0 and lowest <= begin < (before.end or 0) - digit
    return not (falls_after or falls_before)


def _against(case: Case, refuted: Refuted) -> Doubt:
    """Return what contradicts the reported figure, or say which register is missing."""
    if refuted.contradiction is not None:
        return refuted.contradiction
    if case.start_wh is not None and case.stop_wh is not None and case.stop_wh < case.start_wh:
        evidence = (
            Told("start register {1}", in_wh(case.start_wh)),
            Told("stop register {1}", in_wh(case.stop_wh)),
        )
        return Doubt(
            Code.STOP_GARBLED, Told("the stop register is below the start register"), evidence
        )
    sent = joined("; ", case.garbled) if case.garbled else Told("nothing was sent")
    words = _without_register(case)
    return Doubt(Code.NO_REGISTER, words, (words, sent))


def _without_register(case: Case) -> Told:
    match case.start_wh, case.stop_wh:
        case None, None:
            return Told("neither the start nor the stop has a readable register")
        case None, _:
            return Told("the start has no readable register")
        case _, None:
            return Told("the stop has no readable register")
        case _:
            return Told("the session has no readable register")


def _uncontradicted_part(
    case: Case, bounds: Bounds, figure: Figure | None, refuted: Refuted, every: Sequence[Candidate]
) -> Chosen:
    """Choose the uncontradicted part, if every candidate is contradicted."""
    if (
        not case.is_stopped and not case.view.wh
    ):  # closed by the system: `circumstances` has that doubt
        return Chosen(Figure(0, REGISTER, case.start_wh, case.start_wh), Code.NO_REGISTER)
    conflict = _against(case, refuted)
    part = min(part_of(case, bounds), int(bounds.most_wh))
    is_whole = figure and (
        _is_shown_by_both(case, bounds, figure) or (part == 0 and _can_some_car(case, figure))
    )
    wh = figure.wh if figure and is_whole else part
    figures = {one.words: one.wh for one in every if one.wh >= 0} | (
        {AS_REPORTED: figure.wh} if figure else {}
    )
    possible = most_possible(case, bounds)
    most = min(possible, max(figures.values(), default=0) or possible)
    words = Told("{1}; at most {2}", conflict.words, in_wh(most)) if wh == 0 else conflict.words
    code = Code.NO_REGISTER if conflict.code is Code.NO_REGISTER else Code.NOTHING_AGREES
    begin, end = (case.start_wh, figure.end) if figure and is_whole else range_of(case, bounds, wh)
    return Chosen(
        Figure(wh, SEGMENTS, begin, end), code, (Doubt(code, words, conflict.evidence, figures),)
    )


def _can_some_car(case: Case, figure: Figure) -> bool:
    """Whether some car could have drawn the reported energy in that time, whatever this charger is
    known to deliver."""
    bounds, wh = Bounds(replace(case, ceiling_w=None, power=Power())), figure.wh
    return (
        wh <= tolerances.BATTERY_WH[1]
        and bounds.impossible_step(figure.chain) is None
        and bounds.too_much(wh) is None
    )


def _is_shown_by_both(case: Case, bounds: Bounds, figure: Figure) -> bool:
    """Whether both neighbours show start and stop, and nothing but the readings contradicts
    these."""
    return continues_both(case) and bounds.conflict(ends_alone(case, figure.wh)) is None


def lower_candidates(case: Case, bounds: Bounds, reported: Chain) -> Iterator[Candidate]:
    """Yield the candidates that some further evidence supports."""
    yield from sorted(
        (one for one in swapped(case, reported) if one.wh < reported.wh[-1]), key=attrgetter("wh")
    )
    yield from (
        one
        for one in wrong_units(case, bounds)
        if one.wh <= reported.wh[-1] and _is_usual(case, bounds, one.chain)
    )
    yield from (
        one for one in _between_readings(case, reported) if _is_usual(case, bounds, one.chain)
    )


def _is_usual(case: Case, bounds: Bounds, chain: Chain) -> bool:
    return bounds.conflict(chain, is_partial=True) is None and unusual(case, bounds, chain) is None


def _between_readings(case: Case, reported: Chain) -> Iterator[Candidate]:
    """Yield stop − first reading and last reading − start, if the step next to that start or stop
    is far too fast by power, or for the others."""
    start, stop, view = case.start_wh, case.stop_wh, case.view
    if (
        start is None
        or stop is None
        or not view.wh
        or not start <= view.wh[0] <= view.wh[-1] <= stop
    ):
        return
    at, wh, abrupt = reported.at, reported.wh, abrupt_steps(case, reported)
    if 1 in abrupt or _is_far_faster(case, wh[1], at[1] - at[0]):
        words = Told(
            "start register is {1}, the first reading is {2}", in_wh(start), in_wh(view.wh[0])
        )
        rest = Chain(at[1:], [value - wh[1] for value in wh[1:]], reported.digit)
        yield Candidate(
            Code.START_GARBLED, words, SEGMENTS, rest, 1, view.wh[0], stop, is_partial=True
        )
    if abrupt[-1:] == [len(wh) - 1] or _is_far_faster(case, wh[-1] - wh[-2], at[-1] - at[-2]):
        words = Told(
            "stop register is {1}, the last reading is {2}", in_wh(stop), in_wh(view.wh[-1])
        )
        rest = Chain(at[:-1], wh[:-1], reported.digit)
        yield Candidate(
            Code.STOP_GARBLED, words, SEGMENTS, rest, 1, start, view.wh[-1], is_partial=True
        )


def _is_far_faster(case: Case, rise: int, seconds: float) -> bool:
    """Whether a step is far faster than the power with which a car charged, or than none, if that
    is reported."""
    power = case.power
    if (
        not power
        or 0 < round(power.most) < tolerances.LEAST_CHARGING_W
        or not (case.reports_power or power.most)
    ):
        return False
    most = tolerances.TWICE * power.most * (max(0.0, seconds) + tolerances.INTERVAL) / HOUR
    return rise > most + tolerances.REACH_WH


def part_of(case: Case, bounds: Bounds) -> int:
    """Return the energy in Wh that no evidence contradicts: the sum of the possible steps of the
    readings."""
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
    return (
        min(possible, chain.wh[-1]) if min(chain.wh) >= 0 and case.stop_wh is not None else possible
    )


def range_of(case: Case, bounds: Bounds, wh: int) -> tuple[int | None, int | None]:
    """Return the range of the register on which an uncontradicted part is based: up to the stop, if
    the last reading leads to it, else from the start. If no part is left, it is as sent: any
    register may be the wrong one."""
    begin, stop = (
        case.view.wh[0] if case.start_wh is None and case.view.wh else case.start_wh,
        case.stop_wh,
    )
    if begin is None or stop is None or stop < begin:
        return begin, None if begin is None else begin + wh
    if wh == 0:
        return begin, stop
    chain = chain_of(case, begin, case.view, stop)
    is_led_to = (
        stop - wh >= begin and bool(case.view.wh) and bounds.is_possible(chain, len(chain.wh) - 1)
    )
    return (stop - wh, stop) if is_led_to else (begin, begin + wh)
