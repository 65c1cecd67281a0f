"""Transactions on one connector whose ranges of the register overlap (rules.md, Neighbours)."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from levity_trio.charging.refute.bounds import Bounds, Finding
from levity_trio.charging.refute.scales import lacks_digits_of
from levity_trio.charging.sent.evidence import Case, Neighbour, View
from levity_trio.charging.sent.figures import Figure, is_within


def overlaps(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """Return the overlap of a figure with those of other transactions on the connector, and what it takes.

    An overlap is billed once, to the transaction whose own readings reach into it, else to neither. Both are doubtful.
    If the previous transaction was closed by the system, it may have gone on, up to the first reading of this one, or
    up to its stop if it has none. Where starts have overlapped before, that is so even beyond its last known register.
    What an earlier transaction with the same start counted is billed to that one.
    """
    begin, end = figure.begin, figure.end
    if begin is None or end is None or end < begin:
        return None
    if case.counted_until is not None and begin < (until := min(end, case.counted_until)):
        return _counted_before(begin, until, end)
    if (passed := _passed_over(case, begin, end)) is not None:
        found = _overlap("the previous transaction", begin, passed, _figures(begin, passed, end))
        return found._replace(taken=passed - begin)
    slack, before, after = max(1, case.digit), case.before, case.after
    lost, every = 0, list[Finding]()
    if (
        before
        and before.begin is not None
        and before.end is not None
        and is_within(begin, before.begin, inf, is_at_once=before.is_at_once)
    ):
        until = _after_previous(before, begin, end, case.view)
        if begin < before.end - slack:
            figures = {} if before.is_end_known else _figures(begin, until, end)
            every.append(_overlap("the previous transaction", begin, min(before.end, end), figures))
            lost += until - begin
        elif before.may_go_on and before.end + slack < begin < until - slack:
            every.append(_may_overlap(before.end, begin, until, _figures(begin, until, end)))
            lost += until - begin
    if (
        after is not None
        and after.begin is not None
        and is_within(
            after.begin, begin, end - slack, is_at_once=after.is_at_once or _stayed(before, after, begin, end)
        )
        and not lacks_digits_of(after.sent_begin or 0, end)
    ):
        every.append(_overlap("the next transaction", after.begin, end, {}))
        lost += end - max(_until_next(after, end, case.view), begin)
    return every[0]._replace(taken=lost) if every else None


def _counted_before(begin: int, until: int, end: int) -> Finding:
    """Return what a start that was sent again takes, up to `until`, and the doubt."""
    words = f"its start came before: {until - begin} Wh also belong to an earlier transaction"
    evidence = (f"{begin} to {until} Wh", "the register was higher since, and nothing shows a reset")
    figures = {"as reported": end - begin, "from the next register": end - until}
    return Finding(evidence, figures, words, until - begin)


def _passed_over(case: Case, begin: int, end: int) -> int | None:
    """Return the end of the previous transaction in Wh, if this one begins at or below its start and goes beyond its
    end, the next one goes on from there, and no reading lies in between: nothing shows a reset of the register, and its
    start is rather an old one."""
    before, after, slack = case.before, case.after, max(1, case.digit)
    if before is None or before.begin is None or before.end is None or before.is_at_once or case.swapped_at:
        return None
    if after is None or after.begin is None or after.begin < end - slack:
        return None
    is_over = begin <= before.begin < before.end - slack and before.end < end - slack
    return before.end if is_over and not any(begin <= wh < before.end for wh in case.view.wh) else None


def _after_previous(before: Neighbour, begin: int, end: int, view: View) -> int:
    """Return the register in Wh from which energy belongs to a transaction that begins within the previous one."""
    until = min(max(begin, before.end or begin), end)
    if any(begin <= wh < until for wh in view.wh):
        return max(begin, min(before.highest or 0, until))
    if before.is_end_known:
        return until
    return min(next((wh for wh in view.wh if wh >= until), until if view.wh else end), end)


def _stayed(before: Neighbour | None, after: Neighbour, begin: int, end: int) -> bool:
    """Whether the register stood at the same value from the previous stop to the next start, and rose less in the next
    transaction: it was not set back."""
    stays = before is not None and 0 < begin == before.end == after.begin
    return stays and begin <= (after.end or 0) < end


def _until_next(after: Neighbour, end: int, view: View) -> int:
    if after.begin is None:
        return end
    own = [wh for wh in view.wh if after.begin < wh <= end]
    if not own:
        return after.begin
    return max(own) if after.lowest is not None and after.lowest < end else end


def _overlap(whose: str, since: int, until: int, figures: Mapping[str, int]) -> Finding:
    words = f"{until - since} Wh also belong to {whose}"
    return Finding((f"{since} to {until} Wh", f"the registers of {whose}"), figures, words)


def _may_overlap(last: int, begin: int, until: int, figures: Mapping[str, int]) -> Finding:
    words = f"up to {until - begin} Wh may also belong to the previous transaction, whose end is unknown"
    evidence = (f"meterStart {begin} Wh; others lay within the transaction before", f"{last} Wh last known there")
    return Finding(evidence, figures, words)


def _figures(begin: int, until: int, end: int) -> dict[str, int]:
    return {"as reported": end - begin, "from the next register": end - until}
