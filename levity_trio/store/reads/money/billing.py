"""What the pages of billing begin with: who bills, which months are closed, and what the first bill
needs."""

from __future__ import annotations

from typing import Final

from levity_trio.nouns import Biller
from levity_trio.records import noun, record
from levity_trio.store.billing.months import begun
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.pages import Shape


@record
class Closing:
    """A closed month, or (`account` given) one that was closed for an account that moved out."""

    month: str
    account: int | None
    statements: int
    digest: str
    closed_at: str
    closed_by: str


@record
class Billing:
    """Since which local day this system bills, the month to close next, the number of the next
    statement, and the closings, the newest first."""

    begun_on: str
    open_month: str
    next_number: int
    closings: tuple[Closing, ...]


@record
class DraftSums:
    """What a month would come to, in minor units of the currency.

    `from_wallets` is what of `charged` the wallets of prepaid accounts pay; no statement asks for
    it. `nobody` is how many charging sessions are nobody's; the preview of one account says nothing
    of them. Of `energy_wh`, which is what its statements ask for, `earlier_wh` ended in earlier
    months.
    """

    statements: int
    sessions: int
    energy_wh: int
    earlier_wh: int
    charged: int
    from_wallets: int
    carried_in: int
    to_pay: int
    corrections: int
    held_back: int
    held_back_wh: int
    unpriced: int
    unpriced_wh: int
    nobody: int
    nobody_wh: int
    currency: str | None


_CLOSING: Final = Shape(Closing, account="account_id")
MOST: Final = 240
"""Closings that are shown: twenty years."""


def billing(db: Database) -> Billing | None:
    """Return how far billing is; None before it began."""
    rows = rows_of(db)
    known = begun(rows)
    if known is None:
        return None
    ((next_number,),) = rows("SELECT next_number FROM billing", ())
    closings = _CLOSING.every(db, "FROM closing ORDER BY id DESC LIMIT ?", (MOST,))
    return Billing(
        begun_on=known.on.isoformat(),
        open_month=str(known.open_month),
        next_number=next_number,
        closings=tuple(closings),
    )


@noun
class BillerRow(Biller):
    """Who bills, as it stands on statements from now on. `logo_bytes` is the size of the logo, null
    without one."""

    logo_bytes: int | None
    has_template: bool
    set_at: str
    set_by: str


_BILLER: Final = Shape(BillerRow, logo_bytes="length(logo)", has_template="template IS NOT NULL")


def biller(db: Database) -> BillerRow | None:
    """Return who bills now; None until somebody said it."""
    return _BILLER.one(db, "FROM biller ORDER BY id DESC LIMIT 1")


@record
class FirstBill:
    """What the first bill needs, and what of it is there.

    `account_without` is the first account that has neither a tag nor a space; `tariff_unassigned`
    the first tariff, as long as none is assigned to anything.
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


_HAS_BANK_ACCOUNT: Final = "SELECT bank_account IS NOT NULL FROM biller ORDER BY id DESC LIMIT 1"
_OWNS: Final = (
    "EXISTS (SELECT 1 FROM ownership INDEXED BY ownership_of_account WHERE account_id = account.id"
    " AND what IN ('tag', 'space') AND voided_at IS NULL)"
)
_ACCOUNTS: Final = (
    f"SELECT count(*), coalesce(sum({_OWNS}), 0), min(id) FILTER (WHERE NOT {_OWNS})"  # noqa: S608 - our own names
    " FROM account WHERE undone_at IS NULL"
)
_TARIFFS: Final = (
    "SELECT count(*), min(tariff.id) FROM tariff "
    "WHERE EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = tariff.id "
    "AND withdrawn_at IS NULL)"
)
_ASSIGNED: Final = "SELECT 1 FROM tariff_assignment WHERE tariff_id IS NOT NULL LIMIT 1"


def first_bill(db: Database) -> FirstBill:
    """Return what the first bill needs."""
    rows = rows_of(db)
    biller = rows(_HAS_BANK_ACCOUNT, ())
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
        is_ready=bool(
            chargers and biller and owning and tariffs and is_assigned and known is not None
        ),
    )
