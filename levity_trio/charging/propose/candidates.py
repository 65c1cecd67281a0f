"""Candidates: explanations of a transaction's messages, each with the figure that it gives.

A candidate is made only if some evidence supports it; `Bounds` tests whether it can be true.
`assumptions` measures how much it leaves open: a wrong unit or time 0, since all registers then
agree; one step or one outlier, which can be of any size, 1; two of these 2. Candidates with more
assumptions count only if none with fewer survives.

After the courses that readings may have taken come chains without their outliers (strays) or their
implausible steps (leaps), candidates with another start or stop, or with rounded ones, and those
with registers in another unit than they were sent as, or wrong by a factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate, islice, pairwise
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, charged
from levity_trio.charging.refute.figure import begins_at_zero, lifetime_registers
from levity_trio.charging.refute.measured import is_contradicted_at_ends
from levity_trio.charging.refute.neighbours import swaps
from levity_trio.charging.refute.scales import in_kwh, is_scale_known, scale_shown, wrong_by
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import Code, in_wh
from levity_trio.charging.sent.evidence import Case, Neighbour, View, is_rising
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
            falls = [
                number
                for number, (last, now) in enumerate(pairwise(chain.wh), 1)
                if now < last - chain.digit
            ]
            yield from _rolled_over(case, chain, falls, bounds)
            yield from _reset(case, chain, falls, bounds)


def _counted_per_session(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates whose readings, which begin below the start, count from 0, and perhaps the
    stop, too."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or stop is None or not begins_at_zero(bounds, view, is_start_garbled=True):
        return
    words = Told("the readings count from 0 in each session")
    if stop < start:
        chain, both = (
            session_chain(case, view, stop),
            Told("{1}, and so does the stop register", words),
        )
        counts_on = (
            case.after is not None and case.after.begin == stop > 0
        )  # then it was reset or rolled over
        ended = case.ended_before
        assumptions = (
            1 if ended and ended <= view.wh[0] else 0
        )  # they go on from there: the start is wrong
        until = stop if counts_on else start + stop
        yield Candidate(
            Code.SESSION_COUNT, both, SESSION_READINGS, chain, assumptions, start, until
        )
    chain = session_chain(case, view, None)
    yield Candidate(Code.SESSION_COUNT, words, SEGMENTS, chain, 1, start, start + view.wh[-1])


def _of_another_counter(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of start and stop whose readings are those of another counter, which rose
    no more. That of a new meter may begin below the start and end between both."""
    start, stop = case.start_wh, case.stop_wh
    if start is None or stop is None or len(case.view.wh) < tolerances.SEVERAL:
        return
    energy, read = stop - start, case.view
    is_apart = read.wh[0] > stop + read.digit or read.wh[-1] < start - read.digit
    is_possible = is_apart or (read.wh[0] < start - read.digit and bounds.confirms(energy))
    if is_possible and 0 < read.wh[-1] - read.wh[0] <= energy + read.digit:
        chain, words = (
            chain_of_other_counter(case, read, energy),
            Told("the readings are those of another counter"),
        )
        yield Candidate(Code.STRAY_READING, words, REGISTER, chain, 1, start, stop)


def _without_readings(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidates without the readings, each of which is then supposed to be wrong: of the
    previous stop and this one, if the start is below that; and of start and stop, if power confirms
    it and the readings do not lead from one to the other."""
    start, stop, wrong = case.start_wh, case.stop_wh, len(case.view.wh)
    if stop is None or not wrong:
        return
    ended = case.ended_before
    if ended is not None and (start or 0) < ended < stop:
        words, rest = (
            Told("the previous session ended at {1}, without readings", in_wh(ended)),
            ends_alone(case, stop - ended),
        )
        yield Candidate(Code.START_GARBLED, words, REGISTER, rest, wrong, ended, stop)
    if start is None or not bounds.confirms(stop - start) or is_contradicted_at_ends(case):
        return
    if bounds.impossible_step(chain_of(case, start, case.view, stop)) is not None:
        words, rest = (
            Told("the readings contradict start, stop and power"),
            ends_alone(case, stop - start),
        )
        yield Candidate(Code.STRAY_READING, words, REGISTER, rest, wrong, start, stop)


def _without_others(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate without what its register counted of transactions on other connectors, if
    power confirms the rest."""
    start, stop = case.start_wh, case.stop_wh
    others = [one for one in counted(case, start, stop) if one.most and not one.is_unlikely]
    if start is None or stop is None or not others:
        return
    energy = stop - start - sum(one.rest for one in others)
    if energy >= 0 and bounds.confirms(energy):
        chain = ends_alone(case, energy)
        yield Candidate(Code.SHARED_REGISTER, others[0].words, SEGMENTS, chain, 0, start, stop)


def swapped(case: Case, chain: Chain) -> Iterator[Candidate]:
    """Yield candidates with another meter since a boot. Energy between the readings of the two
    meters is lost."""
    for number in swaps(case, chain):
        counted = Chain(chain.at, without_step(chain.wh, number), chain.digit)
        ends = (case.start_wh, (case.start_wh or 0) + chain.wh[-1])
        yield Candidate(
            Code.METER_SWAPPED,
            Told("the meter was swapped"),
            SEGMENTS,
            counted,
            0,
            *ends,
            is_partial=True,
        )


def _rolled_over(
    case: Case, chain: Chain, falls: Sequence[int], bounds: Bounds
) -> Iterator[Candidate]:
    """Yield the candidates of a register that was nearly full, passed its highest number, and went
    on from 0."""
    if len(falls) != 1:
        return
    start, (fall,) = case.start_wh or 0, falls
    before, until = chain.wh[fall - 1] + start, chain.wh[-1] + start
    word, long = tolerances.WORD_BITS, tolerances.WORD_BITS << 1
    displayed = max(tolerances.LEAST_DISPLAY_WH, 10 ** len(str(before)))
    for end in (1 << word, displayed, 1 << (long - 1), 1 << long):
        if 0 < until < before < end <= before / (1 - tolerances.POWER_SHARE):
            rolled = Chain(
                chain.at, [*chain.wh[:fall], *(wh + end for wh in chain.wh[fall:])], chain.digit
            )
            rise = round((rolled.wh[fall] - rolled.wh[fall - 1]) / tolerances.TWICE)
            assumptions = 0 if bounds.can_have_flowed(rolled, fall, rise) else 1
            words = Told("the register continued at 0 after {1}", end - 1)
            yield Candidate(
                Code.REGISTER_ROLLED_OVER,
                words,
                ROLLOVER,
                rolled,
                assumptions,
                case.start_wh,
                until,
            )


def _reset(case: Case, chain: Chain, falls: Sequence[int], bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of a register that fell to no more than can have flowed since: it was
    reset to 0."""
    start = case.start_wh or 0
    if not falls or not all(
        bounds.can_have_flowed(chain, number, chain.wh[number] + start) for number in falls
    ):
        return
    rises = [now - last if now > last else 0 for last, now in pairwise(chain.wh)]
    for number in falls:
        rises[number - 1] = chain.wh[number] + start
    counted = list(accumulate(rises, initial=0))
    if case.view.wh and counted[-1] > chain.wh[-1]:
        rebuilt, words = Chain(chain.at, counted, chain.digit), Told("the register was reset to 0")
        ends = (case.start_wh, chain.wh[-1] + start)
        yield Candidate(Code.REGISTER_RESET, words, SEGMENTS, rebuilt, 1, *ends, is_partial=True)


def without_leaps(chain: Chain, bounds: Bounds) -> Chain | None:
    """Remove the implausible steps; None if there are none, or if the register falls.

    None also if such a step is next to the start or stop: then the start or stop is wrong.
    """
    leaps = set[int]()
    while (number := bounds.refused_step(chain)) is not None:
        if chain.wh[number] < chain.wh[number - 1] or number in leaps:
            return None
        chain = Chain(chain.at, without_step(chain.wh, number), chain.digit)
        leaps.add(number)
    return chain if leaps and not leaps & {1, len(chain.wh) - 1} else None


def without_step(wh: Sequence[int], step: int) -> list[int]:
    """Return the values as if the register had stood still during this step."""
    leap = wh[step] - wh[step - 1]
    return [*wh[:step], *(value - leap for value in wh[step:])]


def without_strays(chain: Chain, bounds: Bounds) -> Chain | None:
    """Keep the readings that lead from the start to the stop, or from the stop back to the start if
    these are more; None if none or most are left out.

    None also if outliers next to the start or stop lead to it: the longer step, whose time is less
    exact, would hide a leap.
    """
    every = range(len(chain.wh))
    kept = max(_series(chain, bounds, every), _series(chain, bounds, every[::-1])[::-1], key=len)
    if not 0 < len(every) - len(kept) <= len(kept[1:-1]):
        return None
    if any(
        last - first > 1 and is_rising(chain.wh[first : last + 1])
        for first, last in (kept[:2], kept[-2:])
    ):
        return None
    return Chain([chain.at[one] for one in kept], [chain.wh[one] for one in kept], chain.digit)


def _series(chain: Chain, bounds: Bounds, numbers: Sequence[int]) -> list[int]:
    """Return the numbers of the points of which each leads to the next, from the first to the last;
    empty if nothing leads to the last."""
    kept = [numbers[0]]
    for number in numbers[1:]:
        here, there = sorted((kept[-1], number))
        rise, since, until = chain.wh[there] - chain.wh[here], chain.at[here], chain.at[there]
        is_charged = rise <= chain.slack or rise <= bounds.most_by_charge(since, until)
        if is_charged and bounds.can_rise(rise, until - since, chain.digit):
            kept.append(number)
    return kept if kept[-1] == numbers[-1] else []


def between_ends(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with another start or stop, and those without outliers or implausible steps
    in between.

    A neighbour's register or a reading replaces a start or stop that the rest contradicts.
    """
    for begin, why_begin in [*_as_reported(case.start_wh), *_other_begins(case, bounds)]:
        for end, why_end in _ends(case, bounds):
            if end < begin:
                continue
            is_of_readings = begin in case.view.wh[:1] or (why_end != "" and case.is_stopped)
            base = Candidate(
                code=_code(case, why_begin, why_end),
                words=_both(why_begin, why_end),
                method=SEGMENTS if is_of_readings else REGISTER,
                chain=_counted_between(case, bounds, begin, end)
                if why_begin
                else _between(case, begin, end),
                assumptions=len([why for why in (why_begin, why_end) if why]),
                begin=begin,
                end=end,
                is_partial=not case.is_stopped and [end] != case.view.wh[-1:],
            )
            if base.words:
                yield base
            elif is_contradicted_at_ends(case):
                words = Told("Transaction.Begin or Transaction.End is wrong")
                yield replace(base, words=words, assumptions=1)
            yield from _corrected(base, bounds)
    if case.start_wh is not None and case.stop_wh is not None and begins_at_zero(bounds, case.view):
        chain = session_chain(case, case.view, case.stop_wh - case.start_wh)
        reported = Candidate(
            Code.STRAY_READING, "", REGISTER, chain, 0, case.start_wh, case.stop_wh
        )
        yield from _corrected(reported, bounds)


def rounded(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of a start and a stop that are rounded, to one step, beside readings that
    are not."""
    start, stop, step, read = case.start_wh, case.stop_wh, case.ends_digit, case.view
    if (
        not start
        or stop is None
        or stop <= start
        or step == 1
        or all(wh % step == 0 for wh in read.wh)
    ):
        return
    is_near = start - step < min(read.wh) and max(read.wh) < stop + step
    if not (is_near and _can_be_rounded(case)) or bounds.impossible_step(
        Chain(read.at, read.wh, read.digit)
    ):
        return
    within = [min(max(start, wh), stop) - start for wh in read.wh]
    chain = Chain(
        [case.begun, *read.at, max(case.ended, read.at[-1])], [0, *within, stop - start], step
    )
    words = Told("start and stop register are rounded to {1}", in_wh(step))
    yield Candidate(Code.ENDS_ROUNDED, words, REGISTER, chain, 0, start, stop)


def _can_be_rounded(case: Case) -> bool:
    """Whether the neighbours' starts are rounded, too, and the end of the previous one is less than
    a step above."""
    before, after, step = case.before, case.after, case.ends_digit
    beside = [(before and before.begin) or 0, (after and after.begin) or 0]
    end = (before and before.end) or 0
    return all(wh % step == 0 for wh in beside) and end < (case.start_wh or 0) + step


def _code(case: Case, why_begin: str, why_end: str) -> Code:
    if not why_begin:
        return Code.STRAY_READING if why_end and not case.is_stopped else Code.STOP_GARBLED
    return Code.UNKNOWN_START if case.is_start_unknown else Code.START_GARBLED


def _corrected(base: Candidate, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the same candidate without its outliers, and without its implausible steps."""
    if bounds.refused_step(base.chain) is None:
        return
    rest = without_strays(base.chain, bounds)
    if rest is not None:
        words = Told("outlying readings left out: {1}", len(base.chain.wh) - len(rest.wh))
        is_several = len(set(base.chain.wh) - set(rest.wh)) > 1
        yield _with(base, Code.STRAY_READING, words, rest, base.assumptions + 1 + is_several)
    smooth = without_leaps(base.chain, bounds)
    if smooth is not None:
        words = Told("the register made an implausible step")
        mended = _with(base, Code.REGISTER_LEAPT, words, smooth, base.assumptions + 1)
        yield replace(mended, method=SEGMENTS, is_partial=True)


def _both(first: str, second: str) -> str:
    """Return two texts as one; either may be missing."""
    return Told("{1}, and {2}", first, second) if first and second else first or second


def _with(base: Candidate, code: Code, words: str, chain: Chain, assumptions: int) -> Candidate:
    code, words = base.code if base.words else code, _both(base.words, words)
    return replace(base, code=code, words=words, chain=chain, assumptions=assumptions)


def _counted_between(case: Case, bounds: Bounds, begin: int, end: int) -> Chain:
    """Return the chain of the readings between another start and an end. Below the reported start
    they may count from 0, unless they lie between these two and do not end at their difference."""
    wh = case.view.wh
    is_between = bool(wh) and begin <= wh[0] and wh[-1] <= end != begin + wh[-1]
    is_counted = begins_at_zero(bounds, case.view) and not is_between
    return session_chain(case, case.view, end - begin) if is_counted else _between(case, begin, end)


def _between(case: Case, begin: int, end: int) -> Chain:
    """Return the chain of the readings between these two registers. Without a stop, the last
    reading may be the end."""
    view, chain = case.view, chain_of(case, begin, case.view, None)
    at, wh = list(chain.at), list(chain.wh)
    if begin in view.wh[:1]:
        at, wh = at[1:], wh[1:]
    if case.stop_wh is None and end - begin in wh:
        until = len(wh) - wh[::-1].index(end - begin)
        return Chain(at[:until], wh[:until], view.digit)
    return Chain([*at, max(case.ended, at[-1])], [*wh, end - begin], view.digit)


def _ends(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible ends, each with its reason, empty for the reported stop.

    A transaction that the system closed ended at its last reading, or at the last one from which
    the next continues.
    """
    if not case.is_stopped and case.view.wh:
        after, last = case.after and case.after.begin, case.view.wh[-1]
        yield last, ""
        if after and abs(after - last) > case.digit:
            ends = (
                wh
                for wh in case.view.wh[::-1]
                if wh == after or wh <= after < last or last < wh <= after
            )
            words = Told(
                "the last reading is {1}, the next session began at {2}", in_wh(last), in_wh(after)
            )
            yield from ((wh, words) for wh in islice(ends, 1))
        return
    yield from _as_reported(case.stop_wh)
    yield from _other_ends(case, bounds)


def _as_reported(wh: int | None) -> list[tuple[int, str]]:
    return [] if wh is None else [(wh, "")]


def _other_begins(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible other starts, each with its reason.

    The end of the previous transaction, if the rest continues from there; else Transaction.Begin or
    the first reading.
    """
    start, view, before = case.start_wh, case.view, case.before
    reported = in_wh(start)
    if before is not None and before.end is not None and not case.is_start_unknown:
        lowest = min(lifetime_registers(bounds), default=-1)
        is_low = start is None or start < _highest_shown(before) or before.is_repeated_by(start)
        is_counted = (
            (start or 0) > before.end and case.begin_wh is None and begins_at_zero(bounds, view)
        )
        if (is_low or is_counted or (start or 0) > lowest) and lowest >= before.end - case.digit:
            yield (
                before.end,
                Told(
                    "start register is {1}, the previous session ended at {2}",
                    reported,
                    in_wh(before.end),
                ),
            )
            return
    if case.begin_wh is not None and case.begin_wh != start:
        yield (
            case.begin_wh,
            Told("start register is {1}, Transaction.Begin is {2}", reported, in_wh(case.begin_wh)),
        )
    elif view.wh and view.wh[0] != start and _is_start_at_fault(case, bounds):
        yield (
            view.wh[0],
            Told("start register is {1}, the first reading is {2}", reported, in_wh(view.wh[0])),
        )


def _highest_shown(before: Neighbour) -> int:
    """Return the register that the previous transaction shows, by its own readings or start and
    stop together.

    An end that nobody knows is only its last reading, maybe one of another register.
    """
    highest = before.highest if before.is_end_known else None
    return max(min(before.end or 0, before.begin or 1), highest or 0)


def _other_ends(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible other stops: Transaction.End, the last reading, or the start of the next
    transaction."""
    stop, view, after = case.stop_wh, case.view, case.after
    reported = in_wh(stop)
    if case.end_wh is not None and case.end_wh != stop:
        yield (
            case.end_wh,
            Told("stop register is {1}, Transaction.End is {2}", reported, in_wh(case.end_wh)),
        )
    elif view.wh and view.wh[-1] != stop and _is_stop_at_fault(case, bounds):
        yield (
            view.wh[-1],
            Told("stop register is {1}, the last reading is {2}", reported, in_wh(view.wh[-1])),
        )
    elif (
        not view.wh and case.is_stopped and after is not None and after.begin
    ):  # 0 may be a register that counts anew
        yield (
            after.begin,
            Told(
                "stop register is {1}, the next session began at {2}", reported, in_wh(after.begin)
            ),
        )


def _is_start_at_fault(case: Case, bounds: Bounds) -> bool:
    """Whether the start cannot lead to the first reading."""
    start, view = case.start_wh, case.view
    return start is None or not bounds.can_rise(
        view.wh[0] - start, view.at[0] - case.begun, case.digit
    )


def _is_stop_at_fault(case: Case, bounds: Bounds) -> bool:
    """Whether the last reading cannot lead to the stop, or all agrees without the stop."""
    view, stop, begin = (
        case.view,
        case.stop_wh,
        case.view.wh[0] if case.start_wh is None else case.start_wh,
    )
    if stop is None or not bounds.can_rise(
        stop - view.wh[-1], case.ended - view.at[-1], case.digit
    ):
        return True
    whole, rest = chain_of(case, begin, view, stop), chain_of(case, begin, view, None)
    return bounds.conflict(whole) is not None and bounds.conflict(rest) is None


_TENFOLD: Final = (10, 0.1, 100, 0.01)
_NO_UNITS: Final = (*_TENFOLD, 1 / tolerances.PHASES)
"""Each phase may be sent with the register of all."""
_UNITS: Final[tuple[tuple[float, float, float, str], ...]] = (
    *((1, factor, 1, Told("readings are")) for factor in (1000, 0.001, *_NO_UNITS)),
    (1, 1000, 1000, Told("start is")),
    (1000, 1, 1, Told("start is")),
    (1, 1, 1000, Told("stop is")),
    *((factor, 1, factor, Told("start and stop are")) for factor in (1000, *_TENFOLD)),
)
"""The factors that start, readings and stop lack, if some of them are in another unit."""


def wrong_units(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with start, readings or stop in kWh but sent as Wh, or the reverse, and the
    rest correct."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or not view.wh:
        return
    for of_start, of_view, of_stop, which in _UNITS:
        begin, end = (
            _in_unit(start, case.start_exact, of_start),
            _in_unit(stop, case.stop_exact, of_stop),
        )
        is_high = begin is not None and begin >= tolerances.SIGNIFICANT_START_WH
        is_shown = is_high or (of_start == 1 and of_view not in _NO_UNITS)
        is_told = (
            case.start_exact is None
            if of_start < of_stop
            else case.stop_exact is None or of_start == of_stop
        )
        if begin is None or not is_shown or not is_told or (stop is None and of_stop > 1):
            continue  # a low start is close to any reading
        scaled = view if of_view == 1 else view.scaled(of_view)
        rise, room = scaled.wh[-1] - begin, max(case.digit, view.digit * of_view)
        if not -room <= rise <= bounds.most_wh + room:
            continue  # no time allows this rise
        until, words = (
            scaled.wh[-1] if end is None else end,
            Told("the {1} in another unit than the rest", which),
        )
        agrees = (
            tolerances.TWICE * rise >= until - begin > 0
        )  # tiny readings would agree with anything
        if agrees or (is_high and until == begin):
            method = REGISTER if of_start == of_stop else SEGMENTS
            chain, assumptions = (
                chain_of(case, begin, scaled, end),
                int(of_view < 1 and _is_too_slow(scaled)),
            )
            chain = (
                chain._replace(digit=max(chain.digit, round(of_start)))
                if case.start_exact is None
                else chain
            )
            yield Candidate(
                Code.READINGS_UNIT, words, method, chain, assumptions, begin, until, factor=of_start
            )
        if stop is not None and of_view != 1 and is_high and rise > 0:
            chain, both = (
                chain_of(case, begin, scaled, None),
                Told("{1}, and the stop register is {2}", words, in_wh(stop)),
            )
            yield Candidate(Code.READINGS_UNIT, both, SEGMENTS, chain, 1, begin, scaled.wh[-1])


def _in_unit(wh: int | None, exact: Decimal | None, factor: float) -> int | None:
    """Return a register multiplied by a factor; in kWh, with its decimals, if that is 1000."""
    return (
        wh
        if wh is None or factor == 1
        else in_kwh(wh, exact)
        if factor == 1000
        else round(wh * factor)
    )


def _is_too_slow(course: View | Chain) -> bool:
    """Whether no car charges so slowly as each of several steps."""
    steps = zip(pairwise(course.at), pairwise(course.wh), strict=True)
    paces = [
        (high - low - course.digit) * HOUR / (now - then)
        for (then, now), (low, high) in steps
        if now > then
    ]
    return len(paces) >= tolerances.FEW and max(paces) < tolerances.LEAST_AC_W


def wrong_factors(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with all registers wrong by one factor, if another source confirms the
    corrected figure, or confirmed that factor before, or a neighbour continues it; if whole Wh,
    which the field requires, have a fraction; or if no battery takes more, and no AC charger gives
    more. If they go on from a neighbour at a charger whose registers power has confirmed, power
    must show it step by step."""
    until = case.stop_wh if case.stop_wh is not None or not case.view.wh else case.view.wh[-1]
    if case.start_wh is None or until is None or _holds_a_neighbour(case, until):
        return
    chain, is_known = _reported_chain(case, bounds), is_scale_known(case)
    is_refused = charged(case) > tolerances.CHARGE_STEP and bounds.against_charge(chain) is not None
    is_refused |= case.is_ac_shown and bounds.too_much(chain.wh[-1]) is not None
    scale = scale_shown(case)
    for factor in tolerances.FACTORS:
        corrected = _scaled(case, chain, factor)
        is_shown = bounds.confirms(corrected.wh[-1])
        if corrected.wh[-1] <= 0 or (
            is_known and not (factor < 1 and is_shown and bounds.is_tracked(factor))
        ):
            continue
        is_shown |= (
            (scale is not None and factor == scale.factor)
            or case.shown_factor == factor
            or (factor == 1000 and case.has_fraction)
        )
        if is_shown or (is_refused and factor < 1 and bounds.against_charge(corrected) is None):
            assumptions = 0 if is_shown else 1 + _is_too_slow(corrected)
            candidate = Candidate(
                *(
                    Code.WRONG_FACTOR,
                    wrong_by(factor),
                    SCALED,
                    corrected,
                    assumptions,
                    case.start_wh,
                    until,
                ),
                factor=factor,
            )
            yield replace(candidate, code=Code.POWER_DISAGREES, factor=1) if is_known else candidate


def _scaled(case: Case, chain: Chain, factor: float) -> Chain:
    """Return a chain multiplied by a factor; of start and stop alone, with their decimals, if these
    are in kWh."""
    if (
        factor == 1000
        and case.has_fraction
        and case.start_wh is not None
        and case.stop_wh is not None
    ):
        return ends_alone(
            case, in_kwh(case.stop_wh, case.stop_exact) - in_kwh(case.start_wh, case.start_exact)
        )
    return Chain(
        chain.at, [round(wh * factor) for wh in chain.wh], max(1, round(chain.digit * factor))
    )


def _holds_a_neighbour(case: Case, until: int) -> bool:
    """Whether a neighbour's registers, on the scale as sent, lie between start and stop: one of
    these is wrong."""
    start, pairs = (
        case.start_wh or 0,
        ((one.begin, one.end) for one in (case.before, case.after) if one is not None),
    )
    return any(
        None not in pair and start < (pair[0] or 0) <= (pair[1] or 0) < until for pair in pairs
    )


def _reported_chain(case: Case, bounds: Bounds) -> Chain:
    """Return the chain of start, readings and stop as one register, or of readings that count from
    0."""
    start, view = case.start_wh or 0, case.view
    if begins_at_zero(bounds, view, is_start_garbled=True):
        return session_chain(case, view, None if case.stop_wh is None else case.stop_wh - start)
    return chain_of(case, start, view, case.stop_wh)
