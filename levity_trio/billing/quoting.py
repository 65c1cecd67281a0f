"""What a session that starts now would be charged by: prices with tax, and when they change next.

A price of net ones with tax is exact here. A bill rounds each line first and adds tax once, on the
sum of the lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple

from levity_trio.billing.pricing import pieces
from levity_trio.billing.statement import Currency, LineKind
from levity_trio.billing.tariff import Blocking, Tariff, Versions
from levity_trio.records import record
from levity_trio.wire.times import in_zone

AHEAD: Final = timedelta(hours=24)
"""Changes of the price are told so long before."""


class PriceAhead(NamedTuple):
    """What a kWh costs, tax included, and since when."""

    since: datetime
    price: Decimal
    window: str | None


@record
class Quote:
    """The prices of a tariff, tax included. `energy` are those of a kWh: the one that holds now,
    then those that follow within a day. `blocking` has its price and maximum with tax, too."""

    tariff: str
    currency: Currency
    energy: tuple[PriceAhead, ...]
    session_fee: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    blocking: Blocking | None
    free_below_wh: int
    has_tax: bool


def quote(versions: Versions, now: datetime, zone: tzinfo) -> Quote:
    """Return what a session that starts now is charged by. Raises NoVersion."""
    version = versions.version_at(in_zone(now, zone).date())
    blocking = version.blocking
    if blocking is not None:
        price = _taxed(version, LineKind.BLOCKING, blocking.price)
        maximum = _or_none(version, LineKind.BLOCKING, blocking.maximum)
        blocking = replace(blocking, price=price, maximum=maximum)
    return Quote(
        tariff=version.name,
        currency=version.currency,
        energy=tuple(energy_prices(versions, now, zone)),
        session_fee=_or_none(version, LineKind.SESSION, version.session_fee),
        minimum=_or_none(version, LineKind.MINIMUM, version.minimum),
        maximum=_or_none(version, LineKind.MAXIMUM, version.maximum),
        blocking=blocking,
        free_below_wh=version.free_below_wh,
        has_tax=version.has_tax,
    )


def energy_prices(versions: Versions, now: datetime, zone: tzinfo) -> Iterator[PriceAhead]:
    """Yield what a kWh costs now, and what it will cost within a day. Raises NoVersion."""
    last: Decimal | None = None
    for span in pieces(versions, now, now + AHEAD, zone):
        version, window = span.holds
        price = _taxed(version, LineKind.ENERGY, window.price)
        # A change of the window, or of the version, may leave the price as it was.
        if price != last:
            yield PriceAhead(span.since, price, window.name)
        last = price


def _taxed(version: Tariff, kind: LineKind, price: Decimal) -> Decimal:
    """Return a price of a version with tax."""
    return price if version.are_gross else price * (100 + version.tax_rate(kind)) / 100


def _or_none(version: Tariff, kind: LineKind, price: Decimal | None) -> Decimal | None:
    return None if price is None else _taxed(version, kind, price)
