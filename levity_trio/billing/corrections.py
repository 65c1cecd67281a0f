"""Corrections: what a billed session, or a base fee, costs more or less than its statement said."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from levity_trio.billing.statement import Line, LineKind, Position

LIMITS: Final = (LineKind.MINIMUM, LineKind.MAXIMUM)


def correction(billed: Sequence[Position], now: Position, statement: str, reason: str) -> Position:
    """Return the difference between what is billed (a position and its corrections so far) and what
    is right now.

    `now` must be priced by the versions of the days that it corrects. The new position has its id;
    its lines carry their tariff, version and tax rate, and the differences of rounded amounts.
    Nothing is computed or rounded again, so that all positions together ask for exactly what `now`
    costs.
    """
    before = [line for position in billed for line in position.lines]
    return replace(
        now,
        energy_wh=now.energy_wh - sum(position.energy_wh for position in billed),
        lines=tuple(_differences(before, now.lines)),
        corrects=billed[0].id,
        corrected_statement=statement,
        reason=reason,
    )


def _differences(before: Iterable[Line], now: Iterable[Line]) -> Iterable[Line]:
    sums: dict[Hashable, Line] = {}
    for line, sign in [*((line, 1) for line in now), *((line, -1) for line in before)]:
        # What two lines must share to be compared. A limit's price is its amount, so it may differ.
        price = None if line.kind in LIMITS else line.price
        key = line.kind, line.tariff, line.version, line.window, line.of_days, price, line.tax_rate
        sums[key] = _sum(sums.get(key), line, sign)
    return (
        line for line in sums.values() if line.amount or (line.quantity and line.kind not in LIMITS)
    )


def _sum(so_far: Line | None, line: Line, sign: int) -> Line:
    quantity, price, amount = (
        (so_far.quantity, so_far.price, so_far.amount) if so_far else (0, Decimal(0), 0)
    )
    amount += sign * line.amount
    if line.kind in LIMITS:
        return replace(line, price=price + sign * line.price, amount=amount)
    return replace(line, quantity=quantity + sign * line.quantity, amount=amount)
