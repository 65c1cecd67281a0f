"""Transactions on one connector whose ranges of the register overlap (rules.md, Neighbours)."""

from __future__ import annotations

from levity_trio.charging.evidence import Case, Neighbour, View
from levity_trio.charging.reviews import Code, Doubt


def overlaps(case: Case, begin: int | None, end: int | None) -> tuple[int, list[Doubt]]:
    """Return the energy in Wh that an overlap takes from a transaction, and the doubt. `begin` and `end` are the range
    of its register.

    An overlap is billed once, to the transaction whose own readings reach into it, else to neither. Both are doubtful.
    If the previous transaction was closed by the system, it may have gone on, up to the first reading of this one.
    """
    if begin is None or end is None or end < begin:
        return 0, []
    slack, before, after = max(1, case.digit), case.before, case.after
    lost, doubts = 0, list[Doubt]()
    if before and before.begin is not None and before.end is not None and before.begin < begin < before.end - slack:
        doubts.append(_overlap("the previous transaction", begin, min(before.end, end)))
        lost += min(_after_previous(before, begin, case.view), end) - begin
    if after is not None and after.begin is not None and begin < after.begin < end - slack:
        doubts.append(_overlap("the next transaction", after.begin, end))
        lost += end - max(_until_next(after, begin, end, case.view), begin)
    return lost, doubts[:1]


def _after_previous(before: Neighbour, begin: int, view: View) -> int:
    """Return the register in Wh from which energy belongs to a transaction that begins within the previous one."""
    until = before.end or begin
    if any(begin <= wh < until for wh in view.wh):
        return max(begin, min(before.highest or 0, until))
    return until if before.is_end_known else next((wh for wh in view.wh if wh >= until), until)


def _until_next(after: Neighbour | None, begin: int, end: int, view: View) -> int:
    if after is None or after.begin is None or not begin < after.begin < end:
        return end
    own = [wh for wh in view.wh if after.begin < wh <= end]
    if not own:
        return after.begin
    return max(own) if after.lowest is not None and after.lowest < end else end


def _overlap(whose: str, since: int, until: int) -> Doubt:
    words = f"{until - since} Wh also belong to {whose}"
    return Doubt(Code.OVERLAP, words, (f"{since} to {until} Wh", f"the registers of {whose}"))
