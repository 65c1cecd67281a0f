"""The electricity of a company car in a month, as its household tells its employer.

The German tax office knows two ways, of which one holds for a calendar year: a flat price of each
kWh, which it sets anew for each year, or what the electricity really cost, with the car's share of
the base fee (letter of the ministry of finance of 2025-11-11). Amounts are whole minor units.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from levity_trio.billing.money import half_up, minor_units
from levity_trio.billing.statement import Currency, Statement
from levity_trio.records import record

FIRST_FLAT_YEAR: Final = 2026
"""Until then, the ministry set flat sums of a month instead."""


class PriceWay(StrEnum):
    """By what the electricity of a company car is counted."""

    FLAT = "flat"
    """A flat price of each kWh."""
    BILL = "bill"
    """What the statements of the household ask for."""
    CONTRACT = "contract"
    """What the household pays its own supplier."""


@record(kw_only=False)
class CarPrice:
    """What a household chose for a car, from a month of a year on. `price` is that of a kWh in
    units of the currency, tax included; of the base fee of a year, a kWh has the share that it has
    of `year_wh`, which the household uses in that year."""

    month: str
    way: PriceWay
    currency: str
    price: Decimal | None
    base_fee: int | None
    year_wh: int | None


@record(kw_only=False)
class BilledMonth:
    """What the statements of a household ask for in a month, tax included: for the sessions of the
    car, and as its base fee; and the energy of their sessions, and of those of the car. What they
    correct was charged in another month, whose base fee it shared."""

    sessions: int
    base_fee: int
    energy_wh: int
    car_wh: int


@record(kw_only=False)
class CarCost:
    """What a month of a car costs: its energy, and its share of a base fee, which is that of
    `share_wh` in `of_wh`. Both add up to the amount."""

    energy: int
    base_share: int
    amount: int
    base_fee: int
    share_wh: int
    of_wh: int


@record
class CarSheet:
    """What a household tells its employer about a car in a month. The positions of `statement` are
    the sessions that count, without lines; those in doubt are held back, and its total is the
    amount. A draft may still change. `cost` is None until somebody has said by what it is counted.
    `meters` are places whose meter is MID or calibrated. `language` is that of the household, or
    else of the house. `papers` are the printed numbers of the statements that have the sessions."""

    statement: Statement
    car: str
    plate: str | None
    language: str | None
    price: CarPrice | None
    cost: CarCost | None
    is_draft: bool
    meters: tuple[tuple[str, str], ...]
    papers: tuple[str, ...]


def price_in(prices: Sequence[CarPrice], month: str) -> CarPrice | None:
    """Return what holds in a month, of what was chosen in its year, in the order of months. What is
    chosen first holds from the beginning of the year."""
    if not prices:
        return None
    held = [one for one in prices if one.month <= max(month, prices[0].month)]
    return held[-1]


def cost_of(price: CarPrice, currency: Currency, energy_wh: int, billed: BilledMonth) -> CarCost:
    """Return what the energy of a month costs, and its share of the base fee."""
    if price.price is None:
        energy, base_fee = billed.sessions, billed.base_fee
        share_wh, of_wh = billed.car_wh, billed.energy_wh
    else:
        energy = minor_units(Fraction(price.price) * energy_wh / 1000, currency)
        base_fee, share_wh, of_wh = price.base_fee or 0, energy_wh, price.year_wh or 0
    share = half_up(Fraction(base_fee * share_wh, of_wh)) if of_wh else 0
    return CarCost(energy, share, energy + share, base_fee, share_wh, of_wh)
