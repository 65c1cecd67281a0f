"""Comparison of reported power with a register, gap by gap between the times at which both were
sent.

Power is a momentary value. If it is sent often enough, it shows the pace of the register; with
solar charging, which varies quickly, it shows little. It is therefore evidence only if it tracks
the register, as it is or multiplied by a factor, in most gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter, sub
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.sent.evidence import Measurements, Power, PowerSteps, is_strictly_rising
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
        """Return the gaps that rose by more than `share` of their `energy` and `allowed` Wh."""
        # Nearly always there is none, so a Gap is made only for those that are returned.
        beyond: list[Gap] = []
        for number, (rise, wh) in enumerate(zip(self.rise, energy, strict=True)):
            if rise > share * wh + allowed:
                by_power = self.low[number], self.high[number], self.most[number]
                beyond.append(Gap(rise, *by_power, self.seconds[number], self.still[number]))
        return beyond


def gaps(chain: Chain, power: Power) -> Gaps:
    """Return the gaps of a chain between the times with power."""
    places: Sequence[int] = range(len(chain.at))
    levels = chain.wh
    if chain.at != power.at:
        reported = [(power.places[at], wh) for at, wh in chain.points if at in power.places]
        places, levels = [place for place, _ in reported], [wh for _, wh in reported]

    # Nearly always the register rose in each gap: then whole columns are subtracted at once.
    rises = list(map(sub, levels[1:], levels))
    if rises and min(rises) > chain.digit and is_strictly_rising(places):
        first, last = places[0], places[-1]
        if len(places) == last - first + 1:
            between = PowerSteps(*(step[first:last] for step in power.steps))
        else:
            reached = map(itemgetter(*places), power.sums)
            between = PowerSteps(*(list(map(sub, total[1:], total)) for total in reached))
        return Gaps(rises, *between, [None] * len(rises))
    rows = _gaps_with_standstills(places, levels, power, chain.digit)
    return Gaps(*zip(*rows, strict=True))


def _gaps_with_standstills(
    places: Iterable[int], levels: Iterable[int], power: Power, digit: int
) -> Iterator[tuple[int, float, float, float, float, float | None]]:
    """Yield the fields of the gaps of a register that may stand still or fall, by the places of its
    times among the powers."""
    begun, until, base, level = -1, -1, 0, 0
    still: float | None = None
    low, high, most, seconds = power.sums

    def to(place: int) -> tuple[float, float, float, float]:
        return (
            low[place] - low[begun],
            high[place] - high[begun],
            most[place] - most[begun],
            seconds[place] - seconds[begun],
        )

    for place, wh in zip(places, levels, strict=True):
        if place <= until:
            continue
        until, level = place, wh
        if begun < 0:
            begun, base = place, wh
            continue
        by_power = to(place)
        least, drawn, _, lasted = by_power
        if wh - base > digit:
            yield wh - base, *by_power, still
            begun, base, still = place, wh, None
        elif drawn * HOUR <= tolerances.LEAST_CHARGING_W * lasted:
            # No car charged, so the register has nothing to catch up.
            begun, base, still = place, wh, None
        else:
            still = least
    if begun >= 0 and high[until] > high[begun]:
        yield level - base, *to(until), still


def slack(power: Power, digit: int) -> float:
    """Return the error of a gap in Wh, due to the last digits and to times in whole seconds."""
    return digit + digit + power.most * tolerances.METER_AGE / HOUR


def tracks(gaps: Gaps, power: Power, digit: float, factor: float = 1.0) -> bool:
    """Whether power tracks a register multiplied by a factor: in most gaps, of at least SEVERAL."""
    agrees = _agrees(gaps, power, digit, factor)
    if len(agrees) < tolerances.SEVERAL:
        return False
    return agrees.count(True) >= tolerances.MOST_GAPS * len(agrees)


def agreement(gaps: Gaps, power: Power, digit: int) -> tuple[int, int]:
    """Return in how many gaps the power agrees with the rise of the register, and in how many it
    does not."""
    agrees = _agrees(gaps, power, digit, 1.0)
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
    as one if it did so on the whole."""
    if not gaps:
        return None
    allowed = slack(power, digit)
    if power.is_close:
        # Each gap is short, and an old register excuses a fast one, but not all of them.
        whole = gaps.whole
        if whole.rise > whole.most + allowed:
            return whole

    for gap in gaps.beyond(gaps.most, 1.0, allowed):
        # Over a long gap, the maximum is by the highest reported power. While a register stands
        # still, power is reported, so such a gap is none.
        is_long = gap.seconds > (tolerances.SHORT_GAP if power.is_steady else tolerances.INTERVAL)
        if gap.still is None and (is_long or gap.is_idle):
            most_w = (1 + power.longer_share) * power.most
            if gap.rise <= most_w * gap.seconds / HOUR + allowed:
                continue
        return gap
    return None


def never_caught_up(chain: Chain, power: Power, gaps: Gaps, share: float) -> Gap | None:
    """Return the first gap in which a register stood still despite power, and did not catch up to
    this share of it when it rose again."""
    if not any(gaps.still):
        return None
    # The last gap ends with the stop, at which the register catches up.
    since = next(wh for at, wh in chain.points if at in power.places)
    *earlier, _ = gaps.rise
    last = chain.wh[-1] - since - sum(earlier)
    allowed = slack(power, chain.digit)
    for gap in replace(gaps, rise=[*earlier, last]):
        if (gap.still or 0.0) > allowed and gap.rise + allowed < gap.low * share:
            return gap
    return None


def too_little(chain: Chain, power: Power, gaps: Gaps) -> tuple[int, float] | None:
    """Return the rise of the register and the minimum by power, if that is far more; else None.

    A rise at the stop, where the register catches up, counts. A gap longer than usual may be due to
    the clock only.
    """
    if len(power.at) <= tolerances.SEVERAL:
        return None
    if gaps:
        since = next((wh for at, wh in chain.points if at >= power.at[0]), 0)
        rise, least = chain.wh[-1] - since, sum(gaps.low)
    else:
        # No reading has the time of a power: then the whole rise is compared with all powers.
        rise, least = chain.wh[-1], sum(power.steps.low)
    if rise + slack(power, chain.digit) >= least * least_share(power):
        return None
    return rise, least


def least_share(power: Power) -> float:
    """Return the share of the minimum by power by which a register must have risen."""
    if power.interval <= tolerances.SHORT_GAP:
        return 1 - tolerances.POWER_SHARE
    if power.interval <= tolerances.RARE_SECONDS:
        return 1 - tolerances.STEADY_SHARE
    return tolerances.HALF


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
        share = tolerances.POWER_SHARE if power.is_close else tolerances.HALF
        fastest = power.most * (1 + share)
    most = fastest * (seconds + tolerances.INTERVAL) / HOUR
    return rise_wh < 0 or rise_wh > max(JUMP_WH, most)
