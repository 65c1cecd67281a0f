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
    """No register was told at the end: there is no stop, and the next start does not show it; or
    one without."""
    is_told = case.stop_wh is not None if case.is_stopped else _is_shown_by_the_next(case, figure)
    if is_told:
        return None
    told, code = (
        (Told("the stop has no register"), Code.STOP_GARBLED)
        if case.is_stopped
        else (Told("closed by the system"), None)
    )
    evidence = (
        Told("{1} at the end", in_wh(figure.end)),
        Told("no stop register") if case.is_stopped else Told("no stop"),
    )
    return Finding(
        evidence, words=joined(": ", (told, _unknown_at_the_end(case, bounds))), code=code
    )


def stopped_before_start(case: Case, _bounds: Bounds, _figure: Figure) -> Evidence | None:
    return (Told("start time"), Told("stop time")) if case.is_timed and case.is_backwards else None


def available_between(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """The connector was available before the end, but the register rose after that."""
    rise = 0 if case.available_at is None else _rise_since(case, case.available_at, figure)
    return (Told("Available"), Told("{1} after that", in_wh(rise))) if rise > case.digit else None


def _unknown_at_the_end(case: Case, bounds: Bounds) -> str:
    if not case.view.wh:
        told = (
            Told("readings, but none of the register") if case.has_readings else Told("no readings")
        )
        most, of_ac = (
            most_possible(case, bounds),
            int(tolerances.AC_W * case.longest_by_readings / HOUR),
        )
        if case.is_dc or case.ceiling_w or most <= of_ac:
            return Told("{1}, at most {2}", told, in_wh(most))
        return Told("{1}, at most {2} at an AC charger", told, in_wh(of_ac))
    if not case.is_named_to_the_end:
        return Told("its readings after a boot do not name it")
    return Told("energy after the last reading is unknown")


def most_possible(case: Case, bounds: Bounds) -> int:
    """Return the maximum energy in Wh, by time, power and the start of the next transaction."""
    by_time, begin = int(bounds.most_wh), None if case.after is None else case.after.sent_begin
    by_power = case.power.expected_wh[0] if case.power.expected_wh else 0.0
    least = (1 - tolerances.POWER_SHARE) * by_power
    if begin is None or case.start_wh is None or begin < case.start_wh + least:
        return by_time
    return min(by_time, begin - case.start_wh)


def _is_shown_by_the_next(case: Case, figure: Figure) -> bool:
    """Whether the next transaction begins at the end of this one, so that nothing flowed after the
    last reading.

    A start of 0 shows nothing: such registers count each transaction anew. Nor does any start if
    the last readings may belong to a transaction between the two.
    """
    after = case.after if case.is_named_to_the_end else None
    if (
        after is None
        or not after.sent_begin
        or figure.end is None
        or figure.begin is None
        or not case.view.wh
    ):
        return False
    return abs(after.sent_begin - figure.end) <= case.digit


def _rise_since(case: Case, since: float, figure: Figure) -> int:
    """Return the rise of the register in Wh after this time."""
    readings = list(zip(case.view.at, case.view.wh, strict=True))
    before = [wh for at, wh in readings if at <= since]
    after = [wh for at, wh in readings if at > since]
    last = case.stop_wh if not after and case.stop_wh is not None else after[-1] if after else None
    level = before[-1] if before else figure.begin
    return 0 if last is None or level is None else last - level
