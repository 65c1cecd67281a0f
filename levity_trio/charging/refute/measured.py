"""What something else measured of the same energy: power, or energy in intervals (rules.md, Energy:
Sources)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.refute.impossible import (
    ceiling_w,
    far_faster_at_an_end,
    faster_at_an_end,
    faster_than_usual,
)
from levity_trio.charging.reviews import Code, energy_text, in_wh
from levity_trio.charging.sent.evidence import INTERVALS, Case, is_rising
from levity_trio.charging.sent.figures import Chain, Figure
from levity_trio.charging.sent.power import HOUR, Gap, Gaps, least_share, never_caught_up, slack
from levity_trio.told import Quantity, Told


def did_not_catch_up(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of a register that stood still despite power, and did not catch up when
    it rose again.

    Where the register is often reset, one that seems to have caught up may have been reset, and be
    there again.
    """
    share = inf if Code.REGISTER_RESET in case.habits else least_share(case.power)
    still = never_caught_up(chain, case.power, bounds.gaps(chain), share) if case.power else None
    return still and (
        Told("{1} in {2}", in_wh(still.rise), Quantity(round(still.seconds), "s")),
        Told("at least {1} by power", in_wh(round(still.low))),
    )


def stood_still_to_the_end(case: Case, _bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of a register that rose no more with powers reported since. However
    rarely they are sent, each of them was drawn for METER_AGE."""
    if not case.power or chain.wh[-1] - min(chain.wh[-2:]) > chain.digit:
        return None
    since = next(
        at for at, wh in zip(chain.at, chain.wh, strict=True) if wh >= chain.wh[-1] - chain.digit
    )
    drawn = [
        low
        for at, low in zip(case.power.at, case.power.low, strict=True)
        if since < at <= chain.at[-1]
    ]
    least = sum(low for low in drawn if low >= tolerances.LEAST_AC_W) * tolerances.METER_AGE / HOUR
    if least <= slack(case.power, max(chain.digit, case.ends_digit)):
        return None
    return (
        Told("{1} in the last {2}", in_wh(0), Quantity(round(chain.at[-1] - since), "s")),
        Told("up to {1} reported since", Quantity(round(max(drawn)), "W")),
    )


def _conclusive_gaps(case: Case, bounds: Bounds, chain: Chain) -> Gaps:
    """Return the gaps of a chain, if there are enough powers, and not all are about 0.

    Power that is always about 0 counts only if the charger has reported other power before, or the
    battery was full.
    """
    if len(case.power.at) < tolerances.SEVERAL:
        return Gaps()
    is_full = bool(case.charges) and case.charges[0].percent > 100 - tolerances.CHARGE_STEP
    is_conclusive = case.power.most >= tolerances.LEAST_CHARGING_W or case.reports_power or is_full
    return bounds.gaps(chain) if is_conclusive else Gaps()


def far_beyond_power(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict with power that is far too low for the rise of the register.

    Sparse power shows little. It raises a doubt if even the highest power is far too low in one
    gap, or if the adjacent powers are in several gaps, or at a DC charger if they are in any gap.
    """
    if not (gaps := _conclusive_gaps(case, bounds, chain)):
        return None
    beyond = gaps.beyond(gaps.most, 1.0, 0.0)
    most_w, spare = tolerances.FAR_MORE * case.power.most, tolerances.REACH_WH + chain.slack
    shown = (gap for gap in beyond if not _may_be_unseen(case, gap))
    fast = [gap for gap in shown if gap.rise > most_w * gap.seconds / HOUR + spare]
    if case.is_dc:
        fast += gaps.beyond(gaps.high, 1 + tolerances.HALF, tolerances.SHARED_WH + chain.slack)
    often = gaps.beyond(gaps.most, tolerances.FAR_MORE, spare) if beyond else []
    unseen = [gap for gap in often if _may_be_unseen(case, gap)]
    if (
        not fast
        and len(often) - len(unseen) < tolerances.SEVERAL
        and _are_rarely_unseen(case, unseen)
    ):
        return None
    gap = (fast or often)[0]
    return (
        Told("{1} in {2}", in_wh(gap.rise), Quantity(round(gap.seconds), "s")),
        Told("at most {1} by power", in_wh(round(gap.most))),
    )


def _may_be_unseen(case: Case, gap: Gap) -> bool:
    """Whether a car may have charged from one report of power to the next, though it drew nothing
    at one of them."""
    if not gap.is_idle:
        return False
    is_shown = case.power.most >= tolerances.LEAST_CHARGING_W
    most_w = tolerances.FAR_MORE * case.power.most if is_shown else ceiling_w(case)
    return gap.rise <= most_w * (gap.seconds + tolerances.METER_AGE) / HOUR


def _are_rarely_unseen(case: Case, gaps: Sequence[Gap]) -> bool:
    """Whether a car may have charged in each of these gaps unseen: for few of them in all, with the
    power that it has at least. While it charges for long, a report of power meets it."""
    paces = [gap.rise * HOUR / gap.seconds for gap in gaps]
    least_w = max(tolerances.LEAST_AC_W, case.power.most, *paces)
    return sum(paces) < tolerances.SEVERAL * least_w


def _unseen_wh(case: Case, gaps: Gaps) -> float:
    """Return the energy in Wh that a car may have drawn unseen: in few gaps, or in one if the
    register shows none."""
    if min(case.power.low) >= tolerances.LEAST_CHARGING_W:
        return 0.0
    idle = [gap.rise for gap in gaps if gap.is_idle]
    return tolerances.SEVERAL * max(idle) if idle else ceiling_w(case) * case.power.interval / HOUR


def beyond_many_powers(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of the whole rise of the register with many powers: with their highest
    one, or with their mean, whose error is FAR_MORE times its standard error.

    Each of them shows little, as power may vary quickly, but all of them show about how much
    flowed. Without a register at any of their times, they are compared with start and stop.
    """
    gaps = _conclusive_gaps(case, bounds, chain)
    if gaps and bounds.is_tracked_by_power:
        return None
    power, is_read = case.power, len(case.power.places.keys() & set(chain.at)) >= tolerances.SEVERAL
    whole = gaps.whole if is_read else Gap(chain.wh[-1], 0.0, 0.0, 0.0, chain.at[-1] - chain.at[0])
    number = len(gaps) if is_read else len(power.at) - 1
    if number < tolerances.MANY_POWERS:
        return None
    known, rise = whole.seconds if is_read else power.at[-1] - power.at[0], whole.rise
    if whole.seconds - known > tolerances.FAR_MORE * power.interval:
        return None
    allowed, error = (
        slack(power, chain.digit),
        tolerances.FAR_MORE * stdev(power.low) / sqrt(len(power.low)),
    )
    least = (1 - tolerances.POWER_SHARE) * (fmean(power.low) - error) * known / HOUR - allowed
    lasted = max(
        whole.seconds, power.at[-1] - power.at[0]
    )  # gaps in which nothing flowed are not among those found
    most = (1 + tolerances.POWER_SHARE) * min(
        fmean(power.high) + error, power.most
    ) * lasted / HOUR + allowed
    most = max(most + _unseen_wh(case, gaps), tolerances.LEAST_CHARGING_W * lasted / HOUR)
    if least <= rise <= most:
        return None
    return (
        energy_text(rise),
        Told(
            "{1} to {2} by {3} reports of power",
            in_wh(round(least)),
            in_wh(round(most)),
            len(power.at),
        ),
    )


def against_ends(case: Case, _bounds: Bounds, _figure: Figure) -> Evidence | None:
    """Return the conflict of start and stop with Transaction.Begin and Transaction.End."""
    if not is_contradicted_at_ends(case):
        return None
    return (
        Told("{1} to {2}", in_wh(case.start_wh), in_wh(case.stop_wh)),
        Told("Transaction.Begin {1}, End {2}", in_wh(case.begin_wh), in_wh(case.end_wh)),
    )


def is_contradicted_at_ends(case: Case) -> bool:
    """Whether Transaction.Begin or Transaction.End contradicts start or stop; both may count from
    0, not End alone."""
    start, stop, spare = case.start_wh, case.stop_wh, case.digit
    if start is None or stop is None:
        return False
    mean = (stop - start) * HOUR / max(case.ended - case.begun, tolerances.INTERVAL)
    usual = case.power.most if case.power else max(0.0, mean)
    spare += round(usual * tolerances.METER_AGE / HOUR)  # one of the two may be read a little later
    if case.begin_wh and abs(case.begin_wh - start) > spare:
        return True
    counted = [stop] if case.begin_wh else [stop, stop - start]
    return case.end_wh is not None and min(abs(case.end_wh - wh) for wh in counted) > spare


def against_intervals(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a figure with the readings of energy in each interval; some of these
    may be lost.

    If these never fall, each of them may count from the start, or be a register.
    """
    intervals, least, wh = (
        case.intervals,
        1 - tolerances.POWER_SHARE,
        figure.wh + figure.chain.slack,
    )
    counts = [intervals[-1], intervals[-1] - intervals[0]] if is_rising(intervals) else []
    if wh >= least * sum(intervals) or any(
        tolerances.HALF * wh <= count <= wh / least for count in counts
    ):
        return None
    return (energy_text(figure.wh), Told("{1} in {2}", in_wh(round(sum(intervals))), INTERVALS))


UNUSUAL: Final = (
    did_not_catch_up,
    stood_still_to_the_end,
    far_beyond_power,
    faster_at_an_end,
    far_faster_at_an_end,
    beyond_many_powers,
    faster_than_usual,
)
"""Questions about the course of any figure whose times are known. They hardly agree with what is
asked."""


def unusual(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return two pieces of evidence that hardly agree; None if there are none, or if the times are
    unknown."""
    found = (find(case, bounds, chain) for find in UNUSUAL) if case.is_in_order else ()
    return next(filter(None, found), None)
