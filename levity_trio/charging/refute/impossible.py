"""Registers that rose faster than can be: than the charger, its power or the rest of the
transaction allows."""

from __future__ import annotations

from itertools import pairwise

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence, in_seconds, most_by_power
from levity_trio.charging.reviews import in_wh, minutes
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.figures import Chain
from levity_trio.charging.sent.power import HOUR
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
