"""Registers that agree with each other, but not with the neighbours (rules.md, Energy).

A stop or a start may repeat an old register. Then energy is missing up to the next transaction, or since the previous
one, and it can have flowed while the repeated register stood still. If power shows that just so much flowed, it counts.
Or all registers are low, and the next transaction begins where the previous one ended, or above: that was no reset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.propose.candidate import Candidate
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.refute.counts import counts_each
from levity_trio.charging.refute.lacking import lacking_at_start, lacking_at_stop
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.evidence import Case, Neighbour
from levity_trio.charging.sent.power import HOUR, slack

READ_LATE: Final = "the start was read late: the previous transaction ended lower"
BEYOND: Final = "more energy left between two transactions than the time allows"
READ_EARLY: Final = "the stop was read early: the next transaction begins higher"


class Stale(NamedTuple):
    """A doubt about an end of a chain, and the chain with what is missing, if power shows that so much flowed."""

    doubt: Doubt
    begin: int | None = None
    end: int | None = None
    shown: Chain | None = None


def stale(case: Case, bounds: Bounds, chain: Chain) -> Iterator[Stale]:
    """Yield the doubts about the ends of the chain of start, readings and stop.

    While another connector's transaction was counted by the same register, the neighbours show nothing.
    """
    if case.is_stopped and len(chain.at) > 1:
        others = [other.one for other in counted(case, case.start_wh, case.stop_wh)]
        if all(one.ended <= case.ended for one in others):
            yield from (
                list(_stale_stop(case, chain)) or list(_as_sent(case, chain)) or _beyond_next(case, bounds, chain)
            )
        if all(one.begun >= case.begun for one in others):
            yield from list(_stale_start(case, chain)) or _beyond_previous(case, bounds, chain)
        yield from _low(case, chain)
        yield from _not_reset(case, chain)


def _stale_stop(case: Case, chain: Chain) -> Iterator[Stale]:
    """The stop repeats the register told before it, or was read early, and the next transaction begins higher."""
    stop, after = case.stop_wh, case.after
    if stop is None or after is None or after.begin is None:
        return
    since, missing = _first_near(chain, chain.wh[-1]), after.begin - stop
    if since == len(chain.at) - 1 or not _has_flowed(case, chain, missing, since, len(chain.at) - 1):
        yield from _lacking_at_stop(case, chain, after.begin, missing)
        return
    told = f"{stop} Wh, as {round((chain.at[-1] - chain.at[since]) / 60)} minutes before"
    words = "the stop repeats an old register: the next transaction begins higher"
    doubt = _doubt(Code.STOP_GARBLED, words, told, chain.wh[-1], missing, f"then {after.begin} Wh")
    is_shown = _is_shown(case, missing, chain.at[since:])
    yield Stale(doubt, case.start_wh, after.begin, _to_later(chain, missing) if is_shown else None)


def _as_sent(case: Case, chain: Chain) -> Iterator[Stale]:
    """The same by the next start as sent: that transaction may have been given the energy in between, in doubt."""
    after = case.after
    if after is not None and after.replaced is not None and after.replaced > (after.begin or 0):
        for one in _stale_stop(replace(case, after=after._replace(begin=after.replaced)), chain):
            yield Stale(one.doubt)


def _stale_start(case: Case, chain: Chain) -> Iterator[Stale]:
    """The first reading repeats the start, or the start was read late, and the previous transaction ended lower."""
    start, before = case.start_wh, case.before
    if start is None or before is None or before.end is None:
        return
    until = next((number for number, wh in enumerate(chain.wh) if wh >= chain.digit), len(chain.wh)) - 1
    missing = start - before.end
    if until == 0 or not _has_flowed(case, chain, missing, 0, until):
        yield from _lacking_at_start(case, chain, before.end, missing)
        return
    told = f"{start} Wh, and the same {round((chain.at[until] - chain.at[0]) / 60)} minutes later"
    doubt = _doubt(Code.START_GARBLED, READ_LATE, told, chain.wh[-1], missing, f"{before.end} Wh before")
    is_shown = _is_shown(case, missing, chain.at[: until + 1])
    yield Stale(doubt, before.end, case.stop_wh, _from_earlier(chain, missing) if is_shown else None)


def _lacking_at_start(case: Case, chain: Chain, begin: int, missing: int) -> Iterator[Stale]:
    """The start was read late: the previous transaction ended at `begin`."""
    if (step := lacking_at_start(case, chain, missing)) is not None:
        doubt = _doubt(Code.START_GARBLED, READ_LATE, step.risen, chain.wh[-1], missing, step.expected)
        yield Stale(doubt, begin, case.stop_wh, _from_earlier(chain, missing) if step.is_shown else None)


def _lacking_at_stop(case: Case, chain: Chain, end: int, missing: int) -> Iterator[Stale]:
    """The stop was read early: the next transaction begins at `end`."""
    if (step := lacking_at_stop(case, chain, missing)) is not None:
        doubt = _doubt(Code.STOP_GARBLED, READ_EARLY, step.risen, chain.wh[-1], missing, step.expected)
        yield Stale(doubt, case.start_wh, end, _to_later(chain, missing) if step.is_shown else None)


def up_to_the_next(case: Case, bounds: Bounds, one: Candidate) -> Candidate:
    """Return a candidate with what flowed from its end to the next start, if power shows it; without power, if the last
    reading leads there until the stop at a pace that it had. Unchanged if nothing does."""
    ended = replace(case, stop_wh=one.end)
    ends = [found for found in stale(ended, bounds, one.chain) if found.doubt.code is Code.STOP_GARBLED]
    if len(ends) != 1 or ends[0].end is None or one.end is None:
        return one
    missing = ends[0].end - one.end
    whole = ends[0].shown or (_to_later(one.chain, missing) if _is_at_pace(case, one.chain, missing) else None)
    if whole is None or bounds.conflict(whole, is_partial=one.is_partial) is not None:
        return one
    return replace(one, chain=whole, end=ends[0].end)


def _is_at_pace(case: Case, chain: Chain, missing: int) -> bool:
    """Whether the register can have risen by so much more, in Wh, from the last reading to the stop as fast as ever
    before; power that was reported shows more than that."""
    if case.power or not case.view.at:
        return False
    most = _fastest_w(chain) * max(0.0, case.ended - case.view.at[-1]) / HOUR
    return missing <= (1 + tolerances.ONE_PACE_SHARE) * most + 2 * chain.digit


def _first_near(chain: Chain, wh: int) -> int:
    """Return the first point of a chain with this energy, to its last digit, or to one Wh, by which a register differs
    that was cut off once and rounded the other time."""
    return next(number for number, value in enumerate(chain.wh) if value > wh - max(chain.digit, tolerances.ROUNDED_WH))


def _to_later(chain: Chain, missing: int) -> Chain:
    """Return the course of a register that rose by more until the stop."""
    return chain._replace(wh=[*chain.wh[:-1], chain.wh[-1] + missing])


def _from_earlier(chain: Chain, missing: int) -> Chain:
    """Return the course of a register that had been lower at the start."""
    return chain._replace(wh=[0, *(wh + missing for wh in chain.wh[1:])])


def _beyond_next(case: Case, bounds: Bounds, chain: Chain) -> Iterator[Stale]:
    """More energy left before the next start than can have flowed since the stop: one of the two is wrong."""
    if case.stop_wh is None or (after := case.after) is None or after.begin is None:
        return
    missing = after.begin - case.stop_wh
    if _is_beyond(case, bounds, chain, after, missing, len(chain.at) - 1):
        told = f"{missing} Wh within {round(after.apart)} s until the next start"
        yield Stale(_doubt(Code.STOP_GARBLED, BEYOND, told, chain.wh[-1], missing, f"then {after.begin} Wh"))


def _beyond_previous(case: Case, bounds: Bounds, chain: Chain) -> Iterator[Stale]:
    """The same between the previous stop and the start."""
    before = case.before
    if case.start_wh is None or before is None or before.end is None or not before.is_end_known:
        return
    missing = case.start_wh - before.end
    if _is_beyond(case, bounds, chain, before, missing, 1):
        told = f"{missing} Wh within {round(before.apart)} s since the previous stop"
        yield Stale(_doubt(Code.START_GARBLED, BEYOND, told, chain.wh[-1], missing, f"{before.end} Wh before"))


def _is_beyond(case: Case, bounds: Bounds, chain: Chain, other: Neighbour, missing: int, number: int) -> bool:
    """Whether no charger delivers so much energy, in Wh, in the time to a neighbour, but perhaps in one of its own
    steps. Each register may be one INTERVAL old. The times of one shorter than that limit nothing."""
    if case.is_instant:
        return False
    kind_w = tolerances.FASTEST_W if case.is_dc else tolerances.AC_W
    most = max(case.ceiling_w or kind_w, case.power.most if case.power else 0) * (other.apart + tolerances.INTERVAL)
    if other.factor != 1 or missing <= most / HOUR + 2 * max(chain.digit, case.ends_digit):
        return False
    if len(chain.at) == 2:
        return bounds.too_much(chain.wh[-1] + missing) is None
    return bounds.can_have_flowed(chain, number, chain.wh[number] - chain.wh[number - 1] + missing)


def _low(case: Case, chain: Chain) -> Iterator[Stale]:
    """All its registers are below the previous stop, and the next start is not."""
    start, stop, before, after = case.start_wh, case.stop_wh, case.before, case.after
    if start is None or stop is None or before is None or before.end is None or after is None or after.begin is None:
        return
    is_low = max(start, stop) < before.end - chain.digit <= after.begin - chain.digit
    if is_low and max(case.view.wh, default=0) < before.end - chain.digit:
        words = "its registers are below both neighbours: the register was not reset"
        evidence = (f"{start} to {stop} Wh", f"{before.end} Wh before, {after.begin} Wh after")
        figures = {"as reported": chain.wh[-1], "between the neighbours": after.begin - before.end}
        yield Stale(Doubt(Code.START_GARBLED, words, evidence, figures))


def _not_reset(case: Case, chain: Chain) -> Iterator[Stale]:
    """The start repeats the previous stop, at a charger whose registers count each transaction from 0."""
    start, stop, before = case.start_wh, case.stop_wh, case.before
    if before is None or not start or stop is None or not counts_each(case):
        return
    if start != (before.end if before.replaced_end is None else before.replaced_end):
        return
    words = "the start repeats the previous stop, though this charger counts each transaction from 0"
    evidence = (f"meterStart {start} Wh", "the transactions around it began at 0")
    yield Stale(Doubt(Code.START_GARBLED, words, evidence, {"as reported": chain.wh[-1], "counted from 0": stop}))


def _doubt(code: Code, words: str, told: str, wh: int, missing: int, neighbour: str) -> Doubt:
    return Doubt(code, words, (told, neighbour), {"as reported": wh, "with what is missing": wh + missing})


def _has_flowed(case: Case, chain: Chain, missing: int, first: int, last: int) -> bool:
    """Whether so much energy, in Wh, can have flowed while a register stood still between two points of its chain.

    Power was reported meanwhile; or if none was, the register rose as fast before or after.
    """
    times, risen = chain.at[first : last + 1], chain.wh[last] - chain.wh[first]
    if any(at in case.power.places for at in times):
        return min(_drawn(case, times)[0] - risen, missing) > slack(case.power, chain.digit)
    seconds = chain.at[last] - chain.at[first] + tolerances.INTERVAL
    most = _fastest_w(chain) * (1 + tolerances.ONE_PACE_SHARE) * seconds / HOUR
    return tolerances.REACH_WH + 2 * chain.digit < missing <= most


def _is_shown(case: Case, missing: int, times: Sequence[float]) -> bool:
    """Whether the powers reported at these times show that just so much flowed between them, in Wh."""
    allowed = tolerances.AGREEMENT_SHARE * missing
    return bool(case.power) and all(abs(drawn - missing) <= allowed for drawn in _drawn(case, times))


def _drawn(case: Case, times: Sequence[float]) -> tuple[float, float]:
    """Return the least and the most energy in Wh by the powers reported at these times.

    Each counts until the next time if that has none; of two, the lower one gives the least.
    """
    power, least, most = case.power, 0.0, 0.0
    places = [power.places.get(at) for at in times]
    for (then, before), (now, after) in pairwise(zip(times, places, strict=True)):
        known = [place for place in (before, after) if place is not None]
        least += min((power.low[place] for place in known), default=0.0) * (now - then) / HOUR
        most += max((power.high[place] for place in known), default=0.0) * (now - then) / HOUR
    return least, most


def _fastest_w(chain: Chain) -> float:
    """Return the fastest pace of a chain in W; the power of any AC charger if it never rises."""
    steps = [*pairwise(zip(chain.at, chain.wh, strict=True))]
    paces = [(high - low) * HOUR / (now - then) for (then, low), (now, high) in steps if now > then and high > low]
    return max(paces, default=tolerances.AC_W)
