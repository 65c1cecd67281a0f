"""Choosing: the figure that a person could confirm, if the reported one is in doubt.

The candidates with the fewest assumptions count, and of these the lowest. If none survives, the
figure is the part that no evidence contradicts. If no register supports any part, it is the
reported one if some car could have drawn it in that time, else 0, and the review gives the maximum.
A lower candidate may stand in place of a reported figure that nothing contradicts but that is
unusual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.propose.candidates import candidates, swapped, wrong_factors, wrong_units
from levity_trio.charging.refute.bounds import Bounds, Finding
from levity_trio.charging.refute.ending import most_possible
from levity_trio.charging.refute.measured import abrupt_steps, unusual
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
    """Choose a figure in place of a reported one that is in doubt, or that there is not. What its
    meter signed comes first, and is certain."""
    if case.signed_wh is not None:
        for signed in candidates(case, bounds):
            if signed.wh == case.signed_wh and bounds.conflict(signed.chain) is None:
                # What its meter proves of a factor is as good as power.
                is_sole, factor = signed.code is Code.WRONG_FACTOR, signed.factor
                return Chosen(signed.figure, signed.code, is_sole=is_sole, factor=factor)
    if figure is None or refuted.contradiction is not None:
        whole = None
        # Refuting stops at a contradiction, so what the figure lacks was not asked yet.
        if figure is not None:
            whole = _missing(bounds, list(asked(Weight.LACKS, case, bounds, figure)))
        chosen = whole or _power_on_another_scale(case, bounds, figure)
        return chosen or _by_candidates(case, bounds, figure, refuted)

    whole = _missing(bounds, refuted.lacks)
    if whole is not None:
        return whole
    if not refuted.questions:
        doubts = [refutation.doubt(finding) for refutation, finding in refuted.lacks]
        return Chosen(figure, None, tuple(doubts))

    # A lower figure counts if some further evidence supports it.
    figures: dict[str, int] = {AS_REPORTED: figure.wh}
    lower = next(lower_candidates(case, bounds, figure.chain), None)
    if lower is not None:
        _, finding = refuted.questions[0]
        figures[lower.words] = lower.wh
        doubt = Doubt(lower.code, lower.words, finding.evidence, figures)
        return Chosen(lower.figure, lower.code, (doubt,))
    doubts = [
        refutation.doubt(finding._replace(figures=figures))
        for refutation, finding in refuted.questions
    ]
    return Chosen(figure, None, tuple(doubts))


def _missing(bounds: Bounds, lacks: Sequence[tuple[Refutation, Finding]]) -> Chosen | None:
    """Choose the figure with what flowed before a late start or after an old stop, if power shows
    it."""
    if len(lacks) != 1:
        return None
    refutation, finding = lacks[0]
    whole = finding.whole
    if whole is None or bounds.conflict(whole.chain) is not None:
        return None
    doubt = refutation.doubt(finding)
    return Chosen(whole._replace(is_reported=False), doubt.code, (doubt,))


def _by_candidates(case: Case, bounds: Bounds, figure: Figure | None, refuted: Refuted) -> Chosen:
    """Choose the candidate with the fewest assumptions that nothing contradicts.

    Each gap in which power disagrees counts as an assumption. Of several, the candidate with which
    power agrees in most gaps wins, then the one that most neighbours continue, then the lowest
    figure.
    """
    every = list(candidates(case, bounds))
    survivors = _survivors(case, bounds, every)
    if not survivors:
        # Each may lack a part of what flowed, if such a lack alone does not excuse the reported
        # figure, too.
        chain = None if figure is None else figure.chain
        if chain is None or bounds.conflict(chain, is_partial=True) is not None:
            survivors = _survivors(case, bounds, every, is_partial=True)
    if not survivors:
        return _uncontradicted_part(case, bounds, figure, refuted, every)

    ranked = list[tuple[tuple[int, int, int, int], Candidate]]()
    next_begin = case.after and case.after.begin
    ends_before = (case.ended_before, case.before and case.before.replaced_end)
    for candidate in survivors:
        agreeing, against = bounds.agreement(candidate.chain)
        goes_on = bool(candidate.begin) and candidate.begin in ends_before
        is_continued = bool(candidate.end) and candidate.end == next_begin
        assumptions = candidate.assumptions + against
        rank = (assumptions, -agreeing, -(goes_on + is_continued), candidate.wh)
        ranked.append((rank, candidate))
    ranked.sort(key=itemgetter(0))
    (least, *_), chosen = ranked[0]
    simplest = [candidate for (assumptions, *_), candidate in ranked if assumptions == least]

    figures = {candidate.words: candidate.wh for candidate in simplest}
    # Two of them may have the same words, as those of two factors.
    is_sole = len({candidate.wh for candidate in simplest}) == 1
    if figure is not None:
        figures[AS_REPORTED] = figure.wh
    doubt = Doubt(chosen.code, chosen.words, _against(case, refuted).evidence, figures)
    return Chosen(chosen.figure, chosen.code, (doubt,), is_sole, factor=chosen.factor)


def _survivors(
    case: Case, bounds: Bounds, every: Sequence[Candidate], *, is_partial: bool = False
) -> list[Candidate]:
    """Return the candidates that nothing contradicts, perhaps as if each lacked a part of what
    flowed."""
    survivors = list[Candidate]()
    for candidate in every:
        if candidate.wh < 0 or not is_in_place(case, candidate):
            continue
        lacks_energy = is_partial or candidate.is_partial
        if bounds.conflict(candidate.chain, is_partial=lacks_energy) is None:
            survivors.append(candidate)
    return survivors


_REPLACED_OR_LEAPT: Final = frozenset(
    {Code.START_GARBLED, Code.STOP_GARBLED, Code.UNKNOWN_START, Code.REGISTER_LEAPT}
)


def is_in_place(case: Case, candidate: Candidate) -> bool:
    """Whether a replaced start or stop, or a leap, leaves room for the neighbours: the register
    does not fall between two."""
    if candidate.code not in _REPLACED_OR_LEAPT:
        return True
    begin, end = candidate.begin or 0, candidate.end or 0
    before, after = case.before, case.after
    if after is not None and after.begin is not None and begin < after.begin < end - case.digit:
        return False

    # An unknown end is no bound: it may be a reading of this one, or of another register.
    if before is None or not before.is_end_known or begin == 0:
        return True
    lowest, highest = before.begin or 0, (before.end or 0) - case.digit
    return not lowest <= begin < highest


def _against(case: Case, refuted: Refuted) -> Doubt:
    """Return what contradicts the reported figure, or say which register is missing."""
    if refuted.contradiction is not None:
        return refuted.contradiction
    start, stop = case.start_wh, case.stop_wh
    if start is not None and stop is not None and stop < start:
        begin = Told("start register {1}", in_wh(start))
        end = Told("stop register {1}", in_wh(stop))
        words = Told("the stop register is below the start register")
        return Doubt(Code.STOP_GARBLED, words, (begin, end))

    match start, stop:
        case None, None:
            words = Told("neither the start nor the stop has a readable register")
        case None, _:
            words = Told("the start has no readable register")
        case _, None:
            words = Told("the stop has no readable register")
        case _:
            words = Told("the session has no readable register")
    sent = joined("; ", case.garbled) if case.garbled else Told("nothing was sent")
    return Doubt(Code.NO_REGISTER, words, (words, sent))


def _power_on_another_scale(case: Case, bounds: Bounds, figure: Figure | None) -> Chosen | None:
    """Choose the reported figure if it agrees with the power multiplied by a factor."""
    if len(case.power.at) < tolerances.SEVERAL:
        return None
    for factor in _scales_of_power(case, bounds, figure):
        choice = undoubted(with_power(case, factor))
        if choice is None:
            continue
        figures: dict[str, int] = {AS_REPORTED: choice.wh}
        if factor < 1:
            # Registers that are a tenth of what they should be agree with a tenth of the power,
            # too: a person sees that higher figure beside this one.
            figures |= {other.words: other.wh for other in wrong_factors(case, bounds)}
        highest = Told("at most {1}", Quantity(case.power.most, "W"))
        evidence = energy_text(choice.wh), highest
        if factor in (tolerances.PHASES - 1, tolerances.PHASES):
            words = Told("the power is that of one of {1} phases", round(factor))
        elif factor > 1:
            words = Told("the power is too low by a factor of {1}", Number(factor))
        else:
            words = Told("the power is too high by a factor of {1}", Number(1 / factor))
        doubt = Doubt(Code.READINGS_UNIT, words, evidence, figures)
        is_sole, chosen = len(figures) == 1, choice._replace(is_reported=False)
        return Chosen(chosen, doubt.code, (doubt,), is_sole, is_power_scaled=True)
    return None


def _scales_of_power(case: Case, bounds: Bounds, figure: Figure | None) -> Iterator[float]:
    """Yield the factors by which the power as sent may have to be multiplied."""
    power = case.power
    if figure is not None:
        if power_in_kilowatts(case, bounds, figure) is not None:
            yield 1000
        is_beyond_ac = power.most > tolerances.AC_W and not case.is_dc_shown
        # If power as sent confirms ten times the figure, a tenth of it confirms the figure itself.
        if is_beyond_ac and bounds.confirms(10 * figure.wh):
            yield 0.1

    factors = list[float]()
    # Power may be that of one phase: where their number is unknown, `low` to `high` covers that. It
    # may also seem too low because the register counted a transaction on another connector, too.
    if power.high == power.low and not counted(case, case.start_wh, case.stop_wh):
        factors += (tolerances.PHASES - 1, tolerances.PHASES)
    if _is_below_any_car(case, power.most):
        factors += (10, 100)
    # A tenth of the power may still be enough for a car. Then the power is wrong, and not the
    # register, if it has been too high before, or if the scale of the register is known.
    is_power_at_fault = is_scale_known(case) or case.has_power_too_high
    if is_power_at_fault and not _is_below_any_car(case, 0.1 * power.most):
        factors.append(0.1)
    # Power times a factor tracks the readings if power as sent tracks the readings divided by it.
    yield from (factor for factor in factors if bounds.is_tracked(1 / factor))


def _is_below_any_car(case: Case, most_w: float) -> bool:
    """Whether this is less than a car draws at AC, as the highest power of a transaction in W."""
    return not case.is_dc and most_w < tolerances.LEAST_AC_W


def _uncontradicted_part(
    case: Case,
    bounds: Bounds,
    figure: Figure | None,
    refuted: Refuted,
    contradicted: Sequence[Candidate],
) -> Chosen:
    """Choose the part of the energy that nothing contradicts, since every candidate is
    contradicted."""
    # The system closed it: `ending.without_register` has that doubt.
    if not case.is_stopped and not case.view.wh:
        return Chosen(Figure(0, REGISTER, case.start_wh, case.start_wh), Code.NO_REGISTER)

    wh = min(part_of(case, bounds), int(bounds.most_wh))
    begin, end = range_of(case, bounds, wh)
    figures = {candidate.words: candidate.wh for candidate in contradicted if candidate.wh >= 0}
    if figure is not None:
        figures[AS_REPORTED] = figure.wh
        # Both neighbours show start and stop, and only the readings contradict these.
        alone = ends_alone(case, figure.wh)
        is_believed = continues_both(case) and bounds.conflict(alone) is None
        # If no part of it is possible, what is known of this charger may be wrong: all of it counts
        # if some car could have drawn it in that time.
        _, largest_battery_wh = tolerances.BATTERY_WH
        if wh == 0 and figure.wh <= largest_battery_wh:
            of_any_charger = Bounds(replace(case, ceiling_w=None, power=Power()))
            is_drawn = of_any_charger.too_much(figure.wh) is None
            is_believed |= is_drawn and of_any_charger.refused_step(figure.chain) is None
        if is_believed:
            wh, begin, end = figure.wh, case.start_wh, figure.end

    conflict = _against(case, refuted)
    words = conflict.words
    if wh == 0:
        most = most_possible(case, bounds)
        # No explanation gives more than this, even if time and power would allow it.
        highest_explanation = max(figures.values(), default=0)
        if highest_explanation > 0:
            most = min(most, highest_explanation)
        words = Told("{1}; at most {2}", words, in_wh(most))
    is_missing = conflict.code is Code.NO_REGISTER
    code = Code.NO_REGISTER if is_missing else Code.NOTHING_AGREES
    doubt = Doubt(code, words, conflict.evidence, figures)
    return Chosen(Figure(wh, SEGMENTS, begin, end), code, (doubt,))


def part_of(case: Case, bounds: Bounds) -> int:
    """Return the energy in Wh that no evidence contradicts: the sum of the possible steps of the
    readings."""
    view = case.view
    if not view.wh:
        return 0
    begin = view.wh[0] if case.start_wh is None else case.start_wh
    chain = chain_of(case, begin, view, case.stop_wh)
    possible_wh = 0
    for step in range(1, len(chain.wh)):
        rise = chain.rise_to(step)
        if rise <= 0:
            continue
        # Nearly all steps are slower, and need no closer look.
        surely_possible = bounds.fast_w * chain.seconds_to(step) / HOUR
        if rise <= surely_possible or bounds.is_possible(chain, step):
            possible_wh += rise

    # No more flowed than stop − start, unless a register below the start shows that this is wrong,
    # or that the register was reset.
    falls_below_start = min(chain.wh) < 0
    if case.stop_wh is None or falls_below_start:
        return possible_wh
    return min(possible_wh, chain.wh[-1])


def range_of(case: Case, bounds: Bounds, wh: int) -> tuple[int | None, int | None]:
    """Return the range of the register on which an uncontradicted part is based: up to the stop, if
    the last reading leads to it, else from the start."""
    view, begin, stop = case.view, case.start_wh, case.stop_wh
    if begin is None and view.wh:
        begin = view.wh[0]
    if begin is None:
        return None, None
    if stop is None or stop < begin:
        return begin, begin + wh
    # If no part is left, the range is as sent: any register may be the wrong one.
    if wh == 0:
        return begin, stop

    if view.wh and stop - wh >= begin:
        chain = chain_of(case, begin, view, stop)
        if bounds.is_possible(chain, len(chain.wh) - 1):
            return stop - wh, stop
    return begin, begin + wh


def lower_candidates(case: Case, bounds: Bounds, reported: Chain) -> Iterator[Candidate]:
    """Yield explanations that give no more energy than was reported, the most likely first."""
    reported_wh = reported.wh[-1]
    # A boot reported another meter, so these need no further evidence.
    of_two_meters = [each for each in swapped(case, reported) if each.wh < reported_wh]
    yield from sorted(of_two_meters, key=attrgetter("wh"))

    # Of the others, nothing may contradict the energy that is left. If only the readings are in
    # another unit, the figure stays as it was.
    in_other_units = [each for each in wrong_units(case, bounds) if each.wh <= reported_wh]
    for candidate in (*in_other_units, *_between_readings(case, reported)):
        conflict = bounds.conflict(candidate.chain, is_partial=True)
        if conflict is None and unusual(case, bounds, candidate.chain) is None:
            yield candidate


def _between_readings(case: Case, reported: Chain) -> Iterator[Candidate]:
    """Yield stop − first reading if the step from the start to it is far faster than power or the
    other steps allow, and last reading − start if the step to the stop is."""
    start, stop, readings = case.start_wh, case.stop_wh, case.view.wh
    if start is None or stop is None or not readings:
        return
    first, (last_at, last) = readings[0], case.last_reading
    if not start <= first <= last <= stop:
        return

    at, wh, digit = reported
    abrupt = abrupt_steps(case, reported)
    if 1 in abrupt or _is_far_faster(case, reported, 1):
        since_first = Chain(at[1:], [value - wh[1] for value in wh[1:]], digit)
        begin, reading = in_wh(start), in_wh(first)
        yield Candidate(
            Code.START_GARBLED,
            Told("start register is {1}, the first reading is {2}", begin, reading),
            SEGMENTS,
            since_first,
            assumptions=1,
            begin=first,
            end=stop,
            is_partial=True,
        )
    final = len(wh) - 1
    if final in abrupt or _is_far_faster(case, reported, final):
        until_last = Chain([*at[:-1], last_at], [*wh[:-1], last - start], digit)
        end, reading = in_wh(stop), in_wh(last)
        yield Candidate(
            Code.STOP_GARBLED,
            Told("stop register is {1}, the last reading is {2}", end, reading),
            SEGMENTS,
            until_last,
            assumptions=1,
            begin=start,
            end=last,
            is_partial=True,
        )


def _is_far_faster(case: Case, chain: Chain, step: int) -> bool:
    """Whether a step rose far faster than the highest reported power allows."""
    power = case.power
    if not power:
        return False
    # A power of 0 shows nothing unless power has confirmed a transaction of this charger before.
    if power.most == 0 and not case.reports_power:
        return False
    # No car charges with so little: it was sent in kW.
    if 0 < round(power.most) < tolerances.LEAST_CHARGING_W:
        return False
    seconds = max(0.0, chain.at[step] - chain.at[step - 1]) + tolerances.INTERVAL
    most = tolerances.TWICE * power.most * seconds / HOUR
    return chain.wh[step] - chain.wh[step - 1] > most + tolerances.REACH_WH
