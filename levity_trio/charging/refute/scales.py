"""On which scale the registers of a transaction are, by those of its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.sent.evidence import Case
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
    before = case.before
    if (
        before is not None
        and before.factor not in (0, 1)
        and before.end is not None
        and before.end == case.start_wh
    ):
        return Scale(before.factor, before.end)
    return next(_shown(case), None)


def goes_on_by(case: Case, factor: float) -> bool:
    """Whether a transaction goes on from the previous one, whose registers lacked this factor for
    certain. A factor of 1 needs no such sign."""
    before = case.before
    goes_on = before is not None and before.factor == factor and before.end == case.start_wh
    return factor == 1 or (goes_on and before is not None and not before.is_doubtful)


def lacks_digits_of(start: int, end: int) -> bool:
    """Whether a start is the previous end, in kWh for example: it lacks the last digits, which are
    not 0. Otherwise the end may as well have too many of them."""
    factors = (factor for factor in (*_TENFOLD, _KWH) if end % factor)
    return any(
        start in (end // factor, (Decimal(end) / factor).to_integral_value(ROUND_HALF_UP))
        for factor in factors
    )


def _shown(case: Case) -> Iterator[Scale]:
    before, after = case.before, case.after
    pairs = (
        (case.start_wh, before and before.end, before),
        (case.stop_wh, after and after.begin, after),
    )
    for own, wh, neighbour in pairs:
        if own is None or wh is None or neighbour is None:
            continue
        if own >= tolerances.SIGNIFICANT_START_WH // _KWH and wh // _KWH == own:
            yield Scale(_KWH, wh)
        if min(own, wh) >= tolerances.SIGNIFICANT_START_WH:
            too_low = [
                factor for factor in _TENFOLD if wh // factor == own
            ]  # without the last digits of a neighbour
            registers = (neighbour.begin or 0, neighbour.end or 0)
            yield from (
                Scale(factor, wh) for factor in too_low if any(one % factor for one in registers)
            )
            yield from (
                Scale(1 / factor, wh) for factor in _TENFOLD if _is_too_high(case, own, wh, factor)
            )


def _is_too_high(case: Case, own: int, wh: int, factor: int) -> bool:
    """Whether a register is a multiple of a neighbour's, and all of its transaction have zeros in
    the last digits."""
    registers = (case.start_wh, case.stop_wh, *case.view.wh)
    return own == wh * factor and not any((register or 0) % factor for register in registers)


def may_be_in_kwh(case: Case) -> bool:
    """Whether a start or a stop with a fraction may be in kWh: the figure is then one that a
    vehicle can take."""
    starts, stops = (
        _in_either_unit(case.start_wh, case.start_exact),
        _in_either_unit(case.stop_wh, case.stop_exact),
    )
    rises = [stop - start for start in starts for stop in stops]
    return case.has_fraction and (
        not rises or any(0 <= wh <= tolerances.MOST_WH for wh in rises[1:])
    )


def _in_either_unit(wh: int | None, exact: Decimal | None) -> tuple[int, ...]:
    """Return a register in Wh, first as sent, then as one in kWh."""
    return () if wh is None else (wh, in_kwh(wh, exact))


def in_kwh(whole: int, exact: Decimal | None) -> int:
    """Return a register in kWh, with its decimals if it had any, in Wh."""
    return whole * 1000 if exact is None else int((exact * 1000).to_integral_value(ROUND_HALF_UP))


_WRONG_UNITS: Final = {
    1000.0: Told("the registers are in kWh but sent as Wh"),
    0.001: Told("the registers are in Wh but sent as kWh"),
}


def wrong_by(factor: float) -> str:
    """Say what is wrong with registers that lack a factor."""
    return _WRONG_UNITS.get(
        factor, Told("the register is wrong by a factor of {1}", Number(1 / factor))
    )


def continues_one(case: Case) -> bool:
    """Whether a transaction begins where the previous one ended, or the next one, which has ended,
    begins where it ends."""
    is_from_before, is_to_after = _continued(case)
    return is_from_before or (is_to_after and case.after is not None and case.after.end is not None)


def is_scale_known(case: Case) -> bool:
    """Whether it goes on from a neighbour at a charger whose registers power has confirmed, never
    by a factor."""
    return case.reports_power and case.shown_factor is None and continues_one(case)


def continues_both(case: Case) -> bool:
    """Whether a transaction begins where the previous one ended, and the next one begins where it
    ends."""
    return all(_continued(case))


def _continued(case: Case) -> tuple[bool, bool]:
    before, after, start, stop = case.before, case.after, case.start_wh, case.stop_wh
    is_from_before = (
        before is not None and before.is_end_known and before.factor == 1 and before.end == start
    )
    is_to_after = after is not None and after.factor == 1 and after.begin == stop
    return bool(start) and is_from_before, bool(stop) and is_to_after


def fraction(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of a start or a stop with a fraction, which whole Wh do not have."""
    if not may_be_in_kwh(case) or bounds.confirms(figure.wh):
        return None
    sent = Told(
        "sent as {1} and {2}",
        *(str(wh) for wh in (case.start_exact or case.start_wh, case.stop_exact or case.stop_wh)),
    )
    return (sent, Told("whole Wh by the specification"))
