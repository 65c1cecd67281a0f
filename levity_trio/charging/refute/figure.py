"""The reported figure: stop − start, or last reading − start without a stop; and what the readings
count.

Readings may count from 0 in each transaction, though start and stop are those of the lifetime
register; or all registers do.
"""

from __future__ import annotations

from collections.abc import Iterator

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.refute.measured import unusual
from levity_trio.charging.sent.evidence import Case, Neighbour, View
from levity_trio.charging.sent.figures import (
    REGISTER,
    SESSION_READINGS,
    Chain,
    Figure,
    chain_of,
    chain_of_other_counter,
    session_chain,
)
from levity_trio.charging.sent.power import HOUR


def reported(case: Case, bounds: Bounds) -> Figure | None:
    """Return the figure of start, stop and the fuller source of readings; None if they give
    none."""
    start, stop, view = case.start_wh, case.stop_wh, case.view
    if stop is None and case.after is not None and case.is_named_to_the_end:
        view = _up_to_the_next(view, case.after)
    if start is None or (stop is None and not view.wh) or (stop is not None and stop < start):
        return None
    if stop is None and begins_at_zero(bounds, view):
        chain = session_chain(case, view, None)
        return Figure(
            chain.wh[-1], SESSION_READINGS, start, start + view.wh[-1], chain, is_reported=True
        )
    courses = list(_chains_of(case, bounds, view))
    chain = next((chain for chain in courses if bounds.refused_step(chain) is None), courses[0])
    counted = _counted_above_start(case, bounds, view)
    if (
        counted is not None
        and unusual(case, bounds, chain) is not None
        and unusual(case, bounds, counted) is None
    ):
        chain = counted
    return Figure(
        chain.wh[-1],
        REGISTER,
        start,
        view.wh[-1] if stop is None else stop,
        chain,
        is_reported=True,
    )


def _up_to_the_next(view: View, after: Neighbour) -> View:
    """Return the readings, of which the next start tells the last one to more digits, if it may be
    the same."""
    if (
        not after.sent_begin
        or not view.at
        or view.digit == 1
        or abs(after.sent_begin - view.wh[-1]) > view.digit
    ):
        return view
    return View(view.at, [*view.wh[:-1], after.sent_begin], view.digit)


def _chains_of(case: Case, bounds: Bounds, view: View) -> Iterator[Chain]:
    """Yield the chains of one source's readings with start and stop.

    The readings count like start and stop, or from 0 in each transaction, or for life if start and
    stop count from 0. Those from 0 may be above a low start by chance; then the last one is all of
    the energy.
    """
    start, stop = case.start_wh or 0, case.stop_wh
    if begins_at_zero(bounds, view):
        yield session_chain(case, view, None if stop is None else stop - start)
    if (
        stop is not None
        and view.wh
        and start <= view.wh[0]
        and abs(view.wh[-1] - (stop - start)) <= view.digit < start
    ):
        yield session_chain(case, view, stop - start)
    yield chain_of(case, start, view, stop)
    if start == 0 and stop is not None and view.wh and view.wh[0] > stop + view.digit:
        yield chain_of_other_counter(case, view, stop)


def _counted_above_start(case: Case, bounds: Bounds, view: View) -> Chain | None:
    """Return the chain of readings that may count from 0 though they are above a low start, if
    power is not against it: it is the same figure, but another first and last step."""
    start, stop = case.start_wh or 0, case.stop_wh
    if stop is None or not view.wh or not 0 < start <= view.wh[0] <= view.wh[-1] <= stop - start:
        return None
    chain = session_chain(case, view, stop - start)
    agreeing, against = bounds.agreement(chain)
    is_possible = not bounds.is_tracked_by_power or (agreeing > 0 and not against)
    return chain if is_possible and bounds.refused_step(chain) is None else None


def impossible_step(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of an impossible step, by the figure's own course or by each course that
    another source of readings may have between start and stop."""
    others = (
        [view for view in case.views if view is not case.view] if case.stop_wh is not None else []
    )
    for chains in ([figure.chain], *(list(_chains_of(case, bounds, view)) for view in others)):
        walked = [bounds.impossible_step(chain) for chain in chains]
        if all(walked):
            return walked[0]
    return None


def begins_at_zero(bounds: Bounds, view: View, *, is_start_garbled: bool = False) -> bool:
    """Whether readings that begin below the start count from 0 in each transaction.

    Readings that continue the start on another scale do not. If the start may be garbled, readings
    that begin not far below it may also be the lifetime register.
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
    fastest = (
        tolerances.FASTEST_W if is_led_to_stop and not case.is_ac_shown else _most_of_kind_w(case)
    )
    if is_start_garbled and view.wh[0] >= tolerances.HALF * start:
        paces = bounds.paces(Chain(view.at, view.wh, view.digit)).spread()
        fastest = paces.most * tolerances.TWICE if paces.steps else fastest
    return view.wh[0] <= fastest * seconds / HOUR + case.slack


def lifetime_registers(bounds: Bounds) -> list[int]:
    """Return what readings and stop show of the lifetime register, in Wh: readings that count from
    0 nothing, nor a stop of 0 below others."""
    view, stop = bounds.case.view, bounds.case.stop_wh
    readings = [] if begins_at_zero(bounds, view) else view.wh
    return [*readings, *([] if stop is None or (readings and stop == 0) else [stop])]


def _continues_in_kwh(case: Case, view: View, start: int) -> bool:
    """Whether at least two readings rise from the start if they are kWh.

    A single reading may do so by chance, unless it has decimals, which Wh do not have. What is
    coarser than a Wh was sent in kWh.
    """
    kwh = view.scaled(1000)
    first, last = kwh.wh[0] - start, kwh.wh[-1] - start
    if (
        start < tolerances.SIGNIFICANT_START_WH
        or view.digit > 1
        or not (view.exact or first < last)
    ):
        return False
    lasted = (view.at[number] - case.begun if case.is_timed else case.longest for number in (0, -1))
    earlier, room = (
        _most_of_kind_w(case) * (seconds + tolerances.METER_AGE) / HOUR + kwh.digit
        for seconds in lasted
    )
    return -kwh.digit < first <= earlier and first <= last <= room


def _continues_tenfold(case: Case, view: View, start: int) -> bool:
    """Whether readings lie between start and stop if they are ten or a hundred times as high, and
    no power reported is near that of start and stop."""
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
    """Whether the starts of the neighbours fell to 0 more than once: these registers count each
    transaction."""
    before, after, stop = case.before, case.after, case.stop_wh or 0
    falls = (before.resets if before is not None else 0) + (
        after is not None and after.sent_begin == 0 < stop
    )
    return falls >= tolerances.FEW
