"""What must be there before the first bill."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.billing.months import begun
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.shapes import rows_of


@record
class FirstBill:
    """What the first bill needs, and what of it is there.

    `account_without` is the first account that has neither a tag nor a space; `tariff_unassigned` the first tariff, as
    long as none is assigned to anything.
    """

    chargers: int
    has_biller: bool
    has_bank_account: bool
    accounts: int
    accounts_with_tag_or_space: int
    account_without: int | None
    tariffs: int
    tariff_unassigned: int | None
    begun_on: str | None
    is_ready: bool


_BILLER: Final = "SELECT bank_account IS NOT NULL FROM biller ORDER BY id DESC LIMIT 1"
_OWNS: Final = (
    "EXISTS (SELECT 1 FROM ownership INDEXED BY ownership_of_account WHERE account_id = account.id"
    " AND what IN ('tag', 'space') AND voided_at IS NULL)"
)
_ACCOUNTS: Final = (
    f"SELECT count(*), coalesce(sum({_OWNS}), 0), min(id) FILTER (WHERE NOT {_OWNS})"  # noqa: S608 - our own names
    " FROM account"
)
_TARIFFS: Final = (
    "SELECT count(*), min(tariff.id) FROM tariff"
    " WHERE EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = tariff.id AND withdrawn_at IS NULL)"
)
_ASSIGNED: Final = "SELECT 1 FROM tariff_assignment WHERE tariff_id IS NOT NULL LIMIT 1"


def first_bill(db: Database) -> FirstBill:
    """Return what the first bill needs."""
    db.execute("BEGIN")
    rows = rows_of(db)
    biller = rows(_BILLER, ())
    ((chargers,),) = rows("SELECT count(*) FROM cp", ())
    ((accounts, owning, without),) = rows(_ACCOUNTS, ())
    ((tariffs, first),) = rows(_TARIFFS, ())
    is_assigned = bool(rows(_ASSIGNED, ()))
    known = begun(rows)
    return FirstBill(
        chargers=chargers,
        has_biller=bool(biller),
        has_bank_account=bool(biller and biller[0][0]),
        accounts=accounts,
        accounts_with_tag_or_space=owning,
        account_without=without,
        tariffs=tariffs,
        tariff_unassigned=None if is_assigned else first,
        begun_on=None if known is None else known.on.isoformat(),
        is_ready=bool(chargers and biller and owning and tariffs and is_assigned and known is not None),
    )
