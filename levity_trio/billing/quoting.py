"""What a session that starts now would be charged by: prices with tax, and when they change next;
and which hours are cheap.

A price of net ones with tax is exact here. A bill rounds each line first and adds tax once, on the
sum of the lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import groupby, islice
from statistics import median
from typing import Final, Literal, NamedTuple

from levity_trio.billing.pricing import cut_by_quarter, pieces, quarter
from levity_trio.billing.statement import Currency, LineKind
from levity_trio.billing.tariff import Blocking, MovingPrice, Tariff, Versions
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.wire.times import from_seconds, in_zone

AHEAD: Final = timedelta(hours=24)
"""Changes of the price are told so long before."""
SOON: Final = timedelta(hours=6)
"""Of prices that move, only the next change is told, if it comes so soon."""
WORTH_IT: Final = Decimal("0.05")
"""Hours are cheap only if waiting for them saves such a part of the usual price."""

OfSeries = Callable[[Tariff, MovingPrice, int, int], Mapping[int, Fraction]]
"""Returns what a kWh costs by a moving price of a tariff, from one quarter of an hour to another,
as far as that is known."""


class PriceAhead(NamedTuple):
    """What a kWh costs, tax included, and since when. None: it moves, and is not known yet. A
    fallback is what a kWh costs if the price does not come in time."""

    since: datetime
    price: Decimal | None
    window: str | None
    is_fallback: bool = False


@record
class Quote:
    """The prices of a tariff, tax included. `energy` are those of a kWh: the one that holds now,
    then those that follow within a day; of prices that move, only the next one. `blocking` has its
    price and maximum with tax, too; `sun` is that of a kWh of the house's own sun."""

    tariff: str
    currency: Currency
    energy: tuple[PriceAhead, ...]
    session_fee: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    blocking: Blocking | None
    free_below_wh: int
    has_tax: bool
    moves: Literal["quarter", "month"] | None
    sun: Decimal | None


def quote(versions: Versions, now: datetime, zone: tzinfo, series: OfSeries) -> Quote:
    """Return what a session that starts now is charged by. Raises NoVersion."""
    version = versions.version_at(in_zone(now, zone).date())
    blocking = version.blocking
    if blocking is not None:
        price = _taxed(version, LineKind.BLOCKING, blocking.price)
        maximum = _or_none(version, LineKind.BLOCKING, blocking.maximum)
        blocking = replace(blocking, price=price, maximum=maximum)
    ahead, most = (SOON, 2) if moves(version) else (AHEAD, None)
    return Quote(
        tariff=version.name,
        currency=version.currency,
        energy=tuple(islice(energy_prices(versions, now, now + ahead, zone, series), most)),
        session_fee=_or_none(version, LineKind.SESSION, version.session_fee),
        minimum=_or_none(version, LineKind.MINIMUM, version.minimum),
        maximum=_or_none(version, LineKind.MAXIMUM, version.maximum),
        blocking=blocking,
        free_below_wh=version.free_below_wh,
        has_tax=version.has_tax,
        moves=moves(version),
        sun=_or_none(version, LineKind.ENERGY, version.sun_price),
    )


def moves(version: Tariff) -> Literal["quarter", "month"] | None:
    """Return how often what a kWh costs changes by a series; None if it does not move."""
    found = [window.moving.is_average for window in version.windows if window.moving]
    if not found:
        return None
    return "month" if all(found) else "quarter"


def energy_prices(
    versions: Versions, now: datetime, until: datetime, zone: tzinfo, series: OfSeries
) -> Iterator[PriceAhead]:
    """Yield what a kWh costs now, and what it will cost until a time. Raises NoVersion."""
    last: tuple[Decimal | None, bool] | None = None
    for one in _prices(versions, now, until, zone, series):
        # A change of the window, or of the version, may leave the price as it was.
        if (one.price, one.is_fallback) != last:
            yield one
        last = one.price, one.is_fallback


def quarter_prices(
    versions: Versions, quarters: range, zone: tzinfo, series: OfSeries
) -> list[Decimal | None]:
    """Return what a kWh of a tariff that moves costs in each of some quarters of an hour, tax
    included, by what holds when it begins; None where its series has no price. Raises NoVersion."""
    since, until = (from_seconds(one * SECONDS) for one in (quarters.start, quarters.stop))
    prices = list[Decimal | None]()
    for one in _prices(versions, since, until, zone, series):
        if not one.since.timestamp() % SECONDS:
            prices.append(None if one.is_fallback else one.price)
    return prices


def _prices(
    versions: Versions, since: datetime, until: datetime, zone: tzinfo, series: OfSeries
) -> Iterator[PriceAhead]:
    """Yield what a kWh costs between two times, in each quarter of an hour where any version
    moves."""
    spans = pieces(versions, since, until, zone)
    if any(map(moves, versions)):
        spans = cut_by_quarter(spans)
    first, last = quarter(since), quarter(until)
    known = cache(lambda version, moving: series(version, moving, first, last))
    for span in spans:
        version, window = span.holds
        moving, is_fallback = window.moving, False
        price: Fraction | Decimal | None = window.price
        if moving is not None:
            price = known(version, moving).get(quarter(span.since))
            if price is None and moving.fallback is not None:
                price, is_fallback = moving.fallback, True
        taxed = None if price is None else _taxed(version, LineKind.ENERGY, price)
        yield PriceAhead(span.since, taxed, window.name, is_fallback)


def cheap_stretches(prices: Sequence[Decimal | None]) -> list[list[int]]:
    """Return the places at which the prices of a day are cheap, in runs: nearer to its lowest than
    to its usual one, if that is worth it."""
    known = [price for price in prices if price is not None]
    if not known:
        return []
    usual, lowest = median(known), min(known)
    if usual - lowest < WORTH_IT * abs(usual):
        return []
    dear = (usual + lowest) / 2
    stretches = groupby(enumerate(prices), lambda one: one[1] is not None and one[1] <= dear)
    return [[place for place, _price in some] for is_cheap, some in stretches if is_cheap]


def _taxed(version: Tariff, kind: LineKind, price: Decimal | Fraction) -> Decimal:
    """Return a price of a version with tax."""
    if isinstance(price, Fraction):
        price = Decimal(price.numerator) / price.denominator
    return price if version.are_gross else price * (100 + version.tax_rate(kind)) / 100


def _or_none(version: Tariff, kind: LineKind, price: Decimal | None) -> Decimal | None:
    return None if price is None else _taxed(version, kind, price)
