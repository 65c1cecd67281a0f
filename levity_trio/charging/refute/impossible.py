"""Registers that rose faster than can be: than the charger, its power or the rest of the
transaction allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence
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
    slack = case.slack_of_ends(case.digit)
    usual = max(
        ceiling_w(case),
        case.power.most if case.power else 0.0,
        tolerances.FASTEST_W if case.is_dc else 0.0,
    )
    most = usual * case.longest_by_readings / HOUR + slack
    fastest = _fastest_step_w(case, bounds, chain, slack) if chain.at[2:] else 0.0
    if chain.wh[-1] <= most and fastest <= usual * (1 + tolerances.POWER_SHARE):
        return None
    power = Quantity(round(usual), "W")
    known = Told("{1}, as an AC charger can deliver", power)
    if case.ceiling_w:
        known = Told("{1}, as this charger is known to deliver", power)
    return (Told("{1} in {2}", in_wh(chain.wh[-1]), minutes(case.longest)), known)


def ceiling_w(case: Case) -> float:
    """Return the power in W that this charger is known to deliver, or else any AC charger."""
    return case.ceiling_w * (1 + tolerances.POWER_SHARE) if case.ceiling_w else tolerances.AC_W


def _fastest_step_w(case: Case, bounds: Bounds, chain: Chain, slack: int) -> float:
    """Return the pace of the fastest step in W, reduced by the error of the last digits.

    A register that stood still while power was reported catches up from then on; without power, if
    it then is where the usual pace would have led to.
    """
    ends, power, fastest, since, level_at = (
        bounds.ends(chain),
        case.power,
        0.0,
        chain.at[0],
        chain.at[0],
    )
    for number, ((_, low), (now, high)) in enumerate(
        pairwise(zip(chain.at, chain.wh, strict=True)), 1
    ):
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


def faster_at_an_end(case: Case, bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of the first or the last step with steady power."""
    for rise, seconds, factor, most_w in _steps_at_ends(case, bounds, chain):
        lasted = max(factor * seconds, seconds + tolerances.METER_AGE)
        if rise > most_w * lasted / HOUR + case.slack_of_ends(case.digit):
            most = case.power.most * seconds / HOUR
            return (
                Told("{1} in {2}", in_wh(rise), Quantity(round(seconds), "s")),
                Told("at most {1} by power", in_wh(round(most))),
            )
    return None


def _steps_at_ends(
    case: Case, bounds: Bounds, chain: Chain
) -> Iterator[tuple[int, float, float, float]]:
    """Yield the rise in Wh and the seconds of the first step and of the last one since the register
    last rose, and how many times which power in W it may be: if power tracks the register, a start
    is wrong by less than one interval; before the stop, power never changed."""
    power = case.power
    is_steady = bounds.is_tracked_by_power and power.is_steady and not case.is_dc
    if is_steady and is_of_one_clock(case) and chain.at[2:]:
        seconds = chain.at[1] - chain.at[0] or case.interval  # told in whole minutes
        yield chain.wh[1] - chain.wh[0], seconds, 1 + tolerances.STEADY_SHARE, power.most
    if (
        not power.at[1:]
        or not case.is_stopped
        or min(power.low) < (1 - tolerances.STEADY_SHARE) * power.most
    ):
        return
    is_idle = power.most < tolerances.LEAST_CHARGING_W
    # A car that drew nothing until then may charge with any power.
    most_w = case.ceiling_w or tolerances.AC_W if is_idle else power.most
    level = chain.at[-2 if is_idle else chain.wh.index(chain.wh[-2])]
    seconds = chain.at[-1] - level + age_of_readings(case, chain)
    yield chain.wh[-1] - chain.wh[-2], seconds, tolerances.TWICE, most_w


def age_of_readings(case: Case, chain: Chain) -> float:
    """Return how old the readings may be, in seconds: one interval, if the first one repeats the
    start."""
    return (
        case.interval if len(chain.wh) > tolerances.SEVERAL and chain.wh[1] == chain.wh[0] else 0.0
    )


def is_of_one_clock(case: Case) -> bool:
    """Whether start and readings are known to have one clock."""
    return case.longest <= case.ended - case.begun + tolerances.INTERVAL


def abrupt_steps(case: Case, chain: Chain) -> list[int]:
    """Return the number of the first step, of the last one, or of both, if no car charges like
    that."""
    last = len(chain.at) - 1
    if last <= tolerances.SEVERAL:
        return []
    ends = [*([1] if is_of_one_clock(case) else []), *([last] if case.stop_wh is not None else [])]
    return [number for number in ends if _is_abrupt(case, chain, number)]


def far_faster_at_an_end(case: Case, _bounds: Bounds, chain: Chain) -> Evidence | None:
    """Return the conflict of the first or the last step with all others."""
    number = next(iter(abrupt_steps(case, chain)), None)
    if number is None:
        return None
    rise, seconds = chain.wh[number] - chain.wh[number - 1], chain.at[number] - chain.at[number - 1]
    where = Told("after the start") if number == 1 else Told("before the stop")
    return (
        Told("{1} in {2} {3}", in_wh(rise), Quantity(round(seconds), "s"), where),
        Told("all other steps and powers"),
    )


def _is_abrupt(case: Case, chain: Chain, number: int) -> bool:
    """Whether a step is far faster than any other, though the register before it may have been one
    INTERVAL old."""
    rise, level = chain.wh[number] - chain.wh[number - 1], chain.wh.index(chain.wh[number - 1])
    is_late = number > 1 and not _is_at_rest(
        case, chain.at[level:number]
    )  # a register that stood still catches up
    lasted = (
        max(0.0, chain.at[number] - chain.at[level if is_late else number - 1])
        + tolerances.INTERVAL
    )
    lasted += age_of_readings(case, chain)
    spare = tolerances.REACH_WH + case.slack_of_ends(chain.digit)
    if rise <= tolerances.TWICE * max(case.power.low, default=0.0) * lasted / HOUR + spare:
        return False  # it is no faster than what follows, which looks at each step
    fastest = _fastest_w(case, chain, chain.at[number] - chain.at[number - 1])
    return rise > tolerances.TWICE * fastest * lasted / HOUR + spare


def _is_at_rest(case: Case, times: Sequence[float]) -> bool:
    """Whether no car drew power at these times, as reported."""
    places = [place for at in times if (place := case.power.places.get(at)) is not None]
    return bool(places) and all(
        case.power.high[place] < tolerances.LEAST_CHARGING_W for place in places
    )


def _fastest_w(case: Case, chain: Chain, seconds: float) -> float:
    """Return the highest power from the first to the last reading, by the register and as reported.

    That of any charger if the steps and powers are too few to show it for a step of so many
    seconds.
    """
    between = pairwise(zip(chain.at[1:-1], chain.wh[1:-1], strict=True))
    paces = [
        (high - low) * HOUR / (now - then) for (then, low), (now, high) in between if now > then
    ]
    charging = [
        [watts for watts in shown if watts >= tolerances.LEAST_AC_W]
        for shown in (paces, case.power.low)
    ]
    is_shown = any(_shows_pace(watts, is_short=seconds < tolerances.INTERVAL) for watts in charging)
    return max(*charging[0], *charging[1]) if is_shown else tolerances.FASTEST_W


def _shows_pace(watts: Sequence[float], *, is_short: bool) -> bool:
    """Whether these powers are enough to show how a car charges: many, or for a short step some
    that are about equal: that power changed just then, and by so much, is unlikely."""
    is_steady = min(watts, default=0.0) >= (1 - tolerances.STEADY_SHARE) * max(watts, default=0.0)
    return len(watts) >= (tolerances.SEVERAL if is_short and is_steady else tolerances.MANY)
