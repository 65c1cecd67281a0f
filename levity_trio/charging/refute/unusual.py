"""Unusual chains: nothing contradicts them, but a person should look at them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from levity_trio.charging import tolerances
from levity_trio.charging.refute.abrupt import abrupt
from levity_trio.charging.refute.bounds import STILL_WITH_POWER, Bounds, Conflict
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.power import HOUR, Gap, Gaps, far_beyond_power, never_caught_up, slack


def unusual(case: Case, bounds: Bounds, chain: Chain) -> Conflict | None:
    """Return two pieces of evidence that hardly agree; None if there are none, or if the times are unknown."""
    if not case.is_timed or case.ended < case.begun:
        return None
    found = bounds.gaps(chain) if _is_conclusive(case) else Gaps()
    if (still := never_caught_up(chain, case.power, found)) is not None:
        evidence = (f"{still.rise} Wh in {round(still.seconds)} s", f"at least {round(still.low)} Wh by power")
        return Conflict(Code.POWER_DISAGREES, STILL_WITH_POWER, evidence)
    if (ended := _stood_still_to_the_end(case, chain)) is not None:
        return ended
    if (reset := _may_have_been_reset(case, bounds, chain)) is not None:
        return reset
    beyond = _far_beyond_power(case, chain, found) or _far_below_power(case, chain) or abrupt(case, bounds, chain)
    if beyond is None and not (found and bounds.is_tracked_by_power):
        beyond = _beyond_many_powers(case, chain, found)
    if beyond is not None or bounds.is_tracked_by_power:
        return beyond
    return _faster_than_usual(case, bounds, chain)


def _stood_still_to_the_end(case: Case, chain: Chain) -> Conflict | None:
    """Return the conflict of a register that rose no more with powers reported since. However rarely they are sent,
    each of them was drawn for SHOWN_SECONDS."""
    if not case.power or chain.wh[-1] - min(chain.wh[-2:]) > chain.digit:
        return None
    since = next(at for at, wh in zip(chain.at, chain.wh, strict=True) if wh >= chain.wh[-1] - chain.digit)
    drawn = [low for at, low in zip(case.power.at, case.power.low, strict=True) if since < at <= chain.at[-1]]
    least = sum(low for low in drawn if low >= tolerances.SIGNIFICANT_W) * tolerances.SHOWN_SECONDS / HOUR
    if least <= slack(case.power, max(chain.digit, case.ends_digit)):
        return None
    evidence = (f"0 Wh in the last {round(chain.at[-1] - since)} s", f"up to {round(max(drawn))} W reported since")
    return Conflict(Code.POWER_DISAGREES, STILL_WITH_POWER, evidence)


def _may_have_been_reset(case: Case, bounds: Bounds, chain: Chain) -> Conflict | None:
    """Return the conflict of a register that stood still despite power, at a charger whose register is often reset.

    It may have been reset to 0, and have reached the same again; it cannot be told from one that catches up.
    """
    if Code.REGISTER_RESET not in case.habits or not case.power:
        return None
    allowed = slack(case.power, chain.digit)
    still = next((gap for gap in bounds.gaps(chain) if (gap.still or 0.0) > allowed), None)
    if still is None:
        return None
    evidence = (f"{still.rise} Wh in {round(still.seconds)} s", f"{round(still.still or 0)} Wh by power before it rose")
    return Conflict(Code.POWER_DISAGREES, f"{STILL_WITH_POWER}, and this one is often reset", evidence)


def _is_conclusive(case: Case) -> bool:
    """Whether there are enough powers, and not all are about 0.

    Power that is always about 0 counts only if the charger has reported other power before, or the battery was full.
    """
    if len(case.power.at) < tolerances.REGULAR_GAPS:
        return False
    is_full = bool(case.charges) and case.charges[0].percent > 100 - tolerances.CHARGE_STEP
    return case.power.most >= tolerances.LEAST_CHARGING_W or case.reports_power or is_full


def _far_beyond_power(case: Case, chain: Chain, found: Gaps) -> Conflict | None:
    """Return the conflict with power that is far too low for the rise of the register.

    Sparse power shows little. It raises a doubt if even the highest power is far too low in one gap, or if the adjacent
    powers are in several gaps, or at a DC charger if they are in any gap.
    """
    if not found:
        return None
    beyond = found.beyond(found.most, 1.0, 0.0)
    most_w, spare = tolerances.FAR_MORE * case.power.most, tolerances.REACH_WH + 2 * chain.digit
    shown = (gap for gap in beyond if not _may_be_unseen(case, gap))
    fast = [gap for gap in shown if gap.rise > most_w * gap.seconds / HOUR + spare]
    if case.is_dc:
        fast += found.beyond(found.high, 1 + tolerances.LONG_GAP_SHARE, tolerances.TOP_UP_WH + 2 * chain.digit)
    often = far_beyond_power(found, chain.digit) if beyond else []
    unseen = [gap for gap in often if _may_be_unseen(case, gap)]
    if not fast and len(often) - len(unseen) < tolerances.REGULAR_GAPS and _are_rarely_unseen(case, unseen):
        return None
    gap = (fast or often)[0]
    evidence = (f"{gap.rise} Wh in {round(gap.seconds)} s", f"at most {round(gap.most)} Wh by power")
    return Conflict(Code.POWER_DISAGREES, "the register rose far faster than the power allows", evidence)


def _may_be_unseen(case: Case, gap: Gap) -> bool:
    """Whether a car may have charged from one report of power to the next, though it drew nothing at one of them."""
    if case.is_fast or not gap.is_idle:
        return False
    is_shown = case.power.most >= tolerances.LEAST_CHARGING_W
    most_w = tolerances.FAR_MORE * case.power.most if is_shown else _ceiling_w(case)
    return gap.rise <= most_w * (gap.seconds + tolerances.METER_AGE) / HOUR


def _are_rarely_unseen(case: Case, gaps: Sequence[Gap]) -> bool:
    """Whether a car may have charged in each of these gaps unseen: for few of them in all, with the power that it has
    at least. While it charges for long, a report of power meets it."""
    paces = [gap.rise * HOUR / gap.seconds for gap in gaps]
    least_w = max(tolerances.LEAST_AC_W, case.power.most, *paces)
    return sum(paces) < tolerances.REGULAR_GAPS * least_w


def _unseen_wh(case: Case, found: Gaps) -> float:
    """Return the energy in Wh that a car may have drawn unseen: in few gaps, or in one if the register shows none."""
    if case.is_fast or min(case.power.low) >= tolerances.LEAST_CHARGING_W:
        return 0.0
    idle = [gap.rise for gap in found if gap.is_idle]
    return tolerances.REGULAR_GAPS * max(idle) if idle else _ceiling_w(case) * case.power.interval / HOUR


def _beyond_many_powers(case: Case, chain: Chain, found: Gaps) -> Conflict | None:
    """Return the conflict of the whole rise of the register with many powers: with their highest one, or with their
    mean, whose error is FAR_MORE times its standard error.

    Each of them shows little, as power may vary quickly, but all of them show about how much flowed. Without a register
    at any of their times, they are compared with start and stop.
    """
    power, is_read = case.power, len(case.power.places.keys() & set(chain.at)) > 2  # more than start and stop
    whole = found.whole if is_read else _from_start_to_stop(chain)
    number = len(found) if is_read else len(power.at) - 1
    if number < tolerances.MANY_POWERS or max(power.steps.seconds) > tolerances.USUAL_GAPS * power.interval:
        return None
    known, rise = whole.seconds if is_read else power.at[-1] - power.at[0], whole.rise
    if whole.seconds - known > 2 * tolerances.USUAL_GAPS * power.interval:
        return None
    allowed, error = slack(power, chain.digit), tolerances.FAR_MORE * stdev(power.low) / sqrt(len(power.low))
    least = (1 - tolerances.POWER_SHARE) * (fmean(power.low) - error) * known / HOUR - allowed
    lasted = max(whole.seconds, power.at[-1] - power.at[0])  # gaps in which nothing flowed are not among those found
    most = (1 + tolerances.POWER_SHARE) * min(fmean(power.high) + error, power.most) * lasted / HOUR + allowed
    most = max(most + _unseen_wh(case, found), tolerances.LEAST_CHARGING_W * lasted / HOUR)
    if least <= rise <= most or max(power.most, rise * HOUR / lasted) < tolerances.LEAST_CHARGING_W:
        return None
    evidence = (f"{rise} Wh", f"{round(least)} to {round(most)} Wh by {len(power.at)} reports of power")
    return Conflict(Code.POWER_DISAGREES, "the register does not agree with many reports of power", evidence)


def _from_start_to_stop(chain: Chain) -> Gap:
    """Return a chain as one gap, of which only the rise and the time are known."""
    return Gap(chain.wh[-1], 0.0, 0.0, 0.0, chain.at[-1] - chain.at[0])


def _far_below_power(case: Case, chain: Chain) -> Conflict | None:
    """Return the conflict with powers each of which is far above the pace of the register before it and after it.

    Sparse power shows little, but a car that pauses is not always met just while it charges. The time of a start that
    was received late may be wrong.
    """
    power, lasted = case.power, chain.at[-1] - chain.at[0]
    if len(power.at) < 2 or not tolerances.SHOWN_TRANSACTION <= lasted <= case.received_seconds + tolerances.INTERVAL:
        return None
    least = min(power.low)
    if not _are_far_below(case, least, [(lasted, chain.wh[-1])]):
        return None
    points = list(zip(chain.at, chain.wh, strict=True))
    shown = [(number, power.low[power.places[at]]) for number, at in enumerate(chain.at) if at in power.places]
    if len(shown) < 2 or not all(
        _are_far_below(case, low, _steps(points[max(0, number - 1) : number + 2])) for number, low in shown
    ):
        return None
    evidence = (f"{chain.wh[-1]} Wh", f"at least {round(least)} W in each report of power")
    return Conflict(Code.POWER_DISAGREES, "the register rose far more slowly than each power implies", evidence)


def _steps(points: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    return [(now - then, high - low) for (then, low), (now, high) in pairwise(points)]


def _are_far_below(case: Case, watts: float, steps: Sequence[tuple[float, int]]) -> bool:
    """Whether each step, in seconds and Wh, that is not too short to tell is far below a power in W."""
    spare = 2 * max(case.digit, case.ends_digit)
    energies = [(rise, watts * seconds / HOUR) for seconds, rise in steps if seconds > tolerances.METER_AGE]
    return all(tolerances.FAR_MORE * (rise + spare) < drawn for rise, drawn in energies)


def _faster_than_usual(case: Case, bounds: Bounds, chain: Chain) -> Conflict | None:
    """Return the conflict with the power that this charger, or any AC charger, is known to deliver."""
    if case.is_instant or (bounds.paces(chain).spread().is_one_pace and not case.is_ac_shown):
        return None
    usual, digit = _usual_w(case), max(case.digit, case.ends_digit)
    most = usual * (case.longest + 2 * case.interval + tolerances.METER_AGE) / HOUR + 2 * digit
    fastest = _fastest_step_w(case, bounds, chain, 2 * digit) if len(chain.at) > 2 else 0.0
    if chain.wh[-1] <= most and fastest <= usual * (1 + tolerances.POWER_SHARE):
        return None
    words = f"faster than {'this charger is known to' if case.ceiling_w else 'an AC charger can'} deliver"
    evidence = (f"{chain.wh[-1]} Wh in {round(case.longest / 60)} minutes", f"{round(usual)} W")
    return Conflict(Code.TOO_FAST, words, evidence)


def _usual_w(case: Case) -> float:
    """Return the power in W that this charger is known to deliver, or else the maximum of its kind."""
    return max(_ceiling_w(case), case.power.most if case.power else 0.0, tolerances.FASTEST_W if case.is_dc else 0.0)


def _ceiling_w(case: Case) -> float:
    """Return the power in W that this charger is known to deliver, or else any AC charger."""
    return case.ceiling_w * (1 + tolerances.POWER_SHARE) if case.ceiling_w else tolerances.AC_W


def _fastest_step_w(case: Case, bounds: Bounds, chain: Chain, slack: int) -> float:
    """Return the pace of the fastest step in W, reduced by the error of the last digits.

    A register that stood still while power was reported catches up from then on; without power, if it then is where the
    usual pace would have led to.
    """
    ends, power, fastest, since, level_at = bounds.ends(chain), case.power, 0.0, chain.at[0], chain.at[0]
    for number, ((_, low), (now, high)) in enumerate(pairwise(zip(chain.at, chain.wh, strict=True)), 1):
        if not power and bounds.is_usual_since(chain, number, level_at):
            since = level_at
        if now > since:
            seconds = now - since + (case.interval if number in ends else 0.0)
            fastest = max(fastest, (high - low - slack) * HOUR / seconds)
        place = power.places.get(now, -1)
        is_drawing = place >= 0 and power.high[place] >= tolerances.LEAST_CHARGING_W
        since = since if high == low and is_drawing else now
        level_at = level_at if high == low else now
    return fastest
