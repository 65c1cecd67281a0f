"""On which scale the registers of a transaction are, by those of its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.sent.evidence import Case, Neighbour
from levity_trio.charging.sent.figures import Figure
from levity_trio.told import Figure as Number
from levity_trio.told import Told

_KWH: Final = 1000
_TENFOLD: Final = (10, 100)


class Scale(NamedTuple):
    """The factor that a transaction's registers lack, and the register of a neighbour, in Wh, that
    shows it."""

    factor: float
    wh: int


def scale_shown(case: Case) -> Scale | None:
    """Return the scale by which a neighbour continues a transaction; None if none does, or if they
    have one scale.

    The previous one may have had this scale, too. Otherwise the one on the wrong scale is that with
    the coarser registers: in whole kWh, or without the last digits of the other, or with zeros in
    their place.
    """
    start, stop = case.start_wh, case.stop_wh
    before, after = case.before, case.after
    scales: list[Scale] = []
    if before is not None and before.end is not None and start is not None:
        if before.factor not in (0, 1) and before.end == start:
            return Scale(before.factor, before.end)
        scales += _continued_by(case, start, before.end, before)
    if after is not None and after.begin is not None and stop is not None:
        # The next one proved it, though some energy may have flowed between the two. A factor below
        # 1 may only be the one that a battery allows.
        if after.factor > 1 and stop <= after.begin < tolerances.TWICE * stop:
            return Scale(after.factor, after.begin)
        scales += _continued_by(case, stop, after.begin, after)
    return scales[0] if scales else None


def _continued_by(case: Case, own: int, wh: int, neighbour: Neighbour) -> Iterator[Scale]:
    """Yield the scales on which a start or a stop continues in a neighbour, whose register there is
    `wh`."""
    if own >= tolerances.SIGNIFICANT_START_WH // _KWH and wh // _KWH == own:
        yield Scale(_KWH, wh)
    if min(own, wh) < tolerances.SIGNIFICANT_START_WH:
        return
    theirs = neighbour.begin or 0, neighbour.end or 0
    for factor in _TENFOLD:
        if wh // factor == own and any(register % factor for register in theirs):
            yield Scale(factor, wh)
    registers = case.start_wh or 0, case.stop_wh or 0, *case.view.wh
    for factor in _TENFOLD:
        if own == wh * factor and not any(register % factor for register in registers):
            yield Scale(1 / factor, wh)


def goes_on_by(case: Case, factor: float) -> bool:
    """Whether a transaction goes on from the previous one, whose registers lacked this factor for
    certain. A factor of 1 needs no such sign."""
    before = case.before
    if factor == 1:
        return True
    if before is None or before.is_doubtful:
        return False
    return before.factor == factor and before.end == case.start_wh


def lacks_digits_of(start: int, end: int) -> bool:
    """Whether a start is the previous end, in kWh for example: it lacks the last digits, which are
    not 0. Otherwise the end may as well have too many of them."""
    for factor in (*_TENFOLD, _KWH):
        rounded = (Decimal(end) / factor).to_integral_value(ROUND_HALF_UP)
        if end % factor and start in (end // factor, rounded):
            return True
    return False


def may_be_in_kwh(case: Case) -> bool:
    """Whether a start or a stop with a fraction may be in kWh: the figure is then one that a
    vehicle can take."""
    start, stop = case.start_wh, case.stop_wh
    if start is None or stop is None:
        return case.has_fraction
    starts = start, in_kwh(start, case.start_exact)
    stops = stop, in_kwh(stop, case.stop_exact)
    # The first of them is that in Wh.
    _, *rises = [end - begin for begin in starts for end in stops]
    return case.has_fraction and any(0 <= wh <= tolerances.MOST_WH for wh in rises)


def in_kwh(whole: int, exact: Decimal | None) -> int:
    """Return a register in kWh, with its decimals if it had any, in Wh."""
    if exact is None:
        return whole * 1000
    return int((exact * 1000).to_integral_value(ROUND_HALF_UP))


_WRONG_UNITS: Final = {
    1000.0: Told("the registers are in kWh but sent as Wh"),
    0.001: Told("the registers are in Wh but sent as kWh"),
}


def wrong_by(factor: float) -> str:
    """Say what is wrong with registers that lack a factor."""
    unknown = Told("the register is wrong by a factor of {1}", Number(1 / factor))
    return _WRONG_UNITS.get(factor, unknown)


def continues_one(case: Case) -> bool:
    """Whether a transaction begins where the previous one ended, or the next one, which has ended,
    begins where it ends."""
    is_from_before, is_to_after = _continued(case)
    has_ended = case.after is not None and case.after.end is not None
    return is_from_before or (is_to_after and has_ended)


def is_scale_known(case: Case) -> bool:
    """Whether it goes on from a neighbour at a charger whose registers power has confirmed, never
    by a factor."""
    return case.reports_power and case.shown_factor is None and continues_one(case)


def continues_both(case: Case) -> bool:
    """Whether a transaction begins where the previous one ended, and the next one begins where it
    ends."""
    return all(_continued(case))


def _continued(case: Case) -> tuple[bool, bool]:
    """Return whether it begins where the previous one ended, and whether the next one begins where
    it ends."""
    start, stop = case.start_wh, case.stop_wh
    before, after = case.before, case.after
    is_from_before = is_to_after = False
    if before is not None and before.is_end_known and before.factor == 1:
        is_from_before = bool(start) and before.end == start
    if after is not None and after.factor == 1:
        is_to_after = bool(stop) and after.begin == stop
    return is_from_before, is_to_after


def fraction(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a start or a stop with a fraction, which whole Wh do not have."""
    if not may_be_in_kwh(case) or bounds.confirms(figure.wh):
        return None
    start, stop = case.start_exact or case.start_wh, case.stop_exact or case.stop_wh
    sent = Told("sent as {1} and {2}", str(start), str(stop))
    return sent, Told("whole Wh by the specification")
