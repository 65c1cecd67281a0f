"""What something else measured of the same energy: power, or energy in intervals. That
registers of one counter agree shows that no message is missing, not that the counter is right.

Registers that rose faster than can be: than the charger, its power or the rest of the
transaction allows.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence, in_seconds, most_by_power
from levity_trio.charging.reviews import Code, energy_text, in_wh, minutes
from levity_trio.charging.sent.evidence import INTERVALS, Case, is_rising
from levity_trio.charging.sent.figures import Chain, Figure
from levity_trio.charging.sent.power import HOUR, Gap, Gaps, least_share, never_caught_up, slack
from levity_trio.told import Quantity, Told


def faster_than_usual(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict with the power that this charger, or any AC charger, is known to
    deliver."""
    if bounds.is_tracked_by_power or case.is_instant:
        return None
    if bounds.paces(chain).spread().is_one_pace and not case.is_ac_shown:
        return None
    usual = ceiling_w(case)
    if case.power:
        usual = max(usual, case.power.most)
    if case.is_dc:
        usual = max(usual, tolerances.FASTEST_W)

    slack = case.slack_of_ends(case.digit)
    most = usual * case.longest_by_readings / HOUR + slack
    fastest = 0.0
    if len(chain.at) > 2:
        fastest = _fastest_step_w(case, bounds, chain, slack)
    if chain.wh[-1] <= most and fastest <= usual * (1 + tolerances.POWER_SHARE):
        return None
    power = Quantity(round(usual), "W")
    known = Told("{1}, as an AC charger can deliver", power)
    if case.ceiling_w:
        known = Told("{1}, as this charger is known to deliver", power)
    return Told("{1} in {2}", in_wh(chain.wh[-1]), minutes(case.longest)), known


def ceiling_w(case: Case) -> float:
    """Return the power in W that this charger is known to deliver, or else any AC charger."""
    if case.ceiling_w:
        return case.ceiling_w * (1 + tolerances.POWER_SHARE)
    return tolerances.AC_W


def _fastest_step_w(case: Case, bounds: Bounds, chain: Chain, slack: int) -> float:
    """Return the pace of the fastest step in W, reduced by the error of the last digits."""
    ends, power = bounds.ends(chain), case.power
    fastest, since, level_at = 0.0, chain.at[0], chain.at[0]
    steps = pairwise(chain.points)
    for number, ((_, low), (now, high)) in enumerate(steps, 1):
        # Without power, a register that stood still catches up if it then is where the usual pace
        # would have led to. With power, it catches up from when power was reported.
        if not power and bounds.is_usual_since(chain, number, level_at):
            since = level_at
        if now > since:
            seconds = now - since
            if number in ends:
                seconds += case.interval
            fastest = max(fastest, (high - low - slack) * HOUR / seconds)

        place = power.places.get(now)
        is_drawing = place is not None and power.high[place] >= tolerances.LEAST_CHARGING_W
        if high != low:
            since = level_at = now
        elif not is_drawing:
            since = now
    return fastest


def faster_at_an_end(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of the first step, or of the last one since the register last rose, with
    steady power."""
    power, slack = case.power, case.slack_of_ends(case.digit)
    is_steady = bounds.is_tracked_by_power and power.is_steady and not case.is_dc
    if is_steady and is_of_one_clock(case) and len(chain.at) > 2:
        # Start and first reading may have one time, as with a clock in whole minutes. Then up to
        # one interval lies between them.
        rise, seconds = chain.rise_to(1), chain.seconds_to(1) or case.interval
        lasted = max((1 + tolerances.STEADY_SHARE) * seconds, seconds + tolerances.METER_AGE)
        if rise > power.most * lasted / HOUR + slack:
            return in_seconds(rise, seconds), most_by_power(power.most * seconds / HOUR)

    # Before the stop, power must never have changed.
    if len(power.at) < 2 or not case.is_stopped:
        return None
    if min(power.low) < (1 - tolerances.STEADY_SHARE) * power.most:
        return None
    last = len(chain.at) - 1
    if power.most < tolerances.LEAST_CHARGING_W:
        # A car that drew nothing until then may charge with any power.
        most_w, level = case.ceiling_w or tolerances.AC_W, last - 1
    else:
        most_w, level = power.most, chain.wh.index(chain.wh[-2])
    seconds = chain.at[last] - chain.at[level] + age_of_readings(case, chain)
    rise = chain.rise_to(last)
    lasted = max(tolerances.TWICE * seconds, seconds + tolerances.METER_AGE)
    if rise > most_w * lasted / HOUR + slack:
        return in_seconds(rise, seconds), most_by_power(power.most * seconds / HOUR)
    return None


def age_of_readings(case: Case, chain: Chain) -> float:
    """Return how old the readings may be, in seconds: one interval, if the first one repeats the
    start."""
    is_repeated = len(chain.wh) > tolerances.SEVERAL and chain.wh[1] == chain.wh[0]
    return case.interval if is_repeated else 0.0


def is_of_one_clock(case: Case) -> bool:
    """Whether start and readings are known to have one clock."""
    return case.longest <= case.ended - case.begun + tolerances.INTERVAL


def far_faster_at_an_end(case: Case, _bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of the first or the last step with all others."""
    steps = abrupt_steps(case, chain)
    if not steps:
        return None
    number = steps[0]
    seconds = Quantity(round(chain.seconds_to(number)), "s")
    where = Told("after the start") if number == 1 else Told("before the stop")
    step = Told("{1} in {2} {3}", in_wh(chain.rise_to(number)), seconds, where)
    return step, Told("all other steps and powers")


def abrupt_steps(case: Case, chain: Chain) -> list[int]:
    """Return the number of the first step, of the last one, or of both, if these are far faster
    than any other."""
    last = len(chain.at) - 1
    if last <= tolerances.SEVERAL:
        return []
    ends: list[int] = []
    if is_of_one_clock(case):
        ends.append(1)
    if case.stop_wh is not None:
        ends.append(last)
    return [number for number in ends if _is_abrupt(case, chain, number)]


def _is_abrupt(case: Case, chain: Chain, number: int) -> bool:
    """Whether a step is far faster than the other steps, and than the powers reported."""
    # A register that stood still catches up, unless no car drew power meanwhile.
    first, rise = number - 1, chain.rise_to(number)
    if number > 1:
        level, power = chain.wh.index(chain.wh[first]), case.power
        times = chain.at[level:number]
        reported = [power.high[power.places[at]] for at in times if at in power.places]
        if not reported or max(reported) >= tolerances.LEAST_CHARGING_W:
            first = level
    # The register before the step may have been one interval old.
    seconds = max(0.0, chain.at[number] - chain.at[first]) + tolerances.INTERVAL
    seconds += age_of_readings(case, chain)
    spare = tolerances.REACH_WH + case.slack_of_ends(chain.digit)

    # A step that is no faster than power is left to the questions about each step.
    highest_w = max(case.power.low, default=0.0)
    if rise <= tolerances.TWICE * highest_w * seconds / HOUR + spare:
        return False
    fastest = _fastest_w(case, chain, chain.seconds_to(number))
    return rise > tolerances.TWICE * fastest * seconds / HOUR + spare


def _fastest_w(case: Case, chain: Chain, seconds: float) -> float:
    """Return the highest power from the first to the last reading, by the register and as reported.

    If steps and powers are too few to show it for a step of so many seconds, return that of the
    fastest charger.
    """
    readings = list(chain.points)[1:-1]
    paces: list[float] = []
    for (before, low), (now, high) in pairwise(readings):
        if now > before:
            paces.append((high - low) * HOUR / (now - before))
    charging = [pace for pace in paces if pace >= tolerances.LEAST_AC_W]
    reported = [low for low in case.power.low if low >= tolerances.LEAST_AC_W]

    # MANY values show how a car charges. For a step shorter than one interval, SEVERAL are enough
    # if they are about equal: it is unlikely that power changed by so much in just that moment.
    for watts in (charging, reported):
        is_steady = min(watts, default=0) >= (1 - tolerances.STEADY_SHARE) * max(watts, default=0)
        is_short = seconds < tolerances.INTERVAL
        enough = tolerances.SEVERAL if is_short and is_steady else tolerances.MANY
        if len(watts) >= enough:
            return max(*charging, *reported)
    return tolerances.FASTEST_W


def did_not_catch_up(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of a register that stood still despite power, and did not catch up when
    it rose again."""
    if not case.power:
        return None
    share = least_share(case.power)
    # A register that is often reset may seem to have caught up, and be there again after a reset.
    if Code.REGISTER_RESET in case.habits:
        share = inf
    still = never_caught_up(chain, case.power, bounds.gaps(chain), share)
    if still is None:
        return None
    least = Told("at least {1} by power", in_wh(round(still.low)))
    return in_seconds(still.rise, still.seconds), least


def stood_still_to_the_end(case: Case, _bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of a register that rose no more up to the stop with the powers that were
    reported meanwhile."""
    power, final = case.power, chain.wh[-1]
    if not power or final - min(chain.wh[-2:]) > chain.digit:
        return None
    since = next(at for at, wh in chain.points if wh >= final - chain.digit)
    reported = zip(power.at, power.low, strict=True)
    drawn = [low for at, low in reported if since < at <= chain.at[-1]]

    # However rarely power is sent, a car drew each of these for METER_AGE at least.
    charging = sum(low for low in drawn if low >= tolerances.LEAST_AC_W)
    least = charging * tolerances.METER_AGE / HOUR
    if least <= slack(power, max(chain.digit, case.ends_digit)):
        return None
    seconds = Quantity(round(chain.at[-1] - since), "s")
    highest = Quantity(round(max(drawn)), "W")
    still = Told("{1} in the last {2}", in_wh(0), seconds)
    return still, Told("up to {1} reported since", highest)


def far_beyond_power(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict with power that is far too low for the rise of the register.

    Sparse power shows little. It raises a doubt if even the highest power is far too low for one
    gap, or if the powers around it are too low for each of several gaps; at a DC charger, one such
    gap is enough.
    """
    gaps = _conclusive_gaps(case, bounds, chain)
    if not gaps:
        return None
    spare = tolerances.REACH_WH + chain.slack
    most_w = tolerances.FAR_MORE * case.power.most
    beyond = gaps.beyond(gaps.most, 1.0, 0.0)
    fast = [gap for gap in beyond if gap.rise > most_w * gap.seconds / HOUR + spare]
    fast = [gap for gap in fast if not _may_be_unseen(case, gap)]
    if case.is_dc:
        fast += gaps.beyond(gaps.high, 1 + tolerances.HALF, tolerances.SHARED_WH + chain.slack)

    # A car that charges for long is met by a report of power, so it can have charged unseen in few
    # of the gaps only.
    often = gaps.beyond(gaps.most, tolerances.FAR_MORE, spare) if beyond else []
    unseen = [gap.rise * HOUR / gap.seconds for gap in often if _may_be_unseen(case, gap)]
    least_w = max(tolerances.LEAST_AC_W, case.power.most, *unseen)
    are_rare = sum(unseen) < tolerances.SEVERAL * least_w
    if not fast and len(often) - len(unseen) < tolerances.SEVERAL and are_rare:
        return None
    gap = (fast or often)[0]
    return in_seconds(gap.rise, gap.seconds), most_by_power(gap.most)


def _conclusive_gaps(case: Case, bounds: Bounds, chain: Chain) -> Gaps:
    """Return the gaps of a chain, if there are enough powers, and not all are about 0.

    Power that is always about 0 counts only if the charger has reported other power before, or the
    battery was full.
    """
    if len(case.power.at) < tolerances.SEVERAL:
        return Gaps()
    is_full = bool(case.charges) and case.charges[0].percent > 100 - tolerances.CHARGE_STEP
    is_about_zero = case.power.most < tolerances.LEAST_CHARGING_W
    if is_about_zero and not case.reports_power and not is_full:
        return Gaps()
    return bounds.gaps(chain)


def _may_be_unseen(case: Case, gap: Gap) -> bool:
    """Whether a car may have charged from one report of power to the next, though it drew nothing
    at one of them."""
    if not gap.is_idle:
        return False
    most_w = ceiling_w(case)
    if case.power.most >= tolerances.LEAST_CHARGING_W:
        most_w = tolerances.FAR_MORE * case.power.most
    return gap.rise <= most_w * (gap.seconds + tolerances.METER_AGE) / HOUR


def beyond_many_powers(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of the whole rise of the register with many powers: with their highest
    one, or with their mean, whose error is FAR_MORE times its standard error.

    Each of them shows little, as power may vary quickly, but all of them show about how much
    flowed.
    """
    power, gaps = case.power, _conclusive_gaps(case, bounds, chain)
    if gaps and bounds.is_tracked_by_power:
        return None
    if len(power.places.keys() & set(chain.at)) >= tolerances.SEVERAL:
        rise, number = gaps.whole.rise, len(gaps)
        known = seconds = gaps.whole.seconds
    else:
        # Without a register at any of their times, they are compared with start and stop.
        rise, number = chain.wh[-1], len(power.at) - 1
        seconds = chain.at[-1] - chain.at[0]
        known = power.at[-1] - power.at[0] if power else 0.0
    if number < tolerances.MANY_POWERS or seconds - known > tolerances.FAR_MORE * power.interval:
        return None

    allowed = slack(power, chain.digit)
    error = tolerances.FAR_MORE * stdev(power.low) / sqrt(len(power.low))
    least_w = (1 - tolerances.POWER_SHARE) * (fmean(power.low) - error)
    least = least_w * known / HOUR - allowed

    # `seconds` leaves out gaps in which nothing flowed, so the reports may span more time.
    lasted = max(seconds, power.at[-1] - power.at[0])
    most_w = (1 + tolerances.POWER_SHARE) * min(fmean(power.high) + error, power.most)
    most = most_w * lasted / HOUR + allowed
    # Between reports of no power, a car may have charged unseen: in SEVERAL such gaps, or in one
    # if the register shows none.
    if min(power.low) < tolerances.LEAST_CHARGING_W:
        idle = [gap.rise for gap in gaps if gap.is_idle]
        if idle:
            most += tolerances.SEVERAL * max(idle)
        else:
            most += ceiling_w(case) * power.interval / HOUR
    # Less than a car charges with says nothing about it.
    most = max(most, tolerances.LEAST_CHARGING_W * lasted / HOUR)
    if least <= rise <= most:
        return None
    between = in_wh(round(least)), in_wh(round(most))
    return energy_text(rise), Told("{1} to {2} by {3} reports of power", *between, len(power.at))


def against_ends(case: Case, _bounds: Bounds, _figure: Figure) -> Evidence | None:
    """Return the conflict of start and stop with Transaction.Begin and Transaction.End."""
    if not is_contradicted_at_ends(case):
        return None
    start, stop = in_wh(case.start_wh), in_wh(case.stop_wh)
    begin, end = in_wh(case.begin_wh), in_wh(case.end_wh)
    ends = Told("Transaction.Begin {1}, End {2}", begin, end)
    return Told("{1} to {2}", start, stop), ends


def is_contradicted_at_ends(case: Case) -> bool:
    """Whether Transaction.Begin or Transaction.End contradicts start or stop."""
    start, stop = case.start_wh, case.stop_wh
    if start is None or stop is None:
        return False

    # One of the two may be read a little later.
    if case.power:
        usual = case.power.most
    else:
        seconds = max(case.ended - case.begun, tolerances.INTERVAL)
        usual = max(0.0, (stop - start) * HOUR / seconds)
    spare = case.digit + round(usual * tolerances.METER_AGE / HOUR)

    # Both may count from 0, not End alone.
    if case.begin_wh and abs(case.begin_wh - start) > spare:
        return True
    if case.end_wh is None or abs(case.end_wh - stop) <= spare:
        return False
    return bool(case.begin_wh) or abs(case.end_wh - (stop - start)) > spare


def against_intervals(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a figure with the readings of energy in each interval."""
    intervals, total = case.intervals, sum(case.intervals)
    most_wh = figure.wh + figure.chain.slack
    # Some of these may be lost, so they only contradict a figure that is too low.
    agreeing_share = 1 - tolerances.POWER_SHARE
    if most_wh >= agreeing_share * total:
        return None

    # If these never fall, each may count from the start, or be a register, and the last one then
    # shows the figure. If that is far less, they are equal intervals.
    if is_rising(intervals):
        for count in (intervals[-1], intervals[-1] - intervals[0]):
            if tolerances.HALF * most_wh <= count <= most_wh / agreeing_share:
                return None
    measured = Told("{1} in {2}", in_wh(round(total)), INTERVALS)
    return energy_text(figure.wh), measured


UNUSUAL: Final = (
    did_not_catch_up,
    stood_still_to_the_end,
    far_beyond_power,
    faster_at_an_end,
    far_faster_at_an_end,
    beyond_many_powers,
    faster_than_usual,
)
"""The questions that find a figure improbable, but not impossible. They need known times."""


def unusual(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return what makes the course of a figure improbable; None if nothing does, or if its times
    are unknown."""
    if not case.is_in_order:
        return None
    for find in UNUSUAL:
        evidence = find(case, bounds, chain)
        if evidence is not None:
            return evidence
    return None
