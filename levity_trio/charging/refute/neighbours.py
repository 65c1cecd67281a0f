"""What the transactions before and after show of a figure.

A neighbour under review may have another start or stop than it sent: the judge put it in the place
of one that did not fit. If the scale of its registers is in doubt, and this transaction goes on
from these without readings or power of its own, its scale is in doubt, too. Ranges of the register
that overlap stand at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence, Finding
from levity_trio.charging.refute.figure import counts_each, lifetime_registers
from levity_trio.charging.refute.scales import lacks_digits_of, scale_shown, wrong_by
from levity_trio.charging.reviews import AS_REPORTED, in_wh
from levity_trio.charging.sent.evidence import Case, Neighbour, View
from levity_trio.charging.sent.figures import Chain, Figure, is_within
from levity_trio.told import Told


def _from_to(begin: int | None, end: int | None) -> Told:
    """Return a range of the register as evidence."""
    return Told("{1} to {2}", in_wh(begin), in_wh(end))


def below_previous_start(case: Case, bounds: Bounds, _figure: Figure) -> Evidence | None:
    """Return the conflict of a start at or below the previous start with its other registers, if
    these go on from the previous stop. It is no reset: after one, they would be low, too."""
    before, start, registers = case.before, case.start_wh, lifetime_registers(bounds)
    if before is None or before.begin is None or before.end is None:
        return None
    if start is None or not registers:
        return None
    # A register that counts each transaction begins at 0 again and again.
    if start == 0 and counts_each(case):
        return None
    if start >= before.begin - tolerances.ROUNDED_WH and not before.is_repeated_by(start):
        return None
    if not before.begin <= before.end <= min(registers) + case.digit:
        return None
    ends = in_wh(before.end), in_wh(registers[-1])
    ended = Told("the previous session ended at {1}, this one at {2}", *ends)
    return Told("start register {1}", in_wh(start)), ended


def on_another_scale(case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
    """Return the conflict of start and stop with a neighbour that continues them on another scale,
    or with earlier transactions whose registers lacked a factor by power."""
    scale, factor = scale_shown(case), case.shown_factor
    if scale is not None:
        factor, other = scale.factor, Told("{1} in the session next to it", in_wh(scale.wh))
    else:
        other = Told("by power, so did those of an earlier session")
    if factor is None or bounds.confirms(figure.wh):
        return None
    return Finding((_from_to(case.start_wh, case.stop_wh), other), words=wrong_by(factor))


def outside_its_neighbours(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """Return the conflict of registers that all lie below the previous stop, or above the next
    start, though the next transaction goes on from the previous one: the register was not reset."""
    start, stop = case.start_wh, case.stop_wh
    before, after = case.before, case.after
    if start is None or stop is None or before is None or after is None:
        return None
    if before.end is None or after.begin is None or after.begin < before.end:
        return None

    room, digit = after.begin - before.end, figure.chain.digit
    registers = (start, stop, *case.view.wh)
    is_below = max(registers) < before.end - digit
    if not is_below and min(registers) <= after.begin + digit:
        return None
    if not is_below:
        # The order of the neighbours must be known to say that these registers lie above both.
        # If the neighbours leave room for the figure, the transaction may also have been counted
        # by a register of its own.
        is_ordered = before.is_end_known and before.is_in_order and after.is_in_order
        if not is_ordered or figure.wh <= room:
            return None
    around = Told("{1} before, {2} after", in_wh(before.end), in_wh(after.begin))
    figures: dict[str, int] = {AS_REPORTED: figure.wh, Told("between the neighbours"): room}
    return Finding((_from_to(start, stop), around), figures)


def above_the_next(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a last reading without a stop with the next transaction, all of which
    is below it."""
    start, after, end = case.start_wh or 0, case.after, figure.end or 0
    if case.stop_wh is not None or after is None or not after.is_in_order:
        return None
    if after.begin is None or after.end is None or bounds.confirms(figure.wh):
        return None
    if not start <= after.begin <= after.end < end - case.digit:
        return None
    following = Told("{1} to {2} in the next session", in_wh(after.begin), in_wh(after.end))
    return Told("last reading {1}", in_wh(end)), following


def across_a_swap(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a register that rose between the readings of two meters: their
    difference is no energy."""
    chain = figure.chain
    rises = [chain.rise_to(number) for number in swaps(case, chain)]
    rise = max(rises, default=0)
    if rise <= 0:
        return None
    leap = Told("{1} from the last register of one to the first of the other", in_wh(rise))
    return leap, Told("another meter's serial number in a boot")


def swaps(case: Case, chain: Chain) -> list[int]:
    """Return the number of each step of a chain from one meter to another."""
    last, begin = len(chain.at) - 1, case.begin_of_new_meter
    numbers: list[int] = []
    for swapped_at in case.swapped_at:
        for number in range(1, len(chain.at)):
            if not chain.at[number - 1] <= swapped_at <= chain.at[number]:
                continue
            # A register may be of the old meter, though it was received after the swap. Of a
            # reading, this is possible only if the clock stood still: the new meter must not have
            # reached it by the next start.
            is_of_old_meter = False
            if number == last and case.stop_wh is not None:
                is_of_old_meter = case.is_stop_of_old_meter
            elif not case.is_timed and begin is not None and chain.rise_to(number) > 0:
                register = (case.start_wh or 0) + chain.wh[number]
                is_of_old_meter = register > begin + case.digit
            if not is_of_old_meter:
                numbers.append(number)
    return numbers


def on_a_doubtful_scale(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a transaction with a neighbour whose registers it continues, if their
    scale is in doubt or they were replaced, and nothing shows its own scale."""
    start, stop = case.start_wh, case.stop_wh
    before, after = case.before, case.after
    if case.view.wh or case.power or stop is None or start == stop:
        return None
    if bounds.confirms(figure.wh):
        return None
    if before is not None and _is_wrong(start, before, before.end, before.replaced_end):
        other = Told("the session before")
    elif after is not None and _is_wrong(stop, after, after.begin, after.replaced):
        other = Told("the session after")
    else:
        return None
    return _from_to(start, stop), other


def _is_wrong(own: int | None, neighbour: Neighbour, judged: int | None, sent: int | None) -> bool:
    """Whether a register goes on from a neighbour's that is on a wrong or doubtful scale.

    The neighbour was judged by its register `judged`, which may stand in place of the one that it
    `sent`.
    """
    if not own or not judged:
        return False
    if own == judged and (neighbour.is_scale_doubtful or neighbour.factor != 1):
        return True
    if not neighbour.is_doubtful or own != sent:
        return False
    # Many times as high or as low, the one in its place is on another scale.
    return not judged / tolerances.MANY < own < tolerances.MANY * judged


def overlaps(case: Case, _bounds: Bounds, figure: Figure) -> Finding | None:
    """Return the overlap of a figure with those of other transactions on the connector, and what it
    takes.

    An overlap is billed once, to the transaction whose own readings reach into it, else to neither.
    Both are doubtful. What an earlier transaction with the same start counted is billed to that
    one.
    """
    begin, end = figure.begin, figure.end
    if begin is None or end is None or end < begin:
        return None
    # Its start may be that of an earlier transaction, which was sent again.
    until = min(end, case.counted_until or begin)
    if begin < until:
        counted = in_wh(until - begin)
        words = Told("its start came before: {1} also belong to an earlier session", counted)
        since = Told("the register was higher since, and nothing shows a reset")
        figures = _from_next_register(begin, until, end)
        return Finding((_from_to(begin, until), since), figures, words, taken=until - begin)
    passed = _passed_over(case, begin, end)
    if passed is not None:
        passing = _overlap(begin, passed, _from_next_register(begin, passed, end))
        return passing._replace(taken=passed - begin)

    previous = _overlap_with_previous(case, begin, end)
    following = _overlap_with_next(case, begin, end)
    if previous is not None and following is not None:
        return previous._replace(taken=previous.taken + following.taken)
    return previous or following


def _passed_over(case: Case, begin: int, end: int) -> int | None:
    """Return the end of the previous transaction in Wh, if this one passes over it.

    It begins at or below the start of the previous one and goes beyond its end, the next one goes
    on from there, and no reading lies in between: nothing shows a reset of the register, and its
    start is rather an old one.
    """
    before, after = case.before, case.after
    slack = max(1, case.digit)
    if before is None or before.begin is None or before.end is None:
        return None
    if before.is_at_once or case.swapped_at:
        return None
    if after is None or after.begin is None or after.begin < end - slack:
        return None
    if not begin <= before.begin < before.end - slack or before.end >= end - slack:
        return None
    if any(begin <= wh < before.end for wh in case.view.wh):
        return None
    return before.end


def _overlap_with_previous(case: Case, begin: int, end: int) -> Finding | None:
    """Return the overlap with the previous transaction, and what it takes.

    If the charger sent no stop for that one, it may have gone on, up to the first reading of this
    one, or up to its stop if it has none. Where starts have overlapped before, that is so even
    beyond its last known register.
    """
    before, slack = case.before, max(1, case.digit)
    if before is None or before.begin is None or before.end is None:
        return None
    if not is_within(begin, before.begin, inf, is_at_once=before.is_at_once):
        return None
    until = _end_of_previous(before, begin, end, case.view)
    figures = _from_next_register(begin, until, end)

    if begin < before.end - slack:
        if before.is_end_known:
            figures = {}
        overlap = _overlap(begin, min(before.end, end), figures)
        return overlap._replace(taken=until - begin)
    if not before.may_go_on or not before.end + slack < begin < until - slack:
        return None
    may_be_shared = in_wh(until - begin)
    words = Told(
        "up to {1} may also belong to the previous session, whose end is unknown", may_be_shared
    )
    start = Told("start register {1}; others lay within the session before", in_wh(begin))
    last = Told("{1} last known there", in_wh(before.end))
    return Finding((start, last), figures, words, taken=until - begin)


def _end_of_previous(before: Neighbour, begin: int, end: int, view: View) -> int:
    """Return the register in Wh from which energy belongs to a transaction that begins within the
    previous one."""
    until = min(max(begin, before.end or begin), end)
    if any(begin <= wh < until for wh in view.wh):
        return max(begin, min(before.highest or 0, until))
    if before.is_end_known:
        return until
    later = (wh for wh in view.wh if wh >= until)
    return min(next(later, until if view.wh else end), end)


def _overlap_with_next(case: Case, begin: int, end: int) -> Finding | None:
    """Return the overlap with the next transaction, and what it takes."""
    before, after = case.before, case.after
    slack = max(1, case.digit)
    if after is None or after.begin is None:
        return None
    is_at_once = after.is_at_once
    if before is not None and 0 < begin == before.end == after.begin:
        # The register stood at the same value from the previous stop to the next start. If it rose
        # less in the next transaction, it was not set back.
        is_at_once |= begin <= (after.end or 0) < end
    if not is_within(after.begin, begin, end - slack, is_at_once=is_at_once):
        return None
    if lacks_digits_of(after.sent_begin or 0, end):
        return None

    since = after.begin
    own = [wh for wh in case.view.wh if since < wh <= end]
    if own:
        is_read_by_both = after.lowest is not None and after.lowest < end
        since = max(own) if is_read_by_both else end
    overlap = _overlap(after.begin, end, {}, is_next=True)
    return overlap._replace(taken=end - max(since, begin))


def _overlap(
    since: int, until: int, figures: Mapping[str, int], *, is_next: bool = False
) -> Finding:
    """Return the doubt about a range of the register that two transactions have."""
    rise = in_wh(until - since)
    words = Told("{1} also belong to the previous session", rise)
    other = Told("the registers of the previous session")
    if is_next:
        words = Told("{1} also belong to the next session", rise)
        other = Told("the registers of the next session")
    return Finding((_from_to(since, until), other), figures, words)


def _from_next_register(begin: int, until: int, end: int) -> dict[str, int]:
    """Return the reported figure, and the one that begins where the other transaction ended."""
    return {AS_REPORTED: end - begin, Told("from the next register"): end - until}
