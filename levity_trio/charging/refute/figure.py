"""The reported figure: stop − start, or last reading − start without a stop."""

from __future__ import annotations

from collections.abc import Iterator

from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.refute.counts import begins_at_zero
from levity_trio.charging.refute.measured import unusual
from levity_trio.charging.sent.chains import (
    REGISTER,
    SESSION_READINGS,
    Chain,
    Figure,
    chain_of,
    chain_of_other_counter,
    session_chain,
)
from levity_trio.charging.sent.evidence import Case, View


def reported(case: Case, bounds: Bounds) -> Figure | None:
    """Return the figure of start, stop and the fuller source of readings; None if they give none."""
    start, stop, view = case.start_wh, case.stop_wh, _up_to_the_next(case)
    if start is None or (stop is None and not view.wh) or (stop is not None and stop < start):
        return None
    if stop is None and begins_at_zero(bounds, view):
        chain = session_chain(case, view, None)
        return Figure(chain.wh[-1], SESSION_READINGS, start, start + view.wh[-1], chain, is_reported=True)
    courses = list(_chains_of(case, bounds, view))
    chain = next((chain for chain in courses if bounds.refused_step(chain) is None), courses[0])
    counted = _counted_above_start(case, bounds, view)
    if counted is not None and unusual(case, bounds, chain) is not None and unusual(case, bounds, counted) is None:
        chain = counted
    return Figure(chain.wh[-1], REGISTER, start, view.wh[-1] if stop is None else stop, chain, is_reported=True)


def _up_to_the_next(case: Case) -> View:
    """Return the readings. Without a stop, the next start tells the last one to more digits, if it may be the same."""
    view, after = case.view, case.after if case.stop_wh is None and case.is_named_to_the_end else None
    if after is None or not after.sent_begin or view.digit == 1 or abs(after.sent_begin - view.wh[-1]) > view.digit:
        return view
    return View(view.at, [*view.wh[:-1], after.sent_begin], view.digit)


def _chains_of(case: Case, bounds: Bounds, view: View) -> Iterator[Chain]:
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


def impossible_step(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of an impossible step, by the figure's own course or by each course that another source of
    readings may have between start and stop."""
    others = [view for view in case.views if view is not case.view] if case.stop_wh is not None else []
    for chains in ([figure.chain], *(list(_chains_of(case, bounds, view)) for view in others)):
        walked = [bounds.impossible_step(chain) for chain in chains]
        if all(walked):
            return walked[0]
    return None
