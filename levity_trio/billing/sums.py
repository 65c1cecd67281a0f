"""The foot of a statement: taxes, what is carried in, the total, and whether it is carried on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from levity_trio.billing.money import tax_sums
from levity_trio.billing.statement import Position, TaxSum


class Foot(NamedTuple):
    """The sums of a statement, in minor units. A total of 0 leaves nothing to carry."""

    taxes: tuple[TaxSum, ...]
    carried_in: int
    total: int
    is_carried: bool


def foot(positions: Iterable[Position], *, are_gross: bool, carried_in: int = 0, carry_below: int = 0) -> Foot:
    """Return the foot of a statement. Prepaid positions ask for nothing.

    A negative total is a credit, and is carried (or paid out); so is a total below `carry_below`.
    """
    lines = [line for position in positions if not position.is_prepaid for line in position.lines]
    taxes = tax_sums(lines, are_gross=are_gross)
    total = sum(tax.gross for tax in taxes) + carried_in
    return Foot(taxes, carried_in, total, is_carried=total < 0 or 0 < total < carry_below)
