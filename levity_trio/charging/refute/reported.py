"""The reported figure, stop − start or last reading − start, and what contradicts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.propose.ends import is_contradicted_at_ends
from levity_trio.charging.propose.units import may_be_in_kwh, wrong_by
from levity_trio.charging.refute.bounds import Bounds, Conflict
from levity_trio.charging.refute.bracket import bracket
from levity_trio.charging.refute.counts import begins_at_zero, counts_each, lifetime_registers
from levity_trio.charging.refute.scales import scale_shown
from levity_trio.charging.refute.unusual import unusual
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.chains import (
    REGISTER,
    SESSION_READINGS,
    Chain,
    chain_of,
    chain_of_other_counter,
    session_chain,
)
from levity_trio.charging.sent.evidence import INTERVALS, Case, View
from levity_trio.charging.sent.gathering import is_rising


class Reported(NamedTuple):
    chain: Chain
    method: str
    end: int


def reported(case: Case, bounds: Bounds) -> Reported | None:
    """Return the figure of start, stop and the fuller source of readings; None if they give none."""
    start, stop, view = case.start_wh, case.stop_wh, _up_to_the_next(case)
    if start is None or (stop is None and not view.wh) or (stop is not None and stop < start):
        return None
    if stop is None and begins_at_zero(bounds, view):
        return Reported(session_chain(case, view, None), SESSION_READINGS, start + view.wh[-1])
    chains = list(_chains(case, bounds, view))
    chain = next((chain for chain in chains if bounds.refused_step(chain) is None), chains[0])
    counted = _counted_above_start(case, bounds, view)
    if counted is not None and _is_doubtful(case, bounds, chain) and unusual(case, bounds, counted) is None:
        chain = counted
    return Reported(chain, REGISTER, view.wh[-1] if stop is None else stop)


def _up_to_the_next(case: Case) -> View:
    """Return the readings. Without a stop, the next start tells the last one to more digits, if it may be the same."""
    view, after = case.view, case.after if case.stop_wh is None and case.is_named_to_the_end else None
    if after is None or not after.sent_begin or view.digit == 1 or abs(after.sent_begin - view.wh[-1]) > view.digit:
        return view
    return View(view.at, [*view.wh[:-1], after.sent_begin], view.digit)


def _chains(case: Case, bounds: Bounds, view: View) -> Iterator[Chain]:
    """Yield the chains of one source's readings with start and stop.

    The readings count like start and stop, or from 0 in each transaction, or for life if start and stop count from 0.
    Those from 0 may be above a low start by chance; then the last one is all of the energy.
    """
    start, stop = case.start_wh or 0, case.stop_wh
    if begins_at_zero(bounds, view):
        yield session_chain(case, view, None if stop is None else stop - start)
    if stop is not None and view.wh and start <= view.wh[0] and abs(view.wh[-1] - (stop - start)) <= view.digit < start:
        yield session_chain(case, view, stop - start)
    yield chain_of(case, start, view, stop)
    if start == 0 and stop is not None and view.wh and view.wh[0] > stop + view.digit:
        yield chain_of_other_counter(case, view, stop)


def _counted_above_start(case: Case, bounds: Bounds, view: View) -> Chain | None:
    """Return the chain of readings that may count from 0 though they are above a low start, if power is not against it:
    it is the same figure, but another first and last step."""
    start, stop = case.start_wh or 0, case.stop_wh
    if stop is None or not view.wh or not 0 < start <= view.wh[0] <= view.wh[-1] <= stop - start:
        return None
    chain = session_chain(case, view, stop - start)
    agreeing, against = bounds.agreement(chain)
    is_possible = not bounds.is_tracked_by_power or (agreeing > 0 and not against)
    return chain if is_possible and bounds.refused_step(chain) is None else None


def _is_doubtful(case: Case, bounds: Bounds, chain: Chain) -> bool:
    return bounds.refused_step(chain) is not None or unusual(case, bounds, chain) is not None


def contradiction(case: Case, bounds: Bounds, found: Reported) -> Conflict | None:
    """Return the conflict of the reported figure with its registers or with the readings of either source."""
    wh = found.chain.wh[-1]
    if wh < 0:
        return Conflict(Code.STOP_GARBLED, "the last reading is below meterStart", (f"{wh} Wh", "0 Wh"))
    if may_be_in_kwh(case) and not bounds.confirms(wh):
        sent = f"sent as {case.start_exact or case.start_wh} and {case.stop_exact or case.stop_wh}"
        return Conflict(Code.WRONG_FACTOR, "a register in Wh has a fraction", (sent, "whole Wh by the specification"))
    against = _against_ends(case) or bounds.conflict(found.chain) or _against_intervals(case, found.chain)
    against = against or _below_previous_start(case, bounds) or _on_another_scale(case, bounds, found.chain)
    against = against or _above_neighbours(case) or _above_the_next(case, bounds, found)
    if against is not None or case.stop_wh is None:
        return against
    others = (_against_readings(case, bounds, view) for view in case.views if view is not case.view)
    return next(filter(None, others), None)


def _against_readings(case: Case, bounds: Bounds, view: View) -> Conflict | None:
    """Return the conflict of start and stop with the other source of readings."""
    walked = [bounds.walk(chain) for chain in _chains(case, bounds, view)]
    return walked[0] if all(walked) else None


def _against_ends(case: Case) -> Conflict | None:
    """Return the conflict of start and stop with Transaction.Begin and Transaction.End."""
    if not is_contradicted_at_ends(case):
        return None
    evidence = (f"{case.start_wh} to {case.stop_wh} Wh", f"Transaction.Begin {case.begin_wh}, End {case.end_wh}")
    return Conflict(Code.STOP_GARBLED, "start or stop differs from Transaction.Begin or Transaction.End", evidence)


def _against_intervals(case: Case, chain: Chain) -> Conflict | None:
    """Return the conflict of a figure with the readings of energy in each interval; some of these may be lost.

    If these never fall, each of them may count from the start, or be a register.
    """
    intervals, least, wh = case.intervals, 1 - tolerances.POWER_SHARE, chain.wh[-1] + 2 * chain.digit
    if not intervals:
        return None
    counts = [intervals[-1], intervals[-1] - intervals[0]] if is_rising(intervals) else []
    if wh >= least * sum(intervals) or any(wh / 2 <= count <= wh / least for count in counts):
        return None
    evidence = (f"{chain.wh[-1]} Wh", f"{round(sum(intervals))} Wh in {INTERVALS}")
    return Conflict(Code.POWER_DISAGREES, "the register rose by less than the intervals add up to", evidence)


def _on_another_scale(case: Case, bounds: Bounds, chain: Chain) -> Conflict | None:
    """Return the conflict of start and stop with a neighbour that continues them on another scale, or with earlier
    transactions whose registers lacked a factor by power."""
    scale, factor = scale_shown(case), case.shown_factor
    if (scale is None and factor is None) or bounds.confirms(chain.wh[-1]):
        return None
    other = "by power, so did those of an earlier transaction"
    if scale is not None:
        factor, other = scale.factor, f"{scale.wh} Wh in the transaction next to it"
    return Conflict(Code.WRONG_FACTOR, wrong_by(factor or 1), (f"{case.start_wh} to {case.stop_wh} Wh", other))


def _above_neighbours(case: Case) -> Conflict | None:
    """Return the conflict of start and stop with the previous stop and the next start, which are below both."""
    if (around := bracket(case)) is None:
        return None
    evidence = (f"{case.start_wh} to {case.stop_wh} Wh", f"{around.begin} to {around.end} Wh by the neighbours")
    return Conflict(Code.START_GARBLED, "the register was as before again at the next start", evidence)


def _above_the_next(case: Case, bounds: Bounds, found: Reported) -> Conflict | None:
    """Return the conflict of a last reading without a stop with the next transaction, all of which is below it."""
    after = case.after if case.stop_wh is None and not bounds.confirms(found.chain.wh[-1]) else None
    if after is None or after.begin is None or after.end is None or not after.is_in_order:
        return None
    if not (case.start_wh or 0) <= after.begin <= after.end < found.end - case.digit:
        return None
    evidence = (f"last reading {found.end} Wh", f"{after.begin} to {after.end} Wh in the next transaction")
    return Conflict(Code.STRAY_READING, "the register was below its last reading in the next transaction", evidence)


def _below_previous_start(case: Case, bounds: Bounds) -> Conflict | None:
    """Return the conflict of a start at or below the previous start, if the rest continues from the previous stop.

    That is not a reset: after one, the rest would be low, too. Two starts at 0 are those of a register that counts each
    transaction.
    """
    before, start, shown = case.before, case.start_wh, lifetime_registers(bounds)
    if before is None or before.begin is None or before.end is None or start is None or not shown:
        return None
    if start == 0 and counts_each(case):
        return None
    is_low = start < before.begin or before.is_repeated_by(start)
    if not is_low or not before.begin <= before.end <= min(shown) + case.digit:
        return None
    ended = f"the previous transaction ended at {before.end} Wh, this one at {shown[-1]} Wh"
    evidence = (f"meterStart {start} Wh", ended)
    return Conflict(Code.START_GARBLED, "meterStart is not above that of the previous transaction", evidence)
