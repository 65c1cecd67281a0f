"""Candidates: explanations of a transaction's messages, each with the figure that it gives.

A candidate is made only if some evidence supports it; `Bounds` tests whether it can be true. `assumptions` measures
how much it leaves open: a wrong unit 0, since all registers then agree; one step or one outlier, which can be of any
size, 1; two of these 2. Candidates with more assumptions count only if none with fewer survives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice, pairwise
from operator import le, neg
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.bounds import Bounds
from levity_trio.charging.evidence import Case, View
from levity_trio.charging.mending import without_leaps, without_mistimed, without_step, without_strays
from levity_trio.charging.power import Chain
from levity_trio.charging.reviews import Code

REGISTER: Final = "register"
SEGMENTS: Final = "segments"
SESSION_READINGS: Final = "session readings"
ROLLOVER: Final = "rollover"
SCALED: Final = "scaled"
METHODS: Final = (REGISTER, SEGMENTS, SESSION_READINGS, ROLLOVER, SCALED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One explanation. `begin` and `end` are the range of the register that its figure is based on, in Wh."""

    code: Code
    words: str
    method: str
    chain: Chain
    assumptions: int
    begin: int | None
    end: int | None
    is_partial: bool = False
    """Some energy that flowed is missing from its figure, so power may imply more."""

    @property
    def wh(self) -> int:
        return self.chain.wh[-1]


def chain_of(case: Case, begin: int, view: View, end: int | None) -> Chain:
    """Return the chain of a lifetime register: start, readings, and stop if there is one."""
    stop = [] if end is None else [end]
    wh = [begin, *view.wh, *stop]
    at = [case.begun, *view.at, *([case.ended] if stop else [])]
    return Chain(at, [value - begin for value in wh] if begin else wh, max(view.digit, case.digit))


def session_chain(case: Case, view: View, end: int | None) -> Chain:
    """Return the chain of readings that count from 0 in each transaction; `end` is the energy at the stop, in Wh."""
    stop = [] if end is None else [end]
    return Chain(
        [case.begun, *view.at, *([case.ended] if stop else [])], [0, *view.wh, *stop], max(view.digit, case.digit)
    )


def candidates(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield every explanation with some support, except the reported figure."""
    yield from _wrong_units(case, bounds)
    yield from _counted_per_session(case, bounds)
    yield from _exact_numbers(case)
    yield from _scaled(case, bounds)
    yield from _between_ends(case, bounds)
    if case.start_wh is not None:
        chain = chain_of(case, case.start_wh, case.view, case.stop_wh)
        yield from _rolled_over(case, chain)
        yield from swapped(case, chain)
        yield from _reset(case, chain, bounds)


def _wrong_units(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with start, readings or stop in kWh but sent as Wh, or the reverse, and the rest correct."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or not view.wh:
        return
    for of_start, of_view, of_stop, which in _UNITS:
        if (of_start != 1 and start == 0) or (of_stop != 1 and not stop):
            continue
        begin, end = start * of_start, None if stop is None else stop * of_stop
        room = max(case.digit, view.digit * of_view)
        if not -room <= view.last * of_view - begin <= bounds.most_wh + room:
            continue  # no time allows this rise
        scaled = view if of_view == 1 else _up_to_the_next(case, view.scaled(of_view))
        until, is_level = scaled.wh[-1] if end is None else end, begin >= tolerances.SIGNIFICANT_START_WH
        rise, words = scaled.wh[-1] - begin, f"the {which} in another unit than the rest"
        agrees = 2 * rise >= until - begin > 0  # tiny readings would agree with anything
        if agrees or (is_level and until == begin):
            chain = chain_of(case, begin, scaled, end)
            if agrees or all(abs(wh) <= chain.digit for wh in chain.wh):
                yield Candidate(Code.READINGS_UNIT, words, REGISTER, chain, 0, begin, until)
        if stop is not None and of_view != 1 and is_level and rise > 0:
            chain = chain_of(case, begin, scaled, None)
            both = f"{words}, and meterStop is {stop} Wh"
            yield Candidate(Code.READINGS_UNIT, both, SEGMENTS, chain, 1, begin, scaled.wh[-1])


def _up_to_the_next(case: Case, view: View) -> View:
    """Replace the last rounded reading by the start of the next transaction, if they agree within the last digit."""
    after = case.after
    if case.stop_wh is not None or after is None or after.begin is None or abs(after.begin - view.wh[-1]) > view.digit:
        return view
    return View(view.at, [*view.wh[:-1], after.begin], view.digit)


_UNITS: Final = (
    (1, 1000, 1, "readings are"),
    (1, 0.001, 1, "readings are"),
    (1, 1000, 1000, "start is"),
    (1000, 1, 1, "start is"),
    (1, 1, 1000, "stop is"),
)


def _counted_per_session(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates whose readings, which begin below the start, count from 0, and perhaps the stop, too."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or stop is None or not bounds.begins_at_zero(view, is_start_garbled=True):
        return
    words = "the readings count from 0 in each transaction"
    if stop < start:
        chain = session_chain(case, view, stop)
        both = f"{words}, and so does meterStop"
        counts_on = case.after is not None and case.after.begin == stop > 0  # then it was reset to 0
        yield Candidate(
            Code.SESSION_COUNT, both, SESSION_READINGS, chain, 0, start, stop if counts_on else start + stop
        )
    chain = session_chain(case, view, None)
    yield Candidate(Code.SESSION_COUNT, words, SESSION_READINGS, chain, 1, start, start + view.wh[-1])


def _exact_numbers(case: Case) -> Iterator[Candidate]:
    """Yield the candidate of start and stop in kWh: whole Wh, which the field requires, have no fraction."""
    if case.start_wh is None or case.stop_wh is None or (case.start_exact is None and case.stop_exact is None):
        return
    start = _milli(Decimal(case.start_wh) if case.start_exact is None else case.start_exact)
    stop = _milli(Decimal(case.stop_wh) if case.stop_exact is None else case.stop_exact)
    chain = Chain([case.begun, case.ended], [0, stop - start])
    yield Candidate(Code.WRONG_FACTOR, "the registers are in kWh", SCALED, chain, 0, case.start_wh, case.stop_wh)


def _milli(kwh: Decimal) -> int:
    return int((kwh * 1000).to_integral_value(ROUND_HALF_UP))


UNITS: Final = {1000.0: "the registers are in kWh but sent as Wh", 0.001: "the registers are in Wh but sent as kWh"}


def _scaled(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with all registers wrong by one factor, if another source confirms the corrected figure."""
    if case.start_wh is None or (case.stop_wh is None and not case.view.wh):
        return
    chain, view = reported_chain(case, bounds), case.view
    until = view.wh[-1] if case.stop_wh is None else case.stop_wh
    exact: list[float] = [*chain.wh]
    exact[1 : len(view.exact) + 1] = map(sum, zip(chain.wh[1:], view.exact, map(neg, view.wh), strict=False))
    for factor in tolerances.FACTORS:
        if chain.wh[-1] > 0 and bounds.confirms(round(exact[-1] * factor)):
            scaled = Chain(chain.at, [round(wh * factor) for wh in exact], max(1, round(chain.digit * factor)))
            words = UNITS.get(factor, f"the register is wrong by a factor of {1 / factor:g}")
            yield Candidate(Code.WRONG_FACTOR, words, SCALED, scaled, 0, case.start_wh, until)


def reported_chain(case: Case, bounds: Bounds) -> Chain:
    """Return the chain of start, readings and stop as one register, or of readings that count from 0."""
    start, view = case.start_wh or 0, case.view
    if bounds.begins_at_zero(view, is_start_garbled=True):
        return session_chain(case, view, None if case.stop_wh is None else case.stop_wh - start)
    return chain_of(case, start, view, case.stop_wh)


def _rolled_over(case: Case, chain: Chain) -> Iterator[Candidate]:
    """Yield candidates whose register rolled over: it continued at 0 after one of ROLLOVERS.

    If the register soon returns to the value from which it fell, the readings in between are wrong; if it stays at 0,
    it was reset.
    """
    values = [value + (case.start_wh or 0) for value in chain.wh]
    falls = [number for number, (before, after) in enumerate(pairwise(values), 1) if after < before - chain.digit]
    if len(falls) != 1:
        return
    before, after = values[falls[0] - 1], values[falls[0]]
    if values[-1] >= before or values[-1] == 0:
        return
    for modulus in tolerances.ROLLOVERS:
        is_near = modulus * tolerances.NEAR_ROLLOVER <= before < modulus and after < modulus - before + chain.wh[-1]
        if is_near or (modulus * tolerances.NEAR_ROLLOVER <= before < modulus and max(values) < modulus):
            wh = [*chain.wh[: falls[0]], *(value + modulus for value in chain.wh[falls[0] :])]
            words, rolled = f"the register continued at 0 after {modulus - 1}", Chain(chain.at, wh, chain.digit)
            yield Candidate(Code.REGISTER_ROLLED_OVER, words, ROLLOVER, rolled, 0, case.start_wh, values[-1])


def swapped(case: Case, chain: Chain) -> Iterator[Candidate]:
    """Yield candidates with another meter since a boot. Energy between the readings of the two meters is lost."""
    of_both = len(chain.at) - case.is_stop_of_old_meter
    for swapped_at in case.swapped_at:
        for number, (before, after) in enumerate(pairwise(chain.at[:of_both]), 1):
            if before <= swapped_at <= after:
                counted = Chain(chain.at, without_step(chain.wh, number), chain.digit)
                until = (case.start_wh or 0) + chain.wh[-1]
                yield Candidate(
                    *(Code.METER_SWAPPED, "the meter was swapped", SEGMENTS, counted, 0, case.start_wh, until),
                    is_partial=True,
                )


def _reset(case: Case, chain: Chain, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of a register that was reset to 0: it fell to no more than can have flowed since.

    It is as likely as a rollover if the transaction covers much of the register's range, and came near its end by
    chance.
    """
    if all(map(le, chain.wh, islice(chain.wh, 1, None))):
        return
    values = [value + (case.start_wh or 0) for value in chain.wh]
    counted = [0]
    for number, (before, after) in enumerate(pairwise(values), 1):
        fell = after < before - chain.digit
        if fell and not bounds.can_have_flowed(chain, number, after):
            return
        counted.append(counted[-1] + (after if fell else max(0, after - before)))
    if case.view.wh and counted[-1] > chain.wh[-1]:
        rebuilt, words = Chain(chain.at, counted, chain.digit), "the register was reset to 0"
        yield Candidate(
            *(Code.REGISTER_RESET, words, SEGMENTS, rebuilt, 0 if _is_near_by_chance(max(values), counted[-1]) else 1),
            *(case.start_wh, values[-1]),
            is_partial=True,
        )


def _is_near_by_chance(highest: int, rise: int) -> bool:
    moduli = (one for one in tolerances.ROLLOVERS if one * tolerances.NEAR_ROLLOVER <= highest < one)
    return any(rise > modulus * tolerances.MUCH_OF_ROLLOVER for modulus in moduli)


def _between_ends(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with another start or stop, and those without outliers or implausible steps in between.

    A neighbour's register or a reading replaces a start or stop that the rest contradicts.
    """
    for begin, why_begin in [*_as_reported(case.start_wh), *_other_begins(case, bounds)]:
        for end, why_end in _ends(case, bounds):
            if end < begin:
                continue
            is_of_readings = begin in case.view.wh[:1] or why_end != ""
            base = Candidate(
                code=_code(case, why_begin),
                words=", and ".join(filter(None, (why_begin, why_end))),
                method=SEGMENTS if is_of_readings else REGISTER,
                chain=_between(case, begin, end),
                assumptions=bool(why_begin) + bool(why_end),
                begin=begin,
                end=end,
                is_partial=not case.is_stopped and end < max(case.view.wh, default=end),
            )
            if base.assumptions:
                yield base
            elif is_contradicted_at_ends(case):
                words = "Transaction.Begin or Transaction.End is wrong"
                yield replace(base, words=words, assumptions=1)
            elif len(case.views) > 1:
                words = "MeterValues and transactionData differ"
                yield replace(base, code=Code.STRAY_READING, words=words, assumptions=1)
            yield from _corrected(case, base, bounds)
    if case.start_wh is not None and case.stop_wh is not None and bounds.begins_at_zero(case.view):
        chain = session_chain(case, case.view, case.stop_wh - case.start_wh)
        reported = Candidate(Code.STRAY_READING, "", REGISTER, chain, 0, case.start_wh, case.stop_wh)
        yield from _corrected(case, reported, bounds)


def is_contradicted_at_ends(case: Case) -> bool:
    """Whether Transaction.Begin or Transaction.End contradicts start or stop; both may count from 0."""
    start, stop, digit = case.start_wh, case.stop_wh, case.digit
    if start is None or stop is None:
        return False
    begins = not case.begin_wh or abs(case.begin_wh - start) <= digit
    ends = case.end_wh is None or min(abs(case.end_wh - stop), abs(case.end_wh - (stop - start))) <= digit
    return not (begins and ends)


def _code(case: Case, why_begin: str) -> Code:
    if not why_begin:
        return Code.STOP_GARBLED
    return Code.UNKNOWN_START if case.is_start_unknown else Code.START_GARBLED


def _corrected(case: Case, base: Candidate, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the same candidate without its outliers, and without its implausible steps."""
    if bounds.refused_step(base.chain) is None:
        return
    if (mistimed := without_mistimed(base.chain, bounds)) is not None:
        yield _with(base, Code.STRAY_READING, "a reading has a wrong time", mistimed, base.assumptions + 1)
    rest = without_strays(base.chain, bounds, has_end=case.end_wh is not None)
    if rest is not None:
        dropped = len(base.chain.wh) - len(rest.wh)
        words = f"outlying readings left out: {dropped}"
        assumptions = base.assumptions + (1 if len(set(base.chain.wh) - set(rest.wh)) == 1 else 2)
        yield _with(base, Code.STRAY_READING, words, rest, assumptions)
    smooth = without_leaps(base.chain, bounds)
    if smooth is not None:
        mended = _with(base, Code.REGISTER_LEAPT, "the register made an implausible step", smooth, base.assumptions + 1)
        yield replace(mended, method=SEGMENTS, is_partial=True)


def _with(base: Candidate, code: Code, words: str, chain: Chain, assumptions: int) -> Candidate:
    code = base.code if base.assumptions else code
    return replace(
        base, code=code, words=", and ".join(filter(None, (base.words, words))), chain=chain, assumptions=assumptions
    )


def _between(case: Case, begin: int, end: int) -> Chain:
    """Return the chain of the readings between these two registers. Without a stop, the last reading may be the end."""
    view, chain = case.view, chain_of(case, begin, case.view, None)
    at, wh = list(chain.at), list(chain.wh)
    if begin in view.wh[:1]:
        at, wh = at[1:], wh[1:]
    if case.stop_wh is None and end in view.wh[-1:]:
        return Chain(at, wh, view.digit)
    return Chain([*at, max(case.ended, at[-1])], [*wh, end - begin], view.digit)


def _ends(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible ends, each with its reason, empty for the reported stop.

    A transaction that the system closed ended at its last reading, or at the last one from which the next continues.
    """
    if not case.is_stopped and case.view.wh:
        after, last = case.after and case.after.begin, case.view.wh[-1]
        yield last, ""
        if after and abs(after - last) > case.digit:
            ends = (wh for wh in case.view.wh[::-1] if wh == after or wh <= after < last or last < wh <= after)
            yield from _as_reported(next(ends, None))
        return
    yield from _as_reported(case.stop_wh)
    yield from _other_ends(case, bounds)


def _as_reported(wh: int | None) -> list[tuple[int, str]]:
    return [] if wh is None else [(wh, "")]


def _other_begins(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible other starts, each with its reason.

    The end of the previous transaction, if the rest continues from there; else Transaction.Begin or the first reading.
    """
    start, view, before = case.start_wh, case.view, case.before
    reported = "unknown" if start is None else f"{start} Wh"
    if before is not None and before.end is not None and not case.is_start_unknown:
        lowest = min([*view.wh, *([] if case.stop_wh is None else [case.stop_wh])], default=-1)
        is_low = start is None or start < min(before.end, before.begin or 1) or before.is_repeated_by(start)
        if is_low and lowest >= before.end:
            yield before.end, f"meterStart is {reported}, the previous transaction ended at {before.end} Wh"
            return
    if case.begin_wh is not None and case.begin_wh != start:
        yield case.begin_wh, f"meterStart is {reported}, Transaction.Begin is {case.begin_wh} Wh"
    elif view.wh and view.wh[0] != start and _is_start_at_fault(case, bounds):
        yield view.wh[0], f"meterStart is {reported}, the first reading is {view.wh[0]} Wh"


def _other_ends(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible other stops: Transaction.End, the last reading, or the start of the next transaction."""
    stop, view, after = case.stop_wh, case.view, case.after
    reported = "unknown" if stop is None else f"{stop} Wh"
    if case.end_wh is not None and case.end_wh != stop:
        yield case.end_wh, f"meterStop is {reported}, Transaction.End is {case.end_wh} Wh"
    elif view.wh and view.wh[-1] != stop and _is_stop_at_fault(case, bounds):
        yield view.wh[-1], f"meterStop is {reported}, the last reading is {view.wh[-1]} Wh"
    elif not view.wh and case.is_stopped and after is not None and after.begin is not None:
        yield after.begin, f"meterStop is {reported}, the next transaction began at {after.begin} Wh"


def _is_start_at_fault(case: Case, bounds: Bounds) -> bool:
    """Whether the start cannot lead to the first reading, or all agrees without it."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if start is None or not bounds.can_rise(view.wh[0] - start, view.at[0] - case.begun, case.digit):
        return True
    whole = chain_of(case, start, view, stop)
    end = view.wh[-1] if stop is None else stop
    return bounds.conflict(whole) is not None and bounds.conflict(_between(case, view.wh[0], end)) is None


def _is_stop_at_fault(case: Case, bounds: Bounds) -> bool:
    """Whether the last reading cannot lead to the stop, or all agrees without the stop."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    if stop is None or not bounds.can_rise(stop - view.wh[-1], case.ended - view.at[-1], case.digit):
        return True
    begin = view.wh[0] if start is None else start
    whole = chain_of(case, begin, view, stop)
    return bounds.conflict(whole) is not None and bounds.conflict(chain_of(case, begin, view, None)) is None
