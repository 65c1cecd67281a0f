"""Corrections: what a billed session, or a base fee, costs more or less than its statement said."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from levity_trio.billing.statement import Line, LineKind, Position, QuarterCost

LIMITS: Final = (LineKind.MINIMUM, LineKind.MAXIMUM)


def correction(billed: Sequence[Position], now: Position, statement: str, reason: str) -> Position:
    """Return the difference between what is billed (a position and its corrections so far) and what
    is right now.

    `now` must be priced by the versions of the days that it corrects. The new position has its id;
    its lines carry their tariff, version and tax rate, and the differences of rounded amounts.
    Nothing is computed or rounded again, so that all positions together ask for exactly what `now`
    costs.
    """
    signed = [(line, 1) for line in now.lines]
    for position in billed:
        signed += [(line, -1) for line in position.lines]
    differences: dict[Hashable, Line] = {}
    for stated, sign in signed:
        # What two lines must share to be compared. A limit's price is its amount, so it may differ.
        # A correction before has taken the quarters back that it names.
        quarters = _negated(stated) if stated.quantity < 0 else stated.quarters
        line = replace(stated, quarters=quarters)
        is_limit = line.kind in LIMITS
        price = None if is_limit else line.price
        key = (
            *(line.kind, line.tariff, line.version, line.window, line.of_days, price),
            *(line.tax_rate, quarters),
        )
        so_far = differences.get(key, replace(line, quantity=0, price=Decimal(0), amount=0))
        amount = so_far.amount + sign * line.amount
        if is_limit:
            price = so_far.price + sign * line.price
            differences[key] = replace(line, price=price, amount=amount)
        else:
            quantity = so_far.quantity + sign * line.quantity
            differences[key] = replace(line, quantity=quantity, amount=amount)

    # A line of nothing is left out. A limit counts nothing, so only its amount matters.
    lines = list[Line]()
    for line in differences.values():
        if line.amount or (line.quantity and line.kind not in LIMITS):
            taken_back = line.quantity < 0
            lines.append(replace(line, quarters=_negated(line)) if taken_back else line)
    return replace(
        now,
        energy_wh=now.energy_wh - sum(position.energy_wh for position in billed),
        lines=tuple(lines),
        corrects=billed[0].id,
        corrected_statement=statement,
        reason=reason,
    )


def _negated(line: Line) -> tuple[QuarterCost, ...]:
    return tuple(replace(one, wh=-one.wh) for one in line.quarters)
