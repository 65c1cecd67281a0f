"""Whether readings count from 0 in each transaction, though start and stop are those of the lifetime register; or all
registers do."""

from __future__ import annotations

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds
from levity_trio.charging.sent.chains import Chain
from levity_trio.charging.sent.evidence import Case, View
from levity_trio.charging.sent.power import HOUR


def begins_at_zero(bounds: Bounds, view: View, *, is_start_garbled: bool = False) -> bool:
    """Whether readings that begin below the start count from 0 in each transaction.

    Readings that continue the start on another scale do not. If the start may be garbled, readings that begin not far
    below it may also be the lifetime register.
    """
    case = bounds.case
    start, digit = case.start_wh, case.digit
    if start is None or not view.wh or view.wh[0] >= start - digit:
        return False
    if _continues_in_kwh(case, view, start) or _continues_tenfold(case, view, start):
        return False
    seconds = max(0.0, view.at[0] - case.begun) + tolerances.METER_AGE
    if not case.is_timed:
        seconds = max(seconds, case.longest)
    is_led_to_stop = case.stop_wh is not None and view.wh[-1] <= case.stop_wh - start + digit
    fastest = tolerances.FASTEST_W if is_led_to_stop and not case.is_ac_shown else _most_of_kind_w(case)
    if is_start_garbled and view.wh[0] >= tolerances.HALF * start:
        paces = bounds.paces(Chain(view.at, view.wh, view.digit)).spread()
        fastest = paces.most * tolerances.TWICE if paces.steps else fastest
    return view.wh[0] <= fastest * seconds / HOUR + case.slack


def lifetime_registers(bounds: Bounds) -> list[int]:
    """Return what readings and stop show of the lifetime register, in Wh: readings that count from 0 nothing, nor a
    stop of 0 below others."""
    view, stop = bounds.case.view, bounds.case.stop_wh
    readings = [] if begins_at_zero(bounds, view) else view.wh
    return [*readings, *([] if stop is None or (readings and stop == 0) else [stop])]


def _continues_in_kwh(case: Case, view: View, start: int) -> bool:
    """Whether at least two readings rise from the start if they are kWh.

    A single reading may do so by chance, unless it has decimals, which Wh do not have. What is coarser than a Wh was
    sent in kWh.
    """
    kwh = view.scaled(1000)
    first, last = kwh.wh[0] - start, kwh.wh[-1] - start
    if start < tolerances.SIGNIFICANT_START_WH or view.digit > 1 or not (view.exact or first < last):
        return False
    lasted = (view.at[number] - case.begun if case.is_timed else case.longest for number in (0, -1))
    earlier, room = (_most_of_kind_w(case) * (seconds + tolerances.METER_AGE) / HOUR + kwh.digit for seconds in lasted)
    return -kwh.digit < first <= earlier and first <= last <= room


def _continues_tenfold(case: Case, view: View, start: int) -> bool:
    """Whether readings lie between start and stop if they are ten or a hundred times as high, and no power reported is
    near that of start and stop."""
    stop, power = case.stop_wh, case.power
    if stop is None or not power or not power.most:
        return False
    drawn = power.most * (case.longest + tolerances.INTERVAL) / HOUR
    if stop - start <= tolerances.FAR_MORE * drawn + tolerances.REACH_WH:
        return False
    return any(start <= factor * view.wh[0] <= factor * view.wh[-1] <= stop for factor in (10, 100))


def _most_of_kind_w(case: Case) -> float:
    """The maximum power of a DC or an AC charger."""
    return tolerances.FASTEST_W if case.is_dc else tolerances.AC_W


def counts_each(case: Case) -> bool:
    """Whether the starts of the neighbours fell to 0 more than once: these registers count each transaction."""
    before, after, stop = case.before, case.after, case.stop_wh or 0
    falls = (before.resets if before is not None else 0) + (after is not None and after.sent_begin == 0 < stop)
    return falls >= tolerances.FEW
