"""Candidates: explanations of a transaction's messages, each with the figure that it gives.

A candidate is made only if some evidence supports it; `Bounds` tests whether it can be true.
`assumptions` measures how much it leaves open: a wrong unit or time 0, since all registers then
agree; one step or one outlier, which can be of any size, 1; two of these 2. Candidates with more
assumptions count only if none with fewer survives.

A chain without its outliers (strays) or without its implausible steps (leaps) is a candidate of its
own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, charged
from levity_trio.charging.refute.figure import begins_at_zero, lifetime_registers
from levity_trio.charging.refute.measured import is_contradicted_at_ends
from levity_trio.charging.refute.neighbours import swaps
from levity_trio.charging.refute.scales import in_kwh, is_scale_known, scale_shown, wrong_by
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import Code, in_wh
from levity_trio.charging.sent.evidence import Case, View, is_rising
from levity_trio.charging.sent.figures import (
    REGISTER,
    ROLLOVER,
    SCALED,
    SEGMENTS,
    SESSION_READINGS,
    Candidate,
    Chain,
    chain_of,
    chain_of_other_counter,
    ends_alone,
    session_chain,
)
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Told


def _counted_per_session(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates whose readings count from 0 in each session, and perhaps the stop, too."""
    start, stop, view = case.start_wh, case.stop_wh, case.view
    if start is None or stop is None or not begins_at_zero(bounds, view, is_start_garbled=True):
        return
    words = Told("the readings count from 0 in each session")

    if stop < start:
        both = Told("{1}, and so does the stop register", words)
        # Readings that go on from the previous session rather show that the start is wrong.
        ended = case.ended_before
        assumptions = 1 if ended and ended <= view.wh[0] else 0
        # If the next session goes on from this stop, the register was reset, or it rolled over.
        goes_on = case.after is not None and case.after.begin == stop > 0
        until = stop if goes_on else start + stop
        chain = session_chain(case, view, stop)
        code, method = Code.SESSION_COUNT, SESSION_READINGS
        yield Candidate(code, both, method, chain, assumptions, start, until)

    chain = session_chain(case, view, None)
    yield Candidate(Code.SESSION_COUNT, words, SEGMENTS, chain, 1, start, start + view.wh[-1])


def _of_another_counter(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of start and stop whose readings are those of another counter."""
    start, stop, view = case.start_wh, case.stop_wh, case.view
    if start is None or stop is None or len(view.wh) < tolerances.SEVERAL:
        return
    energy = stop - start
    first, last = view.wh[0], view.wh[-1]
    if not 0 < last - first <= energy + view.digit:
        return

    # The counter of a new meter may begin below the start and end between both.
    lowest, highest = start - view.digit, stop + view.digit
    is_apart = first > highest or last < lowest
    if is_apart or (first < lowest and bounds.confirms(energy)):
        chain = chain_of_other_counter(case, view, energy)
        words = Told("the readings are those of another counter")
        yield Candidate(Code.STRAY_READING, words, REGISTER, chain, 1, start, stop)


def _without_readings(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidates of two registers alone, as if each reading were wrong."""
    start, stop = case.start_wh, case.stop_wh
    assumptions = len(case.view.wh)
    if stop is None or not assumptions:
        return

    ended = case.ended_before
    if ended is not None and (start or 0) < ended < stop:
        words = Told("the previous session ended at {1}, without readings", in_wh(ended))
        rest = ends_alone(case, stop - ended)
        yield Candidate(Code.START_GARBLED, words, REGISTER, rest, assumptions, ended, stop)

    if start is None or not bounds.confirms(stop - start) or is_contradicted_at_ends(case):
        return
    if bounds.refused_step(chain_of(case, start, case.view, stop)) is not None:
        words = Told("the readings contradict start, stop and power")
        rest = ends_alone(case, stop - start)
        yield Candidate(Code.STRAY_READING, words, REGISTER, rest, assumptions, start, stop)


def _without_others(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate without what its register counted on other connectors, if power confirms
    the rest."""
    start, stop = case.start_wh, case.stop_wh
    # Where another car drew next to nothing, `most` is 0. The `rest` is what this car did not draw.
    every = counted(case, start, stop)
    others = [other for other in every if other.most and not other.is_unlikely]
    if start is None or stop is None or not others:
        return
    energy = stop - start - sum(other.rest for other in others)
    if energy >= 0 and bounds.confirms(energy):
        words, chain = others[0].words, ends_alone(case, energy)
        yield Candidate(Code.SHARED_REGISTER, words, SEGMENTS, chain, 0, start, stop)


def swapped(case: Case, chain: Chain) -> Iterator[Candidate]:
    """Yield candidates with another meter since a boot. What flowed between the last reading of one
    meter and the first of the other is lost."""
    start = case.start_wh or 0
    for step in swaps(case, chain):
        yield Candidate(
            Code.METER_SWAPPED,
            Told("the meter was swapped"),
            SEGMENTS,
            without_step(chain, step),
            assumptions=0,
            begin=case.start_wh,
            end=start + chain.wh[-1],
            is_partial=True,
        )


def _rolled_over(
    case: Case, chain: Chain, falls: Sequence[int], bounds: Bounds
) -> Iterator[Candidate]:
    """Yield the candidates of a register that was nearly full, passed its highest number, and went
    on from 0."""
    if len(falls) != 1:
        return
    (fall,) = falls
    start = case.start_wh or 0
    before, until = chain.wh[fall - 1] + start, chain.wh[-1] + start

    # A register has one word, the digits of a display, two words with a sign, or two words.
    displayed = max(tolerances.LEAST_DISPLAY_WH, 10 ** len(str(before)))
    one_word, two_words = tolerances.WORD_BITS, 2 * tolerances.WORD_BITS
    for size in (1 << one_word, displayed, 1 << (two_words - 1), 1 << two_words):
        # Nine tenths of a register are nearly full. The share has nothing to do with power here.
        is_nearly_full = before < size <= before / (1 - tolerances.POWER_SHARE)
        if not is_nearly_full or not 0 < until < before:
            continue
        went_on = [wh + size for wh in chain.wh[fall:]]
        rolled = chain._replace(wh=[*chain.wh[:fall], *went_on])
        # Up to TWICE what can have flowed is not unusual.
        half = round(rolled.rise_to(fall) / tolerances.TWICE)
        yield Candidate(
            Code.REGISTER_ROLLED_OVER,
            Told("the register continued at 0 after {1}", size - 1),
            ROLLOVER,
            rolled,
            assumptions=0 if bounds.can_have_flowed(rolled, fall, half) else 1,
            begin=case.start_wh,
            end=until,
        )


def _reset(case: Case, chain: Chain, falls: Sequence[int], bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of a register that was reset to 0: it fell to no more than can have
    flowed since."""
    if not falls or not case.view.wh:
        return
    start = case.start_wh or 0
    rises = [max(0, now - last) for last, now in pairwise(chain.wh)]
    assumptions = 0
    for fall in falls:
        since_reset = chain.wh[fall] + start
        if not bounds.can_have_flowed(chain, fall, since_reset):
            return
        rises[fall - 1] = since_reset
        # A boot explains it: many chargers do not keep their register.
        since, until = chain.at[fall - 1], chain.at[fall]
        if not any(since <= boot <= until for boot in case.booted_at):
            assumptions = 1

    rebuilt = chain._replace(wh=list(accumulate(rises, initial=0)))
    if rebuilt.wh[-1] > chain.wh[-1]:
        yield Candidate(
            Code.REGISTER_RESET,
            Told("the register was reset to 0"),
            SEGMENTS,
            rebuilt,
            assumptions=assumptions,
            begin=case.start_wh,
            end=start + chain.wh[-1],
            is_partial=True,
        )


def without_leaps(chain: Chain, bounds: Bounds) -> Chain | None:
    """Remove the implausible steps; None if there are none, or if the register falls."""
    leaps = set[int]()
    while (step := bounds.refused_step(chain)) is not None:
        if chain.wh[step] < chain.wh[step - 1] or step in leaps:
            return None
        leaps.add(step)
        chain = without_step(chain, step)

    # A leap next to the start or stop shows that the start or stop is wrong.
    is_at_an_end = leaps & {1, len(chain.wh) - 1}
    return chain if leaps and not is_at_an_end else None


def without_step(chain: Chain, step: int) -> Chain:
    """Return the chain as if the register had stood still during this step."""
    leap = chain.wh[step] - chain.wh[step - 1]
    lowered = [wh - leap for wh in chain.wh[step:]]
    return chain._replace(wh=[*chain.wh[:step], *lowered])


def without_strays(chain: Chain, bounds: Bounds) -> Chain | None:
    """Keep the readings that lead from the start to the stop, or from the stop back to the start if
    these are more; None if none or most are left out."""
    numbers = range(len(chain.wh))
    forwards = _series(chain, bounds, numbers)
    backwards = _series(chain, bounds, numbers[::-1])[::-1]
    kept = max(forwards, backwards, key=len)
    if not 0 < len(numbers) - len(kept) <= len(kept[1:-1]):
        return None

    # If the points left out next to the start or stop do not fall, a leap there may be real. One
    # longer step over them, whose time is less exact, would hide it.
    for first, last in (kept[:2], kept[-2:]):
        if last - first > 1 and is_rising(chain.wh[first : last + 1]):
            return None
    at, wh = [chain.at[number] for number in kept], [chain.wh[number] for number in kept]
    return Chain(at, wh, chain.digit)


def _series(chain: Chain, bounds: Bounds, numbers: Sequence[int]) -> list[int]:
    """Return the numbers of points that lead one to the next, from the first to the last; empty if
    nothing leads to the last."""
    kept = [numbers[0]]
    for number in numbers[1:]:
        earlier, later = sorted((kept[-1], number))
        rise = chain.wh[later] - chain.wh[earlier]
        since, until = chain.at[earlier], chain.at[later]
        fits_battery = rise <= chain.slack or rise <= bounds.most_by_charge(since, until)
        if fits_battery and bounds.can_rise(rise, until - since, chain.digit):
            kept.append(number)
    return kept if kept[-1] == numbers[-1] else []


def between_ends(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with another start or stop, and those without outliers or implausible steps
    in between.

    A neighbour's register or a reading replaces a start or stop that the rest contradicts.
    """
    for begin, why_begin in _begins(case, bounds):
        for end, why_end in _ends(case, bounds):
            if end < begin:
                continue
            if why_begin:
                code = Code.UNKNOWN_START if case.is_start_unknown else Code.START_GARBLED
                # Below the reported start, readings may count from 0, unless they lie between these
                # two and do not end at their difference.
                wh = case.view.wh
                is_between = bool(wh) and begin <= wh[0] and wh[-1] <= end != begin + wh[-1]
                counts_from_0 = begins_at_zero(bounds, case.view) and not is_between
            else:
                is_reading_left_out = why_end and not case.is_stopped
                code = Code.STRAY_READING if is_reading_left_out else Code.STOP_GARBLED
                counts_from_0 = False
            if counts_from_0:
                chain = session_chain(case, case.view, end - begin)
            else:
                chain = _between(case, begin, end)
            is_stop_replaced = why_end and case.is_stopped
            is_of_readings = begin in case.view.wh[:1] or is_stop_replaced
            method = SEGMENTS if is_of_readings else REGISTER
            words, assumptions = _both(why_begin, why_end), bool(why_begin) + bool(why_end)
            is_partial = not case.is_stopped and [end] != case.view.wh[-1:]
            base = Candidate(code, words, method, chain, assumptions, begin, end, is_partial)
            if words:
                yield base
            elif is_contradicted_at_ends(case):
                words = Told("Transaction.Begin or Transaction.End is wrong")
                yield replace(base, words=words, assumptions=1)
            yield from _corrected(base, bounds)

    start, stop = case.start_wh, case.stop_wh
    if start is not None and stop is not None and begins_at_zero(bounds, case.view):
        chain = session_chain(case, case.view, stop - start)
        reported = Candidate(Code.STRAY_READING, "", REGISTER, chain, 0, start, stop)
        yield from _corrected(reported, bounds)


def _begins(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible starts, each with its reason, which is empty for the reported one.

    Another start is the end of the previous transaction, if the rest continues from there; else
    Transaction.Begin or the first reading.
    """
    start, view, before = case.start_wh, case.view, case.before
    if start is not None:
        yield start, ""
    reported, start_or_0 = in_wh(start), start or 0

    if before is not None and before.end is not None and not case.is_start_unknown:
        lowest = min(lifetime_registers(bounds), default=-1)
        # An end that nobody knows is only its last reading, maybe one of another register.
        by_readings = before.highest if before.is_end_known else None
        highest_before = max(min(before.end, before.begin or 1), by_readings or 0)
        is_low = start is None or start < highest_before or before.is_repeated_by(start)
        # Readings from 0 show no register: the start alone goes beyond the previous end.
        is_alone = case.begin_wh is None and begins_at_zero(bounds, view)
        is_high = start_or_0 > lowest or (is_alone and start_or_0 > before.end)
        if (is_low or is_high) and lowest >= before.end - case.digit:
            ended = in_wh(before.end)
            words = Told(
                "start register is {1}, the previous session ended at {2}", reported, ended
            )
            yield before.end, words
            return

    if case.begin_wh is not None and case.begin_wh != start:
        begin = in_wh(case.begin_wh)
        words = Told("start register is {1}, Transaction.Begin is {2}", reported, begin)
        yield case.begin_wh, words
    elif view.wh and view.wh[0] != start:
        seconds = view.at[0] - case.begun
        if start is None or not bounds.can_rise(view.wh[0] - start, seconds, case.digit):
            first = in_wh(view.wh[0])
            words = Told("start register is {1}, the first reading is {2}", reported, first)
            yield view.wh[0], words


def _ends(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible ends, each with its reason, which is empty for the reported one.

    Another end is Transaction.End, the last reading, or the start of the next transaction. A
    transaction that the system closed ended at its last reading, or at the last one from which the
    next transaction continues.
    """
    stop, view = case.stop_wh, case.view
    next_begin = case.after and case.after.begin
    if not case.is_stopped and view.wh:
        last = view.wh[-1]
        yield last, ""
        if not next_begin or abs(next_begin - last) <= case.digit:
            return
        words = Told(
            "the last reading is {1}, the next session began at {2}", in_wh(last), in_wh(next_begin)
        )
        for wh in reversed(view.wh):
            # A reading above the last one lies before a fall of the register.
            if wh <= next_begin and (next_begin < last or wh > last):
                yield wh, words
                return
        return

    if stop is not None:
        yield stop, ""
    reported = in_wh(stop)
    if case.end_wh is not None and case.end_wh != stop:
        end = in_wh(case.end_wh)
        yield case.end_wh, Told("stop register is {1}, Transaction.End is {2}", reported, end)
    elif not view.wh:
        # A start at 0 may be that of a register that counts anew.
        if case.is_stopped and next_begin:
            begin = in_wh(next_begin)
            words = Told("stop register is {1}, the next session began at {2}", reported, begin)
            yield next_begin, words
    elif view.wh[-1] != stop and _is_stop_at_fault(case, bounds):
        last = case.last_reading.wh
        words = Told("stop register is {1}, the last reading is {2}", reported, in_wh(last))
        yield last, words


def _is_stop_at_fault(case: Case, bounds: Bounds) -> bool:
    """Whether the last reading cannot lead to the stop, or all agrees without the stop."""
    view, stop = case.view, case.stop_wh
    if stop is None:
        return True
    seconds = case.ended - view.at[-1]
    if not bounds.can_rise(stop - view.wh[-1], seconds, case.digit):
        return True
    begin = view.wh[0] if case.start_wh is None else case.start_wh
    if bounds.conflict(chain_of(case, begin, view, stop)) is None:
        return False
    return bounds.conflict(chain_of(case, begin, view, None)) is None


def _between(case: Case, begin: int, end: int) -> Chain:
    """Return the chain of the readings between these two registers."""
    view = case.view
    chain = chain_of(case, begin, view, None)
    at, wh = list(chain.at), list(chain.wh)
    if begin in view.wh[:1]:
        at, wh = at[1:], wh[1:]

    # Without a stop, a reading may be the end.
    energy = end - begin
    if case.stop_wh is None and energy in wh:
        until = len(wh) - wh[::-1].index(energy)
        return Chain(at[:until], wh[:until], view.digit)
    return Chain([*at, max(case.ended, at[-1])], [*wh, energy], view.digit)


def _corrected(base: Candidate, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the same candidate without its outliers, and without its implausible steps."""
    if bounds.refused_step(base.chain) is None:
        return
    every = base.chain.wh
    rest = without_strays(base.chain, bounds)
    if rest is not None:
        words = Told("outlying readings left out: {1}", len(every) - len(rest.wh))
        is_several = len(set(every) - set(rest.wh)) > 1
        assumptions = base.assumptions + 1 + is_several
        yield _with(base, Code.STRAY_READING, words, rest, assumptions)

    smooth = without_leaps(base.chain, bounds)
    if smooth is not None:
        words = Told("the register made an implausible step")
        mended = _with(base, Code.REGISTER_LEAPT, words, smooth, base.assumptions + 1)
        yield replace(mended, method=SEGMENTS, is_partial=True)


def _with(base: Candidate, code: Code, words: str, chain: Chain, assumptions: int) -> Candidate:
    """Return a candidate with another chain. The code is that of its first reason."""
    code = base.code if base.words else code
    words = _both(base.words, words)
    return replace(base, code=code, words=words, chain=chain, assumptions=assumptions)


def _both(first: str, second: str) -> str:
    """Return two texts as one; either may be missing."""
    return Told("{1}, and {2}", first, second) if first and second else first or second


def rounded(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of a start and a stop that are rounded to one step, beside readings that
    are not."""
    start, stop, step, view = case.start_wh, case.stop_wh, case.ends_digit, case.view
    if not start or stop is None or stop <= start or all(wh % step == 0 for wh in view.wh):
        return
    if min(view.wh) <= start - step or max(view.wh) >= stop + step:
        return

    # The same charger has rounded the neighbours, too. The previous one ended less than a step
    # above this start.
    for neighbour in (case.before, case.after):
        if neighbour is not None and (neighbour.begin or 0) % step:
            return
    if case.before is not None and (case.before.end or 0) >= start + step:
        return

    if bounds.refused_step(Chain(view.at, view.wh, view.digit)) is not None:
        return
    within = [min(max(start, wh), stop) - start for wh in view.wh]
    at = [case.begun, *view.at, max(case.ended, view.at[-1])]
    chain = Chain(at, [0, *within, stop - start], step)
    words = Told("start and stop register are rounded to {1}", in_wh(step))
    yield Candidate(Code.ENDS_ROUNDED, words, REGISTER, chain, 0, start, stop)


_TENFOLD: Final = (10, 0.1, 100, 0.01)
_NO_UNITS: Final = (*_TENFOLD, 1 / tolerances.PHASES)
"""Factors that no unit explains. Each phase may be sent with the register of all."""
_UNITS: Final[tuple[tuple[float, float, float, str], ...]] = (
    *((1, factor, 1, Told("readings are")) for factor in (1000, 0.001, *_NO_UNITS)),
    (1, 1000, 1000, Told("start is")),
    (1000, 1, 1, Told("start is")),
    (1, 1, 1000, Told("stop is")),
    *((factor, 1, factor, Told("start and stop are")) for factor in (1000, *_TENFOLD)),
)
"""The factors that start, readings and stop lack, if some of them are in another unit."""


def wrong_units(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with start, readings or stop in another unit than they were sent as, and the
    rest correct."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or not view.wh:
        return
    for of_start, of_view, of_stop, which in _UNITS:
        begin = _in_unit(start, case.start_exact, of_start)
        # A low start is close to any reading, so it shows no unit.
        is_high = begin >= tolerances.SIGNIFICANT_START_WH
        is_shown = is_high or (of_start == 1 and of_view not in _NO_UNITS)
        if (
            not is_shown
            or (stop is None and of_stop > 1)
            or not _is_of_units(case, of_start, of_stop)
        ):
            continue

        # Time must allow the rise.
        scaled = view if of_view == 1 else view.scaled(of_view)
        last = scaled.wh[-1]
        rise, room = last - begin, max(case.digit, view.digit * of_view)
        if not -room <= rise <= bounds.most_wh + room:
            continue

        words = Told("the {1} in another unit than the rest", which)
        end = None if stop is None else _in_unit(stop, case.stop_exact, of_stop)
        until = last if end is None else end
        # Tiny readings would agree with anything.
        agrees = tolerances.TWICE * rise >= until - begin > 0
        if agrees or (is_high and until == begin):
            chain = chain_of(case, begin, scaled, end)
            if case.start_exact is None:
                chain = chain._replace(digit=max(chain.digit, round(of_start)))
            method = REGISTER if of_start == of_stop else SEGMENTS
            base = Candidate(Code.READINGS_UNIT, words, method, chain, 0, begin, until)
            assumptions = int(of_view < 1 and _is_too_slow(scaled))
            yield replace(base, assumptions=assumptions, factor=of_start)
        if stop is not None and of_view != 1 and is_high and rise > 0:
            both = Told("{1}, and the stop register is {2}", words, in_wh(stop))
            chain = chain_of(case, begin, scaled, None)
            yield Candidate(Code.READINGS_UNIT, both, SEGMENTS, chain, 1, begin, last)


def _is_of_units(case: Case, of_start: float, of_stop: float) -> bool:
    """Whether a start or stop that is in Wh beside one in kWh has no fraction."""
    if of_start == of_stop:
        return True
    return (case.start_exact if of_start < of_stop else case.stop_exact) is None


def _in_unit(wh: int, exact: Decimal | None, factor: float) -> int:
    """Return a register multiplied by a factor; in kWh, with its decimals, if that is 1000."""
    return in_kwh(wh, exact) if factor == 1000 else round(wh * factor)


def _is_too_slow(course: View | Chain) -> bool:
    """Whether no car charges so slowly as each of several steps."""
    paces = list[float]()
    for (then, low), (now, high) in pairwise(zip(course.at, course.wh, strict=True)):
        if now > then:
            paces.append((high - low - course.digit) * HOUR / (now - then))
    return len(paces) >= tolerances.FEW and max(paces) < tolerances.LEAST_AC_W


def wrong_factors(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with all registers wrong by one factor, if something supports that factor.

    Another source confirms the corrected figure, or confirmed the factor before, or a neighbour
    continues it, or whole Wh have a fraction; or no battery takes what was sent, or no AC charger
    gives it.
    """
    start, until, view = case.start_wh, case.stop_wh, case.view
    if until is None and view.wh:
        until = view.wh[-1]
    if start is None or until is None or _holds_a_neighbour(case, start, until):
        return
    if begins_at_zero(bounds, view, is_start_garbled=True):
        chain = session_chain(case, view, None if case.stop_wh is None else until - start)
    else:
        chain = chain_of(case, start, view, case.stop_wh)

    scale = scale_shown(case)
    # New firmware may send another unit.
    is_known = is_scale_known(case) and (scale is None or scale.factor < 1000)
    takes_charge = charged(case) > tolerances.CHARGE_STEP
    is_refused = takes_charge and bounds.against_charge(chain) is not None
    is_refused |= case.is_ac_shown and bounds.too_much(chain.wh[-1]) is not None
    for factor in tolerances.FACTORS:
        corrected = _scaled(case, chain, factor)
        energy = corrected.wh[-1]
        if energy <= 0:
            continue
        is_shown = bounds.confirms(energy)
        signed = case.signed_wh
        is_shown |= signed is not None and abs(energy - signed) <= corrected.slack
        # At a charger whose registers power has confirmed, power must show it step by step.
        if is_known and not (factor < 1 and is_shown and bounds.is_tracked(factor)):
            continue
        is_shown |= factor == case.shown_factor or (factor == 1000 and case.has_fraction)
        is_shown |= scale is not None and factor == scale.factor
        fits = factor < 1 and bounds.against_charge(corrected) is None
        if is_shown or (is_refused and fits):
            assumptions = 0 if is_shown else 1 + _is_too_slow(corrected)
            words, code = wrong_by(factor), Code.WRONG_FACTOR
            wrong = Candidate(code, words, SCALED, corrected, assumptions, start, until)
            if is_known:
                yield replace(wrong, code=Code.POWER_DISAGREES)
            else:
                yield replace(wrong, factor=factor)


def _scaled(case: Case, chain: Chain, factor: float) -> Chain:
    """Return a chain multiplied by a factor; of start and stop alone if these are in kWh, with
    their decimals."""
    start, stop = case.start_wh, case.stop_wh
    if factor == 1000 and case.has_fraction and start is not None and stop is not None:
        begin, end = in_kwh(start, case.start_exact), in_kwh(stop, case.stop_exact)
        return ends_alone(case, end - begin)
    scaled = [round(wh * factor) for wh in chain.wh]
    return Chain(chain.at, scaled, max(1, round(chain.digit * factor)))


def _holds_a_neighbour(case: Case, start: int, until: int) -> bool:
    """Whether a neighbour lies between start and stop on the scale as sent: one of these is
    wrong."""
    for neighbour in (case.before, case.after):
        if neighbour is None or neighbour.begin is None or neighbour.end is None:
            continue
        if start < neighbour.begin <= neighbour.end < until:
            return True
    return False


_EXPLANATIONS: Final = (
    wrong_units,
    _counted_per_session,
    _of_another_counter,
    wrong_factors,
    rounded,
    _without_readings,
    _without_others,
    between_ends,
)


def candidates(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield every explanation with some support, except the reported figure: first what its meter
    signed, if that is known."""
    every = [*of_registers(case, bounds)]
    if case.signed_wh is not None:
        yield from as_signed(case, bounds, every, case.signed_wh)
    yield from every


def as_signed(
    case: Case, bounds: Bounds, every: Sequence[Candidate], wh: int
) -> Iterator[Candidate]:
    """Yield the candidate of what its meter signed, in Wh.

    Its range is that of the explanation with this figure, which may be less exact than the meter,
    or else begins at the start, or ends at the stop, where the readings agree.
    """
    found = [each for each in every if abs(each.wh - wh) <= each.chain.slack]
    code, words, start = Code.SIGNED_VALUES, Told("as its meter signed it"), case.start_wh or 0
    ranges = [
        (begin, _between(case, begin, begin + wh)) for begin in (start, (case.stop_wh or 0) - wh)
    ]
    for begin, chain in (*ranges, (start, ends_alone(case, wh))):
        if bounds.refused_step(chain) is None:
            found.append(Candidate(code, words, REGISTER, chain, 0, begin, begin + wh))
    for each in found[:1]:
        course = [*(min(reached, wh) for reached in each.chain.wh[:-1]), wh]
        yield replace(each, words=words, chain=each.chain._replace(wh=course))


def of_registers(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield every explanation of the registers, except the reported figure."""
    for explanations in _EXPLANATIONS:
        yield from explanations(case, bounds)
    if case.start_wh is not None:
        chain = chain_of(case, case.start_wh, case.view, case.stop_wh)
        yield from swapped(case, chain)
        steps = enumerate(pairwise(chain.wh), 1)
        falls = [step for step, (last, now) in steps if now < last - chain.digit]
        yield from _rolled_over(case, chain, falls, bounds)
        yield from _reset(case, chain, falls, bounds)
