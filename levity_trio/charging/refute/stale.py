"""Energy that flowed between two transactions, though no register at their ends shows it.

A stop or a start may repeat an old register, or be read early or late. Then energy is missing up to
the next transaction, or since the previous one. It can have flowed while the repeated register
stood still, or in a step that rose by less than expected. If power shows that just so much flowed,
it counts. If it cannot have flowed between the two, a register is wrong, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence, Finding, in_seconds
from levity_trio.charging.refute.measured import is_of_one_clock
from levity_trio.charging.reviews import AS_REPORTED, Code, in_wh, minutes
from levity_trio.charging.sent.evidence import Case, Neighbour, Power
from levity_trio.charging.sent.figures import SEGMENTS, Chain, Figure
from levity_trio.charging.sent.power import HOUR, slack
from levity_trio.told import Quantity, Told


class _End(NamedTuple):
    """The register at an end of a transaction, and that of the neighbour there, in Wh."""

    is_stop: bool
    neighbour: Neighbour
    own_wh: int
    other_wh: int
    is_replaced: bool = False
    """The neighbour sent its register, but was judged with another one in its place, in doubt."""

    @property
    def missing(self) -> int:
        """What neither of the two transactions counted, in Wh."""
        risen = self.other_wh - self.own_wh
        return risen if self.is_stop else -risen

    @property
    def beside(self) -> str:
        """The neighbour's register as evidence."""
        return Told("{1} in the session beside it", in_wh(self.other_wh))


_Lack = tuple[Evidence, bool]
"""The evidence that energy is missing, and whether power shows that just so much flowed."""


def missing_beside(case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
    """Find energy that is missing before or after a transaction: this one seems to have delivered
    it, or it cannot have flowed between the two."""
    chain = figure.chain
    findings: list[Finding] = []
    for end in _ends_lacking_energy(case):
        lack = (
            _while_it_stood_still(case, chain, end)
            or _lacking_in_its_step(case, chain, end)
            or _too_much_between(case, bounds, chain, end)
        )
        if lack is None:
            continue
        evidence, is_shown = lack

        # A charger takes a little energy for itself, and its own meter may count that in between.
        apart = end.neighbour.apart
        if is_shown or apart == inf or end.missing > tolerances.IDLE_W * apart / HOUR:
            findings.append(_finding(case, chain, end, evidence, is_shown=is_shown))
    if not findings:
        return None

    # If both ends are old, the figure with what is missing at one of them is wrong, too.
    if len({finding.code for finding in findings}) > 1:
        return findings[0]._replace(whole=None)
    return findings[0]


def _ends_lacking_energy(case: Case) -> list[_End]:
    """Return the start, the stop, or both, if the register rose between it and the neighbour."""
    start, stop = case.start_wh, case.stop_wh
    before, after = case.before, case.after
    ends: list[_End] = []
    if stop is not None and after is not None:
        if after.begin is not None:
            ends.append(_End(is_stop=True, neighbour=after, own_wh=stop, other_wh=after.begin))
        # The next start may have been replaced, in doubt: then what it sent is asked, too.
        sent = after.replaced or 0
        if sent > (after.begin or 0):
            ends.append(
                _End(is_stop=True, neighbour=after, own_wh=stop, other_wh=sent, is_replaced=True)
            )
    if start is not None and before is not None and before.end is not None and case.is_stopped:
        ends.append(_End(is_stop=False, neighbour=before, own_wh=start, other_wh=before.end))
    return [end for end in ends if end.missing > 0]


def _while_it_stood_still(case: Case, chain: Chain, end: _End) -> _Lack | None:
    """Find what is missing if it can have flowed while the register stood still at an end."""
    first, last = 0, len(chain.wh) - 1
    if end.is_stop:
        final = chain.wh[-1] - chain.digit
        first = next(number for number, wh in enumerate(chain.wh) if wh > final)
    else:
        higher = (number for number, wh in enumerate(chain.wh) if wh >= chain.digit)
        last = next(higher, len(chain.wh)) - 1
    if first >= last:
        return None
    times = chain.at[first : last + 1]
    seconds, risen = chain.between(first, last)

    is_shown = False
    if any(at in case.power.places for at in times):
        # If any of it flowed uncounted, the register is old, however much is missing in all.
        least, most = _energy_by_power(case.power, times)
        if min(least - risen, end.missing) <= slack(case.power, chain.digit):
            return None
        allowed = tolerances.STEADY_SHARE * end.missing
        is_shown = all(abs(drawn - end.missing) <= allowed for drawn in (least, most))
    else:
        # Without power, the pace of the other steps shows how much can have flowed. If there is
        # none, any AC charger may have delivered it. A register may be one interval old.
        paces = [_pace(chain, number - 1, number) for number in range(1, len(chain.at))]
        fastest_w = max(paces, default=0.0) or tolerances.AC_W
        most_w = fastest_w * (1 + tolerances.STEADY_SHARE)
        most = most_w * (seconds + tolerances.INTERVAL) / HOUR
        if not tolerances.REACH_WH + chain.slack < end.missing <= most:
            return None
    stood = Told("{1} for {2}", in_wh(end.own_wh), minutes(seconds))
    return (stood, end.beside), is_shown


def _lacking_in_its_step(case: Case, chain: Chain, end: _End) -> _Lack | None:
    """Find what is missing if the step to an end rose by about so much less than expected."""
    spare = tolerances.REACH_WH + chain.slack
    if end.missing <= spare or not is_of_one_clock(case):
        return None
    # The time of a start that was received late may be wrong.
    lasted = chain.at[-1] - chain.at[0]
    is_late = lasted > case.received_seconds + tolerances.INTERVAL
    if is_late and not end.is_stop:
        return None

    # Transaction.Begin and Transaction.End repeat the start and the stop: they are no step.
    first, last = 0, len(chain.at) - 1
    if end.is_stop:
        earlier = (
            number for number in reversed(range(last)) if not _is_same_moment(chain, number, last)
        )
        first = next(earlier, 0)
        beside = max(0, first - 1), first
    else:
        later = (number for number in range(1, last + 1) if not _is_same_moment(chain, 0, number))
        final, last = last, next(later, last)
        beside = last, min(last + 1, final)
    seconds, risen = chain.between(first, last)

    power = case.power
    times = chain.at[first : last + 1]
    places = [power.places[at] for at in times if at in power.places]
    if places:
        highest_w = max(power.high[place] for place in places)
        watts = highest_w * _scale(case, chain)
    else:
        watts = _pace(chain, *beside)
    expected = watts * seconds / HOUR

    # A car that begins or ends one interval earlier or later lacks nothing.
    lacking = expected - risen
    allowed = tolerances.STEADY_SHARE * end.missing
    of_one_interval = watts * tolerances.INTERVAL / HOUR
    if lacking <= max(spare, end.missing - allowed, of_one_interval):
        return None
    is_close = abs(lacking - end.missing) <= allowed
    flowed = in_wh(round(expected))
    source = Told("{1} by power", flowed) if places else Told("{1} by the pace beside it", flowed)
    return (in_seconds(risen, seconds), source), is_close and power.is_steady


def _too_much_between(case: Case, bounds: Bounds, chain: Chain, end: _End) -> _Lack | None:
    """Find what is missing if no charger delivers so much between the two transactions."""
    neighbour = end.neighbour
    # In a simulation, times limit nothing; and registers on another scale show no energy between.
    if case.is_instant or neighbour.factor != 1:
        return None
    # The neighbour may have gone on after its last register.
    if not end.is_stop and not neighbour.is_end_known:
        return None

    most_w = case.ceiling_w or case.most_of_kind_w
    if case.power:
        most_w = max(most_w, case.power.most)
    # Each register may be one interval old when it is sent.
    seconds = neighbour.apart + tolerances.INTERVAL
    most = most_w * seconds / HOUR
    if end.missing <= most + case.slack_of_ends(chain.digit):
        return None

    # It is of this transaction only if it can have flowed in the step to this end.
    number = len(chain.at) - 1 if end.is_stop else 1
    with_missing = chain.rise_to(number) + end.missing
    if len(chain.at) == 2:
        # No other step shows how fast the register can rise.
        is_possible = bounds.too_much(with_missing) is None
    else:
        is_possible = bounds.can_have_flowed(chain, number, with_missing)
    if not is_possible:
        return None
    apart = Quantity(round(neighbour.apart), "s")
    within = Told("{1} within {2} between the two", in_wh(end.missing), apart)
    return (within, end.beside), False


def _finding(case: Case, chain: Chain, end: _End, evidence: Evidence, *, is_shown: bool) -> Finding:
    """Return what is missing as a finding, with the figure that includes it if power shows it."""
    start, stop = case.start_wh or 0, case.stop_wh
    wh = [*chain.wh]
    if end.is_stop:
        code = Code.STOP_GARBLED
        words = Told("the stop repeats an old register: the next session begins higher")
        stop = end.other_wh
        wh[-1] += end.missing
    else:
        code = Code.START_GARBLED
        words = Told("the start was read late: the previous session ended lower")
        start = end.other_wh
        wh[1:] = [value + end.missing for value in wh[1:]]

    figures: dict[str, int] = {
        AS_REPORTED: chain.wh[-1],
        Told("with what is missing"): wh[-1],
    }
    whole = None
    # A figure up to a register that was replaced would be as doubtful as that.
    if is_shown and not end.is_replaced:
        course = chain._replace(wh=wh)
        whole = Figure(wh[-1], SEGMENTS, start, stop, course)
    return Finding(evidence, figures, words, whole=whole, code=code)


def _energy_by_power(power: Power, times: Sequence[float]) -> tuple[float, float]:
    """Return the least and the most energy in Wh by the powers reported at these times.

    Between two times, it is at least by the lower of their two powers, and at most by the higher
    one. If only one of them has a power, that counts alone.
    """
    least = most = 0.0
    for then, now in pairwise(times):
        places = [power.places[at] for at in (then, now) if at in power.places]
        if places:
            low = min(power.low[place] for place in places)
            high = max(power.high[place] for place in places)
            least += low * (now - then) / HOUR
            most += high * (now - then) / HOUR
    return least, most


def _scale(case: Case, chain: Chain) -> float:
    """Return by how many Wh the register rises for each Wh by power; 1 if that is unknown."""
    shown = [wh for at, wh in chain.points if at in case.power.places]
    expected = case.power.expected_wh
    if expected is None or expected[1] <= 0 or len(shown) < 2:
        return 1.0
    rise = shown[-1] - shown[0]
    return min(rise / expected[1], 1 + tolerances.POWER_SHARE)


def _pace(chain: Chain, first: int, last: int) -> float:
    """Return the pace between two points of a chain in W; 0 if it did not rise in that time."""
    seconds, risen = chain.between(first, last)
    return risen * HOUR / seconds if seconds > 0 and risen > 0 else 0.0


def _is_same_moment(chain: Chain, first: int, last: int) -> bool:
    """Whether two points tell one register at one moment, as Transaction.End and the stop do."""
    seconds, risen = chain.between(first, last)
    return seconds <= tolerances.METER_AGE and risen <= chain.digit
