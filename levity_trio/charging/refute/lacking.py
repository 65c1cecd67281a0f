"""What the first or the last step of a register lacks, by the power reported next to it or by the step beside it.

A start read late or a stop read early leaves the step next to it too small by just what stands between the two
transactions. A car that begins late, or ends early, leaves it too small as well: so this is a doubt, unless power was
steady throughout and lacks neither more nor less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.abrupt import is_of_one_clock
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.power import HOUR


class Lacking(NamedTuple):
    """What a step rose by, what was expected, and whether power shows that just so much is missing."""

    risen: str
    expected: str
    is_shown: bool


class _Step(NamedTuple):
    """The numbers of the two points of a step, and those of the step beside it."""

    first: int
    last: int
    beside: tuple[int, int]


def lacking_at_start(case: Case, chain: Chain, missing: int) -> Lacking | None:
    """Return what the first step lacks, if so much energy, in Wh, can be missing from it. The time of a start that was
    received late may be wrong."""
    if chain.at[-1] - chain.at[0] > case.received_seconds + tolerances.INTERVAL:
        return None
    last = next((number for number in range(1, len(chain.at)) if not _is_one(chain, 0, number)), len(chain.at) - 1)
    return _lacking(case, chain, _Step(0, last, (last, min(last + 1, len(chain.at) - 1))), missing)


def lacking_at_stop(case: Case, chain: Chain, missing: int) -> Lacking | None:
    """Return what the last step lacks, if so much energy, in Wh, can be missing from it."""
    last = len(chain.at) - 1
    first = next((number for number in range(last - 1, -1, -1) if not _is_one(chain, number, last)), 0)
    return _lacking(case, chain, _Step(first, last, (max(0, first - 1), first)), missing)


def _is_one(chain: Chain, first: int, last: int) -> bool:
    """Whether two points tell one register at one moment, as Transaction.End and the stop do."""
    apart, risen = chain.at[last] - chain.at[first], chain.wh[last] - chain.wh[first]
    return apart <= tolerances.METER_AGE and risen <= chain.digit


def _lacking(case: Case, chain: Chain, step: _Step, missing: int) -> Lacking | None:
    spare = tolerances.REACH_WH + 2 * chain.digit
    if missing <= spare or not case.is_timed or case.is_instant or not is_of_one_clock(case):
        return None
    seconds, risen = chain.at[step.last] - chain.at[step.first], chain.wh[step.last] - chain.wh[step.first]
    watts = _watts(case, chain, step)
    expected, allowed = watts * seconds / HOUR, tolerances.AGREEMENT_SHARE * missing
    lack = expected - risen
    is_shown = bool(case.power) and case.power.is_steady and abs(lack - missing) <= min(allowed, expected)
    usual = 0.0 if is_shown and risen > spare else watts * tolerances.INTERVAL / HOUR
    if lack <= max(spare, missing - allowed, usual):
        return None
    source = "power" if case.power else "the pace beside it"
    return Lacking(f"{risen} Wh in {round(seconds)} s", f"{round(expected)} Wh by {source}", is_shown)


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
    if expected is None or expected[1] <= 0 or len(shown) < 2:
        return 1.0
    return min((shown[-1] - shown[0]) / expected[1], 1 + tolerances.POWER_SHARE)


def _pace(chain: Chain, ends: Sequence[int]) -> float:
    first, last = ends
    seconds = chain.at[last] - chain.at[first]
    return (chain.wh[last] - chain.wh[first]) * HOUR / seconds if seconds > 0 else 0.0
