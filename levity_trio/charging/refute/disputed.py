"""What the doubt about a neighbour says of a transaction that agrees with itself (rules.md, Energy).

A neighbour under review may have another start or stop than it sent: the judge put it in the place of one that did not
fit. That is a guess, so the register as sent still counts against the transaction next to it, unless something else
shows whose energy it was: a reading of either, or power. And if the scale of the neighbour's registers is in doubt, so
is that of one that goes on from it and has neither readings nor power.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from levity_trio.charging.propose.candidate import Candidate
from levity_trio.charging.refute.bounds import Bounds, Conflict
from levity_trio.charging.refute.scales import lacks_digits_of
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.chains import REGISTER, Chain
from levity_trio.charging.sent.evidence import Case, Neighbour

_SEVERAL: Final = 5


def disputed(case: Case, bounds: Bounds, chain: Chain) -> Conflict | None:
    """Return the conflict of the reported figure with the stop, the start or the scale of a neighbour in doubt."""
    if bounds.confirms(chain.wh[-1]) or case.start_wh is None or case.stop_wh is None:
        return None
    own = f"{case.start_wh} to {case.stop_wh} Wh"
    if (until := _claimed_before(case, case.start_wh, case.stop_wh)) is not None:
        words = "the previous transaction sent a stop above this start"
        return Conflict(Code.START_GARBLED, words, (own, f"meterStop {until} Wh before"))
    if (since := _claimed_after(case, case.start_wh, case.stop_wh)) is not None:
        words = "the next transaction sent a start below this stop"
        return Conflict(Code.STOP_GARBLED, words, (own, f"meterStart {since} Wh after"))
    return _on_a_doubtful_scale(case, own)


def _on_a_doubtful_scale(case: Case, own: str) -> Conflict | None:
    """Return the conflict of a transaction that goes on from registers whose scale is in doubt, or that were replaced,
    and has nothing that shows its own."""
    if case.view.wh or case.power or case.start_wh == case.stop_wh:
        return None
    before, after = case.before, case.after
    is_from_before = before is not None and _is_wrong(case.start_wh, before, before.end, before.replaced_end)
    is_to_after = after is not None and _is_wrong(case.stop_wh, after, after.begin, after.replaced)
    if not is_from_before and not is_to_after:
        return None
    words = "it goes on from registers whose scale is in doubt, and has neither readings nor power"
    return Conflict(Code.WRONG_FACTOR, words, (own, f"the {'previous' if is_from_before else 'next'} transaction"))


def _is_wrong(own: int | None, neighbour: Neighbour, given: int | None, sent: int | None) -> bool:
    """Whether a register equals one that a neighbour was given on a scale that is in doubt or wrong, or sent, but was
    given another one that is several times as high or as low."""
    if not own or not given:
        return False
    if own == given and (neighbour.is_scale_doubtful or neighbour.factor != 1):
        return True
    return neighbour.is_doubtful and own == sent and not given / _SEVERAL < sent < _SEVERAL * given


def undisputed(case: Case, bounds: Bounds, chain: Chain) -> Iterator[Candidate]:
    """Yield the candidate of what no neighbour claims."""
    start, stop = case.start_wh, case.stop_wh
    if start is None or stop is None or bounds.confirms(chain.wh[-1]):
        return
    until, since = _claimed_before(case, start, stop), _claimed_after(case, start, stop)
    begin, end = start if until is None else until, stop if since is None else since
    if (begin, end) != (start, stop) and begin <= end:
        least, most = begin - start, end - start
        rest = Chain(chain.at, [min(max(wh, least), most) - least for wh in chain.wh], chain.digit)
        code = Code.STOP_GARBLED if until is None else Code.START_GARBLED
        yield Candidate(code, "what no neighbour claims", REGISTER, rest, 1, begin, end)


def _claimed_before(case: Case, start: int, stop: int) -> int | None:
    """Return the stop that the previous transaction sent, if it lies within this one and no reading shows which is
    right: none of this one below it, and none of the other one that ends at this start."""
    before, digit = case.before, case.digit
    until = None if before is None else before.replaced_end
    if before is None or until is None or not start + digit < until <= stop:
        return None
    is_shown = any(start - digit <= wh < until - digit for wh in case.view.wh)
    return None if is_shown or _is_at(before.highest, start, digit) else until


def _claimed_after(case: Case, start: int, stop: int) -> int | None:
    """Return the start that the next transaction sent, likewise."""
    after, digit = case.after, case.digit
    since = after.replaced if after is not None and after.is_doubtful else None
    if after is None or since is None or not start < since < stop - digit or lacks_digits_of(since, stop):
        return None
    is_shown = any(since + digit < wh <= stop + digit for wh in case.view.wh)
    return None if is_shown or _is_at(after.lowest, stop, digit) else since


def _is_at(reading: int | None, register: int, digit: int) -> bool:
    return reading is not None and abs(reading - register) <= digit
