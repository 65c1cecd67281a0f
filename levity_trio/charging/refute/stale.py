"""Registers that agree with each other, but not with the neighbours (rules.md, Energy).

A stop or a start may repeat an old register. Then energy is missing up to the next transaction, or since the previous
one, and it can have flowed while the repeated register stood still. If power shows that just so much flowed, it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.refute.counts import counts_each
from levity_trio.charging.refute.impossible import is_of_one_clock
from levity_trio.charging.refute.refutation import Finding
from levity_trio.charging.refute.shared import counted
from levity_trio.charging.sent.chains import SEGMENTS, Chain, Figure
from levity_trio.charging.sent.evidence import Case, Neighbour
from levity_trio.charging.sent.power import HOUR, slack


def stop_is_old(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """The stop repeats the register told before it, or was read early, and the next transaction begins higher: by its
    own start, or by the one that it sent, if it was given the energy in between, in doubt."""
    after = case.after
    if after is None or case.stop_wh is None:
        return None
    begins = [after.begin, after.replaced] if (after.replaced or 0) > (after.begin or 0) else [after.begin]
    found = [_old_stop(case, figure.chain, begin, case.stop_wh) for begin in begins if begin is not None]
    first = next(filter(None, found), None)
    if first is not None and not _is_alone_after(case):
        return None
    return first if first is None or first is found[0] else first._replace(whole=None)


def _old_stop(case: Case, chain: Chain, begin: int, stop: int) -> Finding | None:
    since, missing = _first_near(chain, chain.wh[-1]), begin - stop
    if since == len(chain.at) - 1 or not _has_flowed(case, chain, missing, since, len(chain.at) - 1):
        step = _lacking_at_stop(case, chain, missing)
        return step and _later(case, chain, missing, (step.risen, step.expected), is_shown=step.is_shown)
    told = f"{stop} Wh, as {round((chain.at[-1] - chain.at[since]) / 60)} minutes before"
    is_shown = _is_shown(case, missing, chain.at[since:])
    return _later(case, chain, missing, (told, f"then {begin} Wh"), is_shown=is_shown)


def start_is_old(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """The first reading repeats the start, or the start was read late, and the previous transaction ended lower."""
    start, before = case.start_wh, case.before
    if not case.is_stopped or start is None or before is None or before.end is None:
        return None
    found = _old_start(case, figure.chain, before.end, start)
    return None if found is None or not _is_alone_before(case) else found


def _old_start(case: Case, chain: Chain, end: int, start: int) -> Finding | None:
    until = next((number for number, wh in enumerate(chain.wh) if wh >= chain.digit), len(chain.wh)) - 1
    missing = start - end
    if until == 0 or not _has_flowed(case, chain, missing, 0, until):
        step = _lacking_at_start(case, chain, missing)
        return step and _earlier(case, chain, missing, (step.risen, step.expected), is_shown=step.is_shown)
    told = f"{start} Wh, and the same {round((chain.at[until] - chain.at[0]) / 60)} minutes later"
    is_shown = _is_shown(case, missing, chain.at[: until + 1])
    return _earlier(case, chain, missing, (told, f"{end} Wh before"), is_shown=is_shown)


def _is_alone_after(case: Case) -> bool:
    """Whether no other connector's transaction, which the same register counted, went on after this one. While it did,
    the neighbours show nothing."""
    return all(other.one.ended <= case.ended for other in counted(case, case.start_wh, case.stop_wh))


def _is_alone_before(case: Case) -> bool:
    return all(other.one.begun >= case.begun for other in counted(case, case.start_wh, case.stop_wh))


def _later(case: Case, chain: Chain, missing: int, evidence: Evidence, *, is_shown: bool) -> Finding:
    """Return what was found of a register that rose by more until the stop."""
    whole = _to_later(chain, missing)
    end = (case.stop_wh or 0) + missing
    figure = Figure(whole.wh[-1], SEGMENTS, case.start_wh, end, whole) if is_shown else None
    return Finding(evidence, _figures(chain, missing), whole=figure)


def _earlier(case: Case, chain: Chain, missing: int, evidence: Evidence, *, is_shown: bool) -> Finding:
    """Return what was found of a register that had been lower at the start."""
    whole = chain._replace(wh=[0, *(wh + missing for wh in chain.wh[1:])])
    begin = (case.start_wh or 0) - missing
    figure = Figure(whole.wh[-1], SEGMENTS, begin, case.stop_wh, whole) if is_shown else None
    return Finding(evidence, _figures(chain, missing), whole=figure)


def _figures(chain: Chain, missing: int) -> dict[str, int]:
    return {"as reported": chain.wh[-1], "with what is missing": chain.wh[-1] + missing}


def more_between(case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
    """More energy left between two transactions than can have flowed in that time: a register at its end is wrong."""
    before, after, chain, start, stop = case.before, case.after, figure.chain, case.start_wh, case.stop_wh
    if stop is not None and after is not None and after.begin is not None:
        missing = after.begin - stop
        if _is_beyond(case, bounds, chain, after, missing, len(chain.at) - 1) and _is_alone_after(case):
            told = f"{missing} Wh within {round(after.apart)} s until the next start"
            return Finding((told, f"then {after.begin} Wh"), _figures(chain, missing))
    if not case.is_stopped or start is None or before is None or before.end is None or not before.is_end_known:
        return None
    missing = start - before.end
    if not _is_beyond(case, bounds, chain, before, missing, 1) or not _is_alone_before(case):
        return None
    told = f"{missing} Wh within {round(before.apart)} s since the previous stop"
    return Finding((told, f"{before.end} Wh before"), _figures(chain, missing))


def _is_beyond(case: Case, bounds: Bounds, chain: Chain, other: Neighbour, missing: int, number: int) -> bool:
    """Whether no charger delivers so much energy, in Wh, in the time to a neighbour, but perhaps in one of its own
    steps. Each register may be one INTERVAL old. The times of one shorter than that limit nothing."""
    if case.is_instant:
        return False
    kind_w = tolerances.FASTEST_W if case.is_dc else tolerances.AC_W
    most = max(case.ceiling_w or kind_w, case.power.most if case.power else 0) * (other.apart + tolerances.INTERVAL)
    if other.factor != 1 or missing <= most / HOUR + case.slack_of_ends(chain.digit):
        return False
    if not chain.at[2:]:
        return bounds.too_much(chain.wh[-1] + missing) is None
    return bounds.can_have_flowed(chain, number, chain.wh[number] - chain.wh[number - 1] + missing)


def not_reset(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """The start repeats the previous stop, at a charger whose registers count each transaction from 0."""
    start, stop, before = case.start_wh, case.stop_wh, case.before
    if before is None or not start or stop is None or not counts_each(case):
        return None
    if start != (before.end if before.replaced_end is None else before.replaced_end):
        return None
    evidence = (f"meterStart {start} Wh", "the transactions around it began at 0")
    return Finding(evidence, {"as reported": figure.wh, "counted from 0": stop})


def _first_near(chain: Chain, wh: int) -> int:
    """Return the first point of a chain with this energy, to its last digit, or to one Wh, by which a register differs
    that was cut off once and rounded the other time."""
    return next(number for number, value in enumerate(chain.wh) if value > wh - max(chain.digit, tolerances.ROUNDED_WH))


def _to_later(chain: Chain, missing: int) -> Chain:
    """Return the course of a register that rose by more until the stop."""
    return chain._replace(wh=[*chain.wh[:-1], chain.wh[-1] + missing])


def _has_flowed(case: Case, chain: Chain, missing: int, first: int, last: int) -> bool:
    """Whether so much energy, in Wh, can have flowed while a register stood still between two points of its chain.

    Power was reported meanwhile; or if none was, the register rose as fast before or after.
    """
    times, risen = chain.at[first : last + 1], chain.wh[last] - chain.wh[first]
    if any(at in case.power.places for at in times):
        return min(_drawn(case, times)[0] - risen, missing) > slack(case.power, chain.digit)
    seconds = chain.at[last] - chain.at[first] + tolerances.INTERVAL
    most = _fastest_w(chain) * (1 + tolerances.STEADY_SHARE) * seconds / HOUR
    return tolerances.REACH_WH + chain.slack < missing <= most


def _is_shown(case: Case, missing: int, times: Sequence[float]) -> bool:
    """Whether the powers reported at these times show that just so much flowed between them, in Wh."""
    allowed = tolerances.STEADY_SHARE * missing
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


class _Lacking(NamedTuple):
    """What a step rose by, what was expected, and whether power shows that just so much is missing."""

    risen: str
    expected: str
    is_shown: bool


class _Step(NamedTuple):
    """The numbers of the two points of a step, and those of the step beside it."""

    first: int
    last: int
    beside: tuple[int, int]


def _lacking_at_start(case: Case, chain: Chain, missing: int) -> _Lacking | None:
    """Return what the first step lacks, if so much energy, in Wh, can be missing from it. The time of a start that was
    received late may be wrong."""
    if chain.at[-1] - chain.at[0] > case.received_seconds + tolerances.INTERVAL:
        return None
    last = next((number for number in range(1, len(chain.at)) if not _is_one(chain, 0, number)), len(chain.at) - 1)
    return _lacking(case, chain, _Step(0, last, (last, min(last + 1, len(chain.at) - 1))), missing)


def _lacking_at_stop(case: Case, chain: Chain, missing: int) -> _Lacking | None:
    """Return what the last step lacks, if so much energy, in Wh, can be missing from it."""
    last = len(chain.at) - 1
    first = next((number for number in range(last - 1, -1, -1) if not _is_one(chain, number, last)), 0)
    return _lacking(case, chain, _Step(first, last, (max(0, first - 1), first)), missing)


def _is_one(chain: Chain, first: int, last: int) -> bool:
    """Whether two points tell one register at one moment, as Transaction.End and the stop do."""
    apart, risen = chain.at[last] - chain.at[first], chain.wh[last] - chain.wh[first]
    return apart <= tolerances.METER_AGE and risen <= chain.digit


def _lacking(case: Case, chain: Chain, step: _Step, missing: int) -> _Lacking | None:
    spare = tolerances.REACH_WH + chain.slack
    if missing <= spare or not case.is_timed or case.is_instant or not is_of_one_clock(case):
        return None
    seconds, risen = chain.at[step.last] - chain.at[step.first], chain.wh[step.last] - chain.wh[step.first]
    watts = _watts(case, chain, step)
    expected, allowed = watts * seconds / HOUR, tolerances.STEADY_SHARE * missing
    lack = expected - risen
    is_shown = bool(case.power) and case.power.is_steady and abs(lack - missing) <= min(allowed, expected)
    usual = 0.0 if is_shown and risen > spare else watts * tolerances.INTERVAL / HOUR
    if lack <= max(spare, missing - allowed, usual):
        return None
    source = "power" if case.power else "the pace beside it"
    return _Lacking(f"{risen} Wh in {round(seconds)} s", f"{round(expected)} Wh by {source}", is_shown)


def _watts(case: Case, chain: Chain, step: _Step) -> float:
    """Return the power at which a step is expected to rise: the one reported at its ends, as the register follows
    power otherwise, or else the pace of the step beside it."""
    reported = [case.power.places.get(at) for at in chain.at[step.first : step.last + 1]]
    known = [case.power.high[place] for place in reported if place is not None]
    return max(known) * _scale(case, chain) if known else _pace(chain, step.beside)


def _scale(case: Case, chain: Chain) -> float:
    """Return the rise of the register by one Wh of power, from the first to the last power; 1 if it is unknown."""
    shown = [wh for at, wh in zip(chain.at, chain.wh, strict=True) if at in case.power.places]
    expected = case.power.expected_wh
    if expected is None or expected[1] <= 0 or not shown[1:]:
        return 1.0
    return min((shown[-1] - shown[0]) / expected[1], 1 + tolerances.POWER_SHARE)


def _pace(chain: Chain, ends: Sequence[int]) -> float:
    first, last = ends
    seconds = chain.at[last] - chain.at[first]
    return (chain.wh[last] - chain.wh[first]) * HOUR / seconds if seconds > 0 else 0.0
