"""What a household pays at a charger from now on, tax included, by the tariff that a bill would
take."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal

from levity_trio.billing.money import PRICE_DECIMALS
from levity_trio.billing.months import beginning
from levity_trio.billing.pricing import quarter
from levity_trio.billing.quoting import Quote, cheap_stretches, quarter_prices, quote
from levity_trio.billing.tariff import NoVersion, Versions
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.quarters import PriceSeries
from levity_trio.store.billing.tariffs import Tariffs
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.wire.times import from_seconds, in_zone, stamp

_FINEST: Final = Decimal(1).scaleb(-PRICE_DECIMALS)


@record
class EnergyPrice:
    """What a kWh costs from `since` on, tax included; null: it moves, and is not known yet.
    `window` is what the tariff calls this time. A fallback counts where no price comes in time."""

    since: str
    price: str | None
    window: str | None
    is_fallback: bool


@record
class BlockingPrice:
    """What a begun minute of staying after charging costs, after `grace_minutes`; `maximum` is for
    one session.

    The minutes are counted until the stop, or (`is_until_free`) until the cable is out.
    """

    price: str
    grace_minutes: int
    maximum: str | None
    is_until_free: bool


@record
class DriversPrice:
    """What a session that starts now costs. Prices are in units of `currency`, tax included.

    `price` is that of a kWh now, `next` are those that follow within a day. `moves` is whether it
    follows a price series: by the quarter (then `next` has only one), or as the mean of a month,
    which is known when that is over; until then `price` is null, or the fallback. `sun` is that of
    a kWh of the house's own sun. Of the others, null is none. Without `has_tax` there is none to
    include.
    """

    tariff: str
    currency: str
    price: str | None
    window: str | None
    is_fallback: bool
    moves: Literal["quarter", "month"] | None
    sun: str | None
    next: tuple[EnergyPrice, ...]
    session_fee: str | None
    minimum: str | None
    maximum: str | None
    blocking: BlockingPrice | None
    free_below_wh: int
    has_tax: bool


@record
class CheapHours:
    """A stretch of time in which a kWh is cheap."""

    since: str
    until: str


@record
class PricesOfDay:
    """What a kWh costs on a local day, tax included: a price for each quarter of an hour from
    `since` on, null where it is not known yet. `cheap` are its cheap hours."""

    day: date
    since: str
    prices: tuple[str | None, ...]
    cheap: tuple[CheapHours, ...]


@record
class PricesAhead:
    """What a kWh of a session costs that starts now, today and tomorrow."""

    tariff: str
    currency: str
    days: tuple[PricesOfDay, ...]


class Prices:
    """Prices for an account, within one read; what was looked up is kept. An account that is None
    is nobody's."""

    def __init__(self, rows: Rows, rule: Rule, account: int | None, now: datetime) -> None:
        self._tariffs, self._series = Tariffs(rows), PriceSeries(rows, rule.zone)
        self._rule, self._account, self._now = rule, account, now
        self._known: dict[Versions, DriversPrice | None] = {}

    def at(self, charger: str) -> DriversPrice | None:
        """Return what a session costs that starts at a charger now; None without a tariff that
        holds."""
        return self.by(
            self._tariffs.of(self._account, charger, in_zone(self._now, self._rule.zone).date())
        )

    def begun(self, charger: str, at: str) -> DriversPrice | None:
        """Return what a session that began at a charger then costs now: its tariff is that of the
        day of its start."""
        day = in_zone(datetime.fromisoformat(at), self._rule.zone).date()
        return self.by(self._tariffs.of(self._account, charger, day))

    def by(self, versions: Versions | None) -> DriversPrice | None:
        """Return what a tariff says now."""
        if versions is None:
            return None
        if versions not in self._known:
            self._known[versions] = None
            with suppress(NoVersion):
                quoted = quote(versions, self._now, self._rule.zone, self._series.of)
                self._known[versions] = _shown(quoted)
        return self._known[versions]

    def ahead(self, charger: str) -> PricesAhead | None:
        """Return what a kWh costs today and tomorrow, in a session that starts at a charger now;
        None unless that moves by the quarter."""
        zone = self._rule.zone
        today = in_zone(self._now, zone).date()
        versions = self._tariffs.of(self._account, charger, today)
        quoted = self.by(versions)
        if versions is None or quoted is None or quoted.moves != "quarter":
            return None
        days: list[PricesOfDay] = []
        for day in (today, today + timedelta(days=1)):
            first = quarter(beginning(day, zone))
            quarters = range(first, quarter(beginning(day + timedelta(days=1), zone)))
            prices = quarter_prices(versions, quarters, zone, self._series.of)
            cheap = tuple(
                CheapHours(since=_begin(first + some[0]), until=_begin(first + some[-1] + 1))
                for some in cheap_stretches(prices)
            )
            texts = tuple(map(_or_none, prices))
            days.append(PricesOfDay(day=day, since=_begin(first), prices=texts, cheap=cheap))
        return PricesAhead(tariff=quoted.tariff, currency=quoted.currency, days=tuple(days))


def prices_ahead(
    db: Database, rule: Rule, account: int | None, charger: str, now: datetime
) -> PricesAhead | None:
    """Return what a kWh costs an account at a charger today and tomorrow; None unless that moves by
    the quarter."""
    return Prices(rows_of(db), rule, account, now).ahead(charger)


def _begin(one: int) -> str:
    return stamp(from_seconds(one * SECONDS))


def _shown(quoted: Quote) -> DriversPrice:
    energy = [
        EnergyPrice(since=stamp(at), price=_or_none(price), window=window, is_fallback=is_fallback)
        for at, price, window, is_fallback in quoted.energy
    ]
    terms, blocking = quoted.blocking, None
    if terms is not None:
        blocking = BlockingPrice(
            price=_text(terms.price),
            grace_minutes=terms.grace_minutes,
            maximum=_or_none(terms.maximum),
            is_until_free=terms.is_until_available,
        )
    return DriversPrice(
        tariff=quoted.tariff,
        currency=quoted.currency.code,
        price=energy[0].price,
        window=energy[0].window,
        is_fallback=energy[0].is_fallback,
        moves=quoted.moves,
        sun=_or_none(quoted.sun),
        next=tuple(energy[1:]),
        session_fee=_or_none(quoted.session_fee),
        minimum=_or_none(quoted.minimum),
        maximum=_or_none(quoted.maximum),
        blocking=blocking,
        free_below_wh=quoted.free_below_wh,
        has_tax=quoted.has_tax,
    )


def _text(price: Decimal) -> str:
    """Return a price with at most as many decimals as tariffs may have, without zeros at its
    end."""
    return f"{price.quantize(_FINEST, ROUND_HALF_UP).normalize():f}"


def _or_none(price: Decimal | None) -> str | None:
    return None if price is None else _text(price)
