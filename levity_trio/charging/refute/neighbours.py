"""What the transactions before and after show of a figure (rules.md, Neighbours).

A neighbour under review may have another start or stop than it sent: the judge put it in the place
of one that did not fit. If the scale of its registers is in doubt, so is that of one that goes on
from it and has neither readings nor power. Ranges of the register that overlap stand at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import inf

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence, Finding
from levity_trio.charging.refute.figure import counts_each, lifetime_registers
from levity_trio.charging.refute.scales import lacks_digits_of, scale_shown, wrong_by
from levity_trio.charging.reviews import AS_REPORTED, in_wh
from levity_trio.charging.sent.evidence import Case, Neighbour, View
from levity_trio.charging.sent.figures import Chain, Figure, is_within
from levity_trio.told import Told


def below_previous_start(case: Case, bounds: Bounds, _figure: Figure) -> Evidence | None:
    """Return the conflict of a start at or below the previous start, if the rest continues from the
    previous stop.

    That is not a reset: after one, the rest would be low, too. Two starts at 0 are those of a
    register that counts each transaction.
    """
    before, start, shown = case.before, case.start_wh, lifetime_registers(bounds)
    if before is None or before.begin is None or before.end is None or start is None or not shown:
        return None
    if start == 0 and counts_each(case):
        return None
    is_low = start < before.begin - tolerances.ROUNDED_WH or before.is_repeated_by(start)
    if not is_low or not before.begin <= before.end <= min(shown) + case.digit:
        return None
    ended = Told(
        "the previous session ended at {1}, this one at {2}", in_wh(before.end), in_wh(shown[-1])
    )
    return (Told("start register {1}", in_wh(start)), ended)


def on_another_scale(case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
    """Return the conflict of start and stop with a neighbour that continues them on another scale,
    or with earlier transactions whose registers lacked a factor by power."""
    scale, factor = scale_shown(case), case.shown_factor
    if (scale is None and factor is None) or bounds.confirms(figure.wh):
        return None
    other = Told("by power, so did those of an earlier session")
    if scale is not None:
        factor, other = scale.factor, Told("{1} in the session next to it", in_wh(scale.wh))
    return Finding(
        (Told("{1} to {2}", in_wh(case.start_wh), in_wh(case.stop_wh)), other),
        words=wrong_by(factor or 1),
    )


def outside_its_neighbours(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """Return the conflict of registers that all lie below the previous stop, or above the next
    start, though the next transaction goes on from the previous one: the register was not reset. It
    may also have been a counter of its own, if it rose by no more than the others leave room
    for."""
    start, stop, before, after, digit = (
        case.start_wh,
        case.stop_wh,
        case.before,
        case.after,
        figure.chain.digit,
    )
    if (
        start is None
        or stop is None
        or before is None
        or before.end is None
        or after is None
        or after.begin is None
    ):
        return None
    room, registers = after.begin - before.end, (start, stop, *case.view.wh)
    is_ordered = before.is_end_known and before.is_in_order and after.is_in_order
    is_above = is_ordered and min(registers) > after.begin + digit and figure.wh > room
    if room < 0 or not (is_above or max(registers) < before.end - digit):
        return None
    evidence = (
        Told("{1} to {2}", in_wh(start), in_wh(stop)),
        Told("{1} before, {2} after", in_wh(before.end), in_wh(after.begin)),
    )
    return Finding(evidence, {AS_REPORTED: figure.wh, Told("between the neighbours"): room})


def above_the_next(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a last reading without a stop with the next transaction, all of which
    is below it."""
    after = case.after if case.stop_wh is None and not bounds.confirms(figure.wh) else None
    if after is None or after.begin is None or after.end is None or not after.is_in_order:
        return None
    end = figure.end or 0
    if not (case.start_wh or 0) <= after.begin <= after.end < end - case.digit:
        return None
    return (
        Told("last reading {1}", in_wh(end)),
        Told("{1} to {2} in the next session", in_wh(after.begin), in_wh(after.end)),
    )


def across_a_swap(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a register that rose between the readings of two meters: their
    difference is no energy."""
    wh = figure.chain.wh
    rise = max((wh[number] - wh[number - 1] for number in swaps(case, figure.chain)), default=0)
    if rise <= 0:
        return None
    told = Told("{1} from the last register of one to the first of the other", in_wh(rise))
    return (told, Told("another meter's serial number in a boot"))


def swaps(case: Case, chain: Chain) -> list[int]:
    """Return the number of each step of a chain from one meter to another."""
    return [
        number
        for swapped_at in case.swapped_at
        for number, (before, after) in enumerate(pairwise(chain.at), 1)
        if before <= swapped_at <= after and not _is_of_old_meter(case, chain, number)
    ]


def _is_of_old_meter(case: Case, chain: Chain, number: int) -> bool:
    """Whether a register was read before the meter was swapped, though received after it: it rose
    on the old meter, and the new one had not reached it by the next start. A stop may be; a
    reading, if its clock stood still."""
    is_stop = number == len(chain.at) - 1 and case.stop_wh is not None
    if is_stop or case.is_timed:
        return is_stop and case.is_stop_of_old_meter
    begin, (before, now) = case.begin_of_new_meter, chain.wh[number - 1 : number + 1]
    return begin is not None and now > before and (case.start_wh or 0) + now > begin + case.digit


def on_a_doubtful_scale(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a transaction that goes on from registers whose scale is in doubt, or
    that were replaced, and has nothing that shows its own."""
    if case.view.wh or case.power or case.stop_wh is None or case.start_wh == case.stop_wh:
        return None
    if bounds.confirms(figure.wh):
        return None
    before, after = case.before, case.after
    is_from_before = before is not None and _is_wrong(
        case.start_wh, before, before.end, before.replaced_end
    )
    is_to_after = after is not None and _is_wrong(case.stop_wh, after, after.begin, after.replaced)
    if not is_from_before and not is_to_after:
        return None
    return (
        Told("{1} to {2}", in_wh(case.start_wh), in_wh(case.stop_wh)),
        Told("the session before") if is_from_before else Told("the session after"),
    )


def _is_wrong(own: int | None, neighbour: Neighbour, told: int | None, sent: int | None) -> bool:
    """Whether a register equals one that a neighbour was given on a scale that is in doubt or
    wrong, or sent, but was given another one that is several times as high or as low."""
    if not own or not told:
        return False
    if own == told and (neighbour.is_scale_doubtful or neighbour.factor != 1):
        return True
    return (
        neighbour.is_doubtful
        and own == sent
        and not told / tolerances.MANY < sent < tolerances.MANY * told
    )


def overlaps(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """Return the overlap of a figure with those of other transactions on the connector, and what it
    takes.

    An overlap is billed once, to the transaction whose own readings reach into it, else to neither.
    Both are doubtful. If the previous transaction was closed by the system, it may have gone on, up
    to the first reading of this one, or up to its stop if it has none. Where starts have overlapped
    before, that is so even beyond its last known register. What an earlier transaction with the
    same start counted is billed to that one.
    """
    begin, end = figure.begin, figure.end
    if begin is None or end is None or end < begin:
        return None
    if case.counted_until is not None and begin < (until := min(end, case.counted_until)):
        return _counted_before(begin, until, end)
    if (passed := _passed_over(case, begin, end)) is not None:
        found = _overlap(begin, passed, _figures(begin, passed, end))
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
            every.append(_overlap(begin, min(before.end, end), figures))
            lost += until - begin
        elif before.may_go_on and before.end + slack < begin < until - slack:
            every.append(_may_overlap(before.end, begin, until, _figures(begin, until, end)))
            lost += until - begin
    if (
        after is not None
        and after.begin is not None
        and is_within(
            after.begin,
            begin,
            end - slack,
            is_at_once=after.is_at_once or _stayed(before, after, begin, end),
        )
        and not lacks_digits_of(after.sent_begin or 0, end)
    ):
        every.append(_overlap(after.begin, end, {}, is_next=True))
        lost += end - max(_until_next(after, end, case.view), begin)
    return every[0]._replace(taken=lost) if every else None


def _counted_before(begin: int, until: int, end: int) -> Finding:
    """Return what a start that was sent again takes, up to `until`, and the doubt."""
    words = Told(
        "its start came before: {1} also belong to an earlier session", in_wh(until - begin)
    )
    evidence = (
        Told("{1} to {2}", in_wh(begin), in_wh(until)),
        Told("the register was higher since, and nothing shows a reset"),
    )
    figures = _figures(begin, until, end)
    return Finding(evidence, figures, words, until - begin)


def _passed_over(case: Case, begin: int, end: int) -> int | None:
    """Return the end of the previous transaction in Wh, if this one begins at or below its start
    and goes beyond its end, the next one goes on from there, and no reading lies in between:
    nothing shows a reset of the register, and its start is rather an old one."""
    before, after, slack = case.before, case.after, max(1, case.digit)
    if (
        before is None
        or before.begin is None
        or before.end is None
        or before.is_at_once
        or case.swapped_at
    ):
        return None
    if after is None or after.begin is None or after.begin < end - slack:
        return None
    is_over = begin <= before.begin < before.end - slack and before.end < end - slack
    return (
        before.end if is_over and not any(begin <= wh < before.end for wh in case.view.wh) else None
    )


def _after_previous(before: Neighbour, begin: int, end: int, view: View) -> int:
    """Return the register in Wh from which energy belongs to a transaction that begins within the
    previous one."""
    until = min(max(begin, before.end or begin), end)
    if any(begin <= wh < until for wh in view.wh):
        return max(begin, min(before.highest or 0, until))
    if before.is_end_known:
        return until
    return min(next((wh for wh in view.wh if wh >= until), until if view.wh else end), end)


def _stayed(before: Neighbour | None, after: Neighbour, begin: int, end: int) -> bool:
    """Whether the register stood at the same value from the previous stop to the next start, and
    rose less in the next transaction: it was not set back."""
    stays = before is not None and 0 < begin == before.end == after.begin
    return stays and begin <= (after.end or 0) < end


def _until_next(after: Neighbour, end: int, view: View) -> int:
    if after.begin is None:
        return end
    own = [wh for wh in view.wh if after.begin < wh <= end]
    if not own:
        return after.begin
    return max(own) if after.lowest is not None and after.lowest < end else end


def _overlap(
    since: int, until: int, figures: Mapping[str, int], *, is_next: bool = False
) -> Finding:
    rise = in_wh(until - since)
    words = Told("{1} also belong to the previous session", rise)
    other = Told("the registers of the previous session")
    if is_next:
        words, other = (
            Told("{1} also belong to the next session", rise),
            Told("the registers of the next session"),
        )
    return Finding((Told("{1} to {2}", in_wh(since), in_wh(until)), other), figures, words)


def _may_overlap(last: int, begin: int, until: int, figures: Mapping[str, int]) -> Finding:
    words = Told(
        "up to {1} may also belong to the previous session, whose end is unknown",
        in_wh(until - begin),
    )
    evidence = (
        Told("start register {1}; others lay within the session before", in_wh(begin)),
        Told("{1} last known there", in_wh(last)),
    )
    return Finding(evidence, figures, words)


def _figures(begin: int, until: int, end: int) -> dict[str, int]:
    return {AS_REPORTED: end - begin, Told("from the next register"): end - until}
