"""Energy that left between two transactions, though a register at their ends does not tell it
(rules.md, Energy).

A stop or a start may repeat an old register, or be read early or late. Then energy is missing up to
the next transaction, or since the previous one. It can have flowed while the repeated register
stood still, or in a step that rose by less than expected. If power shows that just so much flowed,
it counts. If it cannot have flowed between the two, a register is wrong, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence, Finding
from levity_trio.charging.refute.impossible import is_of_one_clock
from levity_trio.charging.reviews import AS_REPORTED, Code, in_wh, minutes
from levity_trio.charging.sent.evidence import Case, Neighbour
from levity_trio.charging.sent.figures import SEGMENTS, Chain, Figure
from levity_trio.charging.sent.power import HOUR, slack
from levity_trio.told import Quantity, Told

_WORDS: Final = {
    Code.STOP_GARBLED: Told("the stop repeats an old register: the next session begins higher"),
    Code.START_GARBLED: Told("the start was read late: the previous session ended lower"),
}


class _End(NamedTuple):
    """An end of a transaction, and what is missing in Wh up to the register of the neighbour there.

    `still` are the numbers of the points between which the register is that at the end, `step`
    those of the step to the end, `beside` those of the step next to it.
    """

    code: Code
    neighbour: Neighbour
    register: int
    there: int
    missing: int
    still: tuple[int, int]
    step: tuple[int, int]
    beside: tuple[int, int]


def missing_beside(case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
    """Return what left between two transactions, and seems to be of this one, or cannot have flowed
    there."""
    chain = figure.chain
    found = [
        one
        for end in _ends(case, chain)
        if (one := _missing_at(case, bounds, chain, end)) is not None
    ]
    return (
        found[0]._replace(whole=None)
        if len({one.code for one in found}) > 1
        else next(iter(found), None)
    )


def _ends(case: Case, chain: Chain) -> Iterator[_End]:
    """Yield the ends with a neighbour. The next one may have sent another start than it was given,
    in doubt."""
    start, stop, before, after, last = (
        case.start_wh,
        case.stop_wh,
        case.before,
        case.after,
        len(chain.at) - 1,
    )
    if stop is not None and after is not None:
        first = next(
            (number for number in range(last - 1, -1, -1) if not _is_one(chain, number, last)), 0
        )
        since = next(
            number for number, wh in enumerate(chain.wh) if wh > chain.wh[-1] - chain.digit
        )
        numbers = (since, last), (first, last), (max(0, first - 1), first)
        sent = after.replaced if (after.replaced or 0) > (after.begin or 0) else None
        for there in (one for one in (after.begin, sent) if one is not None):
            yield _End(Code.STOP_GARBLED, after, stop, there, there - stop, *numbers)
    if start is not None and before is not None and before.end is not None and case.is_stopped:
        until = (
            next((number for number, wh in enumerate(chain.wh) if wh >= chain.digit), len(chain.wh))
            - 1
        )
        step = next(
            (number for number in range(1, last + 1) if not _is_one(chain, 0, number)), last
        )
        numbers = (0, until), (0, step), (step, min(step + 1, last))
        yield _End(Code.START_GARBLED, before, start, before.end, start - before.end, *numbers)


def _missing_at(case: Case, bounds: Bounds, chain: Chain, end: _End) -> Finding | None:
    first, last = end.still
    beside, is_shown = Told("{1} in the session beside it", in_wh(end.there)), False
    evidence: Evidence | None = None
    if first < last and _has_flowed(case, chain, end.missing, first, last):
        evidence = (
            Told("{1} for {2}", in_wh(end.register), minutes(chain.at[last] - chain.at[first])),
            beside,
        )
        is_shown = _is_shown(case, end.missing, chain.at[first : last + 1])
    elif (lacking := _lacking(case, chain, end)) is not None:
        evidence, is_shown = lacking
    elif _is_beyond(case, bounds, chain, end):
        evidence = (
            Told(
                "{1} within {2} between the two",
                in_wh(end.missing),
                Quantity(round(end.neighbour.apart), "s"),
            ),
            beside,
        )
    if evidence is None or (not is_shown and _may_be_idle(end)):
        return None
    is_given = end.there in (end.neighbour.begin, end.neighbour.end)
    whole = _whole(case, chain, end) if is_shown and is_given else None
    figures: dict[str, int] = {
        AS_REPORTED: chain.wh[-1],
        Told("with what is missing"): chain.wh[-1] + end.missing,
    }
    return Finding(evidence, figures, _WORDS[end.code], whole=whole, code=end.code)


def _may_be_idle(end: _End) -> bool:
    """Whether the charger may have taken what is missing for itself."""
    apart = end.neighbour.apart
    return apart < inf and end.missing <= tolerances.IDLE_W * apart / HOUR


def _whole(case: Case, chain: Chain, end: _End) -> Figure:
    """Return the figure with what is missing: the register rose by more until the stop, or was
    lower at the start."""
    start, stop = case.start_wh or 0, case.stop_wh
    if end.code is Code.STOP_GARBLED:
        stop, whole = end.there, chain._replace(wh=[*chain.wh[:-1], chain.wh[-1] + end.missing])
    else:
        start, whole = end.there, chain._replace(wh=[0, *(wh + end.missing for wh in chain.wh[1:])])
    return Figure(whole.wh[-1], SEGMENTS, start, stop, whole)


def _is_beyond(case: Case, bounds: Bounds, chain: Chain, end: _End) -> bool:
    """Whether no charger delivers so much energy in the time to a neighbour, but perhaps in the
    step to this end. Each register may be one INTERVAL old. The times of a shorter one limit
    nothing."""
    kind_w, other = tolerances.FASTEST_W if case.is_dc else tolerances.AC_W, end.neighbour
    if case.is_instant or (end.code is Code.START_GARBLED and not other.is_end_known):
        return False
    most = max(case.ceiling_w or kind_w, case.power.most if case.power else 0) * (
        other.apart + tolerances.INTERVAL
    )
    if other.factor != 1 or end.missing <= most / HOUR + case.slack_of_ends(chain.digit):
        return False
    if not chain.at[2:]:
        return bounds.too_much(chain.wh[-1] + end.missing) is None
    number = 1 if end.code is Code.START_GARBLED else len(chain.at) - 1
    return bounds.can_have_flowed(
        chain, number, chain.wh[number] - chain.wh[number - 1] + end.missing
    )


def _has_flowed(case: Case, chain: Chain, missing: int, first: int, last: int) -> bool:
    """Whether so much energy, in Wh, can have flowed while a register stood still between two
    points of its chain.

    Power was reported meanwhile; or if none was, the register rose as fast before or after.
    """
    times, risen = chain.at[first : last + 1], chain.wh[last] - chain.wh[first]
    if any(at in case.power.places for at in times):
        return min(_drawn(case, times)[0] - risen, missing) > slack(case.power, chain.digit)
    seconds = chain.at[last] - chain.at[first] + tolerances.INTERVAL
    most = _fastest_w(chain) * (1 + tolerances.STEADY_SHARE) * seconds / HOUR
    return tolerances.REACH_WH + chain.slack < missing <= most


def _is_shown(case: Case, missing: int, times: Sequence[float]) -> bool:
    """Whether the powers reported at these times show that just so much flowed between them, in
    Wh."""
    allowed = tolerances.STEADY_SHARE * missing
    return bool(case.power) and all(
        abs(drawn - missing) <= allowed for drawn in _drawn(case, times)
    )


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
    paces = [
        (high - low) * HOUR / (now - then)
        for (then, low), (now, high) in steps
        if now > then and high > low
    ]
    return max(paces, default=tolerances.AC_W)


def _is_one(chain: Chain, first: int, last: int) -> bool:
    """Whether two points tell one register at one moment, as Transaction.End and the stop do."""
    apart, risen = chain.at[last] - chain.at[first], chain.wh[last] - chain.wh[first]
    return apart <= tolerances.METER_AGE and risen <= chain.digit


def _lacking(case: Case, chain: Chain, end: _End) -> tuple[Evidence, bool] | None:
    """Return what the step to an end lacks, if that is about what is missing, and whether power
    shows just so much. The time of a start that was received late may be wrong."""
    (first, last), spare = end.step, tolerances.REACH_WH + chain.slack
    is_late = chain.at[-1] - chain.at[0] > case.received_seconds + tolerances.INTERVAL
    if end.missing <= spare or not is_of_one_clock(case):
        return None
    if is_late and end.code is Code.START_GARBLED:
        return None
    seconds, risen = chain.at[last] - chain.at[first], chain.wh[last] - chain.wh[first]
    watts = _watts(case, chain, end)
    expected, allowed = watts * seconds / HOUR, tolerances.STEADY_SHARE * end.missing
    lack = expected - risen
    if lack <= max(spare, end.missing - allowed, watts * tolerances.INTERVAL / HOUR):
        return None
    is_shown = (
        bool(case.power)
        and case.power.is_steady
        and abs(lack - end.missing) <= min(allowed, expected)
    )
    flowed = in_wh(round(expected))
    source = (
        Told("{1} by power", flowed) if case.power else Told("{1} by the pace beside it", flowed)
    )
    return (Told("{1} in {2}", in_wh(risen), Quantity(round(seconds), "s")), source), is_shown


def _watts(case: Case, chain: Chain, end: _End) -> float:
    """Return the power at which a step is expected to rise: the one reported at its ends, as the
    register follows power otherwise, or else the pace of the step beside it."""
    reported = [case.power.places.get(at) for at in chain.at[end.step[0] : end.step[1] + 1]]
    known = [case.power.high[place] for place in reported if place is not None]
    return max(known) * _scale(case, chain) if known else _pace(chain, end.beside)


def _scale(case: Case, chain: Chain) -> float:
    """Return the rise of the register by one Wh of power, from the first to the last power; 1 if it
    is unknown."""
    shown = [wh for at, wh in zip(chain.at, chain.wh, strict=True) if at in case.power.places]
    expected = case.power.expected_wh
    if expected is None or expected[1] <= 0 or not shown[1:]:
        return 1.0
    return min((shown[-1] - shown[0]) / expected[1], 1 + tolerances.POWER_SHARE)


def _pace(chain: Chain, ends: Sequence[int]) -> float:
    first, last = ends
    seconds = chain.at[last] - chain.at[first]
    return (chain.wh[last] - chain.wh[first]) * HOUR / seconds if seconds > 0 else 0.0
