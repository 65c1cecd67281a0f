"""What operators decided about accounts and what belongs to them. Facts have the numbers of accounts, never names."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class AccountChanged(Fact):
    """An operator, `by`, added, changed, closed or reopened an account, which is open from `since` until `until`.

    `change` may also be forgotten: what was personal of it was deleted.
    """

    account: int
    change: str
    since: str
    until: str | None
    by: str


@record
class OwnershipChanged(Fact):
    """A tag, a space or a vehicle (`what`) belongs to an account from `since` until `until`, or no longer does.

    `change` is given, ended or voided: a voided period was wrong, and further facts say what holds instead. `key` is
    the normal form of a tag, the charger of a space (`connector` 0: all of them), or the number of a vehicle. `vehicle`
    is the one that a tag names.
    """

    ownership: int
    account: int
    change: str
    what: str
    key: str
    connector: int
    vehicle: int | None
    since: str
    until: str | None
    by: str


@record
class TransactionGiven(Fact):
    """An operator gave a transaction to an account by hand, or (`account` null) took it back."""

    transaction: int
    account: int | None
    by: str


@record
class VehicleChanged(Fact):
    """An operator added, changed or removed a vehicle, or had its name forgotten with that of its account."""

    vehicle: int
    change: str
    by: str
