"""How cars may wait for a lower price, as their drivers want: until when, and which hours are low
enough."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final

from levity_trio.billing.months import beginning
from levity_trio.billing.pricing import quarter
from levity_trio.billing.quoting import moves, quarter_prices
from levity_trio.billing.tariff import NoVersion
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.store.billing.booking import rule_of_book
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.quarters import PriceSeries
from levity_trio.store.billing.tariffs import Tariffs
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.ownership import Owners
from levity_trio.wire.times import from_seconds, in_zone, stamp

_OPEN: Final = (
    "SELECT tx.id, tx.cp_id, start_time, most_price, charges_at "
    "FROM tx INDEXED BY tx_open "
    "JOIN load_charger ON load_charger.cp_id = tx.cp_id AND load_charger.state = 'managed' "
    "LEFT JOIN price_wish ON tx_id = tx.id AND ended_at IS NULL "
    "WHERE tx.status = 'Active' ORDER BY tx.id"
)


@record
class LowHours:
    """A stretch of time in which a kWh costs no more than a driver wants."""

    since: str
    until: str


@record
class PriceWait:
    """How the car of an open session may wait for a lower price.

    By the wish of its driver, it waits while a kWh costs more than `most_price`, tax included, and
    charges all the same from `charges_at` on; both are null without a wish. It waits now until
    `waits_until`, or charges because the price `is_unknown`. `hours` are those of today and
    tomorrow that are low enough.
    """

    currency: str
    most_price: str | None
    charges_at: str | None
    waits_until: str | None = None
    is_unknown: bool = False
    hours: tuple[LowHours, ...] = ()


def price_waits(
    db: Database, now: datetime, rule: Rule | None = None, transaction: int | None = None
) -> dict[int, PriceWait]:
    """Return how the cars wait whose drivers want that, by their transactions; or how that of one
    transaction may: where load management limits its charger and its price moves."""
    rows = rows_of(db)
    rule = rule or rule_of_book(rows)
    found = [
        row
        for row in rows(_OPEN, ())
        if (row[3] is not None if transaction is None else row[0] == transaction)
    ]
    if rule is None or not found:
        return {}
    owners = Owners(rows, rule.policy, rule.bill_by).decide([number for number, *_ in found])
    tariffs, series = Tariffs(rows), PriceSeries(rows, rule.zone)
    today = in_zone(now, rule.zone).date()
    known_until = beginning(today + timedelta(days=2), rule.zone)
    quarters = range(quarter(now), quarter(known_until))
    waits: dict[int, PriceWait] = {}
    for number, charger, start, most_price, charges_at in found:
        # The tariff of a session is that of the day on which it began.
        begun = in_zone(datetime.fromisoformat(start), rule.zone).date()
        versions = tariffs.of(owners[number].account, charger, begun)
        if versions is None:
            continue
        with suppress(NoVersion):
            version = versions.version_at(today)
            if moves(version) != "quarter":
                continue
            wait = PriceWait(
                currency=version.currency.code, most_price=most_price, charges_at=charges_at
            )
            if most_price is not None:
                prices = quarter_prices(versions, quarters, rule.zone, series.of)
                wait = _waiting(wait, Decimal(most_price), prices, quarters.start)
            waits[number] = wait
    return waits


def _waiting(
    wait: PriceWait, most: Decimal, prices: Sequence[Decimal | None], first: int
) -> PriceWait:
    """Return when a car waits by the prices from now on, of which the first one is that of a
    quarter of an hour."""
    hours: list[LowHours] = []
    waits_until, at = None, first
    for is_low, some in groupby(prices, lambda price: price if price is None else price <= most):
        until = at + len([*some])
        since_and_until = [stamp(from_seconds(one * SECONDS)) for one in (at, until)]
        if is_low:
            hours.append(LowHours(since=since_and_until[0], until=since_and_until[1]))
        elif is_low is False and at == first:
            waits_until = min(since_and_until[1], wait.charges_at or "")
        at = until
    return replace(wait, waits_until=waits_until, is_unknown=prices[0] is None, hours=tuple(hours))
