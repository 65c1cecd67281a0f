"""Whether the power that was told agrees with a register: gap by gap, between the moments at which both were told.

Power is told for a moment. Where it is told often enough it tells the pace of the register; of a car in the sun it says
little. So it is evidence only where it tracks in most gaps, for the register as it is or for one that is wrong by a
factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.evidence import Power, Sums

HOUR: Final = 3600.0


class Chain(NamedTuple):
    """What a candidate takes the register to have counted since the start; `digit` is the step of its readings."""

    at: Sequence[float]
    wh: Sequence[int]
    digit: int = 1


class Gap(NamedTuple):
    """From one moment at which power was told to another, in Wh: what the register rose by, what the lower and the
    higher power of each two neighbours come to, and the most that can have flowed. A register that stands still is one
    gap with the rise that ends it; `still` is what the power comes to at least until then."""

    rise: int
    low: float
    high: float
    most: float
    seconds: float
    still: float = 0.0


def gaps(chain: Chain, power: Power) -> list[Gap]:
    """The gaps of a chain between the moments at which its charger told its power."""
    # The innermost loop of the judge: plain numbers, and what the power comes to is summed up once.
    found: list[Gap] = []
    places, digit, (low, high, _, seconds) = power.places, chain.digit, power.sums
    begun, until, base, level, still = -1, -1, 0, 0, 0.0
    for at, wh in zip(chain.at, chain.wh, strict=True):
        number = places.get(at, -1)
        if number <= until:
            continue
        until, level = number, wh
        if begun < 0:
            begun, base = number, wh
        elif wh - base > digit:
            found.append(_gap(power.sums, begun, until, wh - base, still))
            begun, base, still = number, wh, 0.0
        elif (high[number] - high[begun]) * HOUR <= tolerances.LEAST_CHARGING_W * (seconds[number] - seconds[begun]):
            begun, base, still = number, wh, 0.0  # nothing to catch up
        else:
            still = low[number] - low[begun]
    if begun >= 0 and high[until] > high[begun]:
        found.append(_gap(power.sums, begun, until, level - base, still))
    return found


def _gap(sums: Sums, begun: int, until: int, rise: int, still: float) -> Gap:
    low, high, most, seconds = sums
    return Gap(
        rise,
        low[until] - low[begun],
        high[until] - high[begun],
        most[until] - most[begun],
        seconds[until] - seconds[begun],
        still,
    )


def slack(power: Power, digit: int) -> float:
    """What the last digits, and a clock that tells whole seconds, may make of a gap in Wh."""
    return 2 * digit + power.most * tolerances.CLOCK / HOUR


def tracks(found: Sequence[Gap], power: Power, digit: float, factor: float = 1.0) -> bool:
    """Whether power tells the pace of a register, if that is to be multiplied: in most gaps, of three or more."""
    told, held = _count_agreeing(found, power, digit, factor)
    return told >= tolerances.REGULAR_GAPS and held >= tolerances.MOST_GAPS * told


def agreement(found: Sequence[Gap], power: Power, digit: int) -> tuple[int, int]:
    """In how many gaps the power tells what the register rose by, and in how many it does not."""
    told, held = _count_agreeing(found, power, digit, 1.0)
    return held, told - held


def _count_agreeing(found: Sequence[Gap], power: Power, digit: float, factor: float) -> tuple[int, int]:
    """Of how many gaps something is told, and in how many of them both tell the same. Where no least is told, any
    factor would fit."""
    least = slack(power, 1)
    told = [gap for gap in found if gap.low > least or (gap.rise and factor == 1)]
    allowed = slack(power, max(1, round(digit * factor)))
    share = tolerances.POWER_SHARE
    held = sum(gap.low * (1 - share) - allowed <= gap.rise * factor <= gap.high * (1 + share) + allowed for gap in told)
    return len(told), held


def too_fast(found: Sequence[Gap], power: Power, digit: int) -> Gap | None:
    """The first gap in which the register rose by more than can have flowed: over a longer one the power may have been
    any that was told."""
    allowed = slack(power, digit) if found else 0.0
    return next((gap for gap in found if gap.rise > max(gap.most, _most_of(gap, power)) + allowed), None)


def _most_of(gap: Gap, power: Power) -> float:
    longer = (1 + tolerances.LONG_GAP_SHARE) * power.most * gap.seconds / HOUR
    return longer if gap.seconds > tolerances.SHORT_GAP else 0.0


def far_beyond_power(found: Sequence[Gap], digit: int) -> list[Gap]:
    """The gaps in which a register rose far faster than the power of all moments around tells."""
    allowed = tolerances.REACH_WH + 2 * digit
    return [gap for gap in found if gap.rise > tolerances.FAR_MORE * gap.most + allowed]


def never_caught_up(chain: Chain, power: Power, found: Sequence[Gap]) -> Gap | None:
    """The first gap in which a register stood still while power was told, and did not catch up when it rose again."""
    if not any(gap.still for gap in found):
        return None
    allowed, share = slack(power, chain.digit), least_share(power)
    with_stop = [*found[:-1], found[-1]._replace(rise=_risen_by_the_stop(chain, power, found))]
    return next((gap for gap in with_stop if gap.still > allowed and gap.rise + allowed < gap.low * share), None)


def stood_still(chain: Chain, power: Power, found: Sequence[Gap]) -> Gap | None:
    """The gap at the end in which a register stood still for good, though power was told."""
    if not found or found[-1].rise > chain.digit:
        return None
    risen = _risen_by_the_stop(chain, power, found)
    return found[-1] if found[-1].low * tolerances.LEAST_OF_STILL > risen + slack(power, chain.digit) else None


def _risen_by_the_stop(chain: Chain, power: Power, found: Sequence[Gap]) -> int:
    """What it rose by in the last gap, and from there to the stop."""
    told = set(power.at)
    since = next(wh for at, wh in zip(chain.at, chain.wh, strict=True) if at in told)
    return found[-1].rise + chain.wh[-1] - since - sum(gap.rise for gap in found)


def too_little(chain: Chain, power: Power, found: Sequence[Gap]) -> tuple[int, float] | None:
    """What the register rose by, and what the power comes to at least, where that is far more.

    What a register catches up at its stop counts; a gap that is longer than usual may be one of the clock alone.
    """
    if len(power.at) <= tolerances.REGULAR_GAPS:
        return None
    since = next((wh for at, wh in zip(chain.at, chain.wh, strict=True) if at >= power.at[0]), 0)
    rise, least = chain.wh[-1] - since, sum(gap.low for gap in found)
    return (rise, least) if rise + slack(power, chain.digit) < least * least_share(power) else None


def least_share(power: Power) -> float:
    """Of what power comes to at least, a register must have risen by so much."""
    return next((share for seconds, share in tolerances.LEAST_SHARES if power.interval <= seconds), 0.0)
