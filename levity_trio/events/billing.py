"""What operators decided about statements."""

from __future__ import annotations

from dataclasses import dataclass

from levity_trio.events.fact import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingBegun(Fact):
    """An operator, `by`, said from which local day on this system bills."""

    day: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
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
