"""The arithmetic of a line in words, as it is shown to who pays it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from levity_trio.billing.money import written
from levity_trio.billing.statement import Currency, Line, LineKind

_NAMES: Final = {
    LineKind.ENERGY: "energy",
    LineKind.SESSION: "fee for the session",
    LineKind.BLOCKING: "fee for staying after charging",
    LineKind.BASE: "base fee",
    LineKind.MINIMUM: "what is missing to the lowest price of a session",
    LineKind.MAXIMUM: "what is above the highest price of a session",
}


def kilowatt_hours(wh: int) -> str:
    """Return energy in kWh, to the Wh."""
    return f"{Decimal(wh).scaleb(-3):.3f} kWh"


def arithmetic(line: Line, currency: Currency) -> str:
    """Return what a line is for, and how its amount comes about: quantity × price, rounded once."""
    name = f"{_NAMES[line.kind]}, {line.window}" if line.window else _NAMES[line.kind]
    return f"{name}: {_product(line, currency)}{written(line.amount, currency)}"


def _product(line: Line, currency: Currency) -> str:
    if line.kind in (LineKind.MINIMUM, LineKind.MAXIMUM) or (line.kind is LineKind.SESSION and line.quantity == 1):
        return ""
    return f"{_quantity(line)} × {_price(line.price, currency)} = "


def _quantity(line: Line) -> str:
    if line.kind is LineKind.ENERGY:
        return kilowatt_hours(line.quantity)
    if line.kind is LineKind.BASE:
        return f"{line.quantity} of {line.of_days} days"
    return f"{line.quantity} min" if line.kind is LineKind.BLOCKING else str(line.quantity)


def _price(price: Decimal, currency: Currency) -> str:
    """Return a price with as many decimals as it was given, at least those of its currency."""
    given = len(f"{price:f}".partition(".")[2])
    return f"{price:.{max(given, currency.exponent)}f} {currency.code}"
