"""Candidates with another start or stop, with rounded ones, and those without outliers or implausible steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from levity_trio.charging.propose.mending import without_leaps, without_strays
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.figure import begins_at_zero, lifetime_registers
from levity_trio.charging.refute.measured import is_contradicted_at_ends
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import Case, Neighbour
from levity_trio.charging.sent.figures import REGISTER, SEGMENTS, Candidate, Chain, chain_of, session_chain


def between_ends(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield candidates with another start or stop, and those without outliers or implausible steps in between.

    A neighbour's register or a reading replaces a start or stop that the rest contradicts.
    """
    for begin, why_begin in [*_as_reported(case.start_wh), *_other_begins(case, bounds)]:
        for end, why_end in _ends(case, bounds):
            if end < begin:
                continue
            is_of_readings = begin in case.view.wh[:1] or (why_end != "" and case.is_stopped)
            base = Candidate(
                code=_code(case, why_begin, why_end),
                words=", and ".join(filter(None, (why_begin, why_end))),
                method=SEGMENTS if is_of_readings else REGISTER,
                chain=_counted_between(case, bounds, begin, end) if why_begin else _between(case, begin, end),
                assumptions=len([why for why in (why_begin, why_end) if why]),
                begin=begin,
                end=end,
                is_partial=not case.is_stopped and [end] != case.view.wh[-1:],
            )
            if base.words:
                yield base
            elif is_contradicted_at_ends(case):
                words = "Transaction.Begin or Transaction.End is wrong"
                yield replace(base, words=words, assumptions=1)
            yield from _corrected(base, bounds)
    if case.start_wh is not None and case.stop_wh is not None and begins_at_zero(bounds, case.view):
        chain = session_chain(case, case.view, case.stop_wh - case.start_wh)
        reported = Candidate(Code.STRAY_READING, "", REGISTER, chain, 0, case.start_wh, case.stop_wh)
        yield from _corrected(reported, bounds)


def rounded(case: Case, bounds: Bounds) -> Iterator[Candidate]:
    """Yield the candidate of a start and a stop that are rounded, to one step, beside readings that are not."""
    start, stop, step, read = case.start_wh, case.stop_wh, case.ends_digit, case.view
    if not start or stop is None or stop <= start or step == 1 or all(wh % step == 0 for wh in read.wh):
        return
    is_near = start - step < min(read.wh) and max(read.wh) < stop + step
    if not (is_near and _can_be_rounded(case)) or bounds.impossible_step(Chain(read.at, read.wh, read.digit)):
        return
    within = [min(max(start, wh), stop) - start for wh in read.wh]
    chain = Chain([case.begun, *read.at, max(case.ended, read.at[-1])], [0, *within, stop - start], step)
    words = f"meterStart and meterStop are rounded to {step} Wh"
    yield Candidate(Code.ENDS_ROUNDED, words, REGISTER, chain, 0, start, stop)


def _can_be_rounded(case: Case) -> bool:
    """Whether the neighbours' starts are rounded, too, and the end of the previous one is less than a step above."""
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
        words = f"outlying readings left out: {len(base.chain.wh) - len(rest.wh)}"
        is_several = len(set(base.chain.wh) - set(rest.wh)) > 1
        yield _with(base, Code.STRAY_READING, words, rest, base.assumptions + 1 + is_several)
    smooth = without_leaps(base.chain, bounds)
    if smooth is not None:
        words = "the register made an implausible step"
        mended = _with(base, Code.REGISTER_LEAPT, words, smooth, base.assumptions + 1)
        yield replace(mended, method=SEGMENTS, is_partial=True)


def _with(base: Candidate, code: Code, words: str, chain: Chain, assumptions: int) -> Candidate:
    code, words = (base.code, f"{base.words}, and {words}") if base.words else (code, words)
    return replace(base, code=code, words=words, chain=chain, assumptions=assumptions)


def _counted_between(case: Case, bounds: Bounds, begin: int, end: int) -> Chain:
    """Return the chain of the readings between another start and an end. Below the reported start they may count from
    0, unless they lie between these two and do not end at their difference."""
    wh = case.view.wh
    is_between = bool(wh) and begin <= wh[0] and wh[-1] <= end != begin + wh[-1]
    is_counted = begins_at_zero(bounds, case.view) and not is_between
    return session_chain(case, case.view, end - begin) if is_counted else _between(case, begin, end)


def _between(case: Case, begin: int, end: int) -> Chain:
    """Return the chain of the readings between these two registers. Without a stop, the last reading may be the end."""
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

    A transaction that the system closed ended at its last reading, or at the last one from which the next continues.
    """
    if not case.is_stopped and case.view.wh:
        after, last = case.after and case.after.begin, case.view.wh[-1]
        yield last, ""
        if after and abs(after - last) > case.digit:
            ends = (wh for wh in case.view.wh[::-1] if wh == after or wh <= after < last or last < wh <= after)
            words = f"the last reading is {last} Wh, the next transaction began at {after} Wh"
            yield from ((wh, words) for wh in islice(ends, 1))
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
        lowest = min(lifetime_registers(bounds), default=-1)
        is_low = start is None or start < _highest_shown(before) or before.is_repeated_by(start)
        is_counted = (start or 0) > before.end and case.begin_wh is None and begins_at_zero(bounds, view)
        if (is_low or is_counted or (start or 0) > lowest) and lowest >= before.end - case.digit:
            yield before.end, f"meterStart is {reported}, the previous transaction ended at {before.end} Wh"
            return
    if case.begin_wh is not None and case.begin_wh != start:
        yield case.begin_wh, f"meterStart is {reported}, Transaction.Begin is {case.begin_wh} Wh"
    elif view.wh and view.wh[0] != start and _is_start_at_fault(case, bounds):
        yield view.wh[0], f"meterStart is {reported}, the first reading is {view.wh[0]} Wh"


def _highest_shown(before: Neighbour) -> int:
    """Return the register that the previous transaction shows, by its own readings or start and stop together.

    An end that nobody knows is only its last reading, maybe one of another register.
    """
    highest = before.highest if before.is_end_known else None
    return max(min(before.end or 0, before.begin or 1), highest or 0)


def _other_ends(case: Case, bounds: Bounds) -> Iterator[tuple[int, str]]:
    """Yield the possible other stops: Transaction.End, the last reading, or the start of the next transaction."""
    stop, view, after = case.stop_wh, case.view, case.after
    reported = "unknown" if stop is None else f"{stop} Wh"
    if case.end_wh is not None and case.end_wh != stop:
        yield case.end_wh, f"meterStop is {reported}, Transaction.End is {case.end_wh} Wh"
    elif view.wh and view.wh[-1] != stop and _is_stop_at_fault(case, bounds):
        yield view.wh[-1], f"meterStop is {reported}, the last reading is {view.wh[-1]} Wh"
    elif not view.wh and case.is_stopped and after is not None and after.begin:  # 0 may be a register that counts anew
        yield after.begin, f"meterStop is {reported}, the next transaction began at {after.begin} Wh"


def _is_start_at_fault(case: Case, bounds: Bounds) -> bool:
    """Whether the start cannot lead to the first reading."""
    start, view = case.start_wh, case.view
    return start is None or not bounds.can_rise(view.wh[0] - start, view.at[0] - case.begun, case.digit)


def _is_stop_at_fault(case: Case, bounds: Bounds) -> bool:
    """Whether the last reading cannot lead to the stop, or all agrees without the stop."""
    view, stop, begin = case.view, case.stop_wh, case.view.wh[0] if case.start_wh is None else case.start_wh
    if stop is None or not bounds.can_rise(stop - view.wh[-1], case.ended - view.at[-1], case.digit):
        return True
    whole, rest = chain_of(case, begin, view, stop), chain_of(case, begin, view, None)
    return bounds.conflict(whole) is not None and bounds.conflict(rest) is None
