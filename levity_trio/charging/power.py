"""Comparison of reported power with a register, gap by gap between the times at which both were sent.

Power is a momentary value. If it is sent often enough, it shows the pace of the register; with solar charging, which
varies quickly, it shows little. It is therefore evidence only if it tracks the register, as it is or multiplied by a
factor, in most gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import itemgetter, sub
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.evidence import Power
from levity_trio.charging.gathering import is_strictly_rising

HOUR: Final = 3600.0


class Chain(NamedTuple):
    """A candidate's course of the register since the start: times in seconds, Wh, and the readings' step in Wh."""

    at: Sequence[float]
    wh: Sequence[int]
    digit: int = 1


class Gap(NamedTuple):
    """A gap between two times with power: the rise of the register, and energies by power, in Wh.

    `low` and `high` sum the lower and the higher of each two adjacent powers; `most` is the maximum energy. A time in
    which the register stands still forms one gap with the rise that ends it; `still` is the minimum until that rise,
    None where it did not stand still.
    """

    rise: int
    low: float
    high: float
    most: float
    seconds: float
    still: float | None = None


_GAP: Final = partial(tuple.__new__, Gap)
"""Makes a gap of its fields; `Gap._make` takes twice as long."""


def gaps(chain: Chain, power: Power) -> list[Gap]:
    """Return the gaps of a chain between the times with power. The last one may have no rise."""
    places, levels = power.places, chain.wh
    numbers = list(map(places.get, chain.at, repeat(-1)))
    if -1 in numbers:
        levels = [wh for number, wh in zip(numbers, levels, strict=True) if number >= 0]
        numbers = [number for number in numbers if number >= 0]
    rises = list(map(sub, levels[1:], levels))
    if not rises or min(rises) <= chain.digit or not is_strictly_rising(numbers):
        return list(_gaps_with_standstills(zip(numbers, levels, strict=True), power, chain.digit))
    return list(map(_GAP, zip(rises, *_between(numbers, power), repeat(None))))


def _between(numbers: Sequence[int], power: Power) -> Iterator[Iterable[float]]:
    """Yield the lower, the higher and the maximum energy, and the time, from each of these powers to the next."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) == last - first + 1:
        yield from (step[first:last] for step in power.steps)
    else:
        for total in power.sums:
            reached = itemgetter(*numbers)(total)
            yield map(sub, reached[1:], reached)


def _gaps_with_standstills(reported: Iterable[tuple[int, int]], power: Power, digit: int) -> Iterator[Gap]:
    """Yield the gaps of a register that may stand still or fall, given by the numbers of the powers."""
    begun, until, base, level = -1, -1, 0, 0
    still: float | None = None
    low, high, most, seconds = power.sums
    for number, wh in reported:
        if number <= until:
            continue
        until, level = number, wh
        if begun < 0:
            begun, base = number, wh
            continue
        drawn, apart = high[number] - high[begun], seconds[number] - seconds[begun]
        if wh - base > digit:
            yield Gap(wh - base, low[number] - low[begun], drawn, most[number] - most[begun], apart, still)
            begun, base, still = number, wh, None
        elif drawn * HOUR <= tolerances.LEAST_CHARGING_W * apart:
            begun, base, still = number, wh, None  # nothing to catch up
        else:
            still = low[number] - low[begun]
    if begun >= 0 and high[until] > high[begun]:
        drawn, apart = high[until] - high[begun], seconds[until] - seconds[begun]
        yield Gap(level - base, low[until] - low[begun], drawn, most[until] - most[begun], apart, still)


def slack(power: Power, digit: int) -> float:
    """Return the error of a gap in Wh, due to the last digits and to times in whole seconds."""
    return 2 * digit + power.most * tolerances.CLOCK / HOUR


def tracks(found: Sequence[Gap], power: Power, digit: float, factor: float = 1.0) -> bool:
    """Whether power tracks a register multiplied by a factor: in most gaps, of at least REGULAR_GAPS."""
    compared, agreeing = _count_agreeing(found, power, digit, factor)
    return compared >= tolerances.REGULAR_GAPS and agreeing >= tolerances.MOST_GAPS * compared


def agreement(found: Sequence[Gap], power: Power, digit: int) -> tuple[int, int]:
    """Return in how many gaps the power agrees with the rise of the register, and in how many it does not."""
    compared, agreeing = _count_agreeing(found, power, digit, 1.0)
    return agreeing, compared - agreeing


def _count_agreeing(found: Sequence[Gap], power: Power, digit: float, factor: float) -> tuple[int, int]:
    """Return how many gaps can be compared, and in how many of these power and register agree.

    A gap without a minimum is compared only if the factor is 1: it would agree with any factor.
    """
    least = slack(power, 1)
    compared = [gap for gap in found if gap.low > least or (gap.rise and factor == 1)]
    allowed = slack(power, max(1, round(digit * factor)))
    low, high = 1 - tolerances.POWER_SHARE, 1 + tolerances.POWER_SHARE
    agreeing = [gap for gap in compared if gap.low * low - allowed <= gap.rise * factor <= gap.high * high + allowed]
    return len(compared), len(agreeing)


def too_fast(found: Sequence[Gap], power: Power, digit: int) -> Gap | None:
    """Return the first gap in which the register rose by more than the maximum energy.

    Over a long gap, the maximum is by the highest reported power; power was reported while a register stood still.
    """
    allowed = slack(power, digit) if found else 0.0
    beyond = (gap for gap in found if gap.rise > gap.most + allowed)
    return next((gap for gap in beyond if gap.rise > _most_of(gap, power) + allowed), None)


def _most_of(gap: Gap, power: Power) -> float:
    longer = (1 + tolerances.LONG_GAP_SHARE) * power.most * gap.seconds / HOUR
    return longer if gap.seconds > tolerances.SHORT_GAP and gap.still is None else 0.0


def far_beyond_power(found: Sequence[Gap], digit: int) -> list[Gap]:
    """Return the gaps in which a register rose far faster than all adjacent powers."""
    allowed = tolerances.REACH_WH + 2 * digit
    return [gap for gap in found if gap.rise > tolerances.FAR_MORE * gap.most + allowed]


def never_caught_up(chain: Chain, power: Power, found: Sequence[Gap]) -> Gap | None:
    """Return the first gap in which a register stood still despite power, and did not catch up when it rose again."""
    if not any(gap.still for gap in found):
        return None
    allowed, share = slack(power, chain.digit), least_share(power)
    with_stop = [*found[:-1], found[-1]._replace(rise=_risen_by_the_stop(chain, power, found))]
    return next(
        (gap for gap in with_stop if (gap.still or 0.0) > allowed and gap.rise + allowed < gap.low * share), None
    )


def stood_still(chain: Chain, power: Power, found: Sequence[Gap]) -> Gap | None:
    """Return the last gap, if the register stood still in it until the stop despite power."""
    if not found or found[-1].rise > chain.digit:
        return None
    risen = _risen_by_the_stop(chain, power, found)
    return found[-1] if found[-1].low * tolerances.LEAST_OF_STILL > risen + slack(power, chain.digit) else None


def _risen_by_the_stop(chain: Chain, power: Power, found: Sequence[Gap]) -> int:
    """Return the rise in the last gap and from there to the stop, in Wh."""
    with_power = set(power.at)
    since = next(wh for at, wh in zip(chain.at, chain.wh, strict=True) if at in with_power)
    return found[-1].rise + chain.wh[-1] - since - sum(gap.rise for gap in found)


def too_little(chain: Chain, power: Power, found: Sequence[Gap]) -> tuple[int, float] | None:
    """Return the rise of the register and the minimum by power, if that is far more; else None.

    A rise at the stop, where the register catches up, counts. A gap longer than usual may be due to the clock only.
    """
    if len(power.at) <= tolerances.REGULAR_GAPS:
        return None
    since = next((wh for at, wh in zip(chain.at, chain.wh, strict=True) if at >= power.at[0]), 0)
    rise, least = chain.wh[-1] - since, sum(gap.low for gap in found)
    return (rise, least) if rise + slack(power, chain.digit) < least * least_share(power) else None


def least_share(power: Power) -> float:
    """Return the share of the minimum by power by which a register must have risen."""
    return next((share for seconds, share in tolerances.LEAST_SHARES if power.interval <= seconds), 0.0)
