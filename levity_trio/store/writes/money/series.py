"""Price series, and the prices that come for them in batches.

A bill may rest on a stored price, so none is rewritten. A source that tells another price than it
did before is not believed: what is stored stays. A person corrects it with a reason, in a new
batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.tariff import MovingPrice
from levity_trio.charging.quarters import SECONDS
from levity_trio.events import PricesBack, PricesMissing
from levity_trio.records import record
from levity_trio.store.billing.quarters import price_again, touched
from levity_trio.store.billing.tariffs import parsed
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.money.tariffs import prices_of
from levity_trio.store.writes.people.accounts import (
    ChangeRefused,
    ChangeResult,
    RefusalCode,
    check_free,
    check_name,
    number_of,
)
from levity_trio.store.writes.people.ownership import Said
from levity_trio.told import Moment, Told, stored
from levity_trio.wire.times import from_seconds, stamp

MONTH_QUARTERS: Final = 33 * 96
"""A month and a day on each side, in any zone."""


@record
class SeriesData:
    """A series as an operator gives it. `prices` is gross or net, `source` where they come from and
    how they are read, in JSON, and `address` that with its secrets, sealed; None: it has none."""

    name: str
    currency: str
    prices: str
    source: str | None = None
    address: str | None = None


class AddedPrices(NamedTuple):
    """What became of the prices of quarters: how many are stored now, how many were so already, and
    those that contradict a stored price, which stays: each with the stored and the told one."""

    added: int
    same: int
    kept: Mapping[int, tuple[Decimal, Decimal]]

    @property
    def words(self) -> Told:
        """Say which prices are contradicted."""
        quarter, both = min(self.kept.items())
        return Told(
            "{1} price is not the stored one, which stays: at {2} it is {3}, not {4}",
            len(self.kept),
            Moment(stamp(from_seconds(quarter * SECONDS))),
            *(f"{price:f}" for price in both),
            many="{1} prices are not the stored ones, which stay: at {2} it is {3}, not {4}",
        )


def set_series(
    db: UnitOfWork, data: SeriesData, said: Said, number: int | None = None
) -> ChangeResult:
    """Add a series, or change the one of this number. Raises ChangeRefused."""
    check_name(data.name)
    check_free(db, "series", data.name, number)
    if data.currency not in CURRENCIES:
        words = Told("{1} is not the code of a currency", data.currency)
        raise ChangeRefused(RefusalCode.INVALID, words, "currency")
    row = (data.name, data.currency, data.prices, data.source, data.address)
    if number is None:
        number = db.insert(
            "INSERT INTO series (name, currency, prices, source, address, changed_at, changed_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (*row, *said[:2]),
        )
        return ChangeResult(number, "added")
    known = "SELECT name, currency, prices, source, address FROM series WHERE id = ?"
    before = db.row(known, (number,))
    if before is None:
        words = Told("there is no price series {1}", number)
        raise ChangeRefused(RefusalCode.NOT_FOUND, words, "series")
    if before == row:
        return ChangeResult(number, "same")
    named = {moving.series.casefold() for moving in _moving(db)}
    if before[0].casefold() != data.name.casefold() and before[0].casefold() in named:
        words = Told("tariffs name {1}; leave it its name", before[0])
        raise ChangeRefused(RefusalCode.CONFLICT, words, "name")
    if before[3:] != row[3:]:
        db.execute("DELETE FROM series_fetch WHERE series_id = ?", (number,))
    if before[1:3] != row[1:3]:
        if db.row("SELECT 1 FROM series_value WHERE series_id = ? LIMIT 1", (number,)):
            words = Told("{1} has prices already; enter another series for others", before[0])
            raise ChangeRefused(RefusalCode.CONFLICT, words, "currency")
        db.execute(
            "UPDATE series SET (currency, prices) = (?, ?) WHERE id = ?", (*row[1:3], number)
        )
    db.execute(
        "UPDATE series SET (name, source, address, changed_at, changed_by) = (?, ?, ?, ?, ?)"
        " WHERE id = ?",
        (data.name, data.source, data.address, *said[:2], number),
    )
    return ChangeResult(number, "changed")


def _moving(db: UnitOfWork) -> Iterator[MovingPrice]:
    """Yield the moving prices of all tariffs."""
    for (text,) in db.rows("SELECT toml FROM tariff_version"):
        yield from (window.moving for window in parsed(text).windows if window.moving)


def add_prices(
    db: UnitOfWork, series: str | int, values: Mapping[int, Decimal], said: Said
) -> AddedPrices:
    """Store prices of a kWh by their quarters, and have what no closed statement has priced by
    them.

    With a reason, they replace stored ones; without, those stay. The series is given by its name or
    number. Raises ChangeRefused.
    """
    number = series if isinstance(series, int) else number_of(db, "series", series)
    first, last = min(values, default=0), max(values, default=0)
    stored = prices_of(db.rows, number, first, last)
    known = {quarter: Decimal(price) for quarter, price in stored.items()}
    others = {
        quarter: (known[quarter], price)
        for quarter, price in values.items()
        if known.get(quarter, price) != price
    }
    kept = {} if said.reason else others
    new = {
        str(quarter): f"{price:f}"
        for quarter, price in values.items()
        if known.get(quarter) != price and quarter not in kept
    }
    if new:
        batch = db.insert(
            "INSERT INTO series_batch (series_id, at, by, reason) VALUES (?, ?, ?, ?) RETURNING id",
            (number, *said),
        )
        db.execute(
            "INSERT INTO series_value (series_id, quarter, batch_id, price)"
            " SELECT ?, CAST(one.key AS INTEGER), ?, one.value FROM json_each(?) AS one",
            (number, batch, json.dumps(new)),
        )
        first, last = min(map(int, new)), max(map(int, new))
        # The mean of a month concerns all its sessions.
        if any(moving.is_average for moving in _moving(db)):
            first, last = first - MONTH_QUARTERS, last + MONTH_QUARTERS
        price_again(db, touched(db.rows, first, last))
    return AddedPrices(len(new), len(values) - len(new) - len(kept), kept)


def keep_fetch(db: UnitOfWork, number: int, failure: str | None, day: date | None, at: str) -> None:
    """Keep what an attempt to fetch a series lacked, and the day whose prices people miss; record
    when that begins and ends."""
    ((name, before, since),) = db.rows(
        "SELECT name, missing, since FROM series LEFT JOIN series_fetch ON series_id = id"
        " WHERE id = ?",
        (number,),
    )
    missing = None if day is None else str(day)
    db.execute(
        "INSERT INTO series_fetch (series_id, tried_at, failure, missing, since)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (series_id) DO UPDATE"
        " SET tried_at = excluded.tried_at, failure = excluded.failure,"
        " missing = excluded.missing, since = excluded.since",
        (number, at, stored(failure), missing, missing and (since or at)),
    )
    if missing and not before:
        fact = PricesMissing(charger=None, at=at, series=name, day=missing, why=failure or "")
        db.record(fact)
    elif before and not missing:
        db.record(PricesBack(charger=None, at=at, series=name))
