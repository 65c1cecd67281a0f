"""What operators decided about statements."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class BillingBegun(Fact):
    """An operator, `by`, said from which local day on this system bills."""

    day: str
    by: str


@record
class MonthClosed(Fact):
    """An operator closed a month (`account` null), or it for one account that moved out.

    `statements` were made, with the numbers from `first` to `last`, null if there are none.
    """

    month: str
    account: int | None
    statements: int
    first: int | None
    last: int | None
    by: str
