"""The months that are closed, the one that comes next, and why one is not closed."""

from __future__ import annotations

from datetime import date, tzinfo
from enum import StrEnum
from typing import NamedTuple

from levity_trio.billing.months import Month, beginning
from levity_trio.store.engine.database import Rows
from levity_trio.wire.times import stamp


class Code(StrEnum):
    """Why a month is not closed."""

    NOT_BEGUN = "not_begun"
    CONFLICT = "conflict"
    NOT_OVER = "not_over"
    CHANGED = "changed"
    """Something changed while it was computed, or since it was shown."""
    NO_TARIFF = "no_tariff"
    NO_BILLER = "no_biller"
    TAX_UNWANTED = "tax_unwanted"


class Refused(Exception):
    """Nothing was closed."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Begun(NamedTuple):
    """Since which local day this system bills, the first month that is not closed, and whether any
    is closed."""

    on: date
    open_month: Month
    is_closed: bool


def begun(rows: Rows) -> Begun | None:
    """Return since when this system bills; None before `bill begin`."""
    begun_on = rows(
        "SELECT begun_on, (SELECT max(month) FROM closing WHERE account_id IS NULL) FROM billing",
        (),
    )
    if not begun_on:
        return None
    day, closed = date.fromisoformat(begun_on[0][0]), begun_on[0][1]
    return Begun(
        day, Month.of(day) if closed is None else Month.parse(closed).next, closed is not None
    )


def bills_since(rows: Rows, zone: tzinfo) -> str:
    """Return since when this system bills, in the database's format: what ended before is billed
    elsewhere.

    Before `bill begin` it is before all times.
    """
    known = begun(rows)
    return "" if known is None else stamp(beginning(known.on, zone))
