"""Comparison of reported power with a register, gap by gap between the times at which both were
sent.

Power is a momentary value. If it is sent often enough, it shows the pace of the register; with
solar charging, which varies quickly, it shows little. It is therefore evidence only if it tracks
the register, as it is or multiplied by a factor, in most gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from operator import itemgetter, sub
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.sent.evidence import Measurements, Power, Steps, is_strictly_rising
from levity_trio.charging.sent.figures import Chain
from levity_trio.records import record

HOUR: Final = 3600.0


class Gap(NamedTuple):
    """A gap between two times with power: the rise of the register, and energies by power, in Wh.

    `low` and `high` sum the lower and the higher of each two adjacent powers; `most` is the maximum
    energy. A time in which the register stands still forms one gap with the rise that ends it;
    `still` is the minimum until that rise, None where it did not stand still.
    """

    rise: int
    low: float
    high: float
    most: float
    seconds: float
    still: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no car drew power at one of its ends, or at most of the powers in it: it may have
        charged between."""
        return self.low * HOUR < tolerances.LEAST_CHARGING_W * self.seconds


@record(kw_only=False)
class Gaps:
    """The gaps of a chain between the times with power, a column for each field. The last one may
    have no rise."""

    rise: Sequence[int] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    most: Sequence[float] = ()
    seconds: Sequence[float] = ()
    still: Sequence[float | None] = ()

    def __len__(self) -> int:
        return len(self.rise)

    def __iter__(self) -> Iterator[Gap]:
        return map(Gap, self.rise, self.low, self.high, self.most, self.seconds, self.still)

    @property
    def whole(self) -> Gap:
        """All gaps as one."""
        return Gap(sum(self.rise), sum(self.low), sum(self.high), sum(self.most), sum(self.seconds))

    def beyond(self, energy: Sequence[float], share: float, allowed: float) -> list[Gap]:
        """Return the gaps with a rise above `share` of this energy in each, and `allowed`, in
        Wh."""
        rises = enumerate(zip(self.rise, energy, strict=True))
        return [self._gap(number) for number, (rise, wh) in rises if rise > share * wh + allowed]

    def _gap(self, number: int) -> Gap:
        energies = self.low[number], self.high[number], self.most[number]
        return Gap(self.rise[number], *energies, self.seconds[number], self.still[number])


def gaps(chain: Chain, power: Power) -> Gaps:
    """Return the gaps of a chain between the times with power."""
    numbers: Sequence[int] = range(len(chain.at))
    levels = chain.wh
    if chain.at != power.at:
        found = list(map(power.places.get, chain.at, repeat(-1)))
        levels = [wh for number, wh in zip(found, levels, strict=True) if number >= 0]
        numbers = [number for number in found if number >= 0]
    rises = list(map(sub, levels[1:], levels))
    if not rises or min(rises) <= chain.digit or not is_strictly_rising(numbers):
        return Gaps(*zip(*_gaps_with_standstills(numbers, levels, power, chain.digit), strict=True))
    return Gaps(rises, *_between(numbers, power), [None] * len(rises))


def _between(numbers: Sequence[int], power: Power) -> Steps:
    """Return the energies and the time from each of these powers to the next of them."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) == last - first + 1:
        return Steps(*(step[first:last] for step in power.steps))
    reached = map(itemgetter(*numbers), power.sums)
    return Steps(*(list(map(sub, total[1:], total)) for total in reached))


def _gaps_with_standstills(
    numbers: Iterable[int], levels: Iterable[int], power: Power, digit: int
) -> Iterator[tuple[int, float, float, float, float, float | None]]:
    """Yield the fields of the gaps of a register that may stand still or fall, given by the numbers
    of the powers."""
    begun, until, base, level = -1, -1, 0, 0
    still: float | None = None
    low, high, most, seconds = power.sums
    for number, wh in zip(numbers, levels, strict=True):
        if number <= until:
            continue
        until, level = number, wh
        if begun < 0:
            begun, base = number, wh
            continue
        drawn, apart = high[number] - high[begun], seconds[number] - seconds[begun]
        if wh - base > digit:
            yield (
                wh - base,
                low[number] - low[begun],
                drawn,
                most[number] - most[begun],
                apart,
                still,
            )
            begun, base, still = number, wh, None
        elif drawn * HOUR <= tolerances.LEAST_CHARGING_W * apart:
            begun, base, still = number, wh, None  # nothing to catch up
        else:
            still = low[number] - low[begun]
    if begun >= 0 and high[until] > high[begun]:
        drawn, apart = high[until] - high[begun], seconds[until] - seconds[begun]
        yield level - base, low[until] - low[begun], drawn, most[until] - most[begun], apart, still


def slack(power: Power, digit: int) -> float:
    """Return the error of a gap in Wh, due to the last digits and to times in whole seconds."""
    return digit + digit + power.most * tolerances.METER_AGE / HOUR


def tracks(found: Gaps, power: Power, digit: float, factor: float = 1.0) -> bool:
    """Whether power tracks a register multiplied by a factor: in most gaps, of at least SEVERAL."""
    agrees = _agrees(found, power, digit, factor)
    return len(agrees) >= tolerances.SEVERAL and agrees.count(True) >= tolerances.MOST_GAPS * len(
        agrees
    )


def agreement(found: Gaps, power: Power, digit: int) -> tuple[int, int]:
    """Return in how many gaps the power agrees with the rise of the register, and in how many it
    does not."""
    agrees = _agrees(found, power, digit, 1.0)
    return agrees.count(True), agrees.count(False)


def _agrees(gaps: Gaps, power: Power, digit: float, factor: float) -> list[bool]:
    """Return for each gap that can be compared whether power and register agree.

    A gap without a minimum is compared only if the factor is 1: it would agree with any factor.
    """
    least, allowed = slack(power, 1), slack(power, max(1, round(digit * factor)))
    lower, upper = 1 - tolerances.POWER_SHARE, 1 + tolerances.POWER_SHARE
    return [
        low * lower - allowed <= rise * factor <= high * upper + allowed
        for rise, low, high in zip(gaps.rise, gaps.low, gaps.high, strict=True)
        if low > least or (rise and factor == 1)
    ]


def too_fast(gaps: Gaps, power: Power, digit: int) -> Gap | None:
    """Return the first gap in which the register rose by more than the maximum energy, or all gaps
    as one if it did so on the whole: with frequent power, each gap is short, and an old register
    does not excuse all of them.

    Over a long gap, the maximum is by the highest reported power; power was reported while a
    register stood still.
    """
    allowed = slack(power, digit) if gaps else 0.0
    if power.is_close and (whole := gaps.whole).rise > whole.most + allowed:
        return whole
    beyond = gaps.beyond(gaps.most, 1.0, allowed)
    return next((gap for gap in beyond if gap.rise > _most_of(gap, power) + allowed), None)


def _most_of(gap: Gap, power: Power) -> float:
    longer = (1 + power.longer_share) * power.most * gap.seconds / HOUR
    is_long = gap.seconds > (tolerances.SHORT_GAP if power.is_steady else tolerances.INTERVAL)
    return longer if (is_long or gap.is_idle) and gap.still is None else 0.0


def never_caught_up(chain: Chain, power: Power, gaps: Gaps, share: float) -> Gap | None:
    """Return the first gap in which a register stood still despite power, and did not catch up to
    this share of it when it rose again."""
    if not any(gaps.still):
        return None
    allowed = slack(power, chain.digit)
    with_stop = replace(gaps, rise=[*gaps.rise[:-1], _risen_by_the_stop(chain, power, gaps)])
    still = (gap for gap in with_stop if (gap.still or 0.0) > allowed)
    return next((gap for gap in still if gap.rise + allowed < gap.low * share), None)


def _risen_by_the_stop(chain: Chain, power: Power, gaps: Gaps) -> int:
    """Return the rise in the last gap and from there to the stop, in Wh."""
    with_power = set(power.at)
    since = next(wh for at, wh in zip(chain.at, chain.wh, strict=True) if at in with_power)
    return gaps.rise[-1] + chain.wh[-1] - since - sum(gaps.rise)


def too_little(chain: Chain, power: Power, gaps: Gaps) -> tuple[int, float] | None:
    """Return the rise of the register and the minimum by power, if that is far more; else None.

    A rise at the stop, where the register catches up, counts. A gap longer than usual may be due to
    the clock only. Without a gap, no reading has the time of a power: then the whole rise is
    compared with all powers.
    """
    if len(power.at) <= tolerances.SEVERAL:
        return None
    if gaps:
        since = next(
            (wh for at, wh in zip(chain.at, chain.wh, strict=True) if at >= power.at[0]), 0
        )
        rise, least = chain.wh[-1] - since, sum(gaps.low)
    else:
        rise, least = chain.wh[-1], sum(power.steps.low)
    return (rise, least) if rise + slack(power, chain.digit) < least * least_share(power) else None


def least_share(power: Power) -> float:
    """Return the share of the minimum by power by which a register must have risen."""
    if power.interval <= tolerances.SHORT_GAP:
        return 1 - tolerances.POWER_SHARE
    return (
        1 - tolerances.STEADY_SHARE
        if power.interval <= tolerances.RARE_SECONDS
        else tolerances.HALF
    )


JUMP_WH: Final = tolerances.SIGNIFICANT_START_WH
"""The original Levity's limit: a smaller step forward is no jump."""


def is_jump(rise_wh: int, seconds: float, measurements: Measurements) -> bool:
    """Whether a register fell, or rose by more than its charger can deliver in that time: that is
    reported at once, though the judge decides about the energy later.

    `measurements` are the transaction's readings up to then, including any reported power. Without
    any, the limit is the maximum of AC or DC charging.
    """
    power = measurements.power
    fastest = tolerances.FASTEST_W if measurements.is_dc else tolerances.AC_W
    if power and power.most >= tolerances.LEAST_CHARGING_W:
        fastest = power.most * (1 + (tolerances.POWER_SHARE if power.is_close else tolerances.HALF))
    return rise_wh < 0 or rise_wh > max(JUMP_WH, fastest * (seconds + tolerances.INTERVAL) / HOUR)
