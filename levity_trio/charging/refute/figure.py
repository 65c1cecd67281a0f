"""The reported figure: stop − start, or last reading − start without a stop; and what the readings
count.

Readings may count from 0 in each transaction, though start and stop are those of the lifetime
register; or all registers do.
"""

from __future__ import annotations

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.refute.measured import unusual
from levity_trio.charging.sent.evidence import Case, View
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
    start, stop = case.start_wh, case.stop_wh
    view, after = case.view, case.after
    if start is None:
        return None
    if stop is None:
        # The next start may tell the last reading to more digits.
        if after is not None and case.is_named_to_the_end and after.sent_begin and view.at:
            shown = after.sent_begin
            if view.digit > 1 and abs(shown - view.wh[-1]) <= view.digit:
                view = View(view.at, [*view.wh[:-1], shown], view.digit)
        if not view.wh:
            return None
        end = view.wh[-1]
        if begins_at_zero(bounds, view):
            chain = session_chain(case, view, None)
            return Figure(end, SESSION_READINGS, start, start + end, chain, is_reported=True)
    else:
        end = stop
        if stop < start:
            return None

    chains = _chains_of(case, bounds, view)
    possible = (chain for chain in chains if bounds.refused_step(chain) is None)
    chain = next(possible, chains[0])
    counted = _counted_above_start(case, bounds, view)
    if (
        counted is not None
        and unusual(case, bounds, chain) is not None
        and unusual(case, bounds, counted) is None
    ):
        chain = counted
    return Figure(chain.wh[-1], REGISTER, start, end, chain, is_reported=True)


def _chains_of(case: Case, bounds: Bounds, view: View) -> list[Chain]:
    """Return the chains of one source's readings with start and stop, the likeliest first.

    The readings count like start and stop, or from 0 in each transaction, or for life if start and
    stop count from 0.
    """
    start, stop, readings = case.start_wh or 0, case.stop_wh, view.wh
    chains: list[Chain] = []
    energy = None if stop is None else stop - start
    if begins_at_zero(bounds, view):
        chains.append(session_chain(case, view, energy))
    # Readings that count from 0 may lie above a low start by chance. Then the last one is the
    # energy from start to stop.
    if energy is not None and readings and view.digit < start <= readings[0]:
        is_all = abs(readings[-1] - energy) <= view.digit
        if is_all:
            chains.append(session_chain(case, view, energy))
    chains.append(chain_of(case, start, view, stop))
    if start == 0 and stop is not None and readings and readings[0] > stop + view.digit:
        chains.append(chain_of_other_counter(case, view, stop))
    return chains


def _counted_above_start(case: Case, bounds: Bounds, view: View) -> Chain | None:
    """Return the chain of readings that may count from 0 though they are above a low start, if
    power is not against it: it is the same figure, but another first and last step."""
    start, stop = case.start_wh or 0, case.stop_wh
    if stop is None or not view.wh:
        return None
    energy = stop - start
    if not 0 < start <= view.wh[0] <= view.wh[-1] <= energy:
        return None
    chain = session_chain(case, view, energy)
    agreeing, against = bounds.agreement(chain)
    if bounds.is_tracked_by_power and (against or not agreeing):
        return None
    return chain if bounds.refused_step(chain) is None else None


def impossible_step(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of an impossible step, by the figure's own course or by each course that
    another source of readings may have between start and stop."""
    courses = [[figure.chain]]
    if case.stop_wh is not None:
        others = (view for view in case.views if view is not case.view)
        courses += [_chains_of(case, bounds, view) for view in others]
    for chains in courses:
        conflicts = [bounds.impossible_step(chain) for chain in chains]
        if all(conflicts):
            return conflicts[0]
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

    # The first reading must be energy that can have flowed since the start.
    fastest = case.most_of_kind_w
    is_led_to_stop = case.stop_wh is not None and view.wh[-1] <= case.stop_wh - start + digit
    if is_led_to_stop and not case.is_ac_shown:
        fastest = tolerances.FASTEST_W
    if is_start_garbled and view.wh[0] >= tolerances.HALF * start:
        paces = bounds.paces(Chain(view.at, view.wh, view.digit))
        fastest = paces.most * tolerances.TWICE or fastest
    seconds = max(0.0, view.at[0] - case.begun) + tolerances.METER_AGE
    if not case.is_timed:
        seconds = max(seconds, case.longest)
    return view.wh[0] <= fastest * seconds / HOUR + case.slack


def _continues_in_kwh(case: Case, view: View, start: int) -> bool:
    """Whether at least two readings rise from the start if they are kWh.

    What is coarser than a Wh was sent in kWh.
    """
    if start < tolerances.SIGNIFICANT_START_WH or view.digit > 1:
        return False
    kwh = view.scaled(1000)
    first, last = kwh.wh[0] - start, kwh.wh[-1] - start
    # A single reading may rise by chance, unless it has decimals, which Wh do not have.
    if not view.exact and first >= last:
        return False

    since_start = [case.longest, case.longest]
    if case.is_timed:
        since_start = [view.at[0] - case.begun, view.at[-1] - case.begun]
    most: list[float] = []
    for seconds in since_start:
        drawn = case.most_of_kind_w * (seconds + tolerances.METER_AGE) / HOUR
        most.append(drawn + kwh.digit)
    return -kwh.digit < first <= most[0] and first <= last <= most[1]


def _continues_tenfold(case: Case, view: View, start: int) -> bool:
    """Whether readings lie between start and stop if they are ten or a hundred times as high, and
    no power reported is near that of start and stop."""
    stop, power = case.stop_wh, case.power
    if stop is None or not power or not power.most:
        return False
    drawn = power.most * (case.longest + tolerances.INTERVAL) / HOUR
    if stop - start <= tolerances.FAR_MORE * drawn + tolerances.REACH_WH:
        return False
    first, last = view.wh[0], view.wh[-1]
    return any(start <= factor * first <= factor * last <= stop for factor in (10, 100))


def lifetime_registers(bounds: Bounds) -> list[int]:
    """Return the readings and the stop that show the lifetime register, in Wh: not readings that
    count from 0, nor a stop of 0 beside others."""
    view, stop = bounds.case.view, bounds.case.stop_wh
    registers = [] if begins_at_zero(bounds, view) else [*view.wh]
    if stop is not None and (stop or not registers):
        registers.append(stop)
    return registers


def counts_each(case: Case) -> bool:
    """Whether the starts of the neighbours fell to 0 more than once: these registers count each
    transaction."""
    falls = 0 if case.before is None else case.before.resets
    if case.after is not None and case.after.sent_begin == 0 < (case.stop_wh or 0):
        falls += 1
    return falls >= tolerances.FEW
