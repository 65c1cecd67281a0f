"""How a transaction ended: whether its end is known."""

from __future__ import annotations

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence, Finding
from levity_trio.charging.reviews import Code, in_wh
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.figures import Figure
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Told, joined


def without_register(case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
    """Find an end without a register: a stop without one, or no stop, where the next start does not
    show the end either."""
    if case.is_stopped:
        if case.stop_wh is not None:
            return None
        missing, end = Told("no stop register"), Told("the stop has no register")
        code = Code.STOP_GARBLED
    else:
        if _is_shown_by_the_next(case, figure):
            return None
        missing, end = Told("no stop"), Told("closed by the system")
        code = None

    evidence = Told("{1} at the end", in_wh(figure.end)), missing
    if case.view.wh:
        unknown = Told("energy after the last reading is unknown")
        if not case.is_named_to_the_end:
            unknown = Told("its readings after a boot do not name it")
        return Finding(evidence, words=joined(": ", (end, unknown)), code=code)

    # Without a reading of the register, all that can have flowed is unknown.
    readings = Told("no readings")
    if case.has_readings:
        readings = Told("readings, but none of the register")
    most = most_possible(case, bounds)
    most_of_ac = int(tolerances.AC_W * case.longest_by_readings / HOUR)
    unknown = Told("{1}, at most {2}", readings, in_wh(most))
    if not case.is_dc and not case.ceiling_w and most > most_of_ac:
        unknown = Told("{1}, at most {2} at an AC charger", readings, in_wh(most_of_ac))
    return Finding(evidence, words=joined(": ", (end, unknown)), code=code)


def most_possible(case: Case, bounds: Bounds) -> int:
    """Return the maximum energy in Wh, by time, power and the start of the next transaction."""
    by_time, start = int(bounds.most_wh), case.start_wh
    begin = None if case.after is None else case.after.sent_begin
    if begin is None or start is None:
        return by_time
    by_power = case.power.expected_wh[0] if case.power.expected_wh else 0.0
    if begin < start + (1 - tolerances.POWER_SHARE) * by_power:
        return by_time
    return min(by_time, begin - start)


def _is_shown_by_the_next(case: Case, figure: Figure) -> bool:
    """Whether the next transaction begins at the end of this one, so that nothing flowed after the
    last reading."""
    # The last readings may belong to a transaction between the two.
    after = case.after
    if after is None or not case.is_named_to_the_end or not case.view.wh:
        return False
    # Registers that begin at 0 count each transaction anew.
    if not after.sent_begin or figure.end is None or figure.begin is None:
        return False
    return abs(after.sent_begin - figure.end) <= case.digit


def stopped_before_start(case: Case, _bounds: Bounds, _figure: Figure) -> Evidence | None:
    """Return the times of a stop that is before the start."""
    if case.is_timed and case.is_backwards:
        return Told("start time"), Told("stop time")
    return None


def available_between(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Find a connector that was available before the end, though the register rose after that."""
    since = case.available_at
    if since is None:
        return None
    before, last = figure.begin, case.stop_wh
    for at, wh in case.view.points:
        if at <= since:
            before = wh
        else:
            last = wh
    if before is None or last is None or last - before <= case.digit:
        return None
    return Told("Available"), Told("{1} after that", in_wh(last - before))
