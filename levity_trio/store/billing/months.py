"""Which months are closed, and which comes next."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from levity_trio.billing.months import Month
from levity_trio.store.connectors import Rows


class Begun(NamedTuple):
    """Since which local day this system bills, the first month that is not closed, and whether any is closed."""

    on: date
    open_month: Month
    is_closed: bool


def begun(rows: Rows) -> Begun | None:
    """Return since when this system bills; None before `bill begin`."""
    found = rows("SELECT begun_on, (SELECT max(month) FROM closing WHERE account_id IS NULL) FROM billing", ())
    if not found:
        return None
    day, closed = date.fromisoformat(found[0][0]), found[0][1]
    return Begun(day, Month.of(day) if closed is None else Month.parse(closed).next, closed is not None)
