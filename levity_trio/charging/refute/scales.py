"""On which scale the registers of a transaction are, by those of its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.sent.evidence import Case, Neighbour

_KWH: Final = 1000
_TENFOLD: Final = (10, 100)


class Scale(NamedTuple):
    """The factor that a transaction's registers lack, and the register of a neighbour, in Wh, that shows it."""

    factor: float
    wh: int


def scale_shown(case: Case) -> Scale | None:
    """Return the scale by which a neighbour continues a transaction; None if none does, or if they have one scale.

    The previous one may have had this scale, too. Otherwise the one on the wrong scale is that with the coarser
    registers: in whole kWh, or without the last digits of the other, or with zeros in their place.
    """
    before = case.before
    if before is not None and before.factor not in (0, 1) and before.end is not None and before.end == case.start_wh:
        return Scale(before.factor, before.end)
    return next(_shown(case), None)


def goes_on_by(case: Case, factor: float) -> bool:
    """Whether a transaction goes on from the previous one, whose registers lacked this factor for certain. A factor of
    1 needs no such sign."""
    before = case.before
    goes_on = before is not None and before.factor == factor and before.end == case.start_wh
    return factor == 1 or (goes_on and before is not None and not before.is_doubtful)


def lacks_digits_of(start: int, end: int) -> bool:
    """Whether a start is the previous end, in kWh for example: it lacks the last digits, which are not 0. Otherwise
    the end may as well have too many of them."""
    factors = (factor for factor in (*_TENFOLD, _KWH) if end % factor)
    return any(start in (end // factor, (2 * end + factor) // (2 * factor)) for factor in factors)


def is_in_kwh(register: int, wh: int) -> bool:
    """Whether a register is, in whole kWh, what another one is in Wh."""
    return register >= tolerances.SIGNIFICANT_START_WH // _KWH and wh // _KWH == register


def _shown(case: Case) -> Iterator[Scale]:
    before, after = case.before, case.after
    pairs = ((case.start_wh, before and before.end, before), (case.stop_wh, after and after.begin, after))
    for own, wh, neighbour in pairs:
        if own is None or wh is None or neighbour is None:
            continue
        if is_in_kwh(own, wh):
            yield Scale(_KWH, wh)
        if min(own, wh) >= tolerances.SIGNIFICANT_START_WH:
            yield from (Scale(factor, wh) for factor in _TENFOLD if _is_too_low(own, wh, neighbour, factor))
            yield from (Scale(1 / factor, wh) for factor in _TENFOLD if _is_too_high(case, own, wh, factor))


def _is_too_low(own: int, wh: int, neighbour: Neighbour, factor: int) -> bool:
    """Whether a register lacks the last digits that a neighbour has."""
    return wh // factor == own and any((register or 0) % factor for register in (neighbour.begin, neighbour.end))


def _is_too_high(case: Case, own: int, wh: int, factor: int) -> bool:
    """Whether a register is a multiple of a neighbour's, and all of its transaction have zeros in the last digits."""
    registers = (case.start_wh, case.stop_wh, *case.view.wh)
    return own == wh * factor and not any((register or 0) % factor for register in registers)
