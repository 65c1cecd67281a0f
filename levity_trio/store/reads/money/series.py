"""Price series, and what is known of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, Final

from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.store.billing.quarters import CorrectedPrices
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.pages import ListPage, Shape, WantedPage, by_name, given, read_page
from levity_trio.told import Day, Told
from levity_trio.wire.times import from_seconds, stamp


@record
class SeriesState:
    """A series of prices for a kWh, gross or net. `source` is where they are fetched and how they
    are read; none: people enter them.

    Prices are known `until` a time. `failure` is what the last attempt to fetch them, at
    `tried_at`, lacked. Since `since`, people miss the prices of the local day `missing`.
    """

    id: int
    name: str
    currency: str
    prices: str
    source: Any
    changed_at: str
    changed_by: str
    until: str | None
    tried_at: str | None
    failure: str | None
    missing: str | None
    since: str | None

    @property
    def words(self) -> Told:
        """What people are told while prices are missing."""
        day = Day(date.fromisoformat(str(self.missing)))
        return Told(
            "the prices of {1} for {2} are missing: {3}", self.name, day, self.failure or ""
        )


_SERIES: Final = Shape(
    SeriesState, until="(SELECT max(quarter) FROM series_value AS value WHERE value.series_id = id)"
).with_texts("failure")
_FROM: Final = "FROM series LEFT JOIN series_fetch ON series_fetch.series_id = id"
_PRICES: Final = (
    "SELECT quarter, price FROM series_value AS value WHERE series_id = ?1"
    " AND quarter BETWEEN ?2 AND ?3 AND batch_id = (SELECT max(batch_id) FROM series_value"
    " WHERE series_id = ?1 AND quarter = value.quarter) ORDER BY quarter"
)

_CORRECTIONS: Final = (
    "SELECT at, by, reason FROM series_batch WHERE reason IS NOT NULL AND id IN (SELECT batch_id"
    " FROM series_value WHERE series_id = ? AND quarter BETWEEN ? AND ?) ORDER BY id"
)


def pages(db: Database, name: str | None, wanted: WantedPage) -> ListPage[SeriesState]:
    """Return a page of the series, by their names. Raises NoPage."""
    listing = by_name("series", given(("name = ?", name)))
    return read_page(db, listing, wanted, lambda key: series(db, key[-1])[0])


def series(db: Database, number: int | None = None) -> list[SeriesState]:
    """Return all series that are fetched, or the one of a number."""
    which, values = "source IS NOT NULL", list[int]()
    if number is not None:
        which, values = "id = ?", [number]
    found = list[SeriesState]()
    for one in _SERIES.every(db, f"{_FROM} WHERE {which} ORDER BY id", values):
        # The row has the number of the last quarter.
        end = one.until and stamp(from_seconds((int(one.until) + 1) * SECONDS))
        found.append(replace(one, until=end))
    return found


def sealed_address(db: Database, number: int) -> str | None:
    """Return the sealed address of the source of a series; None if that has no secret."""
    ((address,),) = rows_of(db)("SELECT address FROM series WHERE id = ?", (number,))
    return None if address is None else str(address)


def corrections(db: Database, number: int, first: int, last: int) -> list[CorrectedPrices]:
    """Return who corrected prices of a series from one quarter to another, and why, the oldest
    correction first."""
    found = rows_of(db)(_CORRECTIONS, (number, first, last))
    return [CorrectedPrices(*one) for one in found]


def prices(db: Database, number: int, first: int, last: int) -> dict[int, str]:
    """Return the prices of a series from one quarter to another."""
    return prices_of(rows_of(db), number, first, last)


def prices_of(rows: Rows, number: int, first: int, last: int) -> dict[int, str]:
    """Return the same by the rows of a read or a write."""
    return dict(rows(_PRICES, (number, first, last)))
