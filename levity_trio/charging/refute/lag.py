"""Registers that are always old, as those of a meter in a cloud: each reading has the time at which it was taken, but
start and stop have registers that were taken as long before them.

What flowed just before the stop is then only in readings that come after it, and until then perhaps in the next start,
which is old, too. A charger's own meter may be live while its readings are old: its stop is beyond the last reading.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import Case, Neighbour, View
from levity_trio.charging.sent.power import HOUR

OLD: Final = "its registers are always old"
"""The beginning of the words of each doubt about them."""


class _End(NamedTuple):
    """The register at the end of a transaction in Wh, and whether a reading shows it."""

    wh: int
    is_shown: bool


def without_lag(case: Case) -> tuple[Case, tuple[Doubt, ...]]:
    """Return the evidence with the registers of its own begin and end, and doubts about what is not known yet."""
    end = _end(case)
    before, after, start = case.before, case.after, case.start_wh
    doubts = []
    if before is not None and start is not None and _is_soon(case, before) and before.begin != before.end:
        if before.is_doubtful and (case.lag or before.is_lagging):
            words = "a part of the previous transaction may be in this one"
            doubts.append(_doubt(case, Code.START_GARBLED, words, f"meterStart {start} Wh"))
        if case.lag and before.end is not None and (before.begin or 0) <= start < before.end:
            start, before = before.end, before._replace(replaced_end=None)
    if end is None:
        return replace(case, lag=0.0, before=before, start_wh=start), tuple(doubts)
    if not end.is_shown:
        words = "what flowed after the last reading until the stop is not known"
        doubts.append(_doubt(case, Code.STOP_GARBLED, words, f"meterStop {case.stop_wh} Wh"))
    if after is not None and after.begin is not None and after.begin < end.wh and _is_soon(case, after):
        after = after._replace(begin=end.wh, replaced=None)
    views = [_until(view, case.ended) for view in case.views]
    case = replace(case, lag=0.0, views=[view for view in views if view.at])
    return replace(case, before=before, after=after, start_wh=start, stop_wh=end.wh), tuple(doubts)


def _end(case: Case) -> _End | None:
    """Return the register at the end; None if the stop is not old, or if nothing flowed at last."""
    view, start, stop = case.view, case.start_wh, case.stop_wh
    told = sum(at + case.lag <= case.ended for at in view.at)
    if start is None or stop is None or not told:
        return None
    (earlier_at, earlier), (at, wh) = [(case.begun, start), *zip(view.at, view.wh, strict=True)][told - 1 : told + 1]
    pace = (wh - earlier) / (at - earlier_at) if at > earlier_at else 0.0
    live = pace * (case.ended - at - tolerances.HALF * case.lag)
    if pace <= 0 or stop < wh or stop - wh > live + view.digit:
        return None
    place = next((number for number, later in enumerate(view.at) if later >= case.ended), None)
    after = case.after
    if place is not None and (after is None or after.apart >= view.at[place] - case.ended):
        return _End(max(stop, view.wh[place]), is_shown=True)
    return _End(max(stop, *view.wh[: len(view.wh) if place is None else place]), is_shown=False)


def _is_soon(case: Case, neighbour: Neighbour) -> bool:
    return neighbour.apart < (case.lag or HOUR)


def _until(view: View, ended: float) -> View:
    kept = sum(at <= ended for at in view.at)
    return replace(view, at=view.at[:kept], wh=view.wh[:kept], exact=view.exact[:kept])


def _doubt(case: Case, code: Code, words: str, told: str) -> Doubt:
    age = f"each reading is {round(case.lag / 60)} minutes old when it comes" if case.lag else "as those before"
    return Doubt(code, f"{OLD}: {words}", (told, age))
