"""What a household pays at a charger from now on, tax included, by the tariff that a bill would
take."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from levity_trio.billing.money import PRICE_DECIMALS
from levity_trio.billing.quoting import Quote, quote
from levity_trio.billing.tariff import NoVersion, Versions
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.tariffs import Tariffs
from levity_trio.store.engine.database import Rows
from levity_trio.wire.times import in_zone, stamp

_FINEST: Final = Decimal(1).scaleb(-PRICE_DECIMALS)


@record
class EnergyPrice:
    """What a kWh costs from `since` on, tax included. `window` is what the tariff calls this
    time."""

    since: str
    price: str
    window: str | None


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

    `price` is that of a kWh now, `next` are those that follow within a day. Of the others, null is
    none. Without `has_tax` there is none to include.
    """

    tariff: str
    currency: str
    price: str
    window: str | None
    next: tuple[EnergyPrice, ...]
    session_fee: str | None
    minimum: str | None
    maximum: str | None
    blocking: BlockingPrice | None
    free_below_wh: int
    has_tax: bool


class Prices:
    """Prices for an account, within one read; what was looked up is kept. An account that is None
    is nobody's."""

    def __init__(self, rows: Rows, rule: Rule, account: int | None, now: datetime) -> None:
        self._tariffs = Tariffs(rows)
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
                self._known[versions] = _shown(quote(versions, self._now, self._rule.zone))
        return self._known[versions]


def _shown(quoted: Quote) -> DriversPrice:
    energy = [
        EnergyPrice(since=stamp(at), price=_text(price), window=window)
        for at, price, window in quoted.energy
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
