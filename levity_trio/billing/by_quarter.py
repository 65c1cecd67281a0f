"""What a person reads of a session that is billed by the quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from levity_trio.billing.money import PRICE_DECIMALS, decimal_of
from levity_trio.billing.statement import Line, QuarterCost
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.wire.times import from_seconds


@record
class QuarterPrice:
    """When a quarter of an hour began, and what a kWh cost in it."""

    at: datetime
    price: Decimal


@record
class ByQuarter:
    """The dearest and the cheapest quarter of a session, the first of equal ones; null if its price
    did not move. In how many quarters its energy was `divided`, as no readings show it; had the
    `fallback` price, as the series had none or the times are in doubt; and counts as grid as far as
    sun was `unmeasured`."""

    dearest: QuarterPrice | None
    cheapest: QuarterPrice | None
    divided: int
    fallback: int
    unmeasured: int


def summary(lines: Iterable[Line]) -> ByQuarter | None:
    """Return what is told of lines by the quarter; None without any. What a correction takes back
    is left out."""
    asked = [line for line in lines if line.quarters and line.quantity > 0]
    if not asked:
        return None
    quarters = [one for line in asked for one in line.quarters]
    moving = [one for line in asked if line.is_mean for one in line.quarters]
    dearest = cheapest = None
    if len({one.price for one in moving}) > 1:
        in_order = sorted(moving, key=lambda one: one.quarter)
        dearest = _told(max(in_order, key=lambda one: one.price))
        cheapest = _told(min(in_order, key=lambda one: one.price))
    return ByQuarter(
        dearest=dearest,
        cheapest=cheapest,
        divided=len({one.quarter for one in quarters if one.is_divided}),
        fallback=len({one.quarter for one in quarters if one.is_fallback}),
        unmeasured=len({one.quarter for one in quarters if one.is_unmeasured}),
    )


def _told(one: QuarterCost) -> QuarterPrice:
    return QuarterPrice(at=begin_of(one), price=decimal_of(one.price, PRICE_DECIMALS))


def begin_of(one: QuarterCost) -> datetime:
    """Return when a quarter began."""
    return from_seconds(one.quarter * SECONDS)
