"""What operators decided about tariffs. Facts have numbers, never names."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class TariffChanged(Fact):
    """An operator, `by`, added or withdrew (`change`) a version of a tariff that holds from the local day `since`."""

    tariff: int
    version: int
    change: str
    since: str
    by: str


@record
class TariffAssigned(Fact):
    """From the local day `since` a tariff, or (`tariff` null) none, holds for an account, a charger or the site.

    `scope` says which of these, `key` is the number of the account, the charger, or empty.
    """

    assignment: int
    scope: str
    key: str
    tariff: int | None
    since: str
    by: str
